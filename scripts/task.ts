/**
 * The entry of every task in deno.json that needs packages: `deno run -A scripts/task.ts NAME …`.
 *
 * It decides once where packages come from, and what it starts does not ask again.
 *
 * @module
 */
import { build, parseBuildArgs } from "./build.ts";
import { check } from "./check.ts";
import { demo, parseDemoArgs } from "./demo.ts";
import { exportProgram, prepareProgram } from "./program.ts";
import { findRegistry, registryFlags, type RegistryName } from "./registry.ts";
import { dim, red, say } from "./terminal.ts";
import { test, testLong } from "./test.ts";
import { requireDeno, runDeno, TaskError } from "./toolchain.ts";

/** A task: refuses wrong arguments at once, then works; the number is the exit code. */
type Task = (args: string[]) => (registry: RegistryName) => Promise<number>;

const TASKS: Record<string, Task> = {
  build(args) {
    const options = parseBuildArgs(args);
    return async (registry) => {
      await build({ ...options, registry });
      return 0;
    };
  },

  demo(args) {
    const options = parseDemoArgs(args);
    return async (registry) => await demo(options, registry);
  },

  check: () => async (registry) => (await check(registry)).length > 0 ? 1 : 0,

  test: (args) => (registry) => test(args, registry),

  "test:long": (args) => (registry) => testLong(args, registry),

  bench: (args) => async (registry) => {
    exportProgram(await prepareProgram(registry));
    return await runDeno(["run", "-A", ...registryFlags(registry), "bench/main.ts", ...args]);
  },

  usage: () => (registry) => runDeno(["run", "-A", ...registryFlags(registry), "scripts/usage.ts"]),

  hook: (args) => (registry) => {
    const flags = ["--quiet", "--no-prompt", "-P=service", ...registryFlags(registry)];
    return runDeno(["run", ...flags, "main.ts", ...args]);
  },
};

async function main([name = "", ...args]: string[]): Promise<number> {
  const task = TASKS[name];
  if (!task) {
    throw new TaskError(`Cannot find task "${name}"`, `one of ${Object.keys(TASKS).join(", ")}`, 2);
  }
  requireDeno();
  // `deno task NAME -- --flag` passes the dashes on.
  const work = task(args[0] === "--" ? args.slice(1) : args);
  const registry = await findRegistry();
  const other = registry.name === "jsr" ? "npm" : "jsr";
  say(dim(`registry: ${registry.name} (${registry.reason}; HOOK_REGISTRY=${other} for the other)`));
  Deno.env.set("HOOK_REGISTRY", registry.name);
  return await work(registry.name);
}

try {
  Deno.exitCode = await main(Deno.args);
} catch (error) {
  if (!(error instanceof TaskError)) throw error;
  say(`${red("error:")} ${error.message}`);
  if (error.hint) say(`hint: ${error.hint}`);
  Deno.exitCode = error.code;
}
