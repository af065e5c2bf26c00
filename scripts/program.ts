/**
 * The program that tests, the demo and the benchmark start: a binary built now or, where this machine
 * can have none, main.ts from source under the same permissions.
 *
 * @module
 */
import { join } from "node:path";
import { build, RuntimeUnavailable } from "./build.ts";
import { registryFlags, type RegistryName } from "./registry.ts";
import { npmRuntimeRefusal } from "./runtime.ts";
import { say } from "./terminal.ts";
import { askDeno, ROOT } from "./toolchain.ts";

export type Program =
  | { kind: "binary"; path: string }
  | { kind: "source"; flags: string[]; denoDir: string };

/** Builds the binary for tests, beside and never instead of dist/hook. */
export async function prepareProgram(registry: RegistryName): Promise<Program> {
  const output = join(ROOT, "dist", "test", "hook");
  let reason = "only npm answers";
  if (registry === "jsr") {
    try {
      await build({ registry, runtime: "official", output });
      return { kind: "binary", path: output };
    } catch (error) {
      if (!(error instanceof RuntimeUnavailable)) throw error;
      reason = "the official runtime cannot be downloaded";
    }
  }
  const refusal = npmRuntimeRefusal();
  if (refusal === undefined) {
    await build({ registry, runtime: "npm", output });
    return { kind: "binary", path: output };
  }
  say(`hook runs from source: ${reason}, and ${refusal}`);
  const info = await askDeno(["info", "--json"]);
  const { denoDir } = JSON.parse(info.stdout) as { denoDir: string };
  return { kind: "source", flags: ["--quiet", ...registryFlags(registry)], denoDir };
}

/** The words that start it, from the root of the repository. */
export function programCommand(program: Program): [string, ...string[]] {
  return program.kind === "binary"
    ? [program.path]
    : [Deno.execPath(), "run", ...program.flags, "--no-prompt", "-P=service", "main.ts"];
}

/**
 * Tells the processes that this task starts: `HOOK_BINARY` is the binary; where there is none,
 * `HOOK_DENO_ARGS` holds the flags for `deno run`, and `DENO_DIR` is named because tests give the
 * program a home of its own.
 */
export function exportProgram(program: Program): void {
  Deno.env.delete("HOOK_BINARY");
  Deno.env.delete("HOOK_DENO_ARGS");
  if (program.kind === "binary") {
    Deno.env.set("HOOK_BINARY", program.path);
  } else {
    Deno.env.set("HOOK_DENO_ARGS", program.flags.join(" "));
    Deno.env.set("DENO_DIR", program.denoDir);
  }
}
