/**
 * Whether the repositories' directories keep out of each other's way.
 *
 * @module
 */

import { type AbsolutePath, absolutePath, isWithin } from "../values.ts";
import { found, type Problem } from "./problem.ts";

interface Place {
  readonly name: string;
  readonly path: AbsolutePath;
  /** Without symbolic links. */
  readonly real: AbsolutePath;
}

/** Two repositories must not write into one directory, by whatever name. */
export function pathProblems(paths: Iterable<readonly [name: string, path: string]>): Problem[] {
  const problems: Problem[] = [];
  const seen: Place[] = [];
  for (const [name, text] of paths) {
    const path = absolutePath(text);
    if (path === undefined) continue;
    const place = { name, path, real: realPath(path) };
    problems.push(...seen.flatMap((other) => collision(place, other) ?? []));
    seen.push(place);
  }
  return problems;
}

function collision({ name, path, real }: Place, other: Place): Problem | undefined {
  const relation = real === other.real
    ? "the same directory as"
    : isWithin(other.real, real)
    ? "inside"
    : isWithin(real, other.real)
    ? "around"
    : undefined;
  if (relation === undefined) return undefined;
  return {
    path: ["repositories", name, "path"],
    message: `found ${found(path, false)}, ${relation} the path of "${other.name}"; ` +
      "allowed: a directory of its own",
  };
}

/** The path without symbolic links, as far as it exists already. */
function realPath(path: AbsolutePath): AbsolutePath {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    try {
      return absolutePath(Deno.realPathSync(path.slice(0, end)) + path.slice(end)) ?? path;
    } catch {
      // What does not exist yet is no link: its parent decides.
    }
  }
  return path;
}
