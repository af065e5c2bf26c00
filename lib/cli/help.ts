/**
 * `hook help`.
 *
 * @module
 */

import { type Args, type Option, optionsOf, usage, type Verb, verbNamed, verbs } from "../cli.ts";
import type { Io } from "./io.ts";

/** Prints the help of everything, or of one verb, to stdout. */
export function run({ operands: [name] }: Args, io: Io): Promise<number> {
  io.stdout(helpText(name === undefined ? undefined : verbNamed(name)));
  return Promise.resolve(0);
}

/** The help of everything, or of one verb; at most 80 columns wide. */
export function helpText(verb?: Verb): string {
  if (verb !== undefined) {
    const options = optionsOf(verb).map((option) => [optionText(option), option.help] as const);
    const summary = wrapped(`${capitalised(verb.summary)}.`, 0);
    return `Usage: ${usage(verb)}\n\n${summary}\n\nOptions:\n${table(options)}`;
  }
  const rows = verbs.map((each) => [`${each.name} ${each.operands}`.trim(), each.summary] as const);
  return `hook puts a checkout where a push is: it takes the webhook of a forge,
verifies it, and brings the checkout to what the remote holds.

Usage: hook VERB [OPTIONS]

Verbs:
${table(rows)}
Help of a verb: hook help VERB. Exit codes: 0 done, 1 failed,
2 wrong usage or configuration.
`;
}

function optionText({ name, short, value }: Option): string {
  const long = `--${name}${value === undefined ? "" : ` ${value}`}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${wrapped(right, width + 2)}\n`)
    .join("");
}

/** How wide the help may be. */
const COLUMNS = 80;

/** Breaks a text that begins in column `indent`, and indents its further lines as far. */
function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && indent + longer.length <= COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
