/**
 * The strategy `release`: every deployment gets a directory of its own, and readers are moved to it
 * by one rename. Under `path` are `repository.git`, `releases/<number>-<short commit>`, `shared/` and
 * the symbolic link `current`.
 *
 * A release is a worktree of the bare repository, so git writes only what changed into the object
 * store, and hooks in it can use git.
 *
 * @module
 */

import { isNothingThere, lstatOrUndefined } from "../files.ts";
import { checkedOutBranch, GitError } from "../git.ts";
import type { AbsolutePath, Sha } from "../values.ts";
import { sha } from "../values.ts";
import { type Followed, marksOf, readRefs, type Refs, Remote, tipOf } from "./fetch.ts";
import { maintain } from "./heal.ts";
import { type HookFacts, hookStep, touchStep } from "./hooks.ts";
import { refuseUnrelated } from "./in_place.ts";
import { checkLfs, fillLfs } from "./lfs.ts";
import type { JournalEntry, Mark } from "./marks.ts";
import type { Site } from "./site.ts";
import {
  type Change,
  type CheckoutGit,
  type Position,
  repositoryPath,
  type Step,
  StepError,
  type Target,
} from "./step.ts";
import { updateSubmodules } from "./submodules.ts";

/** A directory below `releases/`. */
interface Release {
  readonly name: string;
  readonly number: number;
  readonly path: AbsolutePath;
}

const RELEASE_NAME = /^(\d+)-[0-9a-f]{7,64}$/;
/** Digits of the commit in a release's name, for people. */
const SHORT = 8;
/** The beginning of temporary names; what has it belongs to a deployment that was killed. */
const ASIDE = ".hook-";

/** The releases of one repository. */
export class Releases implements Site {
  readonly git: CheckoutGit;
  readonly #target: Target;
  readonly #remote: Remote;
  readonly #path: AbsolutePath;
  #seenTags: readonly Mark[] = [];
  #building: Release | undefined;
  #live: Release | undefined;

  constructor(git: CheckoutGit, target: Target) {
    this.#path = target.path;
    this.git = git.at(repositoryPath(target));
    this.#target = target;
    this.#remote = new Remote(this.git, target);
  }

  get release(): AbsolutePath | undefined {
    return (this.#building ?? this.#live)?.path;
  }

  async exists(): Promise<boolean> {
    return await lstatOrUndefined(`${this.git.path}/HEAD`) !== undefined;
  }

  directory(): Promise<string> {
    return Promise.resolve(this.git.path);
  }

  async open(): Promise<void> {
    await this.#refuseForeign();
    if (!await this.#isUsable()) await this.#create();
    await this.#follow();
  }

  /** A directory that holds something else is not ours to fill. */
  async #refuseForeign(): Promise<void> {
    if (await this.exists()) return;
    const own = ["current", "releases", "shared", "repository.git"];
    try {
      for await (const { name } of Deno.readDir(this.#path)) {
        if (own.includes(name) || name.startsWith(ASIDE)) continue;
        throw new StepError(
          "configuration",
          `"${this.#path}" holds "${name}", so it is no root of releases`,
          'name an empty directory, or use "strategy: pull" for a checkout',
        );
      }
    } catch (error) {
      if (!isNothingThere(error)) throw error;
    }
  }

  /** Whether the repository is there and sound enough for git to open it. */
  async #isUsable(): Promise<boolean> {
    if (!await this.exists()) return false;
    const { code, stderr } = await this.git.ask("rev-parse", "--is-bare-repository");
    // A repository of another user is somebody's business, not a damaged one.
    return code === 0 || stderr.includes("dubious ownership");
  }

  /** Makes the repository, aside and then by a rename, in the place of a damaged one. */
  async #create(): Promise<void> {
    const { remote } = this.#target;
    if (remote === undefined) {
      throw new StepError(
        "configuration",
        `there is no repository in "${this.#path}" and no "remote" is set`,
        'set "remote" to the URL to clone',
      );
    }
    await Deno.mkdir(`${this.#path}/releases`, { recursive: true });
    const aside = `${this.#path}/${ASIDE}${crypto.randomUUID()}.git` as AbsolutePath;
    await Deno.mkdir(aside);
    const git = this.git.at(aside);
    await git.run("init", "--quiet", "--bare");
    await git.run("remote", "add", "--", "origin", remote);
    await this.#rememberBranch(git, new Remote(git, this.#target));
    await Deno.remove(this.git.path, { recursive: true }).catch((error) => {
      if (!isNothingThere(error)) throw error;
    });
    await Deno.rename(aside, this.git.path);
  }

