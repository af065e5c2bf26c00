import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { DeliveryRecord, DeploymentRecord } from "../lib/delivery.ts";
import { Ledger, LedgerError, type LedgerOptions, type Retention } from "../lib/ledger.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";

/** A ledger's file and what was said about it. */
class Bench implements Disposable {
  readonly troubles: string[] = [];
  readonly #open: Ledger[] = [];
  time = 5_000;

  constructor(readonly directory: string) {}

  get file(): string {
    return `${this.directory}/ledger.db`;
  }

  open(more: Partial<LedgerOptions> = {}): Ledger {
    const ledger = Ledger.open({
      file: this.file,
      wall: () => this.time,
      onTrouble: (message) => this.troubles.push(message),
      ...more,
    });
    this.#open.push(ledger);
    return ledger;
  }

  [Symbol.dispose](): void {
    for (const ledger of this.#open) ledger.close();
  }
}

async function onBench(work: (bench: Bench) => void | Promise<void>): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    using bench = new Bench(directory);
    await work(bench);
  });
}

function delivery(at: number, repository = "app"): DeliveryRecord {
  return { at, repository, provider: "coding", outcome: "queued", client: "192.0.2.1" };
}

function deployment(
  id: number,
  state: DeploymentRecord["state"] = "deployed",
  repository = "app",
): DeploymentRecord {
  return { id, repository, action: "deploy", trigger: "delivery", state, started: id, attempt: 1 };
}

Deno.test("Ledger.open() makes the tables, and a file opened again has everything", async () => {
  await onBench((bench) => {
    const first = bench.open();
    const whole: DeliveryRecord = {
      ...delivery(1),
      delivery: "17",
      reason: "so it is",
      ref: "refs/heads/main",
      pusher: "张三",
    };
    const ended: DeploymentRecord = {
      ...deployment(first.nextId()),
      ended: 9,
      branch: "main",
      old: "a",
      new: "b",
      step: "update",
      kind: "conflict",
      reason: "r",
      hint: "h",
      output: "o\n",
      pusher: "p",
      delivery: "17",
    };
    first.addDelivery(whole);
    first.saveDeployment(ended);
    first.close();
    const second = bench.open();
    assertEquals(second.deployments(undefined, 9), [ended]);
    assertEquals(second.deliveries(undefined, 9).map((row) => ({ ...row, id: 0 })), [
      { ...whole, id: 0 },
    ] as unknown as DeliveryRecord[]);
    assertEquals([second.nextId(), second.nextId(), bench.troubles], [2, 3, []]);
  });
});

Deno.test("Ledger lists the newest first, of one repository or of all, up to a limit", async () => {
  await onBench((bench) => {
    const ledger = bench.open();
    for (let id = 1; id <= 6; id++) {
      ledger.saveDeployment(deployment(id, "deployed", id % 2 === 0 ? "even" : "odd"));
      ledger.addDelivery(delivery(id, id % 2 === 0 ? "even" : "odd"));
    }
    assertEquals(ledger.deployments(undefined, 4).map(({ id }) => id), [6, 5, 4, 3]);
    assertEquals(ledger.deployments("odd", 2).map(({ id }) => id), [5, 3]);
    assertEquals(ledger.deliveries("even", 9).map(({ at }) => at), [6, 4, 2]);
    assertEquals(ledger.deployments("none", 9), []);
  });
});

Deno.test("Ledger writes what came together at once, and a row that changed only as it is last", async () => {
  await onBench((bench) => {
    const ledger = bench.open();
    const reader = new DatabaseSync(bench.file);
    const count = () => Number(reader.prepare("SELECT count(*) AS n FROM deployments").get()!.n);
    ledger.saveDeployment(deployment(1, "running"));
    ledger.saveDeployment({ ...deployment(1, "failed"), reason: "so it is" });
    ledger.saveDeployment(deployment(2, "running"));
    assertEquals(count(), 0, "nothing has gone to the disk yet");
    ledger.flush();
    assertEquals(count(), 2);
    ledger.saveDeployment(deployment(2, "deployed"));
    assertEquals(ledger.deployments("app", 9).map(({ state }) => state), ["deployed", "failed"]);
    reader.close();
  });
});

Deno.test("Ledger.open() marks what ran when the service was killed", async () => {
  await onBench((bench) => {
    const killed = bench.open();
    killed.saveDeployment(deployment(killed.nextId(), "running"));
    killed.saveDeployment(deployment(killed.nextId(), "deployed"));
    killed.flush();
    bench.time = 77;
    const next = bench.open();
    assertEquals(next.deployments("app", 9).map(({ state, ended }) => [state, ended]), [
      ["deployed", undefined],
      ["interrupted", 77],
    ]);
    assertEquals(next.nextId(), 3);
  });
});

