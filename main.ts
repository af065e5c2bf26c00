/**
 * The entry: arguments in, exit code out.
 *
 * @module
 */

import { run } from "./lib/cli.ts";
import { denoIo } from "./lib/cli/io.ts";

Deno.exit(await run(Deno.args, denoIo()));
