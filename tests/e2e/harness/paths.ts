/** A file URL as a path; the project's folder may hold spaces and non-ASCII. */
export function fromFileUrl(url: URL): string {
  return decodeURIComponent(url.pathname);
}

/** Whether something is there, symlinks not followed. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Folders and files below `directory`, two levels deep and without git's own, for a failure's report. */
export function listing(directory: string, depth = 2, indent = "  "): string {
  let text = "";
  let entries: Deno.DirEntry[] = [];
  try {
    entries = [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return `${indent}(unreadable)\n`;
  }
  for (const entry of entries) {
    const kind = entry.isDirectory ? "/" : entry.isSymlink ? "@" : "";
    text += `${indent}${entry.name}${kind}\n`;
    const inner = entry.isDirectory && depth > 1 && entry.name !== ".git";
    if (inner && !entry.name.endsWith(".git")) {
      text += listing(`${directory}/${entry.name}`, depth - 1, indent + "  ");
    }
  }
  return text;
}
