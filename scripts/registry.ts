/**
 * JSR where it answers, else npm.
 *
 * deno.json names import_map.json, which takes @std from JSR; import_map.npm.json takes the same modules
 * from one npm package. Each has a lock file. Neither the maps are in deno.json's `imports`, nor is a
 * lock file there for Deno to find, because `deno task` would download every npm package that it
 * learns of before it runs as much as `fmt`, and with its default certificates at that.
 *
 * @module
 */
import { askDeno, TaskError } from "./toolchain.ts";

export type RegistryName = "jsr" | "npm";

export interface Registry {
  name: RegistryName;
  /** Why this one, for the line that a task prints. */
  reason: string;
}

/** How long JSR may take to answer, in milliseconds. */
const PATIENCE = 2_000;

/** A small module without dependencies, at the version that the import map names. */
const PROBE = "jsr:@std/fmt@1.0.10/duration";

/**
 * Decides which registry the packages come from.
 *
 * @param wanted `jsr` or `npm` forces one; the value of `HOOK_REGISTRY`.
 * @param answers Whether JSR can be reached now.
 * @throws {TaskError} where `wanted` is neither.
 */
export async function findRegistry(
  wanted: string | undefined = Deno.env.get("HOOK_REGISTRY"),
  answers: () => Promise<boolean> = jsrAnswers,
): Promise<Registry> {
  if (wanted === "jsr" || wanted === "npm") {
    return { name: wanted, reason: "HOOK_REGISTRY says so" };
  }
  if (wanted) {
    throw new TaskError(
      `Cannot use HOOK_REGISTRY "${wanted}": it is neither "jsr" nor "npm"`,
      "unset it and the task finds out by itself",
      2,
    );
  }
  return await answers()
    ? { name: "jsr", reason: "JSR answers" }
    : { name: "npm", reason: `JSR did not answer within ${PATIENCE / 1000} s` };
}

/** The flags that make deno run, test, check and bundle use this registry. */
export function registryFlags(name: RegistryName): string[] {
  return name === "jsr"
    ? ["--lock=deno.jsr.lock"]
    : ["--lock=deno.npm.lock", "--import-map=import_map.npm.json"];
}

async function jsrAnswers(): Promise<boolean> {
  // --reload, since a module that is in the cache says nothing about the network of today.
  const { code } = await askDeno(["cache", "--no-config", "--no-lock", "--reload", PROBE], {
    timeout: PATIENCE,
  });
  return code === 0;
}
