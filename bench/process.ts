/** Starts and ends the processes under measurement, each a process group of its own. */
import { delay } from "@std/async/delay";

/** How long a peer may take to answer after its start, and to end after SIGTERM, in ms. */
const READY_MS = 15_000;
const TERM_MS = 5_000;

/** A running peer and where its output goes. */
export interface Service {
  readonly pid: number;
  readonly log: string;
  /** Ends it and everything it started; may be called twice. */
  stop(): Promise<void>;
  /** Settles when the process has ended. */
  readonly ended: Promise<unknown>;
}

const running = new Set<Service>();

/** Environment of everything the bench starts: nothing of the caller's git settings gets in. */
export function environment(home: string): Record<string, string> {
  return {
    PATH: Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    LANG: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  };
}

/**
 * Starts a service with both streams in a file: a pipe would make the bench itself read every log
 * line, on the cores that are being measured.
 */
export function startService(
  command: readonly string[],
  options: { log: string; env: Record<string, string>; cwd: string },
): Service {
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >>"$BENCH_LOG" 2>&1', "sh", ...command],
    env: { ...options.env, BENCH_LOG: options.log },
    clearEnv: true,
    cwd: options.cwd,
    detached: true,
    stdin: "null",
  }).spawn();
  let alive = true;
  const ended = child.status.then((status) => {
    alive = false;
    return status;
  });
  const service: Service = {
    pid: child.pid,
    log: options.log,
    ended,
    async stop() {
      if (alive) {
        child.kill("SIGTERM");
        await Promise.race([ended, delay(TERM_MS)]);
      }
      killGroup(child.pid);
      await ended;
      running.delete(service);
    },
  };
  running.add(service);
  return service;
}

const stopping = new AbortController();

/** Aborts when the bench ends: programs that run to their own end take it as their `signal`. */
export const stopped: AbortSignal = stopping.signal;

/** Ends everything that is still running; nothing can be measured afterwards. */
export async function stopAll(): Promise<void> {
  stopping.abort();
  await Promise.all([...running].map((service) => service.stop()));
}

function killGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // The group is empty: everything in it has ended by itself.
  }
}

/**
 * Waits until the service answers HTTP at `url`, whatever the status.
 *
 * @throws when it ended or does not answer in time, with the end of its log
 */
export async function untilAnswering(service: Service, url: string): Promise<void> {
  await until(service, async () => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(READY_MS) });
      await response.arrayBuffer();
      return true;
    } catch {
      return false;
    }
  });
}

/** Polls `condition` until it holds; gives up when the service ends or takes too long to start. */
export async function until(
  service: Service,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  let ended = false;
  service.ended.then(() => ended = true);
  const deadline = performance.now() + READY_MS;
  while (!await condition()) {
    if (ended || performance.now() > deadline) {
      const text = await Deno.readTextFile(service.log).catch(() => "");
      const why = ended ? "ended at once" : `does not answer after ${READY_MS / 1000} s`;
      throw new Error(`the peer ${why}; its log ends:\n${text.slice(-2_000)}`);
    }
    await delay(2);
  }
}

/** A TCP port on loopback that was free a moment ago, for peers that cannot bind port 0. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Where a program is on PATH, or undefined. */
export async function which(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    if (folder === "") continue;
    const file = `${folder}/${program}`;
    const info = await Deno.stat(file).catch(() => undefined);
    if (info?.isFile && ((info.mode ?? 0o111) & 0o111) !== 0) return file;
  }
}

/** Runs a program to its end and returns both streams; only its failure to start is an error. */
export async function output(
  command: readonly [string, ...string[]],
  cwd = "/",
): Promise<string> {
  const [program, ...args] = command;
  const { stdout, stderr } = await new Deno.Command(program, { args, cwd, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}
