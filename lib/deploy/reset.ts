/**
 * The strategy `reset`: makes the checkout what the remote holds, also after a force-push, and
 * discards local changes to tracked files. Untracked files stay; one that is in the way is an error.
 *
 * @module
 */

import { lstatOrUndefined } from "../files.ts";
import type { Advance, CheckoutGit, Position } from "./step.ts";
import { StepError } from "./step.ts";

/** `git reset --hard`, after a look for untracked files that it would overwrite without a word. */
export const hardReset: Advance = async (git, position) => {
  if (!position.cloning) await refuseToOverwrite(git, position);
  if (position.onBranch && position.head !== undefined) {
    await git.run("reset", "--quiet", "--hard", position.tip);
  } else {
    const { branch, upstream } = position;
    await git.run("switch", "--quiet", "--discard-changes", "--track", "-C", branch, upstream);
  }
  return { commit: position.tip };
};

/** How many paths go on one command line; its limit is in the megabytes. */
const PATHS_A_RUN = 1000;
/** How many files an error names. */
const NAMED = 5;

async function refuseToOverwrite(git: CheckoutGit, position: Position): Promise<void> {
  const inTheWay: string[] = [];
  const occupied = await occupiedPaths(git.path, await addedPaths(git, position));
  for (let from = 0; from < occupied.length; from += PATHS_A_RUN) {
    const paths = occupied.slice(from, from + PATHS_A_RUN);
    const { stdout } = await git.run("ls-files", "--others", "-z", "--", ...paths);
    inTheWay.push(...splitZ(stdout));
  }
  if (inTheWay.length === 0) return;
  const more = inTheWay.length > NAMED ? ` and ${inTheWay.length - NAMED} more` : "";
  throw new StepError(
    `untracked files would be overwritten: ${inTheWay.slice(0, NAMED).join(", ")}${more}`,
    `move or remove them, then push or deploy again: git -C ${git.path} status --ignored`,
  );
}

/** The paths that the tip has and the checked-out commit has not. */
async function addedPaths(git: CheckoutGit, { head, tip }: Position): Promise<string[]> {
  const list = head === undefined
    ? await git.ask("ls-tree", "-r", "-z", "--name-only", "--full-tree", tip)
    : await git.ask(
      "diff-tree",
      "-r",
      "-z",
      "--name-only",
      "--diff-filter=A",
      "--no-renames",
      head,
      tip,
    );
  if (list.code !== 0) throw new StepError(list.stderr.trim() || "git cannot compare the commits");
  return splitZ(list.stdout);
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

function splitZ(text: string): string[] {
  return text.split("\0").filter((path) => path !== "");
}
