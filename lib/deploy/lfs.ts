/**
 * Git LFS: files whose content is elsewhere. Without git-lfs a checkout would quietly hold the
 * pointers in their place, so its absence is an error where it is needed.
 *
 * @module
 */

import type { Remote } from "./fetch.ts";
import { type CheckoutGit, StepError } from "./step.ts";

/** Attributes may stand in any directory; our runs take names literally unless told otherwise. */
const PATTERNS = { GIT_LITERAL_PATHSPECS: "0" };

/** Whether a commit keeps files in LFS, by its attributes. */
export async function usesLfs(git: CheckoutGit, commit: string): Promise<boolean> {
  const where = ["--", ":(glob)**/.gitattributes"];
  const { code } = await git.askWith(PATTERNS, [
    "grep",
    "-q",
    "-e",
    "filter=lfs",
    commit,
    ...where,
  ]);
  return code === 0;
}

/**
 * Finds out whether a commit needs LFS, before it is checked out.
 *
 * @throws {StepError} where it does and git-lfs is not installed
 */
export async function checkLfs(git: CheckoutGit, commit: string): Promise<boolean> {
  if (!await usesLfs(git, commit)) return false;
  if ((await git.ask("lfs", "version")).code === 0) return true;
  throw new StepError(
    "lfs",
    "the repository keeps files in Git LFS, and git-lfs is not installed",
    "install it: apt-get install git-lfs",
  );
}

/**
 * Replaces the pointers that are checked out by their files.
 *
 * @param offline take them from what was fetched before
 */
export async function fillLfs(git: CheckoutGit, remote: Remote, offline = false): Promise<void> {
  if (offline) await git.run("lfs", "checkout");
  else await remote.run("lfs", "pull");
}
