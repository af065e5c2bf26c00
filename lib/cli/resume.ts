/**
 * `hook resume`: go on deploying a repository.
 *
 * @module
 */

import type { Args } from "../cli.ts";
import { adminClient } from "./admin_client.ts";
import type { Io } from "./io.ts";

/** Ends a hold; the repository is compared with its remote at once. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name] = args.operands;
  const service = await adminClient(args, io);
  await service.ask("POST", `/repositories/${name}/resume`, {});
  io.stdout(`${name} follows its remote again\n`);
  return 0;
}
