import { assertEquals, assertStringIncludes } from "@std/assert";
import { isToBeCloned } from "../../lib/deploy/in_place.ts";
import { StepError } from "../../lib/deploy/step.ts";
import {
  type Case,
  Checkout,
  each,
  lstat,
  originOf,
  put,
  type Remote,
  snapshot,
  World,
} from "./world.ts";

const STRATEGIES = ["pull", "reset"] as const;

/** Asserts that a folder is a complete clone of a branch, with nothing left of the making. */
async function assertCloned(world: World, path: string, remote: Remote, branch = "main") {
  const app = new Checkout(world, path);
  assertEquals([app.head(), app.ref], [remote.tip(branch), `ref: refs/heads/${branch}`]);
  assertEquals(app.origin, remote.path);
  const status = await app.git("status", "--porcelain", "--branch", "--ignored");
  assertEquals(status, `## ${branch}...origin/${branch}`);
  assertEquals(Deno.readTextFileSync(`${path}/.git/config`).includes("cloning"), false);
}

Deno.test("deploy() clones into a missing and into an empty folder, with either strategy", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n", ".env": "x" });
  await remote.commit({ "dir/file": "x", link: { link: "app.py" } });
  Deno.mkdirSync(`${world.root}/empty`);
  const cases = [
    { what: "missing/deeper", strategy: "pull" },
    { what: "empty", strategy: "reset" },
  ] as const;
  await each(cases, async ({ what, strategy }) => {
    const target = { path: `${world.root}/${what}`, remote: remote.path, strategy };
    const { result, branch, old, new: tip } = await world.deploy(target);
    assertEquals<unknown>([result, branch, old, tip], [
      "deployed",
      "main",
      undefined,
      remote.tip(),
    ]);
    await assertCloned(world, target.path, remote);
    assertEquals((await world.deploy(target)).result, "unchanged");
  });
});

Deno.test("deploy() clones the branch that is configured, else the remote's default", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  await remote.commit({ "app.py": "other\n" }, { branch: "功能/x" });
  const url = remote.path;
  await world.deploy({ path: world.path("a"), remote: url, branch: "功能/x" });
  await assertCloned(world, world.path("a"), remote, "功能/x");
  remote.setHead("功能/x");
  await world.deploy({ path: world.path("b"), remote: url });
  await assertCloned(world, world.path("b"), remote, "功能/x");
});

Deno.test("deploy() clones from and to paths with spaces, other scripts, and like options", async () => {
  await using world = World.open();
  const remote = await world.remote("a remote-库 'x' $HOME", { "app.py": "one\n" });
  await remote.commit({ "app.py": "two\n" }, { branch: "a-b=c" });
  for (const name of ['with spaces/检出 "x" a:b;c&d', "-c/--upload-pack=touch mark"]) {
    const path = `${world.root}/${name}`;
    const { result, reason } = await world.deploy({ path, remote: remote.path, branch: "a-b=c" });
    assertEquals([result, reason], ["deployed", undefined], name);
    await assertCloned(world, path, remote, "a-b=c");
  }
  assertEquals(lstat(`${world.root}/mark`), undefined);
});

Deno.test("deploy() says what is missing where there is nothing to clone from", async () => {
  await using world = World.open();
  Deno.mkdirSync(world.path("empty"));
  for (const [name, what] of [["empty", "empty"], ["missing", "missing"]] as const) {
    const path = world.path(name);
    const { reason, hint } = await world.deploy({ path });
    assertEquals(reason, `"${path}" is ${what} and no "remote" is set`);
    assertStringIncludes(hint!, `git clone URL ${path}`);
  }
  assertEquals(lstat(world.path("missing")), undefined);
});

Deno.test("deploy() does not clone over files, into a file or through a file", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  put(world.root, { "full/file": "mine", file: "mine" });
  const failed = async (name: string) => {
    const path = world.path(name);
    const { result, reason } = await world.deploy({ path, remote: remote.path });
    assertEquals(result, "failed");
    return reason!;
  };
  assertStringIncludes(await failed("full"), "is neither a git checkout nor empty");
  assertStringIncludes(await failed("file"), "is not a directory");
  assertStringIncludes(await failed("file/below"), "ot a directory");
  assertEquals(snapshot(world.path("full")), { file: "mine" });
});

Deno.test("deploy() takes a folder inside another repository for what it is", async () => {
  await using world = World.open();
  const [remote, outer] = await world.pair({ "app.py": "one\n", "sub/file": "x" });
  const { reason } = await world.deploy({ path: `${outer.path}/sub`, remote: remote.path });
  assertStringIncludes(reason!, "is neither a git checkout nor empty");
  Deno.mkdirSync(`${outer.path}/media`);
  const path = `${outer.path}/media`;
  assertEquals((await world.deploy({ path, remote: remote.path })).result, "deployed");
  await assertCloned(world, path, remote);
  assertEquals(outer.head(), remote.tip());
});

Deno.test("deploy() explains an empty remote, and clones once there is a commit", async () => {
  await using world = World.open();
  const remote = await world.remote("remote");
  const path = world.path("app");
  const { reason } = await world.deploy({ path, remote: remote.path });
  assertStringIncludes(reason!, "it may be empty");
  const named = await world.deploy({ path, remote: remote.path, branch: "main" });
  assertEquals(named.reason, 'the remote has no branch "main"');
  await remote.commit({ "app.py": "one\n" });
  assertEquals((await world.deploy({ path, remote: remote.path })).result, "deployed");
  await assertCloned(world, path, remote);
});

