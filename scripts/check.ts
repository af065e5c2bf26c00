/**
 * `deno task check`: format, lint and types; all three are told, not only the first that fails.
 *
 * @module
 */
import { registryFlags, type RegistryName } from "./registry.ts";
import { dim, say } from "./terminal.ts";
import { PINNED_DENO, runDeno } from "./toolchain.ts";

/**
 * Runs the checks; returns the names of those that failed.
 *
 * npm's copy of @std has no type declarations, so with npm its functions are `any` while our own code
 * is checked as strictly as with JSR.
 */
export async function check(registry: RegistryName): Promise<string[]> {
  const steps: [string, string[]][] = [["types", ["check", ...registryFlags(registry), "."]]];
  if (Deno.version.deno === PINNED_DENO) {
    steps.unshift(["format", ["fmt", "--check"]], ["lint", ["lint"]]);
  } else {
    say(dim(`check: format and lint are left to Deno ${PINNED_DENO}`));
  }
  const failed: string[] = [];
  for (const [name, args] of steps) {
    // At the level of errors, fmt would not tell which files it means.
    const env = name === "types" ? undefined : { DENO_LOG: "info" };
    if (await runDeno(args, { env }) !== 0) failed.push(name);
  }
  return failed;
}
