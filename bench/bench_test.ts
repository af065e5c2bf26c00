import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { pushBody, REF, sign } from "./payload.ts";
import { median, report, type Results, table } from "./report.ts";
import { parseStat, tree } from "./sample.ts";
import type { Throughput } from "./throughput.ts";
import { parseLoad } from "./wrk.ts";

Deno.test("parseStat() counts fields from the last parenthesis of the name", () => {
  const numbers = Array.from({ length: 49 }, (_, n) => `${n + 4}`);
  const stat = parseStat(`77 (a) b (c)) S ${numbers.join(" ")}`);
  // The stand-in holds each field's own number: 14 + 15 + 16 + 17 ticks of 10 ms.
  assertEquals(stat, { parent: 4, cpu: 620 });
});

Deno.test("tree() holds a process and its children, and not its parent", async () => {
  const child = new Deno.Command("sh", {
    args: ["-c", "sleep 60 & echo ready; wait"],
    stdout: "piped",
    detached: true,
  }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const found = tree(child.pid);
    assertEquals(found.size, 2);
    assertEquals([...found.values()].filter((stat) => stat.parent === child.pid).length, 1);
    assert(!found.has(Deno.pid));
  } finally {
    Deno.kill(-child.pid, "SIGKILL");
    await child.status;
  }
});

Deno.test("median() takes the middle, and the mean of two middles", () => {
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([4, 1, 2, 100]), 3);
  assert(Number.isNaN(median([])));
});

Deno.test("table() aligns figures to the right of their names", () => {
  assertEquals(table(["name", "n"], [["a", "1"]]), "| name | n |\n| --- | ---: |\n| a | 1 |");
});

Deno.test("parseLoad() turns microseconds into a rate and milliseconds", () => {
  const load = parseLoad(
    '{"requests":3000,"us":2000000,"median":1500,"p99":20000,"errors":{"read":0,"status":7}}',
  );
  assertEquals(load, { requests: 3000, rate: 1500, median: 1.5, p99: 20, errors: { status: 7 } });
});

Deno.test("sign() gives the HMAC-SHA1 that RFC 2202 gives for its second case", () => {
  const expected = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
  assertEquals(sign("what do ya want for nothing?", "Jefe"), expected);
});

Deno.test("pushBody() is a push of about 6 KB to the deployed ref", () => {
  const body = pushBody("ab".repeat(20));
  assertAlmostEquals(body.length, 6_300, 400);
  const { ref, after, deleted } = JSON.parse(body);
  assertEquals({ ref, after, deleted }, { ref: REF, after: "ab".repeat(20), deleted: false });
});

Deno.test("report() divides hook's median by the peer's, and shows what went wrong", () => {
  const rates = (...values: number[]) => values.map((rate) => round(rate, {}));
  const results: Results = {
    machine: ["a machine"],
    does: {},
    throughput: { hook: rates(900, 1_000, 5_000), peer: [round(250, { status: 12 })] },
    storm: {},
    turnaround: {},
  };
  const text = report(results);
  assertStringIncludes(text, "| hook | 1,000 | 900 – 5,000 |");
  assertStringIncludes(text, "| peer | 4× |");
  assertStringIncludes(text, "12 status");
});

function round(rate: number, errors: Record<string, number>): Throughput {
  return {
    start: 1,
    idle: 1,
    peak: 1,
    cpuPerRequest: 1,
    load: { requests: rate, rate, median: 1, p99: 1, errors },
    runs: { done: 0, failed: 0 },
    quiet: true,
  };
}
