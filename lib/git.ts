/**
 * The one place that starts a process, and the only program that it starts is git. A run has a
 * clean environment, no terminal to ask at, a bound on what it may print, and an end: when its
 * signal aborts, the whole process group goes, with the transports and hooks that git started.
 *
 * @module
 */

import { BoundedOutput } from "./output.ts";
import { within } from "./time.ts";
import { type AbsolutePath, type BranchName, branchName } from "./values.ts";

/** Starts git in one directory. */
export interface GitOptions {
  readonly cwd?: AbsolutePath;
  /** Ends the run with its whole process group. */
  readonly signal?: AbortSignal;
}

/** What a run came to. Output is decoded as UTF-8 and carries no password of a URL. */
export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run that failed or was ended. */
export class GitError extends Error {
  override readonly name = "GitError";
  /** @param command git and its arguments, for display */
  constructor(
    readonly command: string,
    readonly result: GitResult,
    /** The signal's reason, where the run was ended by it. */
    readonly aborted?: unknown,
  ) {
    const said = lastLine(result.stderr) ?? lastLine(result.stdout);
    super(said ?? `"${command}" ended with exit code ${result.code}`);
  }
}

/** Git is not there, or may not be started. */
export class GitMissingError extends Error {
  override readonly name = "GitMissingError";
}

/** The oldest git that has everything used here: `git switch`, `--no-auto-maintenance`. */
export const OLDEST_GIT = [2, 30] as const;

/** How much of a stream is kept, in bytes. */
const OUTPUT_LIMIT = 256 * 1024;
/** How long git may clean up after SIGTERM (it removes its lock files), in milliseconds. */
const TERM_GRACE = 2_000;
/** How long output is read after the end of git: a child left behind may hold the pipe for ever. */
const PIPE_GRACE = 1_000;

/** What git, ssh and the checkout's own hooks may see of our environment. */
const INHERITED = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "TMPDIR",
  "TZ",
  "XDG_CONFIG_HOME",
  "SSH_AUTH_SOCK",
  "http_proxy",
  "https_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "no_proxy",
  "NO_PROXY",
  "ALL_PROXY",
  "all_proxy",
  "GIT_SSL_CAINFO",
  "GIT_CONFIG_GLOBAL",
  "GIT_CONFIG_NOSYSTEM",
] as const;

const FIXED = {
  // Messages are read to tell what failed, so they have to be in one language.
  LC_ALL: "C.UTF-8",
  LANGUAGE: "C",
  GIT_TERMINAL_PROMPT: "0",
  // A name with a star in it is a name.
  GIT_LITERAL_PATHSPECS: "1",
  // Excludes `ext::`, which runs any command, also where a submodule or a redirect asks for it.
  GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh",
  // A remote that says nothing for a minute is gone.
  GIT_HTTP_LOW_SPEED_LIMIT: "1",
  GIT_HTTP_LOW_SPEED_TIME: "60",
} as const;

/** Starts git with one environment, which it reads once. */
export class Git {
  readonly #env: Record<string, string>;

  /** @param env the value of one of our own environment variables */
  constructor(env: (name: string) => string | undefined) {
    this.#env = { ...FIXED };
    for (const name of INHERITED) {
      const value = env(name);
      if (value !== undefined) this.#env[name] = value;
    }
  }

  /**
   * Runs git to its end.
   *
   * @param args for git itself; whatever comes from outside stands behind `--` or in one argument
   *   with its option
   * @throws {GitError} where it ends with another code than 0, or the signal aborts
   * @throws {GitMissingError} where it can't be started
   */
  async run(args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
    const result = await this.try(args, options);
    if (result.code !== 0) throw new GitError(describe(args), result);
    return result;
  }

  /**
   * Runs git to its end, whatever its exit code.
   *
   * @throws {GitError} where the signal aborts
   * @throws {GitMissingError} where it can't be started
   */
  async try(args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
    const { signal } = options;
    if (signal?.aborted) throw new GitError(describe(args), NOTHING, signal.reason);
    const child = this.#spawn(args, options);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const end = (): void => void this.#endGroup(child);
    signal?.addEventListener("abort", end, { once: true });
    try {
      const { code } = await child.status;
      await within(PIPE_GRACE, Promise.all([stdout.done, stderr.done]));
      const result = { code, stdout: stdout.text(), stderr: stderr.text() };
      if (signal?.aborted) throw new GitError(describe(args), result, signal.reason);
      return result;
    } finally {
      signal?.removeEventListener("abort", end);
      await Promise.all([stdout.cancel(), stderr.cancel()]);
    }
  }

