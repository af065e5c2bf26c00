/**
 * `hook version`: what this is, and what it may do.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };
import type { Args } from "../cli.ts";
import { Git } from "../git.ts";
import type { Io } from "./io.ts";

/** Prints one line, or with `--json` everything that a report of a fault should say. */
export async function run(args: Args, io: Io): Promise<number> {
  const { version, permissions } = manifest;
  const { deno, v8 } = Deno.version;
  const git = await new Git(io.env).version().catch(() => undefined);
  if (args.has("json")) {
    const facts = { version, deno, v8, git: git ?? null, permissions: permissions.service };
    io.stdout(`${JSON.stringify(facts, null, 2)}\n`);
  } else {
    io.stdout(`hook ${version} (Deno ${deno}, V8 ${v8}, git ${git ?? "not found"})\n`);
  }
  return 0;
}
