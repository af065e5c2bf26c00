/**
 * Deployment into a checkout: clone it where it is missing, fetch what is followed, and let the
 * strategy bring the files to what the remote holds.
 *
 * @module
 */

import { checkedOutBranch, checkedOutCommit, gitDirectory, GitError } from "../git.ts";
import { lstatOrUndefined } from "../files.ts";
import { type BranchName, branchName, type RemoteUrl, type Sha, sha } from "../values.ts";
import { type Followed, marksOf, readRefs, type Refs, Remote, tipOf, upstreamOf } from "./fetch.ts";
import { maintain, revertUpdate } from "./heal.ts";
import { type HookFacts, hookStep, touchStep } from "./hooks.ts";
import { checkLfs, fillLfs, usesLfs } from "./lfs.ts";
import { type JournalEntry, type Mark, PREVIOUS } from "./marks.ts";
import { fastForward } from "./pull.ts";
import { hardReset } from "./reset.ts";
import type { Site } from "./site.ts";
import {
  type Change,
  type CheckoutGit,
  type Position,
  type Step,
  StepError,
  type StepNote,
  type Target,
} from "./step.ts";
import { updateSubmodules } from "./submodules.ts";

/** What the strategies in place need to know of a checkout. */
export interface Checkout {
  readonly followed: Followed;
  /** The branch that is followed; where tags are, it is not used. */
  readonly branch: BranchName;
  readonly upstream: string;
  /** What is checked out; undefined in a new clone. */
  readonly head?: Sha;
  /** Whether HEAD is on `branch`. */
  readonly onBranch: boolean;
  /** Whether `branch` exists locally. */
  readonly branchExists: boolean;
  /** A clone whose checkout began in an empty directory, so that every file in it is ours. */
  readonly cloning: boolean;
}

/** Brings the files to `tip`, or refuses before it changes anything. */
export type Advance = (git: CheckoutGit, checkout: Checkout, tip: Sha) => Promise<StepNote | void>;

/**
 * Marks, in the new repository's own configuration, a clone that is not complete. A clone is a
 * fetch into an empty repository, so one that was interrupted goes on with the next deployment.
 */
const CLONING = "hook.cloning";
const CLONING_MARK = /^\[hook\]\s+cloning = (fetch|checkout)$/m;

/**
 * How far a clone got. At `fetch`, files in the directory are somebody else's; at `checkout`, which
 * begins in an empty directory, they are what git had written when it was killed.
 */
type CloneStage = "fetch" | "checkout" | undefined;

const ORIGIN = /^\[remote "origin"\]$/m;

/** The checkout of a repository whose strategy is `pull` or `reset`. */
export class InPlace implements Site {
  readonly #target: Target;
  readonly #advance: Advance;
  readonly #remote: Remote;
  #checkout: Checkout | undefined;
  #usesLfs: boolean | undefined;
  #seenTags: readonly Mark[] = [];

  constructor(readonly git: CheckoutGit, target: Target) {
    this.#target = target;
    this.#advance = target.strategy === "reset" ? hardReset : fastForward;
    this.#remote = new Remote(git, target);
  }

  async exists(): Promise<boolean> {
    return !await isToBeCloned(this.#target);
  }

  async directory(): Promise<string> {
    return await gitDirectory(this.git.path) ?? `${this.git.path}/.git`;
  }

  async open(): Promise<void> {
    if (await isToBeCloned(this.#target)) return await this.#beginClone();
    const { remote } = this.#target;
    if (remote !== undefined) await this.#follow(remote);
  }

  async #beginClone(): Promise<void> {
    const { path, remote } = this.#target;
    if (remote === undefined) {
      throw new StepError(
        "configuration",
        `"${path}" is ${await lstatOrUndefined(path) ? "empty" : "missing"} and no "remote" is set`,
        `set "remote" to clone it, or clone it by hand: git clone URL ${path}`,
      );
    }
    await Deno.mkdir(path, { recursive: true });
    const branch = this.#target.tags === undefined
      ? this.#target.branch ?? await this.#remote.head(remote)
      : "HEAD";
    await this.git.run("init", "--quiet", `--initial-branch=${branch}`);
    // A repository that was begun before keeps its own choice.
    await this.git.run("symbolic-ref", "HEAD", `refs/heads/${branch}`);
    await this.git.run("config", "--local", CLONING, "fetch");
    // The last step, because a repository with a remote is no longer taken for an empty one.
    await this.git.run("remote", "add", "--", "origin", remote);
  }

  async #cloneStage(): Promise<CloneStage> {
    return CLONING_MARK.exec(await readConfig(this.git.path))?.[1] as CloneStage;
  }

  /**
   * Makes `origin` what the configuration says, once it has proved to be the same history. A clone
   * that is not complete has none to compare; its remote may have been wrong at first.
   */
  async #follow(remote: RemoteUrl): Promise<void> {
    const current = await this.#remote.url();
    if (current === remote) return;
    if (current === undefined) {
      await this.git.run("remote", "add", "--", "origin", remote);
      return;
    }
    if (await this.#cloneStage() === undefined) {
      const what = this.#target.tags === undefined
        ? `refs/heads/${this.#target.branch ?? await currentBranch(this.git)}`
        : "HEAD";
      await this.#remote.run("fetch", "--no-auto-maintenance", "--", remote, what);
      await refuseUnrelated(this.git, "HEAD", "FETCH_HEAD");
    }
    await this.git.run("remote", "set-url", "--", "origin", remote);
  }

