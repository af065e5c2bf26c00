/**
 * Patterns of tags.
 *
 * @module
 */

/** A pattern as a regular expression: `*` and `?` as in a shell, and never across a slash. */
export function glob(pattern: string): RegExp {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  return new RegExp(`^${source}$`);
}
