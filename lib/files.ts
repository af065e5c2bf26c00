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
