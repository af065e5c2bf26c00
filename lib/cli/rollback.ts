/**
 * `hook rollback`: back to what was deployed before, and stay there.
 *
 * @module
 */

import type { Args } from "../cli.ts";
import { adminClient } from "./admin_client.ts";
import { printDeployment } from "./deployment_text.ts";
import type { Io } from "./io.ts";

/** Goes back and tells what it came to: 1 where it failed. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name] = args.operands;
  const to = args.value("to");
  const service = await adminClient(args, io);
  const answer = await service.ask("POST", `/repositories/${name}/rollback`, { to });
  const code = printDeployment(answer.deployment, io);
  if (code === 0) io.stdout(`held until: hook resume ${name}\n`);
  return code;
}