  async peek(): Promise<string> {
    return await this.#remote.peek(await this.#followed());
  }

  live(): Promise<Sha | undefined> {
    return checkedOutCommit(this.git.path);
  }

  async fetch(): Promise<Position> {
    const stage = await this.#cloneStage();
    const followed = await this.#followed();
    const { depth, strategy } = this.#target;
    // A shallow fetch cuts the history that a fast-forward needs.
    await this.#remote.fetch(followed, strategy === "reset" || stage ? depth : undefined);
    const refs = await readRefs(this.git, followed);
    this.#checkout = await this.#look(followed, refs, stage);
    const { tip, label, seen } = tipOf(followed, refs);
    this.#seenTags = seen;
    const { head } = this.#checkout;
    // It was killed after its checkout, and before it could say so.
    if (stage !== undefined && head !== undefined) await this.#endClone();
    return {
      ...marksOf(refs),
      branch: label,
      tip,
      ...head !== undefined && { live: head },
    };
  }

  async #followed(): Promise<Followed> {
    const { tags, branch } = this.#target;
    return tags === undefined ? { branch: branch ?? await currentBranch(this.git) } : { tags };
  }

  async #look(followed: Followed, refs: Refs, stage: CloneStage): Promise<Checkout> {
    const branch = "branch" in followed ? followed.branch : "HEAD" as BranchName;
    const local = `refs/heads/${branch}`;
    const onBranch = refs.checkedOut === local;
    const head = onBranch ? refs.commits.get(local) : await headCommit(this.git);
    return {
      followed,
      branch,
      upstream: upstreamOf(branch),
      ...head !== undefined && { head },
      onBranch,
      branchExists: refs.commits.has(local),
      cloning: head === undefined && await this.#beginCheckout(stage),
    };
  }

  /** Whether the files of a clone, if there are any, are its own; notes that from now on they are. */
  async #beginCheckout(stage: CloneStage): Promise<boolean> {
    if (stage !== "fetch") return stage === "checkout";
    if (!await hasNoFiles(this.git.path)) return false;
    await this.git.run("config", "--local", CLONING, "checkout");
    return true;
  }

  async local(): Promise<{ position: Omit<Position, "tip">; refs: Refs }> {
    const branch = this.#target.branch ?? await checkedOutBranch(this.git.path);
    const refs = await readRefs(this.git, branch === undefined ? undefined : { branch });
    const followed: Followed = branch === undefined
      ? { tags: this.#target.tags ?? "*" }
      : { branch };
    this.#checkout = await this.#look(followed, refs, undefined);
    const { head } = this.#checkout;
    const label = this.#target.tags ?? branch ?? "HEAD";
    return {
      position: { ...marksOf(refs), branch: label, ...head !== undefined && { live: head } },
      refs,
    };
  }

  async recover({ step, old, new: halfway }: JournalEntry): Promise<void> {
    if (step !== "update" || old === undefined || halfway === undefined) return;
    // Once HEAD has moved, the update was complete.
    if (await headCommit(this.git) !== old) return;
    await revertUpdate(this.git, await this.directory(), old, halfway);
  }

  deploySteps(change: Change, facts: HookFacts): Promise<Step[]> {
    return Promise.resolve([
      ...hookStep(this.git, this.#target, "pre-deploy", facts),
      { name: "update", run: () => this.#update(change.new) },
      ...this.contentSteps(false),
      ...hookStep(this.git, this.#target, "post-deploy", facts),
      ...touchStep(this.#target),
    ]);
  }

  async #update(tip: Sha): Promise<StepNote | void> {
    const checkout = this.#checkout!;
    if (checkout.head === tip && checkout.onBranch) return;
    this.#usesLfs = await checkLfs(this.git, tip);
    const note = await this.#advance(this.git, checkout, tip);
    if (checkout.head === undefined) await this.#endClone();
    return note;
  }

  async #endClone(): Promise<void> {
    await this.git.ask("config", "--local", "--unset-all", CLONING);
  }

  contentSteps(offline: boolean): Step[] {
    return [{
      name: "contents",
      run: async () => {
        await updateSubmodules(this.git, this.#remote, this.#target);
        if (this.#usesLfs ?? await usesLfs(this.git, "HEAD")) {
          await fillLfs(this.git, this.#remote, offline);
        }
      },
    }];
  }

  rollbackSteps(change: Change): Step[] {
    const back = async () => {
      const { onBranch, branch } = this.#checkout!;
      if (this.#target.tags === undefined && !onBranch) {
        throw new StepError(
          "conflict",
          `the checkout is not on "${branch}", so another branch would be moved`,
          `git -C ${this.git.path} switch ${branch}`,
        );
      }
      await goBack(this.git, change.new);
    };
    return [{ name: "update", run: back }, ...this.contentSteps(true)];
  }

  earlier({ live }: Omit<Position, "tip">, { commits }: Refs): Promise<Sha | undefined> {
    const previous = commits.get(PREVIOUS);
    return Promise.resolve(previous === live ? undefined : previous);
  }

  marks(): readonly Mark[] {
    return this.#seenTags;
  }

  /** Nothing was built aside. */
  discard(): Promise<void> {
    return Promise.resolve();
  }

  async tidy(): Promise<void> {
    // A merge has done it already.
    if (this.#target.strategy === "reset") await maintain(this.git);
  }
}

/** What `git reset --keep` says where something uncommitted is in the way. */
const NOT_KEPT = /^error: (?:Entry|Untracked working tree file) '(.+)' (?:not uptodate|would be)/m;

/** Resets to an earlier commit, or refuses where that would lose local changes. */
async function goBack(git: CheckoutGit, commit: Sha): Promise<void> {
  try {
    await git.run("reset", "--keep", commit);
  } catch (error) {
    const path = error instanceof GitError ? NOT_KEPT.exec(error.result.stderr)?.[1] : undefined;
    if (path === undefined) throw error;
    throw new StepError(
      "conflict",
      `local changes to "${path}" are in the way`,
      `commit or undo them: git -C ${git.path} status`,
    );
  }
}

/** Whether there is nothing at the path yet, or no more than an empty repository. */
export async function isToBeCloned({ path }: Pick<Target, "path">): Promise<boolean> {
  const found = await lstatOrUndefined(path);
  if (found === undefined) return true;
  if (!(await Deno.stat(path)).isDirectory) {
    throw new StepError("configuration", `"${path}" is not a directory`);
  }
  if (await hasNoFiles(path)) return !ORIGIN.test(await readConfig(path));
  if (await lstatOrUndefined(`${path}/.git`) !== undefined) return false;
  throw new StepError(
    "configuration",
    `"${path}" is neither a git checkout nor empty`,
    "clone the repository there, or name an empty directory",
  );
}

/** Whether a directory is empty, or has nothing but a repository in it. */
async function hasNoFiles(path: string): Promise<boolean> {
  for await (const { name } of Deno.readDir(path)) {
    if (name !== ".git") return false;
  }
  return true;
}

/** The repository's own configuration as text; to look at the file spares a process of git. */
async function readConfig(path: string): Promise<string> {
  return await Deno.readTextFile(`${path}/.git/config`).catch(() => "");
}

/**
 * Refuses a history that has no commit in common with what is there. A shallow one can't tell.
 *
 * @throws {StepError} where they are unrelated
 */
export async function refuseUnrelated(git: CheckoutGit, own: string, other: string): Promise<void> {
  if ((await git.ask("merge-base", own, other)).code === 0) return;
  const { stdout } = await git.ask("rev-parse", "--is-shallow-repository");
  if (stdout.trim() === "true") return;
  throw new StepError(
    "unrelated",
    "the configured remote has a history that is unrelated to what is deployed",
    `if it really replaces the old one, move ${git.path} away, and it is cloned anew`,
  );
}

async function currentBranch(git: CheckoutGit): Promise<BranchName> {
  const known = await checkedOutBranch(git.path);
  if (known !== undefined) return known;
  const { stdout, stderr, code } = await git.ask("symbolic-ref", "--short", "HEAD");
  const asked = branchName(stdout.trim());
  if (code === 0 && asked !== undefined) return asked;
  if (!stderr.includes("not a symbolic ref")) {
    throw new GitError("git symbolic-ref HEAD", { code, stdout, stderr });
  }
  throw new StepError(
    "configuration",
    "the checkout is detached, so there is no branch to follow",
    `set "branch" in the configuration, or switch to one: git -C ${git.path} switch BRANCH`,
  );
}

/** The commit of a HEAD that is elsewhere than on the branch; undefined where it has none yet. */
async function headCommit(git: CheckoutGit): Promise<Sha | undefined> {
  const { stdout } = await git.ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}");
  return sha(stdout.trim());
}
