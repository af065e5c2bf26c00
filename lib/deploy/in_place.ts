/**
 * Deployment into a checkout: clone it where it is missing, fetch the one branch that counts, and
 * let the strategy bring the files to what the remote holds.
 *
 * Three runs of git where something is new (fetch, for-each-ref, merge or reset) and two where
 * nothing is; one more where `remote` is configured, to compare it with the checkout's.
 *
 * @module
 */

import { checkedOutBranch, GitError } from "../git.ts";
import { lstatOrUndefined } from "../files.ts";
import { type BranchName, branchName, type RemoteUrl, type Sha, sha } from "../values.ts";
import { fastForward } from "./pull.ts";
import { hardReset } from "./reset.ts";
import {
  type Advance,
  type Advanced,
  type CheckoutGit,
  type Position,
  StepError,
  type StrategyName,
  type Target,
} from "./step.ts";

const advance: Readonly<Record<StrategyName, Advance>> = { pull: fastForward, reset: hardReset };

/** What a deployment in place found and did. */
export interface InPlaceResult extends Advanced {
  readonly branch: BranchName;
  readonly old?: Sha;
}

/**
 * Brings the checkout to what the remote holds now.
 *
 * @throws {StepError} where it can't, having changed no file
 * @throws {GitError} where git fails
 */
export async function deployInPlace(git: CheckoutGit, target: Target): Promise<InPlaceResult> {
  if (await isToBeCloned(target)) await beginClone(git, target);
  const cloning = CLONING_MARK.test(await readConfig(target.path));
  if (!cloning && target.remote !== undefined) await follow(git, target.remote, target);
  const branch = target.branch ?? (cloning ? await remoteHead(git) : await currentBranch(git));
  const position = await fetchPosition(git, branch, cloning);
  const advanced = position.onBranch && position.head === position.tip
    ? { commit: position.tip }
    : await advance[target.strategy](git, position);
  if (cloning) await git.run("config", "--local", "--unset-all", CLONING);
  return { branch, ...position.head !== undefined && { old: position.head }, ...advanced };
}

/** Whether there is nothing at the path yet, or no more than an empty repository. */
export async function isToBeCloned({ path }: Pick<Target, "path">): Promise<boolean> {
  const found = await lstatOrUndefined(path);
  if (found === undefined) return true;
  if (!(await Deno.stat(path)).isDirectory) throw new StepError(`"${path}" is not a directory`);
  const isRepository = await lstatOrUndefined(`${path}/.git`) !== undefined;
  for await (const { name } of Deno.readDir(path)) {
    if (name === ".git") continue;
    if (isRepository) return false;
    throw new StepError(
      `"${path}" is neither a git checkout nor empty`,
      "clone the repository there, or name an empty directory",
    );
  }
  return !ORIGIN.test(await readConfig(path));
}

/**
 * Marks, in the new repository's own configuration, a clone that is not complete. A clone is a
 * fetch into an empty repository, so one that was interrupted goes on with the next deployment.
 */
const CLONING = "hook.cloning";
const CLONING_MARK = /^\[hook\]\s+cloning = true$/m;
const ORIGIN = /^\[remote "origin"\]$/m;

/** The repository's own configuration as text; to look at the file spares a process of git. */
async function readConfig(path: string): Promise<string> {
  return await Deno.readTextFile(`${path}/.git/config`).catch(() => "");
}

async function beginClone(git: CheckoutGit, { path, remote }: Target): Promise<void> {
  if (remote === undefined) {
    throw new StepError(
      `"${path}" is ${await lstatOrUndefined(path) ? "empty" : "missing"} and no "remote" is set`,
      `set "remote" to clone it, or clone it by hand: git clone URL ${path}`,
    );
  }
  await Deno.mkdir(path, { recursive: true });
  await git.run("init", "--quiet");
  await git.run("config", "--local", CLONING, "true");
  // The last step, because a repository with a remote is no longer taken for an empty one.
  await git.run("remote", "add", "--", "origin", remote);
}

/** Makes `origin` what the configuration says, once it has proved to be the same history. */
async function follow(git: CheckoutGit, remote: RemoteUrl, target: Target): Promise<void> {
  const { stdout, code } = await git.ask("config", "--get", "remote.origin.url");
  if (stdout.trimEnd() === remote) return;
  if (code !== 0) {
    await git.run("remote", "add", "--", "origin", remote);
    return;
  }
  const branch = target.branch ?? await currentBranch(git);
  await git.run("fetch", "--no-auto-maintenance", "--", remote, `refs/heads/${branch}`);
  if ((await git.ask("merge-base", "HEAD", "FETCH_HEAD")).code !== 0) {
    throw new StepError(
      `the configured remote has a history that is unrelated to the checkout's`,
      `if it really replaces the old one, move ${git.path} away, and it is cloned anew`,
    );
  }
  await git.run("remote", "set-url", "--", "origin", remote);
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
    "the checkout is detached, so there is no branch to follow",
    `set "branch" in the configuration, or switch to one: git -C ${git.path} switch BRANCH`,
  );
}

/** The branch that the remote's HEAD names, where a clone has to choose one. */
async function remoteHead(git: CheckoutGit): Promise<BranchName> {
  const { stdout } = await git.run("ls-remote", "--symref", "--", "origin", "HEAD");
  const name = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(stdout)?.[1];
  const branch = name === undefined ? undefined : branchName(name);
  if (branch !== undefined) return branch;
  throw new StepError(
    "the remote names no default branch; it may be empty",
    'push a first commit, or set "branch"',
  );
}

/** Fetches the branch and finds where the checkout stands: two runs of git. */
async function fetchPosition(
  git: CheckoutGit,
  branch: BranchName,
  cloning: boolean,
): Promise<Position> {
  const local = `refs/heads/${branch}`;
  const upstream = `refs/remotes/origin/${branch}`;
  // No maintenance here: it costs a process each time, and merge does it where files change.
  await git.run("fetch", "--no-auto-maintenance", "--", "origin", `+${local}:${upstream}`);
  const { stdout } = await git.run(
    "for-each-ref",
    "--format=%(HEAD)%(objectname) %(refname)",
    local,
    upstream,
  );
  const refs = new Map<string, { commit: Sha; checkedOut: boolean }>();
  for (const line of stdout.split("\n")) {
    const [, mark, name, ref] = /^([* ])([0-9a-f]+) (.+)$/.exec(line) ?? [];
    const commit = sha(name ?? "");
    if (commit && ref) refs.set(ref, { commit, checkedOut: mark === "*" });
  }
  const tip = refs.get(upstream)?.commit;
  if (tip === undefined) throw new StepError(`the remote has no branch "${branch}"`);
  const own = refs.get(local);
  const head = own?.checkedOut ? own.commit : await headCommit(git);
  return {
    branch,
    upstream,
    tip,
    ...head !== undefined && { head },
    onBranch: own?.checkedOut ?? false,
    branchExists: own !== undefined,
    cloning,
  };
}

/** The commit of a HEAD that is elsewhere than on the branch; undefined where it has none yet. */
async function headCommit(git: CheckoutGit): Promise<Sha | undefined> {
  const { stdout } = await git.ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}");
  return sha(stdout.trim());
}
