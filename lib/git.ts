/**
 * The one place that starts a process, and the only program that it starts is git. A run has a
 * clean environment, no terminal to ask at, a bound on what it may print, and an end: when its
 * signal aborts, everything goes that git started, its transports and hooks included.
 *
 * @module
 */

import { lstatOrUndefined } from "./files.ts";
import { BoundedOutput } from "./output.ts";
import { descendantsOf, type Look, withVariable } from "./processes.ts";
import { within } from "./time.ts";
import { type AbsolutePath, type BranchName, branchName, type Sha, sha } from "./values.ts";

/** How one run of git is started. */
export interface GitOptions {
  readonly cwd?: AbsolutePath;
  /** Ends the run, with everything that it started. */
  readonly signal?: AbortSignal;
  /** Variables for this run alone. */
  readonly env?: Readonly<Record<string, string>>;
  /** What git reads from its standard input. */
  readonly stdin?: string;
  /** Standard output is data for us: whole and as git wrote it, or the run fails. */
  readonly data?: boolean;
}

/** What a run came to. Output is decoded as UTF-8 and, unless it is data, has no password in it. */
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
/** How much of it where it is data, in MiB: the paths of 300,000 files. */
const DATA_LIMIT = 16;
/** How long git and its children may clean up after SIGTERM (locks, for one), in milliseconds. */
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

/** What a hook may see besides what it is told: no variable of git's. */
const FOR_HOOKS = [...INHERITED.filter((name) => !name.startsWith("GIT_")), "LANG", "LC_ALL"];

/**
 * Names the service that a process of git belongs to, so that the next start of the same service
 * can find those that outlived a kill. Hooks do not inherit it: what they leave behind is theirs.
 */
export const OWNER_VARIABLE = "HOOK_OWNER";

/** Starts a hook as the shell of a git alias, since git is the only program that may be started. */
const HOOK_ALIAS = `!unset $(git rev-parse --local-env-vars) GIT_PREFIX GIT_EXEC_PATH ` +
  `GIT_CONFIG_PARAMETERS GIT_CEILING_DIRECTORIES ${OWNER_VARIABLE}; hook=$HOOK_EXEC; unset HOOK_EXEC; exec "$hook"`;

/** What distinguishes one service's git from another's. */
export interface GitSettings {
  /** Marks the processes of this service; see {@link OWNER_VARIABLE}. */
  readonly owner?: string;
  /**
   * Gives git a session of its own. It costs a fork(2) of this whole process instead of a
   * posix_spawn(3), which holds up every answer for milliseconds, so only where it is needed: on a
   * terminal, where Ctrl-C would hit git too and ssh could ask, and, always, where there is no /proc
   * to find git's children in.
   */
  readonly ownSession?: boolean;
}

/** Starts git with one environment, which it reads once. */
export class Git {
  readonly #env: Record<string, string>;
  readonly #hookEnv: Record<string, string>;
  readonly #ownSession: boolean;

