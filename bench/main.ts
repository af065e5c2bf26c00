/**
 * Measures `hook` against what it replaces, side by side in one run on this machine:
 * `deno task bench [--quick] [--only NAMES] [--rounds N] [--seconds N] [--json FILE]`.
 */
import { parseArgs } from "@std/cli/parse-args";
import { describeMachine } from "./machine.ts";
import { bare } from "./peers/bare.ts";
import { hook } from "./peers/hook.ts";
import type { Peer } from "./peers/peer.ts";
import { uwsgi } from "./peers/uwsgi.ts";
import { webhook } from "./peers/webhook.ts";
import { stopAll, which } from "./process.ts";
import { report, type Results } from "./report.ts";
import { measureStorm, type Storm } from "./storm.ts";
import { measureThroughput, type Throughput } from "./throughput.ts";
import { measureReleases, measureTurnaround } from "./turnaround.ts";

const HELP = `usage: deno task bench [options]

  --quick         short: 1 round of 2 s, a small storm; for trying, not for quoting
  --only NAMES    only these, by the start of their names: hook,webhook,uwsgi,deno
  --rounds N      rounds of the throughput part (3)
  --seconds N     seconds of load in a round (4)
  --storm N       pushes in the storm (1000)
  --json FILE     write every single measurement, too
`;

interface Plan {
  readonly rounds: number;
  readonly warmUp: number;
  readonly seconds: number;
  readonly storm: number;
  readonly commits: number;
  /** Files of the large repository. */
  readonly files: number;
}

let interrupted = false;

const say = (line: string) => console.error(`bench: ${line}`);

/** Peers under load, in the storm and one push at a time; those that cannot run are left out. */
async function choosePeers(only: string | undefined) {
  const names = only?.toLowerCase().split(",");
  const wanted = (peer: Peer) =>
    names?.some((name) => peer.name.toLowerCase().startsWith(name)) ?? true;
  const available = async (peers: Peer[]) => {
    const found: Peer[] = [];
    for (const peer of peers.filter(wanted)) {
      const why = await peer.missing();
      if (why === undefined) found.push(peer);
      else missing.add(`${peer.name.split(",")[0]} is left out: ${why}`);
    }
    return found;
  };
  const missing = new Set<string>();
  const loaded = await available([hook(), webhook("true"), uwsgi("true"), uwsgi("deploy"), bare()]);
  const deploying = await available([hook(), webhook("deploy"), uwsgi("deploy")]);
  missing.forEach(say);
  return { loaded, deploying };
}

/** What could not be measured: said at once, and the reason for the exit code in the end. */
class Failures {
  count = 0;

  /** Runs one measurement; undefined, and one line on stderr, if it fails. */
  async guard<T>(what: string, measure: () => Promise<T>): Promise<T | undefined> {
    try {
      return await measure();
    } catch (error) {
      if (interrupted) throw error;
      this.count++;
      say(`${what} failed and is left out: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** Every peer once in each round, each round beginning with another one. */
async function runThroughput(peers: Peer[], plan: Plan, dir: string, failures: Failures) {
  const results: Record<string, Throughput[]> = {};
  if (!await which("wrk")) {
    say("the throughput is left out: wrk is not installed");
    return results;
  }
  for (let round = 0; round < plan.rounds; round++) {
    const first = round % peers.length;
    for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
      const result = await failures.guard(
        `round ${round + 1}, ${peer.name}`,
        () => measureThroughput(peer, dir, plan.warmUp, plan.seconds),
      );
      if (result === undefined) continue;
      (results[peer.name] ??= []).push(result);
      say(`round ${round + 1} of ${plan.rounds}, ${peer.name}: ${result.load.rate.toFixed(0)}/s`);
    }
  }
  return inOrder(peers, results);
}

async function runStorm(peers: Peer[], plan: Plan, dir: string, failures: Failures) {
  const results: Record<string, Storm> = {};
  for (const peer of peers) {
    const result = await failures.guard(
      `storm, ${peer.name}`,
      () => measureStorm(peer, dir, plan.storm),
    );
    if (result === undefined) continue;
    results[peer.name] = result;
    say(`storm, ${peer.name}: ${result.runs.done} runs in ${(result.cpu / 1000).toFixed(1)} s CPU`);
  }
  return results;
}

async function runTurnaround(peers: Peer[], plan: Plan, dir: string, failures: Failures) {
  const result = await failures.guard(
    "one push at a time",
    () => measureTurnaround(peers, dir, plan.commits),
  );
  return Object.fromEntries(result ?? []);
}

/** The same in a repository of many files, where git's own work is what counts; hook alone. */
async function runManyFiles(peers: Peer[], plan: Plan, dir: string, failures: Failures) {
  const ours = peers.filter(({ name }) => name === "hook");
  if (ours.length === 0) return { files: {}, releases: {} };
  const { commits, files } = plan;
  const pulls = await failures.guard(
    `one push at a time, ${files} files`,
    () => measureTurnaround(ours, dir, commits, files),
  );
  const releases = await failures.guard(
    `releases of ${files} files`,
    () => measureReleases(hook("release"), dir, commits, files),
  );
  return { files: Object.fromEntries(pulls ?? []), releases: Object.fromEntries(releases ?? []) };
}

/** The peers' own order, whichever of them was measured first. */
function inOrder<T>(peers: Peer[], results: Record<string, T>): Record<string, T> {
  const sorted: Record<string, T> = {};
  for (const { name } of peers) {
    const result = results[name];
    if (result !== undefined) sorted[name] = result;
  }
  return sorted;
}

async function run(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    boolean: ["quick", "help"],
    string: ["only", "rounds", "seconds", "storm", "json"],
    unknown(option: string) {
      throw new Error(`unknown option "${option}"; see --help`);
    },
  });
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (Deno.build.os !== "linux") throw new Error("the bench reads /proc: it runs on Linux only");
  const number = (name: "rounds" | "seconds" | "storm", full: number, quick: number) => {
    const value = Number(options[name] ?? (options.quick ? quick : full));
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number`);
    return value;
  };
  const plan: Plan = {
    rounds: number("rounds", 3, 1),
    warmUp: 1,
    seconds: number("seconds", 4, 2),
    storm: number("storm", 1_000, 200),
    commits: options.quick ? 3 : 8,
    files: options.quick ? 2_000 : 20_000,
  };

  const dir = await Deno.makeTempDir({ prefix: "hook-bench-" });
  const clean = async () => {
    await stopAll();
    await Deno.remove(dir, { recursive: true }).catch(() => {});
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      interrupted = true;
      clean().finally(() => Deno.exit(130));
    });
  }
  const failures = new Failures();
  try {
    const { loaded, deploying } = await choosePeers(options.only);
    const peers = [...loaded, ...deploying];
    const results: Results = {
      machine: await describeMachine(peers),
      does: Object.fromEntries(peers.map((peer) => [peer.name, peer.does])),
      throughput: await runThroughput(loaded, plan, dir, failures),
      storm: await runStorm(deploying, plan, dir, failures),
      turnaround: await runTurnaround(deploying, plan, dir, failures),
      large: await runManyFiles(deploying, plan, dir, failures),
    };
    console.log(report(results));
    if (options.json) await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2));
    return failures.count === 0 ? 0 : 1;
  } finally {
    await clean();
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await run(Deno.args));
  } catch (error) {
    // The handler of the signal is cleaning up, and will exit.
    if (interrupted) await new Promise(() => {});
    console.error(`bench: error: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
