/**
 * The strategy `pull`: fast-forwards as `git pull --ff-only` does and never loses local work, not
 * even files that git is told to ignore.
 *
 * @module
 */

import { GitError } from "../git.ts";
import type { Sha } from "../values.ts";
import type { Advance, Checkout } from "./in_place.ts";
import { type CheckoutGit, StepError, type StepNote } from "./step.ts";

/** Refuses before it changes anything: both `merge` and `switch` compare every file first. */
export const fastForward: Advance = async (git, checkout, tip) => {
  try {
    if (!checkout.onBranch) await refuseToLose(git, checkout);
    if ("tags" in checkout.followed) {
      await git.run("switch", "--quiet", "--no-overwrite-ignore", "--detach", tip);
    } else if (checkout.onBranch && checkout.head !== undefined) {
      return await merge(git, checkout, tip);
    } else {
      return await switchBranch(git, checkout, tip);
    }
  } catch (error) {
    throw error instanceof GitError ? explained(error, git) : error;
  }
};

/** Commits that were made on a detached HEAD are on no branch, and leaving them would lose them. */
async function refuseToLose(git: CheckoutGit, { head }: Checkout): Promise<void> {
  if (head === undefined) return;
  const places = ["refs/heads", "refs/remotes", "refs/tags", "refs/hook"];
  const { stdout } = await git.query("for-each-ref", "--count=1", `--contains=${head}`, ...places);
  if (stdout !== "") return;
  throw new StepError(
    "diverged",
    "the checkout has commits that are on no branch",
    `keep them: git -C ${git.path} branch NAME ${head}`,
  );
}

async function merge(git: CheckoutGit, checkout: Checkout, tip: Sha): Promise<StepNote | void> {
  try {
    const { stdout } = await git.run(
      // The user's habit at the keyboard would put local changes away and deploy over them.
      ...["-c", "merge.autoStash=false"],
      ...["merge", "--ff-only", "--no-stat", "--no-overwrite-ignore", tip],
    );
    if (stdout.startsWith("Already up to date")) return await ahead(git, checkout, tip);
  } catch (error) {
    if (!(error instanceof GitError) || error.aborted !== undefined) throw error;
    throw await divergence(git, checkout) ?? error;
  }
}

/** Checks the branch out where another one is, or none: with its new commits, in one step. */
async function switchBranch(
  git: CheckoutGit,
  checkout: Checkout,
  tip: Sha,
): Promise<StepNote | void> {
  const { branch, upstream, branchExists, cloning } = checkout;
  // What a killed clone left behind is ours to overwrite; anything else is not.
  const care = cloning ? "--force" : "--no-overwrite-ignore";
  if (branchExists && (await compare(git, checkout)).ahead > 0) {
    const diverged = await divergence(git, checkout);
    if (diverged !== undefined) throw diverged;
    await git.run("switch", "--quiet", care, branch);
    return await ahead(git, checkout, tip);
  }
  await git.run("switch", "--quiet", care, "--track", "-C", branch, upstream);
}

async function ahead(
  git: CheckoutGit,
  { upstream }: Checkout,
  tip: Sha,
): Promise<StepNote | void> {
  const { stdout } = await git.query("rev-parse", "HEAD");
  const live = stdout.trim() as Sha;
  // Somebody else may have brought it up to date since it was compared.
  if (live !== tip) return { live, reason: `the checkout is ahead of ${upstream}` };
}

/** How many commits the branch has that the remote has not, and the other way round. */
async function compare(
  git: CheckoutGit,
  { branch, upstream }: Checkout,
): Promise<{ ahead: number; behind: number }> {
  const range = `refs/heads/${branch}...${upstream}`;
  const { stdout } = await git.ask("rev-list", "--left-right", "--count", range);
  const [ahead = 0, behind = 0] = stdout.trim().split("\t").map(Number);
  return { ahead, behind };
}

async function divergence(git: CheckoutGit, checkout: Checkout): Promise<StepError | undefined> {
  const { ahead, behind } = await compare(git, checkout);
  if (ahead === 0 || behind === 0) return undefined;
  const { branch, upstream } = checkout;
  return new StepError(
    "diverged",
    `the checkout and the remote have diverged: ${ahead} local and ${behind} remote commits`,
    `if the local commits may go, set "strategy: reset"; else rebase or push them: ` +
      `git -C ${git.path} log --oneline ${upstream}..${branch}`,
  );
}

/** What git says where something uncommitted is in the way. */
const IN_THE_WAY = /would be (?:overwritten|removed) by|would lose untracked files/;

/** Tells that local files are in the way, in one line and with what to do. */
function explained(error: GitError, git: CheckoutGit): GitError | StepError {
  const { stderr } = error.result;
  if (error.aborted !== undefined || !IN_THE_WAY.test(stderr)) return error;
  const said = stderr.trim().replace(/^error: /, "").replace(/\s*Aborting$/, "");
  return new StepError(
    "conflict",
    said.replace(/\s*\n\s*/g, " "),
    `commit, move or remove these files: git -C ${git.path} status; ` +
      `or, where changes to tracked files may go, set "strategy: reset"`,
  );
}
