import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Deployment } from "../lib/delivery.ts";
import { deliveryOrder, deployOrder, type Order, rollbackOrder } from "../lib/deploy/order.ts";
import { Keeper, type Kept, type Notice, type RepositoryState } from "../lib/keeper.ts";
import { repositoryName } from "../lib/values.ts";
import { Checkout, lstat, put, targetOf, type TargetText, until, World } from "./deploy/world.ts";

const APP = repositoryName("app")!;
/** So long that no other pause is taken for it, in milliseconds. */
const POLL = 86_400_000;

/** A keeper whose time passes when the test says so. */
class Bench implements AsyncDisposable {
  readonly timers: { readonly ms: number; readonly callback: () => void }[] = [];
  /** The pauses that were asked for, in order. */
  readonly pauses: number[] = [];
  readonly begun: Order[] = [];
  readonly ended: Deployment[] = [];
  readonly notices: Notice[] = [];
  readonly keeper: Keeper;
  time = 1_000_000;
  random = 0.5;

  constructor(world: World, concurrency = 4) {
    this.keeper = new Keeper({
      git: world.git,
      concurrency,
      now: () => performance.now(),
      wall: () => this.time,
      random: () => this.random,
      after: (ms, callback) => {
        const timer = { ms, callback };
        this.timers.push(timer);
        this.pauses.push(ms);
        return () => {
          const index = this.timers.indexOf(timer);
          if (index !== -1) this.timers.splice(index, 1);
        };
      },
      onBegin: (_name, order) => this.begun.push(order),
      onEnd: (deployment) => this.ended.push(deployment),
      onNotice: (notice) => this.notices.push(notice),
    });
  }

  /** Takes repositories and waits until they have been compared and what followed has ended. */
  async keep(...targets: readonly (TargetText & { readonly poll?: number })[]): Promise<void> {
    const kept = targets.map((target): Kept => ({
      ...targetOf(target),
      poll: target.poll ?? POLL,
    }));
    await this.#compared(kept.length, () => this.keeper.keep(kept, 4));
  }

  /** Lets the next comparison happen, and what follows from it. */
  async poll(): Promise<void> {
    const index = this.timers.findIndex(({ ms }) => ms >= POLL / 4);
    assert(index !== -1, "a comparison is planned");
    const { callback } = this.timers.splice(index, 1)[0]!;
    await this.#compared(1, callback);
  }

