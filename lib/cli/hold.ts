/**
 * `hook hold`: stop deploying a repository.
 *
 * @module
 */

import type { Args } from "../cli.ts";
import { adminClient } from "./admin_client.ts";
import type { Io } from "./io.ts";

/** Holds it; pushes and comparisons are recorded and change nothing. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name] = args.operands;
  const service = await adminClient(args, io);
  await service.ask("POST", `/repositories/${name}/hold`, { reason: args.value("reason") });
  io.stdout(`${name} is held until: hook resume ${name}\n`);
  return 0;
}
