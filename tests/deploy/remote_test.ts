import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Case, Checkout, each, lstat, put, type Remote, World } from "./world.ts";

const MAIN = "ref: refs/heads/main";

/** Deploys the branch `next` into a checkout that is on `main`. */
function deployNext(world: World, app: Checkout, strategy: "pull" | "reset" = "pull") {
  return world.deploy({ path: app.path, branch: "next", strategy });
}

/** A pair whose remote has the branch `next`, one commit further than `main`. */
async function pairWithNext(world: World): Promise<[Remote, Checkout, tip: string]> {
  const [remote, app] = await world.pair({ "app.py": "one\n", "old/file": "x" });
  const files = { "app.py": "next\n", "new/file": "x", "old/file": null };
  const tip = await remote.commit(files, { branch: "next", parent: remote.tip() });
  return [remote, app, tip];
}

Deno.test("deploy() switches to another configured branch, with either strategy", async () => {
  const strategies = [{ what: "pull" }, { what: "reset" }] as const;
  await each(strategies, async ({ what: strategy }) => {
    await using world = World.open();
    const [remote, app, tip] = await pairWithNext(world);
    put(app.path, { untracked: "mine" });
    const { result, branch, old, new: now } = await deployNext(world, app, strategy);
    assertEquals<unknown>([result, branch, old, now], ["deployed", "next", remote.tip(), tip]);
    assertEquals([app.ref, app.head()], ["ref: refs/heads/next", tip]);
    assertEquals(app.files(), { "app.py": "next\n", "new/file": "x", untracked: "mine" });
    assertEquals(await app.git("rev-parse", "--abbrev-ref", "next@{upstream}"), "origin/next");
    const back = await world.deploy({ path: app.path, branch: "main", strategy });
    assertEquals<unknown>([back.result, back.new], ["deployed", remote.tip()]);
    assertEquals(app.files(), { "app.py": "one\n", "old/file": "x", untracked: "mine" });
  });
});

interface Refusal extends Case {
  /** What somebody has done in the checkout, which stays on `main`. */
  readonly prepare: (app: Checkout, remote: Remote) => unknown;
  readonly reason: string;
}

const REFUSALS: readonly Refusal[] = [
  {
    what: "a local change in the way",
    prepare: (app) => put(app.path, { "app.py": "mine" }),
    reason: "app.py",
  },
  {
    what: "an untracked file in the way",
    prepare: (app) => put(app.path, { "new/file": "mine" }),
    reason: "new/file",
  },
  {
    what: "an untracked file in the way of a branch that exists and is behind",
    prepare(app, remote) {
      put(app.path, { "new/file": "mine", ".git/refs/heads/next": remote.tip() });
    },
    reason: "new/file",
  },
  {
    what: "a branch that has diverged",
    async prepare(app) {
      await app.git("switch", "--quiet", "--create", "next");
      await app.commit({ local: "x" });
      await app.git("switch", "--quiet", "main");
    },
    reason: "have diverged: 1 local and 1 remote commits",
  },
];

Deno.test("pull refuses to switch to another branch, and nothing moves", async () => {
  await each(REFUSALS, async ({ prepare, reason }) => {
    await using world = World.open();
    const [remote, app] = await pairWithNext(world);
    await prepare(app, remote);
    const before = [app.files(), app.ref, app.head()];
    const deployment = await deployNext(world, app);
    assertEquals(deployment.result, "failed");
    assertStringIncludes(deployment.reason!, reason);
    assertEquals([app.files(), app.ref, app.head()], before);
  });
});

Deno.test("pull switches to a branch that is behind, and to one that is ahead", async () => {
  await using world = World.open();
  const [remote, app, tip] = await pairWithNext(world);
  put(app.path, { ".git/refs/heads/next": remote.tip() });
  assertEquals((await deployNext(world, app)).new as string, tip);
  const local = await app.commit({ local: "x" });
  await app.git("switch", "--quiet", "main");
  const { result, new: now, reason } = await deployNext(world, app);
  assertEquals<unknown>([result, now, app.head()], ["deployed", local, local]);
  assertEquals(reason, "the checkout is ahead of refs/remotes/origin/next");
});

Deno.test("deploy() needs a branch where the checkout is detached", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await app.git("switch", "--quiet", "--detach");
  const { result, reason, hint } = await world.deploy({ path: app.path });
  assertEquals(result, "failed");
  assertStringIncludes(reason!, "the checkout is detached");
  assertStringIncludes(hint!, 'set "branch"');
  const tip = await remote.commit({ "app.py": "two\n" });
  const deployment = await world.deploy({ path: app.path, branch: "main" });
  assertEquals<unknown>([deployment.new, app.ref], [tip, MAIN]);
});

