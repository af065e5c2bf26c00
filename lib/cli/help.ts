/**
 * `hook help`.
 *
 * @module
 */

import { type Args, helpText, verbNamed } from "../cli.ts";
import type { Io } from "./io.ts";

/** Prints the help of everything, or of one verb, to stdout. */
export function run({ operands: [name] }: Args, io: Io): Promise<number> {
  io.stdout(helpText(name === undefined ? undefined : verbNamed(name)));
  return Promise.resolve(0);
}
