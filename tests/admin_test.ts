import { assertEquals, assertStringIncludes } from "@std/assert";
import { AdminDoor } from "../lib/admin.ts";
import type { Deployment, DeploymentRecord } from "../lib/delivery.ts";
import type { Order } from "../lib/deploy/order.ts";
import { GitError } from "../lib/git.ts";
import type { Keeper, RepositoryState } from "../lib/keeper.ts";
import { Ledger } from "../lib/ledger.ts";
import { type RepositoryName, repositoryName, type Sha, sha } from "../lib/values.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";

const COMMITS = ["a", "b", "c"].map((digit) => sha(digit.repeat(40))!) as [Sha, Sha, Sha];

/** An administrator's door before a keeper that writes down what is asked of it. */
class Bench {
  readonly ledger: Ledger;
  readonly orders: Order[] = [];
  readonly asked: unknown[][] = [];
  readonly door: AdminDoor;
  deployed: Sha | undefined;
  stopping = false;
  trouble: Error | undefined;

  constructor(directory: string) {
    this.ledger = Ledger.open({
      file: `${directory}/ledger.db`,
      wall: () => 0,
      onTrouble: () => {},
    });
    const keeper = {
      states: (): RepositoryState[] => [{
        name: repositoryName("app")!,
        waiting: false,
        ...this.deployed !== undefined && { deployed: this.deployed },
      }],
      submit: (name: RepositoryName, order: Order) => {
        if (this.stopping) return undefined;
        this.orders.push(order);
        return Promise.resolve({ repository: name, result: "deployed" } as Deployment);
      },
      hold: (...args: unknown[]) => {
        if (this.trouble !== undefined) return Promise.reject(this.trouble);
        this.asked.push(["hold", ...args]);
        return Promise.resolve({ since: 1 });
      },
      resume: (...args: unknown[]) => {
        this.asked.push(["resume", ...args]);
        return Promise.resolve();
      },
    };
    this.door = new AdminDoor({
      keeper: keeper as unknown as Keeper,
      ledger: this.ledger,
      names: () => ["app", "docs"].map((name) => repositoryName(name)!),
      facts: () => ({ listening: "http://127.0.0.1:1" }),
      configuration: () => ({ file: "hook.yaml", fingerprint: "f00d" }),
      check: (names) => {
        this.asked.push(["check", ...names]);
        return Promise.resolve([{ level: "ok", about: "app", message: "fine" }]);
      },
    });
  }

  async ask(method: string, path: string, body?: unknown): Promise<[number, unknown]> {
    const init = body === undefined
      ? {}
      : { body: typeof body === "string" ? body : JSON.stringify(body) };
    const response = await this.door.handle(new Request(`http://x${path}`, { method, ...init }));
    return [response.status, await response.json()];
  }

  /** Remembers a deployment of `app`. */
  save(id: number, commit: Sha, more: Partial<DeploymentRecord> = {}): void {
    this.ledger.saveDeployment({
      id,
      repository: "app",
      action: "deploy",
      trigger: "delivery",
      state: "deployed",
      started: id,
      attempt: 1,
      new: commit,
      ...more,
    });
  }
}

async function onBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    const bench = new Bench(directory);
    await work(bench);
    bench.ledger.close();
  });
}

Deno.test("AdminDoor.handle() tells status and history", async () => {
  await onBench(async (bench) => {
    bench.deployed = COMMITS[0];
    for (let id = 1; id <= 30; id++) bench.save(id, COMMITS[0]);
    bench.save(31, COMMITS[0], { repository: "docs" });
    assertEquals(await bench.ask("GET", "/status.json"), [200, {
      listening: "http://127.0.0.1:1",
      repositories: [{ name: "app", waiting: false, deployed: COMMITS[0] }],
    }]);
    const log = async (query: string): Promise<number[]> => {
      const [, answer] = await bench.ask("GET", `/log.json${query}`);
      return (answer as { deployments: DeploymentRecord[] }).deployments.map(({ id }) => id);
    };
    assertEquals((await log("")).length, 20);
    assertEquals((await log(""))[0], 31);
    assertEquals(await log("?repository=docs"), [31]);
    assertEquals(await log("?repository=app&limit=2"), [30, 29]);
    assertEquals((await log("?limit=99999999")).length, 31);
    for (const odd of ["0", "-5", "x", "NaN", "1e9"]) {
      assertEquals((await log(`?limit=${odd}`)).length >= 1, true, odd);
    }
  });
});

