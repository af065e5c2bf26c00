/** How many signed pushes a second a peer answers, at what latency, memory and CPU time. */
import { deliver, pushBody } from "./payload.ts";
import type { Peer, Runs, Started } from "./peers/peer.ts";
import { memory, untilQuiet, usage, watchMemory } from "./sample.ts";
import { makeSite } from "./site.ts";
import { type Load, runWrk } from "./wrk.ts";

/** How long a peer may go on working for pushes that it has already answered, in ms. */
const DRAIN_MS = 4_000;
/** How long a start and a warm-up may take to come to rest, in ms. */
const REST_MS = 3_000;

/** One measurement of one peer; times in ms, memory in bytes. */
export interface Throughput {
  /** From the start of the process to its first HTTP answer. */
  readonly start: number;
  /** Memory after the first answers, at rest. */
  readonly idle: number;
  /** Largest memory of the whole process tree, from the first request until it is at rest again. */
  readonly peak: number;
  /** CPU time of the tree for one request, in microseconds; what it does afterwards included. */
  readonly cpuPerRequest: number;
  readonly load: Load;
  /** Commands that ended for these requests. */
  readonly runs: Runs;
  /** Whether it came to rest in time; if not, memory and CPU time are lower bounds. */
  readonly quiet: boolean;
}

/**
 * Starts the peer on a fresh site and loads it.
 *
 * @param warmUp and `seconds`: the load before and during the measurement, in s
 */
export async function measureThroughput(
  peer: Peer,
  parent: string,
  warmUp: number,
  seconds: number,
): Promise<Throughput> {
  const site = await makeSite(parent);
  const body = pushBody("f".repeat(40));
  const began = performance.now();
  const started = await peer.start(site);
  const start = performance.now() - began;
  try {
    const { pid } = started.service;
    await checkAnswers(started, body, site.secret, peer.job !== "nothing");
    await untilQuiet(pid, Infinity, REST_MS);
    const { processes } = usage(pid);
    const idle = memory(pid);

    await runWrk(started.url, body, site.secret, warmUp, site.dir);
    await untilQuiet(pid, processes, REST_MS);

    const before = { ...usage(pid), runs: await started.runs() };
    const watch = watchMemory(pid);
    const load = await runWrk(started.url, body, site.secret, seconds, site.dir);
    const quiet = await untilQuiet(pid, processes, DRAIN_MS);
    const peak = await watch.stop();
    const after = { ...usage(pid), runs: await started.runs() };
    const runs = difference(after.runs, before.runs);
    // wrk leaves when its time is over; what was under way is worked off, and counts as a request.
    const handled = Math.max(load.requests, runs.done);
    return {
      start,
      idle,
      peak,
      cpuPerRequest: (after.cpu - before.cpu) * 1000 / handled,
      load,
      runs,
      quiet,
    };
  } finally {
    await started.service.stop();
    await Deno.remove(site.dir, { recursive: true });
  }
}

/**
 * A rate is worth nothing if the peer refuses what it should take, or takes anything.
 *
 * @throws when a signed push is not taken, or a forged one is not refused
 */
export async function checkAnswers(
  started: Started,
  body: string,
  secret: string,
  verifies: boolean,
): Promise<void> {
  const signed = await deliver(started.url, body, secret);
  if (signed < 200 || signed > 299) throw new Error(`a signed push was answered with ${signed}`);
  if (!verifies) return;
  const forged = await deliver(started.url, body, secret + "?");
  // Any refusal will do: webhook calls a wrong signature an error of its own, a 500.
  if (forged < 400) throw new Error(`a push with a forged signature was answered with ${forged}`);
}

export function difference(after: Runs, before: Runs): Runs {
  return { done: after.done - before.done, failed: after.failed - before.failed };
}
