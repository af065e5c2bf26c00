/**
 * A deployment in words.
 *
 * @module
 */

import type { Deployment } from "../delivery.ts";
import { printable } from "../values.ts";
import type { Io } from "./io.ts";

/** Prints what a deployment came to; the exit code is 1 where it failed. */
export function printDeployment(answer: unknown, io: Io): number {
  const { result, repository, old, new: commit, reason, hint, output } = answer as Deployment;
  const change = commit === undefined ? "" : ` ${span(old, commit)}`;
  if (result !== "failed") {
    io.stdout(`${result} ${repository}${change}${reason === undefined ? "" : `: ${reason}`}\n`);
    return 0;
  }
  if (output !== undefined) io.stdout(`${safe(output)}\n`);
  io.stderr(`hook: error: ${repository}: ${reason}\n`);
  if (hint !== undefined) io.stderr(`hook: hint: ${hint}\n`);
  return 1;
}

/** From a commit to another, short. */
export function span(old: string | undefined, commit: string): string {
  const short = commit.slice(0, 8);
  return old === undefined || old === commit ? short : `${old.slice(0, 8)} → ${short}`;
}

/** Output of git and hooks, line by line without what would steer a terminal. */
export function safe(output: string): string {
  return output.split("\n").map((line) => printable(line, 2_000)).join("\n");
}
