/**
 * What a killed deployment leaves behind, and how it goes away: lock files, half-received packs, and
 * a tree between two commits.
 *
 * @module
 */

import { isNothingThere, lstatOrUndefined } from "../files.ts";
import type { Sha } from "../values.ts";
import type { CheckoutGit } from "./step.ts";

/**
 * Removes the lock files of a repository. Only for one whose deployment was killed, and after its
 * processes have ended: a living git needs them.
 *
 * @param directory the repository's own, such as `.git`
 */
export async function removeLocks(directory: string): Promise<void> {
  for await (const file of filesBelow(directory, (name) => name !== "objects")) {
    if (file.endsWith(".lock")) await removeIfThere(file);
  }
  for await (const file of filesBelow(`${directory}/objects/pack`, () => false)) {
    if (/\/(?:\.tmp-|tmp_)[^/]*$/.test(file)) await removeIfThere(file);
  }
}

async function* filesBelow(
  directory: string,
  enter: (name: string) => boolean,
): AsyncGenerator<string> {
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const path = `${directory}/${name}`;
      if (!isDirectory) yield path;
      else if (enter(name)) yield* filesBelow(path, enter);
    }
  } catch (error) {
    if (!isNothingThere(error)) throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!isNothingThere(error)) throw error;
  }
}

/** What is there while a person is in the middle of something; then nothing in the tree is git's. */
const UNDER_WAY = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"];

/**
 * Takes a half-made update back, so that it can begin anew. Only what git itself has written is
 * touched: in the paths in which two commits differ, files that hold the new content, or the first
 * part of it, or that are gone. Everything else is somebody's work and stays; where it is in the way,
 * the update that follows says so.
 *
 * @param directory the repository's own
 */
export async function revertUpdate(
  git: CheckoutGit,
  directory: string,
  old: Sha,
  halfway: Sha,
): Promise<void> {
  if (await isUnderWay(git, directory)) return;
  const differing = await git.ask("diff-tree", "-r", "-z", "--no-renames", old, halfway);
  if (differing.code !== 0) return;
  const written: TreeChange[] = [];
  for (const change of parseDiffTree(differing.stdout)) {
    if (await isWrittenByGit(git, change)) written.push(change);
  }
  const added = written.filter((change) => change.added);
  await resetIndex(git, old, await stagedAsNew(git, added));
  for (const { path } of added) await removeIfThere(`${git.path}/${path}`);
  const kept = written.filter((change) => !change.added).map(({ path }) => `${path}\0`).join("");
  if (kept === "") return;
  await git.feed(kept, "checkout", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", old);
}

async function isUnderWay(git: CheckoutGit, directory: string): Promise<boolean> {
  for (const name of UNDER_WAY) {
    if (await lstatOrUndefined(`${directory}/${name}`) !== undefined) return true;
  }
  const { stdout } = await git.ask("ls-files", "--unmerged", "-z");
  return stdout !== "";
}

/** A path in which two commits differ. */
interface TreeChange {
  readonly path: string;
  /** Whether the older commit does not have it. */
  readonly added: boolean;
  /** The content in the newer commit. */
  readonly blob: string;
}

/** Reads `git diff-tree -r -z`: a line of metadata, then the path, each ended by NUL. */
function parseDiffTree(text: string): TreeChange[] {
  const changes: TreeChange[] = [];
  const fields = text.split("\0");
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [, oldMode, blob] = /^:(\d+) \d+ [0-9a-f]+ ([0-9a-f]+) [A-Z]/.exec(fields[index]!) ?? [];
    if (oldMode === undefined || blob === undefined) continue;
    changes.push({ path: fields[index + 1]!, added: oldMode === "000000", blob });
  }
  return changes;
}

/** Whether what is at the path is what git put there on the way to the newer commit. */
async function isWrittenByGit(git: CheckoutGit, change: TreeChange): Promise<boolean> {
  const { path, added, blob } = change;
  // Behind a symbolic link lies somebody else's directory.
  if (await hasLinkAbove(git.path, path)) return false;
  const file = `${git.path}/${path}`;
  const found = await lstatOrUndefined(file);
  if (found === undefined) return !added;
  if (found.isSymlink) return await isContent(git, blob, await Deno.readLink(file));
  if (!found.isFile) return false;
  const { stdout } = await git.ask("hash-object", "--", path);
  return stdout.trim() === blob || await isBeginning(git, blob, file);
}

async function hasLinkAbove(root: string, path: string): Promise<boolean> {
  for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
    const found = await lstatOrUndefined(`${root}/${path.slice(0, end)}`);
    if (found === undefined) return false;
    if (found.isSymlink) return true;
  }
  return false;
}

async function isContent(git: CheckoutGit, blob: string, text: string): Promise<boolean> {
  const { stdout, code } = await git.ask("cat-file", "blob", blob);
  return code === 0 && stdout === text;
}

/** Whether a file holds the first part of a blob: git was writing it when it ended. */
async function isBeginning(git: CheckoutGit, blob: string, file: string): Promise<boolean> {
  const { stdout, code } = await git.ask("cat-file", "blob", blob);
  if (code !== 0) return false;
  const text = await Deno.readTextFile(file).catch(() => undefined);
  // The end may be in the middle of a character, which then reads as a replacement.
  return text !== undefined && stdout.startsWith(text.replace(/\ufffd$/, ""));
}

/** Those of the added paths that the index already has as the newer commit does. */
async function stagedAsNew(git: CheckoutGit, added: readonly TreeChange[]): Promise<string[]> {
  if (added.length === 0) return [];
  const { stdout } = await git.ask("ls-files", "--stage", "-z");
  const staged = new Map<string, string>();
  for (const line of stdout.split("\0")) {
    const [, blob, path] = /^\d+ ([0-9a-f]+) \d\t(.+)$/s.exec(line) ?? [];
    if (blob !== undefined && path !== undefined) staged.set(path, blob);
  }
  return added.filter(({ path, blob }) => staged.get(path) === blob).map(({ path }) => path);
}

async function resetIndex(git: CheckoutGit, commit: Sha, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const input = paths.map((path) => `${path}\0`).join("");
  await git.feed(
    input,
    "reset",
    "--quiet",
    "--pathspec-from-file=-",
    "--pathspec-file-nul",
    commit,
  );
}

/** Lets git tidy its object store where enough has gathered; a failure of that is none of ours. */
export async function maintain(git: CheckoutGit): Promise<void> {
  await git.ask("maintenance", "run", "--auto", "--quiet");
}