Deno.test("AdminDoor.handle() passes wishes on, and waits for those that want an answer", async () => {
  await onBench(async (bench) => {
    assertEquals(await bench.ask("POST", "/repositories/app/deploy"), [200, { queued: true }]);
    const done = { deployment: { repository: "app", result: "deployed" } };
    assertEquals(await bench.ask("POST", "/repositories/app/deploy", { wait: true }), [200, done]);
    assertEquals(await bench.ask("POST", "/repositories/app/rollback"), [200, done]);
    assertEquals(bench.orders.map(({ action, trigger, endsHold }) => [action, trigger, endsHold]), [
      ["deploy", "request", true],
      ["deploy", "request", true],
      ["rollback", "request", false],
    ]);
    const held = await bench.ask("POST", "/repositories/app/hold", { reason: "a fair" });
    assertEquals(held, [200, { hold: { since: 1 } }]);
    assertEquals(await bench.ask("POST", "/repositories/docs/resume"), [200, {}]);
    assertEquals(
      await bench.ask("POST", "/check", { names: ["app"] }),
      [200, {
        configuration: { file: "hook.yaml", fingerprint: "f00d" },
        findings: [{ level: "ok", about: "app", message: "fine" }],
      }],
    );
    assertEquals(bench.asked, [
      ["hold", "app", "a fair"],
      ["resume", "docs"],
      ["check", "app"],
    ]);
  });
});

Deno.test("AdminDoor.handle() goes back to what a number, a commit or the history names", async () => {
  await onBench(async (bench) => {
    const [first, second, third] = COMMITS;
    bench.save(1, first);
    bench.save(2, second);
    bench.save(3, second, { trigger: "request" });
    bench.save(4, third, { state: "failed" });
    bench.deployed = second;
    const back = async (to?: unknown) => {
      const [status] = await bench.ask("POST", "/repositories/app/rollback", { to });
      return status === 200 ? bench.orders.at(-1)!.to : status;
    };
    assertEquals<unknown>(await back(), first, "not the same commit, and not one that failed");
    assertEquals<unknown>(await back("1"), first);
    assertEquals<unknown>(await back(3), second);
    assertEquals<unknown>(await back(third), third);
    assertEquals(await back("99"), 404);
    assertEquals(await back("main"), 404);
    assertEquals(await back("--hard"), 404);
    // The history does not know what is deployed, so the repository has to.
    bench.deployed = third;
    assertEquals(await back(), undefined);
  });
});

Deno.test("AdminDoor.handle() refuses what it does not know", async () => {
  await onBench(async (bench) => {
    for (
      const [method, path, status] of [
        ["GET", "/", 404],
        ["GET", "/repositories/app/deploy", 405],
        ["DELETE", "/repositories/app/deploy", 405],
        ["POST", "/repositories/none/deploy", 404],
        ["POST", "/repositories/..%2Fapp/deploy", 404],
        ["POST", "/repositories/app/destroy", 404],
        ["POST", "/repositories/app/deploy/now", 404],
        ["POST", "/status.json", 404],
      ] as const
    ) {
      const [answered, answer] = await bench.ask(method, path);
      assertEquals(
        [answered, typeof (answer as { error: string }).error],
        [status, "string"],
        path,
      );
    }
    assertEquals([bench.orders, bench.asked], [[], []]);
    const [, unknown] = await bench.ask("POST", "/repositories/none/deploy");
    assertStringIncludes(JSON.stringify(unknown), 'no repository \\"none\\"');
  });
});

Deno.test("AdminDoor.handle() refuses a body that is no JSON or too large, and takes any other value for nothing", async () => {
  await onBench(async (bench) => {
    const path = "/repositories/app/hold";
    assertEquals((await bench.ask("POST", path, "{"))[0], 400);
    assertEquals((await bench.ask("POST", path, `"${"x".repeat(65 * 1024)}"`))[0], 400);
    assertEquals((await bench.ask("POST", "/check", { names: ["app", "none"] }))[0], 404);
    assertEquals(bench.asked, []);
    for (const body of ["7", "null", "[]", '{"reason":7}', ""]) {
      assertEquals((await bench.ask("POST", path, body))[0], 200, body);
    }
    assertEquals(bench.asked, Array.from({ length: 5 }, () => ["hold", "app", undefined]));
  });
});

Deno.test("AdminDoor.handle() says that the service stops, and what git refuses", async () => {
  await onBench(async (bench) => {
    bench.stopping = true;
    assertEquals(await bench.ask("POST", "/repositories/app/deploy"), [503, {
      error: "the service is stopping",
    }]);
    bench.trouble = new GitError("git update-ref", {
      code: 1,
      stdout: "",
      stderr: "fatal: read-only",
    });
    assertEquals(await bench.ask("POST", "/repositories/app/hold"), [500, {
      error: "fatal: read-only",
    }]);
  });
});
