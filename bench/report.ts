/** Medians, ratios and Markdown tables. */
import type { Storm } from "./storm.ts";
import type { Throughput } from "./throughput.ts";

/** Everything that one run of the bench measured; what was left out is absent or empty. */
export interface Results {
  readonly machine: readonly string[];
  /** What each peer does with a push, by its name. */
  readonly does: Readonly<Record<string, string>>;
  /** The rounds of each peer, by its name. */
  readonly throughput: Readonly<Record<string, readonly Throughput[]>>;
  readonly storm: Readonly<Record<string, Storm>>;
  /** Milliseconds from delivery to checkout, by name. */
  readonly turnaround: Readonly<Record<string, readonly number[]>>;
  /** The same in a repository of many files, and for releases of it. */
  readonly large?: {
    readonly files: Results["turnaround"];
    readonly releases: Results["turnaround"];
  };
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A Markdown table; the first column is text, the others are figures and stand to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => column === 0 ? "---" : "---:");
  return [head, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The report of a run, in Markdown. */
export function report(results: Results): string {
  const parts = [
    `## Bench\n\n${results.machine.map((line) => `- ${line}`).join("\n")}`,
    `What one push makes each of them do:\n\n${
      Object.entries(results.does).map(([name, does]) => `- **${name}** ${does}`).join("\n")
    }`,
  ];
  if (Object.keys(results.throughput).length > 0) parts.push(throughputPart(results.throughput));
  if (Object.keys(results.storm).length > 0) parts.push(stormPart(results.storm));
  const { turnaround, large } = results;
  const title = "### From the delivery to the new commit in the checkout";
  if (Object.keys(turnaround).length > 0) {
    parts.push(turnaroundPart(title, "one push at a time", turnaround));
  }
  if (large !== undefined && Object.keys(large.files).length > 0) {
    parts.push(turnaroundPart(`${title}, many files`, "one push at a time", large.files));
  }
  if (large !== undefined && Object.keys(large.releases).length > 0) {
    parts.push(turnaroundPart("### A new release of many files", "one push", large.releases));
  }
  return parts.join("\n\n") + "\n";
}

/** Figures of a peer that are reported as medians of its rounds. */
const FIGURES = {
  rate: (round: Throughput) => round.load.rate,
  median: (round: Throughput) => round.load.median,
  p99: (round: Throughput) => round.load.p99,
  cpu: (round: Throughput) => round.cpuPerRequest,
  peak: (round: Throughput) => round.peak,
  idle: (round: Throughput) => round.idle,
  start: (round: Throughput) => round.start,
};
type Figure = keyof typeof FIGURES;

function middle(rounds: readonly Throughput[], figure: Figure): number {
  return median(rounds.map(FIGURES[figure]));
}

function throughputPart(throughput: Results["throughput"]): string {
  const rows = Object.entries(throughput).map(([name, rounds]) => {
    const rates = rounds.map(FIGURES.rate);
    const runs = rounds.reduce((sum, round) => sum + round.runs.done, 0);
    // Work that had not ended when the bench stopped waiting makes these two lower bounds.
    const atLeast = rounds.some((round) => !round.quiet) ? "> " : "";
    return [
      name,
      count(middle(rounds, "rate")),
      `${count(Math.min(...rates))} – ${count(Math.max(...rates))}`,
      milliseconds(middle(rounds, "median")),
      milliseconds(middle(rounds, "p99")),
      atLeast + count(middle(rounds, "cpu")),
      atLeast + megabytes(middle(rounds, "peak")),
      megabytes(middle(rounds, "idle")),
      count(middle(rounds, "start")),
      runs === 0 ? "–" : count(runs / rounds.length),
      errors(rounds),
    ];
  });
  const head = [
    "signed pushes of 6 KB",
    "requests/s",
    "min – max",
    "median ms",
    "p99 ms",
    "CPU µs/request",
    "peak MB",
    "idle MB",
    "start ms",
    "git runs",
    "errors",
  ];
  return [
    "### Signed pushes, as fast as they are answered",
    "wrk, 32 connections; medians of the rounds. Memory is PSS of the whole process tree, sampled; " +
    "CPU time is that of the tree until it is at rest again, work after the answer included; " +
    "“>” where it still had not finished 4 s after the last request. " +
    "Start is from the process to its first answer. Git runs: deployments or pulls in a round.",
    table(head, rows),
    ...ratios(throughput),
  ].join("\n\n");
}

/** hook's figures divided by each peer's. */
function ratios(throughput: Results["throughput"]): string[] {
  const { hook, ...others } = throughput;
  if (hook === undefined || Object.keys(others).length === 0) return [];
  const columns: Figure[] = ["rate", "median", "p99", "cpu", "peak", "idle", "start"];
  const rows = Object.entries(others).map(([name, rounds]) => [
    name,
    ...columns.map((figure) => ratio(middle(hook, figure), middle(rounds, figure))),
  ]);
  const head = ["hook ÷", "requests/s", "median", "p99", "CPU", "peak", "idle", "start"];
  return [table(head, rows)];
}

function stormPart(storm: Results["storm"]): string {
  const rows = Object.entries(storm).map(([name, it]) => {
    const atLeast = it.settled === undefined ? "> " : "";
    return [
      name,
      `${count(it.accepted)} of ${count(it.sent)}`,
      it.answered === undefined ? "not in time" : seconds(it.answered),
      it.reached === undefined ? "never" : seconds(it.reached),
      it.settled === undefined ? "not in time" : seconds(it.settled),
      atLeast + count(it.runs.done),
      atLeast + count(it.runs.failed),
      atLeast + seconds(it.cpu),
      megabytes(it.peak),
      it.intact ? "yes" : "no",
    ];
  });
  const head = [
    "storm after one new commit",
    "accepted",
    "all answered s",
    "checkout new s",
    "at rest s",
    "git runs",
    "failed",
    "CPU s",
    "peak MB",
    "checkout intact",
  ];
  const parts = ["### A storm of pushes to one repository", table(head, rows)];
  const { hook, ...others } = storm;
  if (hook !== undefined && Object.keys(others).length > 0) {
    const ratioRows = Object.entries(others).map(([name, it]) => [
      name,
      ratio(hook.answered ?? NaN, it.answered ?? NaN),
      ratio(hook.runs.done, it.runs.done),
      ratio(hook.cpu, it.cpu),
      ratio(hook.peak, it.peak),
    ]);
    parts.push(table(["hook ÷", "all answered", "git runs", "CPU", "peak"], ratioRows));
  }
  return parts.join("\n\n");
}

/** The first way is what the others are compared with. */
function turnaroundPart(title: string, what: string, turnaround: Results["turnaround"]): string {
  const [[baseName, baseTimes] = ["", []]] = Object.entries(turnaround);
  const base = median(baseTimes);
  const rows = Object.entries(turnaround).map(([name, times]) => [
    name,
    milliseconds(median(times)),
    milliseconds(Math.min(...times)),
    milliseconds(Math.max(...times)),
    ratio(median(times), base),
  ]);
  const head = [what, "median ms", "min", "max", `÷ ${baseName}`];
  return [title, table(head, rows)].join("\n\n");
}

/** Requests without a good answer, over all rounds, by kind. */
function errors(rounds: readonly Throughput[]): string {
  const sums = new Map<string, number>();
  for (const { load } of rounds) {
    for (const [kind, n] of Object.entries(load.errors)) sums.set(kind, (sums.get(kind) ?? 0) + n);
  }
  const failed = rounds.reduce((sum, round) => sum + round.runs.failed, 0);
  if (failed > 0) sums.set("git failed", failed);
  return [...sums].map(([kind, n]) => `${count(n)} ${kind}`).join(", ") || "0";
}

const count = (n: number) => Math.round(n).toLocaleString("en-US");
const milliseconds = (ms: number) => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);
const seconds = (ms: number) => (ms / 1000).toFixed(2);
const megabytes = (bytes: number) => count(bytes / 1e6);
const ratio = (a: number, b: number) => Number.isFinite(a / b) ? `${digits(a / b)}×` : "–";
/** Three significant digits, and none of them in exponent notation. */
const digits = (n: number) => n >= 100 ? count(n) : Number(n.toPrecision(3)).toString();
