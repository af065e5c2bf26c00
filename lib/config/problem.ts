/**
 * What is wrong with a configuration, said so that it can be mended at once: where, which key, what
 * was found, what is allowed, and the nearest word that exists.
 *
 * @module
 */

import type * as v from "valibot";
import { nearest } from "../nearest.ts";
import { printable } from "../values.ts";
import { lineFinder, type Step } from "./lines.ts";
import { knownKeys } from "./schema.ts";

/** One problem, with the way to the key that it is about. */
export interface Problem {
  readonly path: readonly Step[];
  /** What is wrong, without file, line and key. */
  readonly message: string;
}

/**
 * Lines such as `hook.yaml:7: repositories.app.brnch: unknown key, …`, in the file's order, each
 * once.
 */
export function formatProblems(
  problems: readonly Problem[],
  source: string,
  file: string,
): string[] {
  const lineOf = lineFinder(source);
  const lines = problems
    .map((problem) => ({ ...problem, line: lineOf(problem.path) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
    .map(({ path, line, message }) => {
      const place = line === undefined ? file : `${file}:${line}`;
      return path.length === 0 ? `${place}: ${message}` : `${place}: ${keyOf(path)}: ${message}`;
    });
  return [...new Set(lines)];
}

/** A path as people read it: `repositories.app.secret, item 2, file`. */
function keyOf(path: readonly Step[]): string {
  const list = path.findIndex((step) => typeof step === "number");
  const [keys, rest] = list === -1 ? [path, []] : [path.slice(0, list), path.slice(list)];
  return [keys.map(shown).join("."), ...rest.map(shown)].join(", ");
}

/** A key as it stands, or the beginning of one that is none, in quotes. */
function shown(key: Step): string {
  if (typeof key === "number") return `item ${key + 1}`;
  return /^[\w-][\w.-]{0,79}$/.test(key) ? key : quoted(key, /[\s:=]/);
}

/**
 * A text from the file, in quotes, up to where the next key might begin: without the right
 * indentation, or a blank after its colon, YAML takes `secret` and its value for a part of the text
 * or key before it.
 */
function quoted(text: string, end = /\s/): string {
  const [word = ""] = text.split(end, 1);
  const rest = text.slice(word.length);
  const more = rest === "" ? "" : `${printable(rest.charAt(0))}…`;
  return JSON.stringify(printable(withoutPassword(word, rest), 80) + more);
}

/**
 * A URL without user name, token and password; `git@host:path` has only a user name.
 *
 * @param rest what follows after a blank, where a password may go on
 */
function withoutPassword(word: string, rest: string): string {
  const start = word.includes("//") ? word.indexOf("//") + 2 : 0;
  const at = word.lastIndexOf("@");
  if (at === -1) return rest.includes("@") && word.includes(":") ? word.slice(0, start) : word;
  const isUserAlone = start === 0 && !word.slice(0, at).includes(":");
  return isUserAlone ? word : `${word.slice(0, start)}…${word.slice(Math.max(at, start))}`;
}

type Issue = v.BaseIssue<unknown>;

/** Translates the validator's issues, whose paths begin at `base`. */
export function problemsOf(issues: readonly Issue[], base: readonly Step[]): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...(issue.path ?? []).map(({ key }) => key as Step)];
    const inner = issue.issues && issuesOfKind(issue.issues);
    return inner ? problemsOf(inner, path) : problemsOfOne(issue, path);
  });
}

/**
 * Of a choice between a text, a map and a list, the issues of the one that was written: those that
 * lie within it. Where it is neither, there is none.
 */
function issuesOfKind(issues: readonly Issue[]): readonly Issue[] | undefined {
  const within = issues.filter((issue) => issue.path !== undefined || issue.kind === "validation");
  return within.length > 0 ? within : undefined;
}

function problemsOfOne(issue: Issue, path: readonly Step[]): Problem[] {
  const isMap = issue.type === "strict_object" || issue.type === "record";
  // Of a map, "Object" is expected of itself, its name of a missing key, and "never" of another.
  if (isMap && issue.expected === "never") {
    const [{ input }] = issue.path!.slice(-1) as [v.IssuePathItem];
    return unknownKeys(input as Record<string, unknown>, path.slice(0, -1));
  }
  if (isMap && issue.expected !== "Object") {
    return [{ path: path.slice(0, -1), message: `"${path.at(-1)}" is missing` }];
  }
  const hidden = isMap || isSecret(path, issue.input);
  return [{ path, message: `found ${found(issue.input, hidden)}; allowed: ${issue.message}` }];
}

/** Whether a value may be a secret: all below the key, but what can only be the name of a place. */
function isSecret(path: readonly Step[], value: unknown): boolean {
  // A repository of that name may be the key with too little indentation.
  if (!path.includes("secret") && !path.includes("password")) return false;
  const isPlaceDue = ["file", "env", "credential"].includes(String(path.at(-1)));
  return !(isPlaceDue && typeof value === "string" && PLACE.test(value));
}

/** A path whose beginning is a word or dots, or a name such as `APP_SECRET`. */
const PLACE = /^(?:[a-z]+|~|\.{1,2})\/|^[A-Z]+(?:_[A-Z]+)+$/;

/** The validator stops at the first unknown key of a map; this finds all of them. */
function unknownKeys(map: Readonly<Record<string, unknown>>, parents: readonly Step[]): Problem[] {
  const known = knownKeys(parents);
  const allowed = `allowed: ${known.join(", ")}`;
  return Object.keys(map).filter((key) => !known.includes(key)).map((key) => {
    const near = nearest(key, known);
    const suggestion = near === undefined ? "" : `, did you mean "${near}"?`;
    // A secret in braces, such as {x7Kp}, is a map whose key is the secret, with nothing behind it.
    return parents.includes("secret") || parents.includes("password") ||
        (near === undefined && map[key] === null)
      ? { path: parents, message: `found a map with an unknown key${suggestion}; ${allowed}` }
      : { path: [...parents, key], message: `unknown key${suggestion}; ${allowed}` };
  });
}

/**
 * What stands in the file.
 *
 * @param hidden tell only its kind: it is a secret, or may be one in the wrong place
 */
export function found(value: unknown, hidden: boolean): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty map" : "a map";
  if (typeof value !== "string") {
    return hidden ? `a ${typeof value}` : `the ${typeof value} ${value}`;
  }
  return hidden ? "a text" : quoted(value);
}