Deno.test("Ledger.open() refuses a file of a newer version, and leaves it as it is", async () => {
  await onBench((bench) => {
    bench.open().close();
    const database = new DatabaseSync(bench.file);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const error = assertThrows(() => bench.open(), LedgerError, "written by a newer version");
    assertStringIncludes(error.hint, "only history");
    const again = new DatabaseSync(bench.file);
    assertEquals(again.prepare("PRAGMA user_version").get()!.user_version, 99);
    again.close();
    assertEquals(bench.troubles, []);
  });
});

for (
  const [what, damage] of [
    ["garbage", (file: string) => Deno.writeTextFileSync(file, "no database ".repeat(1000))],
    ["truncated", (file: string) => Deno.truncateSync(file, 5000)],
    ["overwritten in the middle", (file: string) => {
      const bytes = Deno.readFileSync(file);
      bytes.fill(0xff, 100);
      Deno.writeFileSync(file, bytes);
    }],
  ] as const
) {
  Deno.test(`Ledger.open() moves a file aside that is ${what}, and begins anew`, async () => {
    await onBench((bench) => {
      const first = bench.open();
      for (let id = 1; id < 500; id++) first.saveDeployment(deployment(id));
      first.close();
      damage(bench.file);
      const ledger = bench.open();
      assertStringIncludes(bench.troubles.join(), "was damaged; it is kept as");
      const names = [...Deno.readDirSync(bench.directory)].map(({ name }) => name);
      assert(names.includes("ledger.db.damaged-5000"), names.join());
      ledger.saveDeployment(deployment(ledger.nextId()));
      assertEquals(ledger.deployments(undefined, 9).map(({ id }) => id), [1]);
    });
  });
}

Deno.test("Ledger goes on where its file is deleted while it runs", async () => {
  await onBench((bench) => {
    const ledger = bench.open();
    for (const suffix of ["", "-wal", "-shm"]) Deno.removeSync(bench.file + suffix);
    ledger.saveDeployment(deployment(1));
    ledger.flush();
    ledger.close();
    assertEquals(bench.open().nextId(), 1, "only history is lost");
  });
});

Deno.test("Ledger remembers nothing, says so once and stops nobody where there can be no file", async () => {
  await onBench((bench) => {
    const ledger = bench.open({ file: `${bench.directory}/missing/ledger.db` });
    assertEquals(bench.troubles, ["the ledger cannot be opened, so nothing is remembered"]);
    for (let round = 0; round < 3; round++) {
      ledger.addDelivery(delivery(1));
      ledger.saveDeployment(deployment(ledger.nextId()));
      ledger.flush();
    }
    assertEquals([ledger.nextId(), ledger.deployments("app", 9), ledger.deliveries("app", 9)], [
      4,
      [],
      [],
    ]);
    assertEquals(bench.troubles.length, 1);
  });
});

Deno.test("Ledger keeps what it could not write until it can, and says once that it cannot", async () => {
  await onBench((bench) => {
    const ledger = bench.open();
    const other = new DatabaseSync(bench.file);
    other.exec("ALTER TABLE deployments RENAME TO away");
    for (let id = 1; id <= 3; id++) {
      ledger.saveDeployment(deployment(id));
      ledger.flush();
    }
    assertEquals(bench.troubles, ["the ledger cannot be used now"]);
    other.exec("ALTER TABLE away RENAME TO deployments");
    other.close();
    assertEquals(ledger.deployments("app", 9).map(({ id }) => id), [3, 2, 1]);
  });
});

Deno.test("Ledger keeps so many rows: deliveries over all, deployments of each repository", async () => {
  await onBench((bench) => {
    const keep: Retention = { deliveries: 10, deployments: 3 };
    const ledger = bench.open({ keep });
    const fill = () => {
      for (let count = 0; count < 300; count++) {
        ledger.addDelivery(delivery(count));
        const id = ledger.nextId();
        ledger.saveDeployment(deployment(id, "deployed", id % 100 === 1 ? "rare" : "often"));
      }
      ledger.flush();
    };
    fill();
    assertEquals(ledger.deliveries(undefined, 999).map(({ at }) => at), [
      299,
      298,
      297,
      296,
      295,
      294,
      293,
      292,
      291,
      290,
    ]);
    assertEquals(ledger.deployments("often", 999).map(({ id }) => id), [300, 299, 298]);
    assertEquals(ledger.deployments("rare", 999).map(({ id }) => id), [201, 101, 1]);
  });
});
