/** How the product is started: the compiled binary where there is one, else from source. */

import { fromFileUrl } from "./paths.ts";

/** The root of the project. */
export const ROOT = fromFileUrl(new URL("../../../", import.meta.url)).replace(/\/$/, "");

/** The compiled binary under test, absolute, or `undefined` when the tests run from source. */
export const BINARY: string | undefined = binary();

/** Why a test of the compiled binary is left out, or `undefined` when it can run. */
export const NEEDS_BINARY = BINARY === undefined
  ? "HOOK_BINARY names no compiled binary"
  : undefined;

function binary(): string | undefined {
  const name = Deno.env.get("HOOK_BINARY");
  if (name === undefined || name === "") return undefined;
  return name.startsWith("/") ? name : `${Deno.cwd()}/${name}`;
}

export interface Invocation {
  program: string;
  args: string[];
  /** `undefined`: the test's own folder. */
  cwd: string | undefined;
  /** What the interpreter needs besides the product's own environment. */
  env: Record<string, string>;
}

/** The command line and environment that run the product with `args`. */
export function invocation(args: string[]): Invocation {
  if (BINARY !== undefined) return { program: BINARY, args, cwd: undefined, env: {} };
  const extra = (Deno.env.get("HOOK_DENO_ARGS") ?? "").split(" ").filter((word) => word !== "");
  return {
    program: Deno.execPath(),
    args: ["run", ...extra, "--no-prompt", "-P=service", "main.ts", ...args],
    cwd: ROOT,
    env: interpreterEnvironment(),
  };
}

/** Deno's own settings, with its cache where it was: HOME of a test is not the user's. */
export function interpreterEnvironment(): Record<string, string> {
  const env: Record<string, string> = { DENO_DIR: cacheFolder(), DENO_LOG: "error" };
  for (const [name, value] of Object.entries(Deno.env.toObject())) {
    if (name.startsWith("DENO_")) env[name] = value;
  }
  return env;
}

function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? "/root";
  if (Deno.build.os === "darwin") return `${home}/Library/Caches/deno`;
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`}/deno`;
}
