/**
 * What the parts of a deployment share: what they know of a repository, a git bound to one directory
 * and one deadline, and the way in which a step says that it can't go on.
 *
 * @module
 */

import type { FailureKind } from "../delivery.ts";
import { type Git, GitError, type GitResult } from "../git.ts";
import { tail } from "../output.ts";
import type { AbsolutePath, BranchName, RemoteUrl, RepositoryName, Sha } from "../values.ts";
import type { Transport } from "./transport.ts";

/** How new commits reach the files: see the configuration's `strategy`. */
export type StrategyName = "pull" | "reset" | "release";

/** What a deployment needs to know of a repository. */
export interface Target {
  readonly name: RepositoryName;
  readonly path: AbsolutePath;
  readonly remote?: RemoteUrl;
  readonly branch?: BranchName;
  /** A glob of tags that are followed instead of a branch. */
  readonly tags?: string;
  readonly strategy: StrategyName;
  /** For one deployment, in milliseconds. */
  readonly timeout: number;
  /** Releases kept. */
  readonly keep: number;
  /** Entries of a release that are linked from `shared/`; those that end in `/` are directories. */
  readonly shared: readonly string[];
  readonly submodules: boolean | "recursive";
  /** Commits of history; undefined for all of it. */
  readonly depth?: number;
  readonly transport: Transport;
  /** Where executables `pre-deploy` and `post-deploy` may be. */
  readonly hooks?: AbsolutePath;
  /** Files whose time is set after a deployment. */
  readonly touch: readonly AbsolutePath[];
}

/** The repository that holds the refs: the checkout, or the bare one below the releases. */
export function repositoryPath(
  { path, strategy }: Pick<Target, "path" | "strategy">,
): AbsolutePath {
  return strategy === "release" ? `${path}/repository.git` as AbsolutePath : path;
}

/** Where a repository stands. */
export interface Position {
  /** The branch or tag that is followed, for people. */
  readonly branch: string;
  /** What the remote holds. */
  readonly tip: Sha;
  /** What readers see now; undefined where nothing was deployed yet. */
  readonly live?: Sha;
  /** What counts as deployed; undefined where this repository is new to us. */
  readonly deployed?: Sha;
  /** What the remote held when a checkout that existed before was found. */
  readonly found?: Sha;
  readonly held: boolean;
}

/** From one commit to another. */
export interface Change {
  readonly old?: Sha;
  readonly new: Sha;
  readonly branch: string;
}

/** A part of a deployment, done in order. */
export interface Step {
  readonly name: StepName;
  /** Does it; a note says why the outcome is another than asked for. */
  readonly run: () => Promise<StepNote | void>;
}

/** What a step has to tell: the commit that is live, where it is not the one asked for. */
export interface StepNote {
  readonly live: Sha;
  readonly reason: string;
}

/** The steps by name, as the journal and people know them. */
export type StepName =
  | "open"
  | "fetch"
  | "build"
  | "share"
  | "pre-deploy"
  | "update"
  | "contents"
  | "swap"
  | "post-deploy"
  | "touch"
  | "record";

/** A step that can't go on, in words for the person who reads about it. */
export class StepError extends Error {
  override readonly name = "StepError";
  constructor(readonly kind: FailureKind, message: string, readonly hint?: string) {
    super(message);
  }
}

/** How much of the output a deployment keeps, in lines and in UTF-16 units: of each end. */
const TRANSCRIPT = { lines: 100, characters: 16_384 } as const;

/** What is said during a deployment; its first and last part are kept. */
export class Transcript {
  #head = "";
  #tail = "";
  #dropped = false;

  /** Notes what was said. */
  note(...texts: readonly string[]): void {
    for (const text of texts) {
      if (text.trim() !== "") this.#push(`${text.trimEnd()}\n`);
    }
  }

  #push(text: string): void {
    const room = TRANSCRIPT.characters - this.#head.length;
    if (this.#tail === "" && text.length <= room) {
      this.#head += text;
      return;
    }
    const whole = this.#tail + text;
    this.#tail = `${tail(whole, TRANSCRIPT.lines, TRANSCRIPT.characters)}\n`;
    this.#dropped ||= this.#tail.length < whole.length;
  }

  /** Everything that was kept. */
  toString(): string {
    return `${this.#head}${this.#dropped ? "…\n" : ""}${this.#tail}`.trim();
  }
}

/** Git in one directory, until one deadline; it notes what git says. */
export class CheckoutGit {
  readonly #git: Git;

  constructor(
    git: Git,
    readonly path: AbsolutePath,
    readonly signal: AbortSignal,
    readonly transcript: Transcript,
  ) {
    this.#git = git;
  }

  /** The same for another directory. */
  at(path: AbsolutePath): CheckoutGit {
    return new CheckoutGit(this.#git, path, this.signal, this.transcript);
  }

  /** Runs git and notes its output; an exit code other than 0 is an error. */
  run(...args: readonly string[]): Promise<GitResult> {
    return this.#noted(args, {});
  }

  /** Runs git with variables of its own. */
  runWith(env: Readonly<Record<string, string>>, args: readonly string[]): Promise<GitResult> {
    return this.#noted(args, { env });
  }

  async #noted(
    args: readonly string[],
    options: { env?: Readonly<Record<string, string>> },
  ): Promise<GitResult> {
    try {
      const result = await this.#git.run(args, {
        cwd: this.path,
        signal: this.signal,
        ...options,
      });
      this.transcript.note(result.stderr, result.stdout);
      return result;
    } catch (error) {
      if (error instanceof GitError) this.transcript.note(error.result.stdout, error.result.stderr);
      throw error;
    }
  }

  /** Runs git with an input; its output is not noted. */
  feed(stdin: string, ...args: readonly string[]): Promise<GitResult> {
    return this.#git.run(args, { cwd: this.path, signal: this.signal, stdin, data: true });
  }

  /** Runs git for an answer: its output is data and not noted. */
  query(...args: readonly string[]): Promise<GitResult> {
    return this.queryWith({}, args);
  }

  /** The same with variables of its own. */
  queryWith(
    env: Readonly<Record<string, string>>,
    args: readonly string[],
  ): Promise<GitResult> {
    return this.#git.run(args, { cwd: this.path, signal: this.signal, data: true, env });
  }

  /** Runs git for an answer that may be no: its exit code is the caller's. */
  ask(...args: readonly string[]): Promise<GitResult> {
    return this.askWith({}, args);
  }

  /** The same with variables of its own. */
  askWith(
    env: Readonly<Record<string, string>>,
    args: readonly string[],
  ): Promise<GitResult> {
    return this.#git.try(args, { cwd: this.path, signal: this.signal, data: true, env });
  }

  /** Runs a hook in this directory and notes what it says. */
  async hook(file: AbsolutePath, env: Readonly<Record<string, string>>): Promise<GitResult> {
    const result = await this.#git.runHook(file, this.path, env, this.signal);
    this.transcript.note(result.stdout, result.stderr);
    return result;
  }
}