Deno.test("deploy() explains a branch that the remote does not have", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const head = app.head();
  const named = await world.deploy({ path: app.path, branch: "missing" });
  assertEquals(named.reason, 'the remote has no branch "missing"');
  await remote.commit({}, { branch: "other" });
  remote.delete("main");
  const unnamed = await world.deploy({ path: app.path });
  assertEquals(unnamed.reason, "the remote no longer has the branch that is checked out");
  assertEquals([app.head(), app.ref], [head, MAIN]);
});

Deno.test("deploy() does not take a tag or a longer name for the branch", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const next = await remote.commit({ "app.py": "tagged\n" }, { branch: "x/main" });
  put(remote.path, { "refs/tags/main": `${next}\n`, "refs/tags/next": `${next}\n` });
  assertEquals((await world.deploy({ path: app.path })).result, "unchanged");
  assertStringIncludes((await deployNext(world, app)).reason!, 'no branch "next"');
});

Deno.test("deploy() follows a remote that moved, once it is the same history", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const mirror = await world.remote("mirror");
  await Deno.remove(`${mirror.path}/objects`, { recursive: true });
  await Deno.rename(`${remote.path}/objects`, `${mirror.path}/objects`);
  mirror.move(remote.tip());
  const tip = await mirror.commit({ "app.py": "two\n" });
  const { result, new: now } = await world.deploy({ path: app.path, remote: mirror.path });
  assertEquals<unknown>([result, now, app.origin], ["deployed", tip, mirror.path]);
});

Deno.test("deploy() refuses a remote of another history, and origin does not move", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const stranger = await world.remote("stranger", { "app.py": "evil\n" });
  put(stranger.path, { "refs/tags/v9": `${stranger.tip()}\n` });
  const refs = await app.git("for-each-ref");
  for (const branch of [undefined, "main"]) {
    const target = { path: app.path, remote: stranger.path, strategy: "reset" } as const;
    const { result, reason, hint } = await world.deploy({ ...target, ...branch && { branch } });
    assertEquals(result, "failed");
    assertStringIncludes(reason!, "unrelated");
    assertStringIncludes(hint!, app.path);
  }
  assertEquals([app.origin, app.head()], [remote.path, remote.tip()]);
  assertEquals(await app.git("for-each-ref"), refs);
  assertEquals(app.files(), { "app.py": "one\n" });
});

Deno.test("deploy() leaves origin alone where the configured remote cannot be reached", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const { result } = await world.deploy({ path: app.path, remote: world.path("nowhere") });
  assertEquals([result, app.origin], ["failed", remote.path]);
});

Deno.test("deploy() adds the configured remote to a checkout that has none", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await app.git("remote", "remove", "origin");
  const tip = await remote.commit({ "app.py": "two\n" });
  const { result, new: now } = await world.deploy({ path: app.path, remote: remote.path });
  assertEquals<unknown>([result, now, app.origin], ["deployed", tip, remote.path]);
  await app.git("remote", "remove", "origin");
  assertEquals((await world.deploy({ path: app.path })).result, "failed");
});

Deno.test("deploy() brings a worktree of another checkout up to date", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const path = world.path("tree");
  await app.git("worktree", "add", "--quiet", "--track", "-b", "next", path, "origin/main");
  const tip = await remote.commit({ "app.py": "next\n" }, { branch: "next", parent: remote.tip() });
  const { result, branch, new: now } = await world.deploy({ path });
  assertEquals<unknown>([result, branch, now], ["deployed", "next", tip]);
  assertEquals(app.files(), { "app.py": "one\n" });
});

Deno.test("deploy() runs the checkout's own hooks, as git pull would", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const hook = `${app.path}/.git/hooks/post-merge`;
  put(app.path, { ".git/hooks/post-merge": `#!/bin/sh\ngit rev-parse HEAD > ../hooked\n` });
  Deno.chmodSync(hook, 0o755);
  assertEquals((await world.deploy({ path: app.path })).result, "unchanged");
  assertEquals(lstat(world.path("hooked")), undefined);
  const tip = await remote.commit({ "app.py": "two\n" });
  await world.deploy({ path: app.path });
  assertEquals(Deno.readTextFileSync(world.path("hooked")).trim(), tip);
});
