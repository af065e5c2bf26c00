/** A storm: many deliveries at once for one repository, after one new commit. */
import { delay } from "@std/async/delay";
import { deliver, pushBody } from "./payload.ts";
import type { Peer, Runs } from "./peers/peer.ts";
import { untilQuiet, usage, watchMemory } from "./sample.ts";
import { makeSite, type Site } from "./site.ts";
import { checkAnswers, difference } from "./throughput.ts";

/** Connections that the storm comes over; below the backlog of every peer. */
const CONNECTIONS = 64;
/** How long the answers may take, and how long a peer may work after them, in ms. */
const ANSWER_MS = 70_000;
const DRAIN_MS = 50_000;

/** What a storm did; times in ms from its first request, memory in bytes. */
export interface Storm {
  readonly sent: number;
  /** Answers with a status from 200 to 299. */
  readonly accepted: number;
  /** When the last answer was there; undefined if some did not come in time. */
  readonly answered: number | undefined;
  /** When the checkout showed the new commit; undefined if it never did. */
  readonly reached: number | undefined;
  /** When the peer was at rest again (to about half a second); undefined if it was not in time. */
  readonly settled: number | undefined;
  readonly runs: Runs;
  /** CPU time of the tree, in ms. */
  readonly cpu: number;
  readonly peak: number;
  /** Whether the checkout is at the new commit in the end, unmodified and not locked. */
  readonly intact: boolean;
}

export async function measureStorm(peer: Peer, parent: string, pushes: number): Promise<Storm> {
  const site = await makeSite(parent);
  const started = await peer.start(site);
  try {
    const { pid } = started.service;
    await checkAnswers(started, pushBody("f".repeat(40)), site.secret, true);
    await untilQuiet(pid, Infinity, DRAIN_MS);
    const before = { ...usage(pid), runs: await started.runs() };
    const { commit, text } = await site.push();
    const watch = watchMemory(pid);

    const began = performance.now();
    const since = () => performance.now() - began;
    const stop = new AbortController();
    const reached = untilDeployed(site, text, stop.signal).then((there) =>
      there ? since() : undefined
    );
    const { accepted, inTime } = await sendAll(started.url, pushBody(commit), site.secret, pushes);
    const answered = inTime ? since() : undefined;
    const quiet = await untilQuiet(pid, before.processes, DRAIN_MS);
    const settled = quiet ? since() : undefined;
    stop.abort();

    const after = { ...usage(pid), runs: await started.runs() };
    return {
      sent: pushes,
      accepted,
      answered,
      reached: await reached,
      settled,
      runs: difference(after.runs, before.runs),
      cpu: after.cpu - before.cpu,
      peak: await watch.stop(),
      intact: await site.intact(commit),
    };
  } finally {
    await started.service.stop();
    await Deno.remove(site.dir, { recursive: true });
  }
}

/** Sends as fast as answers come; returns how many were accepted, and whether all had the time. */
async function sendAll(url: string, body: string, secret: string, pushes: number) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  let next = 0;
  let accepted = 0;
  const connection = async () => {
    while (next++ < pushes) {
      // A connection that breaks or a storm that takes too long is one push that was not accepted.
      const status = await deliver(url, body, secret, signal).catch(() => 0);
      if (status >= 200 && status <= 299) accepted++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return { accepted, inTime: !signal.aborted };
}

/** Polls the checkout until it shows `text`; false if `signal` aborts first. */
export async function untilDeployed(
  site: Site,
  text: string,
  signal: AbortSignal,
): Promise<boolean> {
  while (site.deployed() !== text) {
    if (signal.aborted) return false;
    await delay(1);
  }
  return true;
}
