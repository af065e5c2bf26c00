/**
 * Memory and CPU time of a process and everything it started, from Linux's /proc (proc(5)).
 *
 * Memory is the sum of the proportional set sizes (PSS) of the tree: pages that processes share are
 * counted once, so four workers forked from one parent are not charged four times.
 */
import { delay } from "@std/async/delay";

/** Between two samples, in ms; a sample that is dear to take waits longer, see `SHARE`. */
const INTERVAL_MS = 100;
/** Sampling may take at most this share of one core away from what it measures. */
const SHARE = 0.05;
/** `_SC_CLK_TCK`, the unit of CPU time in /proc; 100 on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** One process, as far as the bench looks at it. */
export interface Stat {
  readonly parent: number;
  /** CPU time in ms: its own and that of its children that have ended and been waited for. */
  readonly cpu: number;
}

/**
 * Reads a line of /proc/PID/stat.
 *
 * The second field is the program's name in parentheses and may itself hold spaces and parentheses,
 * so the fields are counted from the last parenthesis on.
 */
export function parseStat(line: string): Stat {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // Counted from field 3 of proc(5), the state: 4 is ppid, 14 to 17 utime, stime, cutime, cstime.
  const number = (field: number) => Number(fields[field - 3]);
  const ticks = number(14) + number(15) + number(16) + number(17);
  return { parent: number(4), cpu: ticks * 1000 / TICKS_PER_SECOND };
}

/** The processes of the tree below `root`, `root` included, as far as they live right now. */
export function tree(root: number): Map<number, Stat> {
  const all = new Map<number, Stat>();
  const children = new Map<number, number[]>();
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid)) continue;
    const line = read(`/proc/${pid}/stat`);
    if (line === undefined) continue;
    const stat = parseStat(line);
    all.set(pid, stat);
    const siblings = children.get(stat.parent);
    if (siblings) siblings.push(pid);
    else children.set(stat.parent, [pid]);
  }
  const found = new Map<number, Stat>();
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const stat = all.get(pid);
    if (stat === undefined || found.has(pid)) continue;
    found.set(pid, stat);
    waiting.push(...children.get(pid) ?? []);
  }
  return found;
}

/** State of a tree at one moment: processes, CPU time in ms since their start. */
export interface Usage {
  readonly processes: number;
  readonly cpu: number;
}

/** @throws when `root` has ended: figures of a peer that died under load would look splendid */
export function usage(root: number): Usage {
  const stats = [...tree(root).values()];
  if (stats.length === 0) throw new Error(`process ${root} has ended by itself`);
  return { processes: stats.length, cpu: stats.reduce((sum, stat) => sum + stat.cpu, 0) };
}

/** Memory of the tree in bytes (sum of PSS). */
export function memory(root: number): number {
  let kilobytes = 0;
  for (const pid of tree(root).keys()) {
    const pss = read(`/proc/${pid}/smaps_rollup`)?.match(/^Pss:\s+(\d+) kB$/m)?.[1];
    kilobytes += Number(pss ?? 0);
  }
  return kilobytes * 1024;
}

/** Samples the tree's memory until stopped; `stop` returns the largest sum seen, in bytes. */
export function watchMemory(root: number): { stop(): Promise<number> } {
  let peak = 0;
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      const began = performance.now();
      peak = Math.max(peak, memory(root));
      const took = performance.now() - began;
      const pause = Math.max(INTERVAL_MS, took / SHARE);
      await delay(pause, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await loop;
      return Math.max(peak, memory(root));
    },
  };
}

/**
 * Waits until the tree works no more: no process beyond those it has at rest, and under a twentieth
 * of a core used. A peer that answers first and works afterwards has its work counted that way.
 *
 * @returns whether it came to rest within `limit` ms
 */
export async function untilQuiet(root: number, atRest: number, limit: number): Promise<boolean> {
  const deadline = performance.now() + limit;
  let before = usage(root);
  while (performance.now() < deadline) {
    await delay(250);
    const now = usage(root);
    if (now.processes <= atRest && now.cpu - before.cpu <= 10) return true;
    before = now;
  }
  return false;
}

function read(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    // The process has ended since it was listed.
  }
}
