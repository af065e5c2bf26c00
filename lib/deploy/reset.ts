/**
 * The strategy `reset`: makes the checkout what the remote holds, also after a force-push, and
 * discards local changes to tracked files. Untracked files stay; one that is in the way is an error.
 *
 * @module
 */

import { lstatOrUndefined } from "../files.ts";
import type { Sha } from "../values.ts";
import type { Advance, Checkout } from "./in_place.ts";
import { type CheckoutGit, StepError } from "./step.ts";

/** `git reset --hard`, after a look for untracked files that it would overwrite without a word. */
export const hardReset: Advance = async (git, checkout, tip) => {
  const { followed, head, onBranch, branch, upstream } = checkout;
  if (!checkout.cloning) await refuseToOverwrite(git, head, tip);
  if ("tags" in followed) {
    await git.run("switch", "--quiet", "--discard-changes", "--detach", tip);
  } else if (onBranch && head !== undefined) {
    await git.run("reset", "--quiet", "--hard", tip);
  } else {
    const care = checkout.cloning ? "--force" : "--discard-changes";
    await git.run("switch", "--quiet", care, "--track", "-C", branch, upstream);
  }
};

/** How many paths go on one command line; its limit is in the megabytes. */
const PATHS_A_RUN = 1000;
/** How many files an error names. */
const NAMED = 5;

async function refuseToOverwrite(
  git: CheckoutGit,
  head: Checkout["head"],
  tip: Sha,
): Promise<void> {
  const inTheWay: string[] = [];
  const occupied = await occupiedPaths(git.path, await addedPaths(git, head, tip));
  for (let from = 0; from < occupied.length; from += PATHS_A_RUN) {
    const paths = occupied.slice(from, from + PATHS_A_RUN);
    inTheWay.push(...await list(git, "ls-files", "--others", "-z", "--", ...paths));
  }
  if (inTheWay.length === 0) return;
  const more = inTheWay.length > NAMED ? ` and ${inTheWay.length - NAMED} more` : "";
  throw new StepError(
    "conflict",
    `untracked files would be overwritten: ${inTheWay.slice(0, NAMED).join(", ")}${more}`,
    `move or remove them, then push or deploy again: git -C ${git.path} status --ignored`,
  );
}

/** The paths that the tip has and the checked-out commit has not. */
function addedPaths(git: CheckoutGit, head: Checkout["head"], tip: Sha): Promise<string[]> {
  if (head === undefined) {
    return list(git, "ls-tree", "-r", "-z", "--name-only", "--full-tree", tip);
  }
  const added = ["-r", "-z", "--name-only", "--diff-filter=A", "--no-renames"];
  return list(git, "diff-tree", ...added, head, tip);
}

/** Runs a command of git that lists paths, each ended by a NUL. */
async function list(git: CheckoutGit, ...args: readonly string[]): Promise<string[]> {
  const { stdout } = await git.query(...args);
  return stdout.split("\0").filter((path) => path !== "");
}

/**
 * Those of the paths where the disk has something already: the path itself, or a file where one of
 * its directories has to be.
 */
async function occupiedPaths(root: string, paths: string[]): Promise<string[]> {
  const occupied = new Set<string>();
  const directories = new Set<string>();
  for (const path of paths) {
    const parts = path.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const part = parts.slice(0, depth).join("/");
      if (directories.has(part)) continue;
      const found = await lstatOrUndefined(`${root}/${part}`);
      if (found === undefined) break;
      if (found.isDirectory && depth < parts.length) directories.add(part);
      else {
        occupied.add(part);
        break;
      }
    }
  }
  return [...occupied];
}