  /** @param env the value of one of our own environment variables */
  constructor(
    env: (name: string) => string | undefined,
    { owner, ownSession = false }: GitSettings = {},
  ) {
    const mark: Record<string, string> = owner === undefined ? {} : { [OWNER_VARIABLE]: owner };
    this.#env = { ...selected(INHERITED, env), ...FIXED, ...mark };
    this.#hookEnv = { ...selected(FOR_HOOKS, env), ...mark };
    this.#ownSession = ownSession || Deno.build.os !== "linux";
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
    const { cwd, env, stdin } = options;
    const start = () =>
      this.#spawn(args, {
        env: { ...this.#env, ...env },
        stdin: stdin === undefined ? "null" : "piped",
        detached: this.#ownSession,
        ...cwd !== undefined && { cwd },
      });
    return await this.#finish(args, start, options);
  }

  /**
   * Runs an executable file in a directory.
   *
   * @param env what it is told, besides the user's own variables
   * @returns its exit code and output; 126 where it can't be executed
   * @throws {GitError} where the signal aborts
   */
  async runHook(
    file: AbsolutePath,
    cwd: AbsolutePath,
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<GitResult> {
    const args = ["-c", `alias.run-hook=${HOOK_ALIAS}`, "run-hook"];
    const whole = { ...this.#hookEnv, ...env, HOOK_EXEC: file };
    // A group of its own, since a hook's children may lose their parents.
    const start = () => this.#spawn(args, { env: whole, cwd, stdin: "null", detached: true });
    return await this.#finish([file], start, { signal });
  }

  async #finish(
    args: readonly string[],
    start: () => Deno.ChildProcess,
    { signal, stdin, data = false }: GitOptions,
  ): Promise<GitResult> {
    if (signal?.aborted) throw new GitError(describe(args), NOTHING, signal.reason);
    const child = start();
    const stdout = collect(child.stdout, data ? DATA_LIMIT * 1024 ** 2 : OUTPUT_LIMIT);
    const stderr = collect(child.stderr, OUTPUT_LIMIT);
    const closed = Promise.all([child.status, stdout.done, stderr.done]);
    let ended: Promise<void> | undefined;
    const end = (): void => void (ended = this.#end(child.pid, closed));
    signal?.addEventListener("abort", end, { once: true });
    // Git may answer before it has read everything, so nobody waits for the other.
    const fed = stdin === undefined ? undefined : feed(child.stdin, stdin);
    try {
      const { code } = await child.status;
      await fed;
      await within(PIPE_GRACE, closed);
      const result = {
        code,
        stdout: data ? stdout.text() : redact(stdout.text()),
        stderr: redact(stderr.text()),
      };
      if (signal?.aborted) throw new GitError(describe(args), result, signal.reason);
      if (data && stdout.dropped() > 0) throw tooLong(args, code);
      return result;
    } finally {
      signal?.removeEventListener("abort", end);
      await ended;
      await Promise.all([stdout.cancel(), stderr.cancel()]);
    }
  }

  #spawn(
    args: readonly string[],
    options: Pick<Deno.CommandOptions, "env" | "stdin" | "detached"> & { cwd?: AbsolutePath },
  ): Deno.ChildProcess {
    const { cwd, env } = options;
    // A damaged checkout must not be taken for a part of a repository further up.
    const ceiling: Record<string, string> = cwd === undefined
      ? {}
      : { GIT_CEILING_DIRECTORIES: cwd.slice(0, cwd.lastIndexOf("/")) || "/" };
    try {
      return new Deno.Command("git", {
        ...options,
        args: [...args],
        clearEnv: true,
        env: { ...env, ...ceiling },
        stdout: "piped",
        stderr: "piped",
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

  /** Asks a process and all that it started to end, then makes them: some are deaf to SIGTERM. */
  async #end(pid: number, ended: Promise<unknown>): Promise<void> {
    await this.#endFamilies([pid], () => within(TERM_GRACE, ended));
  }

  async #endFamilies(pids: readonly number[], grace: () => Promise<unknown>): Promise<void> {
    const groups = pids.map((pid) => -pid);
    const first = await descendantsOf(pids, this.#look);
    await this.#signal("TERM", [...pids, ...groups, ...first]);
    await grace();
    // Those that lost their parent meanwhile are known from the first look.
    const second = await descendantsOf(pids, this.#look);
    await this.#signal("KILL", [...pids, ...groups, ...first, ...second]);
  }

  /**
   * Signals processes, and with negative numbers process groups. The binary may start git alone and
   * may not use kill(2) itself, so the shell of a git alias does it. That some are gone already is
   * no failure.
   */
  async #signal(name: "TERM" | "KILL", targets: readonly number[]): Promise<void> {
    await this.#shell("kill", [`-${name}`, "--", ...targets.map(String)]);
  }

  /** Looks at other processes, as no service of ours: the look itself must not be found. */
  readonly #look: Look = (script, env) => this.#shell(script, [], env);

  /** Runs a line of shell with arguments behind it; what it prints, whatever its exit code. */
  async #shell(
    script: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { [OWNER_VARIABLE]: _owner, ...own } = this.#env;
    const shell = new Deno.Command("git", {
      // Not "shell": git has a command of that name, which an alias cannot replace.
      args: ["-c", `alias.run-shell=!${script}`, "run-shell", ...args],
      clearEnv: true,
      env: { ...own, ...env },
      stdin: "null",
      stderr: "null",
    });
    try {
      return new TextDecoder().decode((await shell.output()).stdout);
    } catch {
      return "";
    }
  }

  /**
   * Ends what a service of the same owner started and left running when it was killed. Hooks do not
   * carry the mark, but the git that waits for one does.
   *
   * @returns how many processes there were
   */
  async endOrphans(): Promise<number> {
    const owner = this.#env[OWNER_VARIABLE];
    if (owner === undefined) return 0;
    const find = () => withVariable(OWNER_VARIABLE, owner, this.#look);
    const orphans = await find();
    if (orphans.length === 0) return 0;
    await this.#endFamilies(orphans, async () => {
      // They are not our children, so there is nothing to wait for but their absence.
      const end = performance.now() + TERM_GRACE;
      while (performance.now() < end && (await find()).length > 0);
    });
    return orphans.length;
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
 * The directory that holds a repository's own files: `.git`, or what a file `.git` points to, or the
 * path itself where it is a bare repository (gitrepository-layout(5)).
 *
 * @returns undefined where there is no repository
 */
export async function gitDirectory(path: AbsolutePath): Promise<string | undefined> {
  const dotGit = `${path}/.git`;
  const found = await lstatOrUndefined(dotGit);
  if (found === undefined) {
    return await lstatOrUndefined(`${path}/HEAD`) === undefined ? undefined : path;
  }
  if (!found.isFile) return dotGit;
  const target = /^gitdir: (.+)$/m.exec(await Deno.readTextFile(dotGit))?.[1];
  if (target === undefined) return undefined;
  return target.startsWith("/") ? target : `${path}/${target}`;
}

/**
 * The branch that a checkout is on, read from its file HEAD so that it costs no process.
 *
 * @returns undefined where it is detached, missing, or stored in a way that only git can read
 */
export async function checkedOutBranch(path: AbsolutePath): Promise<BranchName | undefined> {
  try {
    const directory = await gitDirectory(path);
    if (directory === undefined) return undefined;
    const head = await Deno.readTextFile(`${directory}/HEAD`);
    const name = /^ref: refs\/heads\/(.+)\n?$/.exec(head)?.[1];
    return name === undefined ? undefined : branchName(name);
  } catch {
    // Whatever is there instead of a checkout, git says it better.
    return undefined;
  }
}

/**
 * The commit that a checkout is at, read from its files: HEAD, the ref that it names, and the packed
 * refs (gitrepository-layout(5)).
 *
 * @returns undefined where there is none, or it is stored in a way that only git can read
 */
export async function checkedOutCommit(path: AbsolutePath): Promise<Sha | undefined> {
  const directory = await gitDirectory(path);
  if (directory === undefined) return undefined;
  const read = (file: string) => Deno.readTextFile(`${directory}/${file}`).catch(() => "");
  const head = (await read("HEAD")).trim();
  const ref = /^ref: (refs\/.+)$/.exec(head)?.[1];
  if (ref === undefined) return sha(head);
  const loose = sha((await read(ref)).trim());
  if (loose !== undefined) return loose;
  const packed = (await read("packed-refs")).split("\n").find((line) => line.endsWith(` ${ref}`));
  return packed === undefined ? undefined : sha(packed.split(" ", 1)[0]!);
}

/** Removes user names, tokens and passwords from the URLs in a text. */
export function redact(text: string): string {
  return text.replace(/(https?:\/\/)[^\s/'"]+@/gi, "$1***@");
}

function selected(
  names: readonly string[],
  env: (name: string) => string | undefined,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = env(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Writes a process's input; one that ends without reading it is not our failure. */
async function feed(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch (error) {
    // It ended, or was ended, before it had read all.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

const NOTHING: GitResult = { code: -1, stdout: "", stderr: "" };

/** A command as it is shown to people. */
function describe(args: readonly string[]): string {
  return redact(["git", ...args].join(" "));
}

function tooLong(args: readonly string[], code: number): GitError {
  const stderr = `git printed more than ${DATA_LIMIT} MiB`;
  return new GitError(describe(args), { code, stdout: "", stderr });
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
  /** What was kept, and how many bytes were not. */
  text(): string;
  dropped(): number;
  cancel(): Promise<void>;
}

function collect(stream: ReadableStream<Uint8Array>, limit: number): Collected {
  const output = new BoundedOutput(limit);
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
    text: () => output.toString(),
    dropped: () => output.dropped,
    cancel: () => reader.cancel().catch(() => {}),
  };
}
