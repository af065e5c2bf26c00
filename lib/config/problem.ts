/**
 * What is wrong with a configuration, said so that it can be mended at once: where, which key, what
 * was found, what is allowed, and the nearest word that exists.
 *
 * @module
 */

import type * as v from "valibot";
import { nearest } from "../nearest.ts";
import { printable } from "../values.ts";
import { knownKeys } from "./schema.ts";
import type { Step } from "./lines.ts";

/** One problem, with the way to the key that it is about. */
export interface Problem {
  readonly path: readonly Step[];
  /** What is wrong, without file, line and key. */
  readonly message: string;
}

/** The message for a key that nobody knows. */
export function unknownKey(word: string, allowed: readonly string[]): string {
  const near = nearest(word, allowed);
  return `unknown key${near ? `, did you mean "${near}"?` : ""}; allowed: ${allowed.join(", ")}`;
}

type Issue = v.BaseIssue<unknown>;

/** Translates the validator's issues, whose paths begin at `base`. */
export function problemsOf(issues: readonly Issue[], base: readonly Step[]): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...(issue.path ?? []).map(({ key }) => key as Step)];
    const inner = issue.issues && informative(issue.issues);
    return inner ? problemsOf(inner, path) : [problemOf(issue, path)];
  });
}

/**
 * Of a choice between forms, the issues of the one that was meant: the one with the right type and
 * a wrong part. Where no form has the right type, there is none.
 */
function informative(issues: readonly Issue[]): readonly Issue[] | undefined {
  const deep = issues.filter((issue) => issue.path !== undefined || issue.kind === "validation");
  const known = deep.filter((issue) => !isUnknownKey(issue) && !isMissing(issue));
  const unknown = deep.filter(isUnknownKey);
  return known.length > 0
    ? known.slice(0, 1)
    : unknown.length > 0
    ? unknown.slice(0, 1)
    : undefined;
}

function isUnknownKey(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function isMissing(issue: Issue): boolean {
  return issue.type === "strict_object" && issue.received === "undefined" &&
    issue.path !== undefined;
}

function problemOf(issue: Issue, path: readonly Step[]): Problem {
  const parents = path.slice(0, -1);
  if (isUnknownKey(issue)) {
    return { path, message: unknownKey(String(path.at(-1)), knownKeys(parents)) };
  }
  if (isMissing(issue)) {
    return { path: parents, message: `"${path.at(-1)}" is missing` };
  }
  return { path, message: `found ${found(issue.input, path)}; allowed: ${issue.message}` };
}

/** What stands in the file; of a secret only its kind. */
export function found(value: unknown, path: readonly Step[]): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  if (path.includes("secret")) return `a ${typeof value === "string" ? "text" : typeof value}`;
  if (typeof value === "string") return JSON.stringify(printable(value, 80));
  return `the ${typeof value} ${value}`;
}
