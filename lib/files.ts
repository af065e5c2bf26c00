/**
 * Small questions to the file system.
 *
 * @module
 */

/** What is at a path, not following a symbolic link; undefined where nothing is. */
export async function lstatOrUndefined(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (isNothingThere(error)) return undefined;
    throw error;
  }
}

/** Whether an error says that the path, or a directory on the way to it, does not exist. */
export function isNothingThere(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** Read and written by the owner alone. */
const PRIVATE = 0o600;

/**
 * Writes a file that nobody else may read, which must not exist yet.
 *
 * @throws {Deno.errors.AlreadyExists} where it does
 */
export async function createFile(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { createNew: true, mode: PRIVATE });
}

/**
 * Replaces a file's text at once, or not at all; its mode stays, and its owner where we may set it.
 *
 * @param before what the file must still hold
 * @throws {Error} where somebody else has changed it
 */
export async function replaceFile(path: string, before: string, after: string): Promise<void> {
  const { mode, uid, gid } = await Deno.stat(path);
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await createFile(temporary, after);
    if (uid !== null && gid !== null) await Deno.chown(temporary, uid, gid).catch(() => {});
    if (mode !== null) await Deno.chmod(temporary, mode & 0o7777);
    if (await Deno.readTextFile(path) !== before) throw new Error("it was changed meanwhile");
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