  #spawn(args: readonly string[], { cwd }: GitOptions): Deno.ChildProcess {
    const env = { ...this.#env };
    // A damaged checkout must not be taken for a part of a repository further up.
    if (cwd !== undefined) env.GIT_CEILING_DIRECTORIES = cwd.slice(0, cwd.lastIndexOf("/")) || "/";
    try {
      return new Deno.Command("git", {
        args: [...args],
        ...cwd !== undefined && { cwd },
        clearEnv: true,
        env,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        // A session of its own: no terminal for ssh to ask at, and a group that can be ended.
        detached: true,
      }).spawn();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && cwd !== undefined && !isDirectory(cwd)) {
        throw new GitError(describe(args), { ...NOTHING, stderr: `"${cwd}" is not a directory` });
      }
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
        throw new GitMissingError("git cannot be started", { cause: error });
      }
      throw new GitError(describe(args), { ...NOTHING, stderr: `cannot start git: ${error}` });
    }
  }

  /** Asks the group to end, then makes it. */
  async #endGroup(child: Deno.ChildProcess): Promise<void> {
    await this.#signalGroup("TERM", child.pid);
    if (await within(TERM_GRACE, child.status) !== undefined) return;
    await this.#signalGroup("KILL", child.pid);
  }

  /**
   * Signals a process group. The binary may start git alone and may not use kill(2) itself, so the
   * shell of a git alias does it.
   */
  async #signalGroup(name: "TERM" | "KILL", leader: number): Promise<void> {
    const killer = new Deno.Command("git", {
      args: ["-c", "alias.signal=!kill", "signal", `-${name}`, "--", `-${leader}`],
      clearEnv: true,
      env: this.#env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    // It fails where the group is gone already, which is what was wanted.
    await killer.output().catch(() => {});
  }

  /**
   * The version of git, such as `2.39.5`.
   *
   * @throws {GitMissingError} where it can't be started
   */
  async version(): Promise<string> {
    const { stdout } = await this.run(["version"]);
    return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? stdout.trim();
  }
}

/** Whether a version of git is at least the oldest one that will do. */
export function isSupportedGit(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_GIT;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/**
 * The branch that a checkout is on, read from its files so that it costs no process: `.git/HEAD`,
 * or where a file `.git` points to (gitrepository-layout(5)).
 *
 * @returns undefined where it is detached, missing, or stored in a way that only git can read
 */
export async function checkedOutBranch(path: AbsolutePath): Promise<BranchName | undefined> {
  try {
    let directory = `${path}/.git`;
    if (!(await Deno.stat(directory)).isDirectory) {
      const target = /^gitdir: (.+)$/m.exec(await Deno.readTextFile(directory))?.[1];
      if (target === undefined) return undefined;
      directory = target.startsWith("/") ? target : `${path}/${target}`;
    }
    const head = await Deno.readTextFile(`${directory}/HEAD`);
    const name = /^ref: refs\/heads\/(.+)\n?$/.exec(head)?.[1];
    return name === undefined ? undefined : branchName(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}

/** Removes user names, tokens and passwords from the URLs in a text. */
export function redact(text: string): string {
  return text.replace(/(https?:\/\/)[^\s/@'"]+@/g, "$1***@");
}

const NOTHING: GitResult = { code: -1, stdout: "", stderr: "" };

/** A command as it is shown to people. */
function describe(args: readonly string[]): string {
  return redact(["git", ...args].join(" "));
}

function lastLine(text: string): string | undefined {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.findLast((line) => /^(?:fatal|error|ssh):/.test(line)) ?? lines.at(-1);
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

interface Collected {
  readonly done: Promise<void>;
  text(): string;
  cancel(): Promise<void>;
}

function collect(stream: ReadableStream<Uint8Array>): Collected {
  const output = new BoundedOutput(OUTPUT_LIMIT);
  const reader = stream.getReader();
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      output.push(value);
    }
  };
  return {
    done: read().catch(() => {}),
    text: () => redact(output.toString()),
    cancel: () => reader.cancel().catch(() => {}),
  };
}
