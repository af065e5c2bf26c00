/**
 * What differs between machines is decided here: which Deno, which registry, which flags.
 *
 * Nothing below scripts/ imports a package, so that a task starts before any registry was reached.
 *
 * @module
 */
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };

/** The root of the repository. */
export const ROOT = join(import.meta.dirname as string, "..");

/** The version of hook; deno.json is the only place that states it. */
export const VERSION: string = config.version;

/**
 * The Deno that builds releases. Other versions may format or lint differently, so those two checks
 * are left to it, and the runtime that npm carries belongs to it alone.
 */
export const PINNED_DENO = "2.7.11";

/** The oldest Deno with named permission sets that behave as deno.json expects. */
const OLDEST_DENO = [2, 7] as const;

/** A failure that is explained to the person at the terminal instead of being traced. */
export class TaskError extends Error {
  override name = "TaskError";
  /** @param hint What to do next. @param code The exit code: 1 failed, 2 wrong usage. */
  constructor(message: string, readonly hint?: string, readonly code: 1 | 2 = 1) {
    super(message);
  }
}

/** Throws a {@link TaskError} where Deno is too old. */
export function requireDeno(version: string = Deno.version.deno): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_DENO;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new TaskError(
    `Cannot work with Deno "${version}": ${oldestMajor}.${oldestMinor} or newer is needed`,
    `npx -y deno@${PINNED_DENO} task …`,
    2,
  );
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Ends the program by SIGKILL, in milliseconds. */
  timeout?: number;
}

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** The environment of every Deno that a task starts, where the user has not decided otherwise. */
export function denoEnv(get = (name: string) => Deno.env.get(name)): Record<string, string> {
  return {
    // Deno 2.7 ignores the system's certificates by default: npm fails behind a company's proxy.
    DENO_TLS_CA_STORE: get("DENO_TLS_CA_STORE") ?? "system,mozilla",
    // Silences "permissions in the config file are experimental" and "importMap is being ignored".
    DENO_LOG: get("DENO_LOG") ?? "error",
    DENO_NO_UPDATE_CHECK: get("DENO_NO_UPDATE_CHECK") ?? "1",
    // The stack of Deno's own Rust code helps nobody here.
    RUST_BACKTRACE: "0",
  };
}

/** Runs this same Deno in the root of the repository, with our streams; returns its exit code. */
export async function runDeno(args: string[], options: RunOptions = {}): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { ...denoEnv(), ...options.env },
  });
  return (await command.spawn().status).code;
}

/** Runs this same Deno in the root of the repository and collects what it says. */
export async function askDeno(args: string[], options: RunOptions = {}): Promise<Output> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { ...denoEnv(), NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = options.timeout === undefined
    ? undefined
    : setTimeout(() => child.kill("SIGKILL"), options.timeout);
  try {
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}
