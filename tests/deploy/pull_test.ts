import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Deployment } from "../../lib/delivery.ts";
import {
  type Checkout,
  folderOf,
  type Obstacle,
  obstructed,
  put,
  snapshot,
  World,
} from "./world.ts";

/** Asserts that a deployment failed, and that it left files, HEAD and branch as they were. */
async function assertRefused(world: World, app: Checkout, what?: string): Promise<Deployment> {
  const before = [app.files(), app.ref, app.head()];
  const deployment = await world.deploy({ path: app.path });
  assertEquals(deployment.result, "failed", what ?? JSON.stringify(deployment));
  assertEquals([app.files(), app.ref, app.head()], before, what);
  return deployment;
}

Deno.test("pull fast-forwards the checkout", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const old = app.head();
  const tip = await remote.commit({ "app.py": "two\n", "new/deep.txt": "x" });
  const { ms, output, ...deployment } = await world.deploy({ path: app.path });
  assertEquals<unknown>(deployment, {
    repository: "app",
    action: "deploy",
    trigger: "delivery",
    attempt: 1,
    deliveries: 1,
    result: "deployed",
    branch: "main",
    old,
    new: tip,
    tip,
  });
  assert(Number.isInteger(ms) && ms >= 0);
  assertStringIncludes(output!, "Fast-forward");
  assertEquals(app.files(), { "app.py": "two\n", "new/deep.txt": "x" });
  assertEquals([app.head(), app.ref], [tip, "ref: refs/heads/main"]);
});

Deno.test("pull changes nothing where the checkout is up to date", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  put(app.path, { "app.py": "edited\n", untracked: "x" });
  const head = app.head();
  const { result, old, new: tip, reason } = await world.deploy({ path: app.path });
  assertEquals([result, old, tip, reason], ["unchanged", head, head, undefined] as unknown);
  assertEquals(app.files(), { "app.py": "edited\n", untracked: "x" });
});

Deno.test("pull changes nothing where the checkout is ahead, and says so", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  const head = await app.commit({ local: "x" });
  const { result, new: now, reason } = await world.deploy({ path: app.path });
  assertEquals([result, now], ["unchanged", head] as unknown);
  assertEquals(reason, "the checkout is ahead of refs/remotes/origin/main");
});

Deno.test("pull refuses a diverged branch and names reset", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await app.commit({ local: "1" });
  await app.commit({ local: "2" });
  await remote.commit({ "app.py": "two\n" });
  const { reason, hint } = await assertRefused(world, app);
  assertEquals(
    reason,
    "the checkout and the remote have diverged: 2 local and 1 remote commits",
  );
  assertStringIncludes(hint!, "strategy: reset");
  put(app.path, { "app.py": "edited, and in the way" });
  assertEquals((await assertRefused(world, app)).reason, reason, "the same with local changes");
});

Deno.test("pull refuses a force-push, which looks like a divergence", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = remote.tip();
  await remote.commit({ "app.py": "two\n" });
  await world.deploy({ path: app.path });
  await remote.commit({ "app.py": "another two\n" }, { parent: first });
  assertStringIncludes((await assertRefused(world, app)).reason!, "diverged: 1 local and 1 remote");
});

Deno.test("pull takes a branch that was set back for a checkout that is ahead", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = remote.tip();
  const second = await remote.commit({ "app.py": "two\n" });
  await world.deploy({ path: app.path });
  remote.move(first);
  const { result, new: now } = await world.deploy({ path: app.path });
  assertEquals([result, now], ["unchanged", second] as unknown);
});

Deno.test("pull keeps local changes that are not in the way", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair({ "app.py": "one\n", settings: "default\n", gone: "x" });
  put(app.path, { settings: "mine\n", gone: null, "untracked/file": "mine", ".env": "mine" });
  await remote.commit({ "app.py": "two\n" });
  assertEquals((await world.deploy({ path: app.path })).result, "deployed");
  assertEquals(app.files(), {
    ".env": "mine",
    "app.py": "two\n",
    settings: "mine\n",
    "untracked/file": "mine",
  });
});

