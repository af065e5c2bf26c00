import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Deployment } from "../../lib/delivery.ts";
import { type Checkout, folderOf, type Obstacle, obstructed, put, World } from "./world.ts";

function reset(world: World, app: Checkout): Promise<Deployment> {
  return world.deploy({ path: app.path, strategy: "reset" });
}

Deno.test("reset follows a force-push and forgets local commits", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = remote.tip();
  await remote.commit({ "app.py": "two\n" });
  await reset(world, app);
  const old = await app.commit({ local: "x" });
  const tip = await remote.commit({ "app.py": "another two\n" }, { parent: first });
  const deployment = await reset(world, app);
  assertEquals(
    [deployment.result, deployment.old, deployment.new],
    ["deployed", old, tip] as unknown,
  );
  assertEquals(app.files(), { "app.py": "another two\n" });
  assertEquals([app.head(), app.ref], [tip, "ref: refs/heads/main"]);
});

Deno.test("reset follows a branch that was set back", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = remote.tip();
  await remote.commit({ "app.py": "two\n", more: "x" });
  await reset(world, app);
  remote.move(first);
  assertEquals((await reset(world, app)).new as string, first);
  assertEquals(app.files(), { "app.py": "one\n" });
});

Deno.test("reset discards local changes to tracked files and keeps the untracked", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair({ "app.py": "one\n", gone: "x", ".gitignore": ".env" });
  put(app.path, { "app.py": "mine\n", gone: null, ".env": "mine", "media/photo": "mine" });
  await app.git("add", "app.py");
  await remote.commit({ "app.py": "two\n" });
  assertEquals((await reset(world, app)).result, "deployed");
  assertEquals(app.files(), {
    ".env": "mine",
    ".gitignore": ".env",
    "app.py": "two\n",
    gone: "x",
    "media/photo": "mine",
  });
  assertEquals(await app.git("status", "--porcelain"), "?? media/");
});

const OBSTACLES: readonly Obstacle[] = [
  { what: "an untracked file", local: { new: "mine" }, next: { new: "theirs" }, named: "new" },
  {
    what: "an ignored file",
    first: { ".gitignore": ".env\n" },
    local: { ".env": "mine" },
    next: { ".env": "theirs" },
    named: ".env",
  },
  {
    what: "an untracked file where a directory has to be",
    local: { place: "mine" },
    next: { "place/file": "theirs" },
    named: "place",
  },
  {
    what: "an untracked directory where a file has to be",
    local: { "place/mine": "mine" },
    next: { place: "theirs" },
    named: "place/mine",
  },
  {
    what: "an ignored file in a directory that becomes a file",
    first: { "place/tracked": "x", ".gitignore": "mine\n" },
    local: { "place/mine": "mine" },
    next: { "place/tracked": null, place: "theirs" },
    named: "place/mine",
  },
  {
    what: "an untracked link where a directory has to be",
    local: { media: { link: "/nowhere" } },
    next: { "media/photo": "theirs" },
    named: "media",
  },
  {
    what: "an untracked file with a name like an option and a pattern",
    local: { "--force/*.txt": "mine" },
    next: { "--force/*.txt": "theirs" },
    named: "--force/*.txt",
  },
  {
    what: "an untracked file with a name that git would quote",
    local: { '媒体/"a"\t\\': "mine" },
    next: { '媒体/"a"\t\\': "theirs" },
    named: "媒体/",
  },
];

Deno.test("reset refuses to overwrite untracked files, and nothing moves", async () => {
  await using world = World.open();
  const [remote, app] = await obstructed(world, OBSTACLES);
  put(app.path, { "app.py": "mine\n" });
  const before = [app.files(), app.head()];
  for (const [index, { what, named }] of OBSTACLES.entries()) {
    remote.move(remote.tip(folderOf(index)));
    const { result, reason, hint } = await reset(world, app);
    assertEquals(result, "failed", what);
    const [start, path] = reason!.split(": ");
    assertEquals(start, "untracked files would be overwritten");
    assertStringIncludes(path!, `${folderOf(index)}/${named}`);
    assertStringIncludes(hint!, "move or remove them");
    assertEquals([app.files(), app.head()], before, what);
  }
});

Deno.test("reset finds the one untracked file that is in the way of thousands", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const long = "a-name-that-is-long-enough-to-fill-what-is-kept-of-an-output";
  const names = Array.from({ length: 8000 }, (_, index) => `vendor/${index}-${long}`);
  const middle = names[2500]!;
  put(app.path, { [middle]: "mine" });
  await remote.commit(Object.fromEntries(names.map((name) => [name, ""])));
  const { result, reason } = await reset(world, app);
  assertEquals([result, reason], ["failed", `untracked files would be overwritten: ${middle}`]);
  assertEquals(app.files(), { "app.py": "one\n", [middle]: "mine" });
});

Deno.test("reset names a few files in the way and counts the others", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  put(app.path, Object.fromEntries(names.map((name) => [name, "mine"])));
  await remote.commit(Object.fromEntries(names.map((name) => [name, "theirs"])));
  const { reason } = await reset(world, app);
  assertEquals(reason, "untracked files would be overwritten: a, b, c, d, e and 2 more");
});

Deno.test("reset takes empty directories and its own tracked files for no obstacle", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair({ "app.py": "one\n", dir: "a file", link: { link: "x" } });
  Deno.mkdirSync(`${app.path}/empty`);
  put(app.path, { dir: "edited" });
  await remote.commit({
    dir: null,
    "dir/file": "x",
    empty: "a file",
    link: null,
    "link/file": "x",
  });
  assertEquals((await reset(world, app)).result, "deployed");
  assertEquals(app.files(), {
    "app.py": "one\n",
    "dir/file": "x",
    empty: "a file",
    "link/file": "x",
  });
});

Deno.test("reset does not touch what a link in its way leads to", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair({ "app.py": "one\n", media: { link: "../outside" } });
  put(world.root, { "outside/photo": "mine" });
  await remote.commit({ media: null, "media/photo": "theirs" });
  assertEquals((await reset(world, app)).result, "deployed");
  assertEquals(Deno.readTextFileSync(`${world.root}/outside/photo`), "mine");
  assertEquals(Deno.readTextFileSync(`${app.path}/media/photo`), "theirs");
});

Deno.test("reset is unchanged where nothing is new, local changes or not", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  put(app.path, { "app.py": "mine\n" });
  const { result } = await reset(world, app);
  assertEquals([result, app.files()], ["unchanged", { "app.py": "mine\n" }]);
});
