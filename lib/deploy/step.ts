/**
 * What the steps of a deployment share: a git bound to one checkout and one deadline, and the way
 * in which a step says that it can't go on.
 *
 * @module
 */

import type { Git, GitResult } from "../git.ts";
import { tail } from "../output.ts";
import type { AbsolutePath, BranchName, RemoteUrl, RepositoryName, Sha } from "../values.ts";

/** How new commits reach the files: see the configuration's `strategy`. */
export type StrategyName = "pull" | "reset";

/** What a deployment needs to know of a repository. */
export interface Target {
  readonly name: RepositoryName;
  readonly path: AbsolutePath;
  readonly remote?: RemoteUrl;
  readonly branch?: BranchName;
  readonly strategy: StrategyName;
  /** For one deployment, in milliseconds. */
  readonly timeout: number;
}

/** Where a checkout stands once the remote has been asked. */
export interface Position {
  readonly branch: BranchName;
  /** The remote-tracking ref that was fetched. */
  readonly upstream: string;
  /** What the remote holds. */
  readonly tip: Sha;
  /** What is checked out; undefined in a new clone. */
  readonly head?: Sha;
  /** Whether HEAD is on `branch`. */
  readonly onBranch: boolean;
  /** Whether `branch` exists locally. */
  readonly branchExists: boolean;
  /** The directory was empty when the clone began, so that every file in it is ours. */
  readonly cloning: boolean;
}

/** Brings the files from `head` to `tip`, or refuses before it changes anything. */
export type Advance = (git: CheckoutGit, position: Position) => Promise<Advanced>;

/** What became of it. */
export interface Advanced {
  readonly commit: Sha;
  /** Why it is not the remote's, where it is not. */
  readonly reason?: string;
}

/** A step that can't go on, in words for the person who reads about it. */
export class StepError extends Error {
  override readonly name = "StepError";
  constructor(message: string, readonly hint?: string) {
    super(message);
  }
}

/** How much of git's output a deployment keeps, in lines and in UTF-16 units. */
const TRANSCRIPT = { lines: 60, characters: 16_384 } as const;

/** Git in one checkout, until one deadline; it writes down what git says. */
export class CheckoutGit {
  readonly #git: Git;
  readonly #signal: AbortSignal;
  #transcript = "";

  constructor(git: Git, readonly path: AbsolutePath, signal: AbortSignal) {
    this.#git = git;
    this.#signal = signal;
  }

  /** Runs git and notes its output; an exit code other than 0 is an error. */
  async run(...args: string[]): Promise<GitResult> {
    const result = await this.#git.run(args, { cwd: this.path, signal: this.#signal });
    this.#note(result.stderr, result.stdout);
    return result;
  }

  /** Runs git for an answer: its output is data and not noted, its exit code is the caller's. */
  ask(...args: string[]): Promise<GitResult> {
    return this.#git.try(args, { cwd: this.path, signal: this.#signal });
  }

  #note(...texts: string[]): void {
    for (const text of texts) {
      if (text.trim() !== "") this.#transcript += `${text.trimEnd()}\n`;
    }
    this.#transcript = tail(this.#transcript, TRANSCRIPT.lines, TRANSCRIPT.characters) + "\n";
  }

  /** What git said so far. */
  get transcript(): string {
    return this.#transcript.trim();
  }
}