const OBSTACLES: readonly Obstacle[] = [
  {
    what: "a local change to a changed file",
    first: { "app.py": "one\n", other: "x" },
    local: { "app.py": "mine\n" },
    next: { "app.py": "two\n" },
    named: "app.py",
  },
  {
    what: "a local change to a removed file",
    first: { "app.py": "one\n", other: "x" },
    local: { "app.py": "mine\n" },
    next: { "app.py": null },
    named: "app.py",
  },
  {
    what: "an untracked file",
    first: { "app.py": "one\n" },
    local: { "new file.txt": "mine" },
    next: { "new file.txt": "theirs" },
    named: "new file.txt",
  },
  {
    what: "an ignored file",
    first: { "app.py": "one\n", ".gitignore": ".env\nmedia/\n" },
    local: { ".env": "mine" },
    next: { ".env": "theirs" },
    named: ".env",
  },
  {
    what: "a file in an ignored directory",
    first: { "app.py": "one\n", ".gitignore": "media/\n" },
    local: { "media/photo": "mine" },
    next: { "media/photo": "theirs" },
    named: "media/photo",
  },
  {
    what: "an untracked file where a directory has to be",
    first: { "app.py": "one\n" },
    local: { place: "mine" },
    next: { "place/file": "theirs" },
    named: "place",
  },
  {
    what: "an ignored file where a directory has to be",
    first: { "app.py": "one\n", ".gitignore": "place\n" },
    local: { place: "mine" },
    next: { "place/file": "theirs" },
    named: "place",
  },
  {
    what: "an untracked directory where a file has to be",
    first: { "app.py": "one\n" },
    local: { "place/mine": "mine" },
    next: { place: "theirs" },
    named: "place",
  },
  {
    what: "an ignored directory where a file has to be",
    first: { "app.py": "one\n", ".gitignore": "place/\n" },
    local: { "place/mine": "mine" },
    next: { place: "theirs" },
    named: "place",
  },
  {
    what: "an untracked file in a directory that becomes a file",
    first: { "app.py": "one\n", "place/tracked": "x" },
    local: { "place/mine": "mine" },
    next: { "place/tracked": null, place: "theirs" },
    named: "place",
  },
  {
    what: "an ignored file in a directory that becomes a link",
    first: { "app.py": "one\n", "place/tracked": "x", ".gitignore": "mine\n" },
    local: { "place/mine": "mine" },
    next: { "place/tracked": null, place: { link: "/elsewhere" } },
    named: "place",
  },
  {
    what: "an untracked link where a file has to be",
    first: { "app.py": "one\n" },
    local: { place: { link: "app.py" } },
    next: { place: "theirs" },
    named: "place",
  },
  {
    what: "an untracked link where a directory has to be",
    first: { "app.py": "one\n" },
    local: { media: { link: "/nowhere" } },
    next: { "media/photo": "theirs" },
    named: "media",
  },
];

Deno.test("pull refuses to overwrite what is not committed, and nothing moves", async () => {
  await using world = World.open();
  const [remote, app] = await obstructed(world, OBSTACLES);
  for (const [index, { what, named }] of OBSTACLES.entries()) {
    remote.move(remote.tip(folderOf(index)));
    const { reason, hint } = await assertRefused(world, app, what);
    assertStringIncludes(reason!, `${folderOf(index)}/${named}`);
    assertStringIncludes(hint!, "commit, move or remove these files");
    assertEquals(reason!.includes("\n"), false);
  }
});

Deno.test("pull does not write through a link that leads out of the checkout", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  put(world.root, { "outside/photo": "mine" });
  put(app.path, { media: { link: `${world.root}/outside` } });
  await remote.commit({ "media/photo": "theirs", "media/new": "theirs" });
  await assertRefused(world, app);
  assertEquals(snapshot(`${world.root}/outside`), { photo: "mine" });
});

Deno.test("pull deploys again once what was in the way is gone", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  put(app.path, { new: "mine" });
  const tip = await remote.commit({ new: "theirs" });
  await assertRefused(world, app);
  put(app.path, { new: null });
  assertEquals((await world.deploy({ path: app.path })).new as string, tip);
});

Deno.test("pull refuses in the middle of a merge that a person has begun", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await app.git("switch", "--quiet", "--create", "side");
  await app.commit({ side: "x" });
  await app.git("switch", "--quiet", "main");
  await app.git("merge", "--quiet", "--no-ff", "--no-commit", "side");
  await remote.commit({ "app.py": "two\n" });
  assertStringIncludes((await assertRefused(world, app)).reason!, "MERGE_HEAD exists");
});