  async #compared(count: number, begin: () => void): Promise<void> {
    const before = this.pauses.length;
    begin();
    await until(
      () => this.pauses.slice(before).length >= count && this.isIdle,
      "the comparisons have ended",
    );
  }

  get isIdle(): boolean {
    const { running, waiting } = this.keeper.size;
    return running + waiting === 0;
  }

  /** Lets the shortest pause end that is none between comparisons. */
  async retry(): Promise<Deployment> {
    const before = this.ended.length;
    const index = this.timers.findIndex(({ ms }) => ms < POLL / 4);
    assert(index !== -1, "a retry is planned");
    const { callback } = this.timers.splice(index, 1)[0]!;
    callback();
    await until(() => this.ended.length > before && this.isIdle, "the retry has ended");
    return this.ended.at(-1)!;
  }

  async submit(order: Order): Promise<Deployment> {
    const deployment = await this.keeper.submit(APP, order)!;
    await until(() => this.isIdle, "nothing runs");
    return deployment;
  }

  get state(): RepositoryState {
    return this.keeper.states().find(({ name }) => name === APP)!;
  }

  /** Trigger and result of everything that was deployed. */
  get results(): string[] {
    return this.ended.map(({ trigger, result }) => `${trigger} ${result}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keeper.abort();
    await this.keeper.close();
  }
}

Deno.test("Keeper clones at start, deploys what a poll finds, and does nothing where nothing is new", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  await using bench = new Bench(world);
  await bench.keep({ path: world.path("app"), remote: remote.path });
  assertEquals(bench.results, ["start deployed"]);
  assertEquals(bench.pauses, [POLL / 2], "the first round is spread");
  await bench.poll();
  assertEquals([bench.results.length, bench.pauses.at(-1)], [1, POLL]);
  const tip = await remote.commit({ "app.py": "two\n" });
  await bench.poll();
  assertEquals(bench.results, ["start deployed", "poll deployed"]);
  const { deployed, failure, branch, waiting, running, checked } = bench.state;
  assertEquals<unknown>([deployed, failure, branch], [tip, undefined, "main"]);
  assertEquals([waiting, running, checked], [false, undefined, 1_000_000]);
});

Deno.test("Keeper records a checkout as it was found, and changes it for a delivery or a new commit only", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const found = app.head();
  await remote.commit({ "app.py": "two\n" });
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  await bench.poll();
  assertEquals([app.head(), await world.ref(app.path, "refs/hook/deployed")], [found, found]);
  assertEquals(bench.results, ["start unchanged"]);
  const third = await remote.commit({ "app.py": "three\n" });
  await bench.poll();
  assertEquals([app.head(), bench.results.at(-1)], [third, "poll deployed"]);
});

Deno.test("Keeper deploys a checkout that was found when a delivery comes, or somebody asks", async () => {
  for (const order of [deliveryOrder("1"), deployOrder()]) {
    await using world = World.open();
    const [remote, app] = await world.pair();
    const tip = await remote.commit({ "app.py": "two\n" });
    await using bench = new Bench(world);
    await bench.keep({ path: app.path });
    assertEquals((await bench.submit(order)).result, "deployed", order.trigger);
    assertEquals(app.head(), tip);
  }
});

Deno.test("Keeper leaves alone what was moved by hand, and says so once", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = app.head();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  const second = await remote.commit({ "app.py": "two\n" });
  await bench.poll();
  await app.git("reset", "--quiet", "--hard", first);
  await remote.commit({ "app.py": "three\n" });
  await bench.poll();
  await bench.poll();
  assertEquals(app.head(), first);
  assertEquals(bench.notices.map(({ kind }) => kind), ["drifted"]);
  assertStringIncludes(bench.notices[0]!.reason!, `from ${second.slice(0, 8)} to`);
  assertEquals<unknown>(bench.state.drifted, first);
  // A restart knows it too.
  await using again = new Bench(world);
  await again.keep({ path: app.path });
  assertEquals([app.head(), again.state.drifted as string], [first, first]);
  assertEquals((await bench.submit(deliveryOrder("1"))).result, "deployed");
  assertEquals([app.head(), bench.state.drifted], [remote.tip(), undefined]);
});

Deno.test("Keeper.hold() stops deploying, across a restart, and resume() goes on at once", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = app.head();
  {
    await using bench = new Bench(world);
    await bench.keep({ path: app.path });
    assertEquals(await bench.keeper.hold(APP, "a fair"), { since: 1_000_000, reason: "a fair" });
    assertEquals(bench.keeper.isHeld(APP), true);
    await remote.commit({ "app.py": "two\n" });
    await bench.poll();
    assertEquals((await bench.submit(deliveryOrder("1"))).result, "held");
    assertEquals(app.head(), first);
  }
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  assertEquals(bench.state.hold, { since: 1_000_000, reason: "a fair" });
  assertEquals(bench.keeper.isHeld(APP), true);
  await bench.keeper.resume(APP);
  await until(() => app.head() === remote.tip() && bench.isIdle, "it has gone on");
  assertEquals(bench.keeper.isHeld(APP), false);
  assertEquals(await world.ref(app.path, "refs/hook/hold"), undefined);
});

Deno.test("Keeper ends a hold with a request to deploy, even where that fails", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const hooks = world.scripts("hooks", { "post-deploy": "exit 1" });
  await using bench = new Bench(world);
  await bench.keep({ path: app.path, more: { hooks } });
  await bench.keeper.hold(APP);
  await remote.commit({ "app.py": "two\n" });
  assertEquals((await bench.submit(deployOrder())).result, "failed");
  assertEquals(await world.ref(app.path, "refs/hook/hold"), undefined);
  assertEquals(bench.keeper.isHeld(APP), false, "the door must know it too");
});

Deno.test("Keeper goes back, holds there, and deploys on request", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = app.head();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  await remote.commit({ "app.py": "two\n" });
  await bench.submit(deliveryOrder("1"));
  put(app.path, { "notes.txt": "mine" });
  const back = await bench.submit(rollbackOrder());
  assertEquals<unknown>([back.result, back.new, app.head()], ["deployed", first, first]);
  assertEquals(app.ref, "ref: refs/heads/main");
  assertEquals(bench.state.hold?.reason, "rolled back");
  assertEquals<unknown>(bench.state.deployed, first);
  await remote.commit({ "app.py": "three\n" });
  await bench.poll();
  assertEquals([app.head(), bench.state.drifted], [first, undefined]);
  assertEquals((await bench.submit(deployOrder())).result, "deployed");
  assertEquals([app.head(), bench.keeper.isHeld(APP)], [remote.tip(), false]);
  assertEquals(Deno.readTextFileSync(`${app.path}/notes.txt`), "mine");
});

Deno.test("Keeper keeps local changes in a rollback, or refuses it", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  const tip = await remote.commit({ "app.py": "two\n" });
  await bench.submit(deliveryOrder("1"));
  put(app.path, { "app.py": "mine\n" });
  const { result, kind, reason } = await bench.submit(rollbackOrder());
  assertEquals([result, kind], ["failed", "conflict"]);
  assertEquals(reason, 'local changes to "app.py" are in the way');
  assertEquals([app.head(), app.files()["app.py"]], [tip, "mine\n"]);
  assertEquals(bench.keeper.isHeld(APP), false);
});

Deno.test("Keeper tries again what failed on the way to the remote: twice as long each time, up to 5 minutes", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  const tip = await remote.commit({ "app.py": "two\n" });
  await app.git("remote", "set-url", "origin", "http://127.0.0.1:1/app.git");
  const failed = await bench.submit(deliveryOrder("1", "ann"));
  assertEquals([failed.result, failed.kind], ["failed", "unreachable"]);
  const first = bench.pauses.at(-1);
  for (let attempt = 2; attempt <= 4; attempt++) {
    const { trigger, attempt: counted, pusher } = await bench.retry();
    assertEquals([trigger, counted, pusher], ["retry", attempt, "ann"]);
  }
  assertEquals([first, ...bench.pauses.slice(-3)], [750, 1_500, 3_000, 6_000]);
  bench.random = 1;
  for (let attempt = 5; attempt <= 10; attempt++) await bench.retry();
  assertEquals(bench.pauses.at(-1), 300_000);
  assertEquals([bench.state.failure?.kind, bench.state.failure?.attempt], ["unreachable", 10]);
  await app.git("remote", "set-url", "origin", remote.path);
  assertEquals((await bench.submit(deliveryOrder("2"))).attempt, 1);
  assertEquals([app.head(), bench.state.failure], [tip, undefined]);
  assertEquals(
    bench.timers.filter(({ ms }) => ms === 300_000).length,
    0,
    "the retry is called off",
  );
});

Deno.test("Keeper says once that a remote is out of reach, compares soon again, and says that it is back", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  Deno.renameSync(remote.path, `${remote.path}.away`);
  await bench.poll();
  assertEquals(bench.pauses.at(-1), 750);
  assertEquals(bench.state.unreachable?.attempt, 1);
  const again = bench.timers.pop()!;
  again.callback();
  await until(() => bench.state.unreachable?.attempt === 2, "it was compared again");
  assertEquals(bench.notices.map(({ kind }) => kind), ["failed"]);
  Deno.renameSync(`${remote.path}.away`, remote.path);
  await until(() => bench.timers.length > 0, "the next one is planned");
  bench.timers.pop()!.callback();
  await until(() => bench.notices.length === 2, "it is told");
  assertEquals(bench.notices.map(({ kind }) => kind), ["failed", "recovered"]);
  assertEquals(bench.state.unreachable, undefined);
});

/** What the same commit would meet again, and how it is mended. */
const SETTLED = [
  { kind: "hook", hooks: true },
  { kind: "diverged", hooks: false },
  { kind: "conflict", hooks: false },
] as const;

for (const { kind, hooks: hasHooks } of SETTLED) {
  Deno.test(`Keeper does not try again by itself what failed as "${kind}", across a restart`, async () => {
    await using world = World.open();
    const [remote, app] = await world.pair();
    const first = app.head();
    const hooks = world.scripts("hooks", { "pre-deploy": "echo run >> ../count; exit 1" });
    const target = { path: app.path, ...hasHooks && { more: { hooks } } };
    {
      await using bench = new Bench(world);
      await bench.keep(target);
      if (kind === "diverged") await app.commit({ local: "x" });
      if (kind === "conflict") put(app.path, { "app.py": "mine\n" });
      await remote.commit({ "app.py": "two\n" });
      assertEquals((await bench.submit(deliveryOrder("1"))).kind, kind);
      await bench.poll();
      await bench.poll();
      assertEquals([bench.ended.length, bench.state.failure?.kind], [2, kind]);
    }
    await using bench = new Bench(world);
    await bench.keep(target);
    await bench.poll();
    assertEquals(bench.ended.filter(({ result }) => result !== "unchanged"), []);
    // Local commits may have moved it by hand, which is told instead.
    if (kind !== "diverged") assertEquals(bench.state.failure?.kind, kind);
    for (const order of [deliveryOrder("2"), deployOrder()]) {
      assertEquals((await bench.submit(order)).kind, kind, order.trigger);
    }
    if (kind === "diverged") await app.git("reset", "--quiet", "--hard", first);
    if (kind === "conflict") put(app.path, { "app.py": "one\n" });
    world.scripts("hooks", { "pre-deploy": "" });
    const tip = await remote.commit({ "app.py": "three\n" });
    await bench.poll();
    assertEquals(
      [app.head(), bench.state.failure],
      [tip, undefined],
      "a new commit is another try",
    );
  });
}

Deno.test("Keeper finishes at start what a kill interrupted", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await using before = new Bench(world);
  await before.keep({ path: app.path });
  const old = app.head();
  const tip = await remote.commit({ "app.py": "two\n" });
  await app.git("pull", "--quiet", "--ff-only");
  put(app.path, {
    ".git/hook-deployment.json": JSON.stringify({
      state: "running",
      action: "deploy",
      step: "post-deploy",
      old,
      new: tip,
      branch: "main",
    }),
  });
  const hooks = world.scripts("hooks", { "post-deploy": "echo $HOOK_OLD $HOOK_NEW >> .git/ran" });
  await using bench = new Bench(world);
  await bench.keep({ path: app.path, more: { hooks } });
  assertEquals(Deno.readTextFileSync(`${app.path}/.git/ran`), `${old} ${tip}\n`);
  assertEquals(await world.ref(app.path, "refs/hook/deployed"), tip);
  assertEquals(lstat(`${app.path}/.git/hook-deployment.json`), undefined);
  assertEquals([bench.state.drifted, bench.notices], [undefined, []]);
});

Deno.test("Keeper compares at start and never again where polls are off", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  await using bench = new Bench(world);
  bench.keeper.keep([targetOf({ path: world.path("app"), remote: remote.path })], 4);
  await until(() => bench.ended.length === 1 && bench.isIdle, "it is cloned");
  assertEquals([bench.results, bench.pauses], [["start deployed"], []]);
});

Deno.test("Keeper keeps one plan for each repository, however often it is reloaded or resumed", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await using bench = new Bench(world);
  const kept: Kept = { ...targetOf({ path: app.path }), poll: POLL };
  for (let round = 0; round < 4; round++) bench.keeper.keep([kept], 4);
  await until(() => bench.pauses.length >= 4 && bench.isIdle, "all comparisons have ended");
  assertEquals(bench.timers.length, 1);
  bench.keeper.keep([], 4);
  assertEquals([bench.timers.length, bench.keeper.states()], [0, []]);
});

Deno.test("Keeper fails what waits for a repository that is gone, and tells whoever asked", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  const first = bench.keeper.submit(APP, deliveryOrder("1"))!;
  await until(() => bench.begun.at(-1)?.delivery === "1", "the first has begun");
  const second = bench.keeper.submit(APP, deliveryOrder("2"))!;
  bench.keeper.keep([], 4);
  assertEquals((await first).result, "unchanged");
  await until(() => bench.timers.length > 0 || bench.isIdle, "the first has ended");
  for (const { callback } of bench.timers.splice(0)) callback();
  assertEquals((await second).reason, "no longer in the configuration");
  assertEquals(bench.ended.at(-1)!.kind, "configuration");
  assertEquals(bench.keeper.submit(APP, deliveryOrder("3")), undefined);
});

Deno.test("Keeper.close() lets end what runs, and answers what waits without beginning it", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await using bench = new Bench(world);
  await bench.keep({ path: app.path });
  const tip = await remote.commit({ "app.py": "two\n" });
  const first = bench.keeper.submit(APP, deliveryOrder("1"))!;
  await until(() => bench.begun.at(-1)?.delivery === "1", "the first has begun");
  const second = bench.keeper.submit(APP, deliveryOrder("2"))!;
  await bench.keeper.close();
  assertEquals([(await first).result, app.head()], ["deployed", tip]);
  const { result, kind } = await second;
  assertEquals([result, kind, bench.begun.at(-1)?.delivery], ["failed", "stopped", "1"]);
  assertEquals(bench.timers, []);
});

Deno.test("Keeper never deploys into one directory twice at a time, whatever it is called", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const enter = `mkdir ${world.path("busy")} || touch ${world.path("both")}`;
  const hooks = world.scripts("hooks", { "pre-deploy": `${enter}; rmdir ${world.path("busy")}` });
  const target = { path: app.path, more: { hooks } };
  await using bench = new Bench(world);
  await bench.keep(target);
  await remote.commit({ "app.py": "two\n" });
  const first = bench.keeper.submit(APP, deliveryOrder("1"))!;
  await until(() => bench.begun.at(-1)?.delivery === "1", "the first has begun");
  const renamed = repositoryName("renamed")!;
  bench.keeper.keep([targetOf({ ...target, name: "renamed" })], 4);
  const second = bench.keeper.submit(renamed, deliveryOrder("2"))!;
  assertEquals([(await first).result, (await second).result], ["deployed", "unchanged"]);
  assertEquals(lstat(world.path("both")), undefined);
});

Deno.test("Keeper makes a damaged repository of releases anew by itself", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const target: TargetText = { path: world.path("app"), remote: remote.path, strategy: "release" };
  await using bench = new Bench(world);
  await bench.keep(target);
  Deno.removeSync(`${target.path}/repository.git/refs`, { recursive: true });
  Deno.writeTextFileSync(`${target.path}/repository.git/HEAD`, "");
  await using again = new Bench(world);
  const kept: Kept = { ...targetOf(target), poll: POLL };
  again.keeper.keep([kept], 4);
  await until(() => again.ended.length > 0 && again.isIdle, "it was deployed");
  assertEquals(again.results, ["start deployed"]);
  await world.run(`${target.path}/repository.git`, "fsck", "--strict");
});

/** A git server that lets its clients wait until the test sends them away. */
function waitingRoom() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const waiting: Deno.Conn[] = [];
  let taken = 0;
  let isOpen = false;
  const serving = (async () => {
    for await (const connection of listener) {
      taken++;
      if (isOpen) connection.close();
      else waiting.push(connection);
    }
  })();
  return {
    url: `git://127.0.0.1:${listener.addr.port}/app.git`,
    waiting,
    taken: () => taken,
    open() {
      isOpen = true;
      for (const connection of waiting.splice(0)) connection.close();
    },
    async [Symbol.asyncDispose]() {
      this.open();
      listener.close();
      await serving;
    },
  };
}

