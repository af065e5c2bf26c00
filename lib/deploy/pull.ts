/**
 * The strategy `pull`: fast-forwards as `git pull --ff-only` does and never loses local work, not
 * even files that git is told to ignore.
 *
 * @module
 */

import { GitError, type GitResult } from "../git.ts";
import type { Advance, CheckoutGit, Position } from "./step.ts";
import { StepError } from "./step.ts";

/** `git merge --ff-only` compares every file before it touches the first. */
export const fastForward: Advance = async (git, position) => {
  if (position.head === undefined || !position.onBranch) await switchBranch(git, position);
  if (position.head === undefined) return { commit: position.tip };

  const merged = await merge(git, position);
  if (!merged.stdout.startsWith("Already up to date")) return { commit: position.tip };
  const { stdout } = await git.run("rev-parse", "HEAD");
  const commit = stdout.trim() as Position["tip"];
  return commit === position.tip
    ? { commit }
    : { commit, reason: `the checkout is ahead of ${position.upstream}` };
};

async function merge(git: CheckoutGit, position: Position): Promise<GitResult> {
  try {
    return await git.run(
      "merge",
      "--ff-only",
      "--no-stat",
      "--no-overwrite-ignore",
      position.upstream,
    );
  } catch (error) {
    if (error instanceof GitError && error.aborted === undefined) {
      throw await refusal(git, position, error);
    }
    throw error;
  }
}

/** Checks the branch out where another one is, or none. */
async function switchBranch(git: CheckoutGit, position: Position): Promise<void> {
  // What a killed clone left behind is ours to overwrite; anything else is not.
  const care = position.cloning ? "--discard-changes" : "--no-overwrite-ignore";
  if (position.branchExists) {
    await git.run("switch", "--quiet", care, position.branch);
  } else {
    const create = position.head === undefined ? "-C" : "-c";
    await git.run(
      "switch",
      "--quiet",
      care,
      "--track",
      create,
      position.branch,
      position.upstream,
    );
  }
}

/** Tells a diverged branch from local changes in the way. */
async function refusal(
  git: CheckoutGit,
  position: Position,
  error: GitError,
): Promise<StepError | GitError> {
  const { stderr } = error.result;
  const { stdout, code } = await git.ask(
    "rev-list",
    "--left-right",
    "--count",
    `HEAD...${position.upstream}`,
  );
  const [ahead = 0, behind = 0] = stdout.trim().split("\t").map(Number);
  if (code === 0 && ahead > 0 && behind > 0) {
    return new StepError(
      `the checkout and the remote have diverged: ${ahead} local and ${behind} remote commits`,
      `if the local commits may go, set "strategy: reset"; else rebase or push them: ` +
        `git -C ${git.path} log --oneline ${position.upstream}..HEAD`,
    );
  }
  if (!stderr.includes("would be overwritten")) return error;
  const said = stderr.trim().replace(/^error: /, "").replace(/\s*Aborting$/, "");
  return new StepError(
    said.replace(/\s*\n\s*/g, " "),
    `commit, move or remove these files: git -C ${git.path} status; ` +
      `or, where changes to tracked files may go, set "strategy: reset"`,
  );
}
