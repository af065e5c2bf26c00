import { assertEquals } from "@std/assert";
import type { Deployment, DeploymentRecord } from "../lib/delivery.ts";
import { deliveryOrder, type Order, ownOrder, retryOf } from "../lib/deploy/order.ts";
import { History } from "../lib/history.ts";
import { Ledger } from "../lib/ledger.ts";
import { repositoryName, sha } from "../lib/values.ts";
import { LogBook } from "./server/site.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";

const APP = repositoryName("app")!;
const OLD = sha("a".repeat(40))!;
const NEW = sha("b".repeat(40))!;

/** A history with a ledger of its own, and a clock. */
class Bench {
  readonly log = new LogBook();
  readonly ledger: Ledger;
  readonly history: History;
  time = 100;

  constructor(directory: string) {
    const wall = () => this.time;
    this.ledger = Ledger.open({ file: `${directory}/ledger.db`, wall, onTrouble: () => {} });
    this.history = new History({ log: () => this.log.logger, ledger: this.ledger, wall });
  }

  /** A deployment from its beginning to its end, 50 ms later. */
  deploy(order: Order, deployment: Partial<Deployment>): void {
    this.history.began(APP, order);
    this.time += 50;
    const { action, trigger, attempt, deliveries, pusher, delivery } = order;
    this.history.ended({
      repository: APP,
      action,
      trigger,
      attempt,
      deliveries,
      ...pusher !== undefined && { pusher },
      ...delivery !== undefined && { delivery },
      result: "deployed",
      ms: 50,
      ...deployment,
    });
  }

  get rows(): DeploymentRecord[] {
    return this.ledger.deployments(undefined, 99);
  }
}

async function onBench(work: (bench: Bench) => void): Promise<void> {
  await inTemporaryDirectory((directory) => {
    const bench = new Bench(directory);
    work(bench);
    bench.ledger.close();
    return Promise.resolve();
  });
}

Deno.test("History writes a row and a line for a deployment, under one id", async () => {
  await onBench((bench) => {
    bench.history.began(APP, deliveryOrder("17", "ann"));
    assertEquals(bench.rows.map(({ state, ended }) => [state, ended]), [["running", undefined]]);
    bench.deploy(deliveryOrder("18", "ann"), {
      old: OLD,
      new: NEW,
      branch: "main",
      output: "said",
    });
    const [row] = bench.rows;
    assertEquals(row, {
      id: 2,
      repository: "app",
      action: "deploy",
      trigger: "delivery",
      state: "deployed",
      started: 100,
      ended: 150,
      attempt: 1,
      branch: "main",
      old: OLD,
      new: NEW,
      output: "said",
      pusher: "ann",
      delivery: "18",
    });
    const { level, message, event, id, result, output, ms } = bench.log.lines[0]!;
    assertEquals([level, message, event, id, result, output, ms], [
      "info",
      "deployment deployed",
      "deployment",
      2,
      "deployed",
      undefined,
      50,
    ]);
  });
});

Deno.test("History tells a failure with step, kind, reason, hint and output", async () => {
  await onBench((bench) => {
    const failure = {
      result: "failed",
      step: "pre-deploy",
      kind: "hook",
      reason: "so it is",
      hint: "do that",
      output: "no",
    } as const;
    bench.deploy(retryOf(deliveryOrder("17")), failure);
    const [line] = bench.log.lines;
    const { level, message, attempt, ...rest } = line!;
    assertEquals([level, message, attempt], ["error", "deployment failed", 2]);
    for (const [key, value] of Object.entries(failure)) assertEquals(rest[key], value, key);
    const [{ state, attempt: counted, kind, step, output }] = bench.rows as [DeploymentRecord];
    assertEquals([state, counted, kind, step, output], ["failed", 2, "hook", "pre-deploy", "no"]);
  });
});

Deno.test("History keeps quiet about its own comparisons that change nothing", async () => {
  await onBench((bench) => {
    for (const trigger of ["start", "poll"] as const) {
      bench.deploy(ownOrder(trigger), { result: "unchanged" });
    }
    assertEquals([bench.rows, bench.log.lines.map(({ level }) => level)], [[], ["debug", "debug"]]);
    bench.deploy(ownOrder("poll"), { result: "deployed", new: NEW });
    bench.deploy(deliveryOrder("17"), { result: "unchanged", new: NEW });
    assertEquals(bench.rows.map(({ trigger, state }) => [trigger, state]), [
      ["delivery", "unchanged"],
      ["poll", "deployed"],
    ]);
    assertEquals(bench.log.lines.map(({ level }) => level), ["debug", "debug", "info", "info"]);
  });
});

Deno.test("History writes what comparisons notice, and the deliveries", async () => {
  await onBench((bench) => {
    const { history } = bench;
    history.noticed({ repository: APP, kind: "drifted", reason: "moved" });
    history.noticed({ repository: APP, kind: "failed", reason: "away", failure: "unreachable" });
    history.noticed({ repository: APP, kind: "recovered" });
    assertEquals(
      bench.log.lines.map(({ level, event, result, kind }) => [level, event, result, kind]),
      [
        ["warn", "comparison", "drifted", undefined],
        ["warn", "comparison", "failed", "unreachable"],
        ["info", "comparison", "recovered", undefined],
      ],
    );
    history.delivered({
      at: 1,
      repository: "app",
      provider: "coding",
      outcome: "rejected",
      client: "192.0.2.1",
    });
    assertEquals(bench.ledger.deliveries("app", 9).map(({ outcome }) => outcome), ["rejected"]);
  });
});
