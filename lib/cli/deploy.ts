/**
 * `hook deploy`: the tip, now.
 *
 * @module
 */

import type { Args } from "../cli.ts";
import { adminClient } from "./admin_client.ts";
import { printDeployment } from "./deployment_text.ts";
import type { Io } from "./io.ts";

/** Asks for a deployment, and with `--wait` tells what it came to: 1 where it failed. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name] = args.operands;
  const wait = args.has("wait");
  const service = await adminClient(args, io);
  const answer = await service.ask("POST", `/repositories/${name}/deploy`, { wait });
  if (wait) return printDeployment(answer.deployment, io);
  io.stdout(`queued ${name}; see how it goes: hook status ${name}\n`);
  return 0;
}