  /** Without a configured branch it is the remote's, which HEAD keeps so that it is asked once. */
  async #rememberBranch(git: CheckoutGit, remote: Remote): Promise<void> {
    if (this.#target.branch !== undefined || this.#target.tags !== undefined) return;
    await git.run("symbolic-ref", "HEAD", `refs/heads/${await remote.head()}`);
  }

  async #follow(): Promise<void> {
    const { remote } = this.#target;
    if (remote === undefined) return;
    const current = await this.#remote.url();
    if (current === remote) return;
    if (current !== undefined) {
      const { branch, tags } = this.#target;
      const what = tags === undefined && branch !== undefined ? `refs/heads/${branch}` : "HEAD";
      const { commits } = await readRefs(this.git, undefined);
      const { deployed } = marksOf({ commits });
      await this.#remote.run("fetch", "--no-auto-maintenance", "--", remote, what);
      if (deployed !== undefined) await refuseUnrelated(this.git, deployed, "FETCH_HEAD");
      await this.git.run("remote", "set-url", "--", "origin", remote);
    } else {
      await this.git.run("remote", "add", "--", "origin", remote);
    }
  }

  async peek(): Promise<string> {
    return await this.#remote.peek(await this.#followed());
  }

  live(): Promise<Sha | undefined> {
    return this.#liveCommit();
  }

  async fetch(): Promise<Position> {
    const followed = await this.#fetchFollowed();
    const refs = await readRefs(this.git, followed);
    const { tip, label, seen } = tipOf(followed, refs);
    this.#seenTags = seen;
    const live = await this.#liveCommit();
    return { ...marksOf(refs), branch: label, tip, ...live !== undefined && { live } };
  }

  /** Fetches; where the branch was the remote's HEAD and is gone, what is HEAD there now. */
  async #fetchFollowed(): Promise<Followed> {
    const { depth, branch } = this.#target;
    const followed = await this.#followed();
    try {
      await this.#remote.fetch(followed, depth);
      return followed;
    } catch (error) {
      const isGone = error instanceof GitError && /couldn't find remote ref/.test(error.message);
      if (!isGone || branch !== undefined) throw error;
      await this.#rememberBranch(this.git, this.#remote);
      const renamed = await this.#followed();
      await this.#remote.fetch(renamed, depth);
      return renamed;
    }
  }

  async #followed(): Promise<Followed> {
    const { tags, branch } = this.#target;
    if (tags !== undefined) return { tags };
    const known = branch ?? await checkedOutBranch(this.git.path);
    if (known !== undefined) return { branch: known };
    await this.#rememberBranch(this.git, this.#remote);
    return { branch: await this.#remote.head() };
  }

  async local(): Promise<{ position: Omit<Position, "tip">; refs: Refs }> {
    const refs = await readRefs(this.git, undefined);
    const live = await this.#liveCommit();
    const label = this.#target.tags ?? this.#target.branch ??
      await checkedOutBranch(this.git.path) ?? "HEAD";
    return {
      position: { ...marksOf(refs), branch: label, ...live !== undefined && { live } },
      refs,
    };
  }

  /** The commit of the release that `current` points to; undefined where it points to none. */
  async #liveCommit(): Promise<Sha | undefined> {
    this.#live = await this.#current();
    // Where somebody removed its directory, readers see nothing, whatever git remembers.
    if (this.#live && await lstatOrUndefined(this.#live.path) === undefined) this.#live = undefined;
    return this.#live && await this.#commitOf(this.#live);
  }

  async #current(): Promise<Release | undefined> {
    try {
      const target = await Deno.readLink(`${this.#path}/current`);
      return this.#releaseNamed(/^(?:.*\/)?releases\/([^/]+)\/?$/.exec(target)?.[1] ?? "");
    } catch (error) {
      if (isNothingThere(error)) return undefined;
      throw new StepError(
        "configuration",
        `"${this.#path}/current" is not a symbolic link`,
        "move it away; hook makes the link",
      );
    }
  }

  /** The commit that a worktree is at, from its own HEAD (gitrepository-layout(5)). */
  async #commitOf({ name }: Release): Promise<Sha | undefined> {
    const head = await Deno.readTextFile(`${this.git.path}/worktrees/${name}/HEAD`).catch(() => "");
    return sha(head.trim());
  }

  #releaseNamed(name: string): Release | undefined {
    const number = RELEASE_NAME.exec(name)?.[1];
    return number === undefined
      ? undefined
      : { name, number: Number(number), path: `${this.#path}/releases/${name}` as AbsolutePath };
  }

  async #releases(): Promise<Release[]> {
    const found: Release[] = [];
    try {
      for await (const { name } of Deno.readDir(`${this.#path}/releases`)) {
        const release = this.#releaseNamed(name);
        if (release !== undefined) found.push(release);
      }
    } catch (error) {
      if (!isNothingThere(error)) throw error;
    }
    return found.sort((a, b) => a.number - b.number);
  }

  async recover({ step, release }: JournalEntry): Promise<void> {
    await this.#removeLeftovers();
    const half = this.#releaseNamed(release ?? "");
    if (half === undefined || step === "post-deploy" || step === "touch") return;
    if ((await this.#current())?.name !== half.name) await this.#remove(half);
  }

  async deploySteps(change: Change, facts: HookFacts): Promise<Step[]> {
    const release = await this.#nextRelease(change.new);
    // From here on the journal names it, so that a kill leaves nothing behind for long.
    this.#building = release;
    const git = this.git.at(release.path);
    const told: HookFacts = { ...facts, release: release.path };
    return [
      { name: "build", run: () => this.#build(release, change.new) },
      { name: "share", run: () => this.#linkShared(release) },
      ...hookStep(git, this.#target, "pre-deploy", told),
      { name: "swap", run: () => this.#swap(release) },
      ...hookStep(git, this.#target, "post-deploy", told),
      ...touchStep(this.#target),
    ];
  }

  /** Takes off git's list what is no longer there: a kill came between, or it was removed by hand. */
  async #forgetRemoved(): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.git.path}/worktrees`)) {
      const release = this.#releaseNamed(name);
      if (release === undefined || await lstatOrUndefined(release.path) !== undefined) continue;
      await this.#remove(release);
    }
  }

  /** What was made aside, or moved aside to be removed, by a deployment that was killed. */
  async #removeLeftovers(): Promise<void> {
    for await (const { name } of Deno.readDir(this.#path)) {
      if (name.startsWith(ASIDE)) await Deno.remove(`${this.#path}/${name}`, { recursive: true });
    }
  }

  async #nextRelease(commit: Sha): Promise<Release> {
    const newest = (await this.#releases()).at(-1)?.number ?? 0;
    return this.#releaseNamed(`${newest + 1}-${commit.slice(0, SHORT)}`)!;
  }

  async #build({ path }: Release, commit: Sha): Promise<void> {
    const usesLfs = await checkLfs(this.git, commit);
    await Deno.mkdir(`${this.#path}/releases`, { recursive: true });
    await this.git.run("worktree", "add", "--quiet", "--force", "--detach", path, commit);
    const git = this.git.at(path);
    const remote = new Remote(git, this.#target);
    await updateSubmodules(git, remote, this.#target);
    if (usesLfs) await fillLfs(git, remote);
  }

  /** A release is complete before anybody sees it. */
  contentSteps(): Step[] {
    return [];
  }

  /** Links the shared entries into the release. */
  async #linkShared({ path }: Release): Promise<void> {
    for (const entry of this.#target.shared) {
      const name = entry.replace(/\/$/, "");
      const place = `${this.#path}/shared/${name}`;
      const link = `${path}/${name}`;
      await refuseLinks(path, name);
      if (entry.endsWith("/")) await Deno.mkdir(place, { recursive: true });
      else if (await lstatOrUndefined(place) === undefined) {
        throw new StepError("shared", `the shared file "${place}" does not exist`, "create it");
      }
      if (await lstatOrUndefined(link) !== undefined) {
        throw new StepError(
          "shared",
          `"${name}" is both shared and in the repository`,
          `take it out of one of them: git rm --cached ${name}`,
        );
      }
      await Deno.mkdir(link.slice(0, link.lastIndexOf("/")), { recursive: true });
      await Deno.symlink(place, link);
    }
  }

  /** Moves every reader at once: a link is made aside and renamed over the old one. */
  async #swap({ name }: Release): Promise<void> {
    const aside = `${this.#path}/${ASIDE}${crypto.randomUUID()}`;
    await Deno.symlink(`releases/${name}`, aside);
    await Deno.rename(aside, `${this.#path}/current`);
  }

  rollbackSteps(change: Change): Step[] {
    return [{
      name: "swap",
      run: async () => {
        const release = await this.#releaseOf(change.new);
        if (release === undefined) {
          throw new StepError(
            "configuration",
            `no release of ${change.new.slice(0, SHORT)} is kept any more`,
            'see "keep" in the configuration',
          );
        }
        await this.#swap(release);
        this.#building = release;
      },
    }];
  }

  /** The newest kept release of a commit. */
  async #releaseOf(commit: Sha): Promise<Release | undefined> {
    for (const release of (await this.#releases()).reverse()) {
      if (await this.#commitOf(release) === commit) return release;
    }
    return undefined;
  }

  async earlier(): Promise<Sha | undefined> {
    const current = await this.#current();
    if (current === undefined) return undefined;
    const live = await this.#commitOf(current);
    for (const release of (await this.#releases()).reverse()) {
      if (release.number >= current.number) continue;
      const commit = await this.#commitOf(release);
      if (commit !== undefined && commit !== live) return commit;
    }
    return undefined;
  }

  marks(): readonly Mark[] {
    return this.#seenTags;
  }

  async discard(): Promise<void> {
    if (this.#building === undefined) return;
    if ((await this.#current())?.name === this.#building.name) return;
    await this.#remove(this.#building);
    this.#building = undefined;
  }

  /** Removes the oldest releases beyond `keep`; never the one that is live. */
  async tidy(): Promise<void> {
    const current = await this.#current();
    const others = (await this.#releases()).filter(({ name }) => name !== current?.name);
    const surplus = others.slice(0, Math.max(0, others.length - (this.#target.keep - 1)));
    for (const release of surplus) await this.#remove(release);
    await this.#forgetRemoved();
    await this.#removeLeftovers();
    await maintain(this.git);
  }

  /**
   * Removes a release. It is moved aside first, so that one whose removal was killed can't be taken
   * for a whole one.
   */
  async #remove({ name, path }: Release): Promise<void> {
    const aside = `${this.#path}/${ASIDE}${crypto.randomUUID()}`;
    await unlessGone(Deno.rename(path, aside));
    await unlessGone(Deno.remove(`${this.git.path}/worktrees/${name}`, { recursive: true }));
    await unlessGone(Deno.remove(aside, { recursive: true }));
  }
}

async function unlessGone(done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!isNothingThere(error)) throw error;
  }
}

/**
 * Refuses a way that leads out of a directory by a symbolic link in it.
 *
 * @throws {StepError} which names the link
 */
async function refuseLinks(root: string, path: string): Promise<void> {
  const parts = path.split("/").slice(0, -1);
  for (let depth = 1; depth <= parts.length; depth++) {
    const part = parts.slice(0, depth).join("/");
    if ((await lstatOrUndefined(`${root}/${part}`))?.isSymlink) {
      throw new StepError("shared", `"${part}" in the repository is a symbolic link`);
    }
  }
}