Deno.test("deploy() clones from another remote where the first one was wrong", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const path = world.path("app");
  const wrong = await world.deploy({ path, remote: `${remote.path}-misspelt` });
  assertEquals(wrong.result, "failed");
  assertEquals((await world.deploy({ path, remote: remote.path })).result, "deployed");
  await assertCloned(world, path, remote);
});

/** What a killed clone leaves: each step goes further than the one before. */
const STEPS: readonly (Case & { readonly take: (app: Checkout, remote: Remote) => unknown })[] = [
  {
    what: "half a git init",
    take: ({ path }) => Deno.mkdirSync(`${path}/.git`, { recursive: true }),
  },
  {
    what: "git init",
    take: ({ world, path }) => world.empty(path.slice(world.root.length + 1), "master"),
  },
  { what: "the mark", take: (app) => app.configure("[hook]\n\tcloning = fetch\n") },
  { what: "the remote", take: (app, remote) => app.configure(originOf(remote)) },
  { what: "the fetch", take: (app, remote) => app.take(remote) },
  {
    what: "the mark of the checkout",
    take: (app) => app.git("config", "hook.cloning", "checkout"),
  },
  { what: "half a tree", take: ({ path }) => put(path, { "app.py": "o" }) },
  { what: "the whole tree", take: ({ path }) => put(path, { "app.py": "one\n", "dir/file": "x" }) },
  {
    what: "the branch",
    take: (app) => app.git("branch", "--quiet", "--track", "main", "origin/main"),
  },
  { what: "all but the last mark", take: (app) => app.git("switch", "--quiet", "--force", "main") },
];

Deno.test("deploy() goes on with a clone that was cut off anywhere", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n", "dir/file": "x" });
  await each(STEPS, async ({ what }) => {
    const done = STEPS.findIndex((step) => step.what === what);
    const app = new Checkout(world, `${world.root}/app-${done}`);
    for (const step of STEPS.slice(0, done + 1)) await step.take(app, remote);
    const strategy = STRATEGIES[done % 2]!;
    const target = { path: app.path, remote: remote.path, branch: "main", strategy };
    const { reason } = await world.deploy(target);
    assertEquals(reason, undefined, `with ${strategy}`);
    assertEquals(app.files(), { "app.py": "one\n", "dir/file": "x" });
    await assertCloned(world, app.path, remote);
  });
});

Deno.test("deploy() goes on with a cut-off clone to a newer commit", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const app = world.empty("app", "master");
  app.configure(`${originOf(remote)}[hook]\n\tcloning = checkout\n`);
  app.take(remote);
  // The files were written and the branch was made, but HEAD did not follow yet.
  put(app.path, { "app.py": "one\n", ".git/refs/heads/main": remote.tip() });
  await remote.commit({ "app.py": "two\n", more: "x" });
  const { result } = await world.deploy({ path: app.path, branch: "main" });
  assertEquals([result, app.files()], ["deployed", { "app.py": "two\n", more: "x" }]);
  assertEquals(app.head(), remote.tip());
});

Deno.test("deploy() keeps files that came into a folder while it could not be cloned", async () => {
  await each(STRATEGIES.map((what) => ({ what })), async ({ what: strategy }) => {
    await using world = World.open();
    const remote = await world.remote("remote", { "settings.py": "theirs", "app.py": "one\n" });
    const app = world.empty("app", "master");
    app.configure(`${originOf(remote)}[hook]\n\tcloning = fetch\n`);
    put(app.path, { "settings.py": "mine", ".env": "mine" });
    const target = { path: app.path, branch: "main", strategy };
    const { result, reason } = await world.deploy(target);
    assertEquals(result, "failed");
    assertStringIncludes(reason!, "settings.py");
    assertEquals(app.files(), { "settings.py": "mine", ".env": "mine" });
    put(app.path, { "settings.py": null });
    assertEquals((await world.deploy(target)).result, "deployed");
    assertEquals(app.files(), { ".env": "mine", "app.py": "one\n", "settings.py": "theirs" });
  });
});

Deno.test("deploy() keeps local work in a clone that a person has finished", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  app.configure("[hook]\n\tcloning = checkout\n");
  put(app.path, { "app.py": "mine", untracked: "mine" });
  await remote.commit({ "app.py": "two\n", untracked: "theirs" });
  for (const strategy of STRATEGIES) {
    const { result } = await world.deploy({ path: app.path, branch: "main", strategy });
    assertEquals([result, app.files()], ["failed", { "app.py": "mine", untracked: "mine" }]);
  }
});

Deno.test("isToBeCloned() is true for nothing, an empty folder and an empty repository", async () => {
  await using world = World.open();
  Deno.mkdirSync(world.path("empty"));
  world.empty("repository");
  const [, app] = await world.pair();
  put(world.root, { "full/file": "", link: { link: "empty" } });
  const is = (name: string) => isToBeCloned({ path: world.path(name) });
  for (const name of ["missing", "missing/deeper", "empty", "link", "repository"]) {
    assertEquals(await is(name), true, name);
  }
  assertEquals(await is("app"), false);
  put(app.path, { "app.py": null });
  assertEquals(await is("app"), false, "a checkout whose files are gone is a checkout");
  const error = await is("full").catch((error) => error);
  assertEquals(error instanceof StepError, true);
});