Deno.test("Keeper asks no more than eight remotes at the same time", async () => {
  await using world = World.open();
  await using room = waitingRoom();
  const [remote] = await world.pair();
  const count = 24;
  const apps = Array.from({ length: count }, (_, index) => {
    const app = new Checkout(world, world.empty(`app-${index}`).path);
    app.configure(`[remote "origin"]\n\turl = ${room.url}\n`);
    app.copyObjects(remote);
    put(`${app.path}/.git`, {
      "refs/heads/main": `${remote.tip()}\n`,
      "refs/hook/deployed": `${remote.tip()}\n`,
    });
    return { name: `app-${index}`, path: app.path, branch: "main" };
  });
  await using bench = new Bench(world);
  bench.keeper.keep(apps.map((app) => ({ ...targetOf(app), poll: POLL })), 4);
  await until(() => room.waiting.length === 8, "eight wait at the remote");
  const asking = world.processes().filter(({ command }) => command.includes("ls-remote"));
  if (Deno.build.os === "linux") assertEquals(asking.length, 8);
  room.open();
  await until(() => bench.pauses.length === count, "all were compared");
  assertEquals([room.taken(), bench.keeper.states().length], [count, count]);
  assertEquals(bench.notices.map(({ kind }) => kind), Array(count).fill("failed"));
});
