import { assert, assertEquals } from "@std/assert";
import { CheckoutGit, type StepName, Transcript } from "../../lib/deploy/step.ts";
import { removeLocks, revertUpdate } from "../../lib/deploy/heal.ts";
import { deliveryOrder, ownOrder, rollbackOrder } from "../../lib/deploy/order.ts";
import { absolutePath, sha } from "../../lib/values.ts";
import { type Checkout, lstat, put, type Remote, World } from "./world.ts";

const JOURNAL = ".git/hook-deployment.json";

/** What a service that was killed in a step has left in the journal. */
function leaveJournal(app: Checkout, step: StepName, more: object): void {
  put(app.path, {
    [JOURNAL]: JSON.stringify({ state: "running", action: "deploy", step, ...more }),
  });
}

/** A deployed checkout, a new commit that was fetched, and hooks that write down their names. */
async function interrupted(world: World) {
  const [remote, app] = await world.pair({ "a.txt": "a1\n", "b.txt": "b1\n", "e.txt": "e1\n" });
  const hooks = world.scripts("hooks", {
    "pre-deploy": `echo pre >> ${world.path("trace")}`,
    "post-deploy": `echo post $HOOK_ACTION >> ${world.path("trace")}`,
  });
  put(world.root, { touched: "" });
  const target = { path: app.path, more: { hooks, touch: [world.path("touched")] } };
  await world.deploy(target);
  Deno.utimeSync(world.path("touched"), 1, 1);
  const old = app.head();
  const tip = await remote.commit({ "a.txt": "a2\n", "b.txt": null, "new/c.txt": "c2\n" });
  app.take(remote);
  return { remote, app, target, old, tip };
}

function trace(world: World): string[] {
  return lstat(world.path("trace"))
    ? Deno.readTextFileSync(world.path("trace")).trimEnd().split("\n")
    : [];
}

function isTouched(world: World): boolean {
  return Deno.statSync(world.path("touched")).mtime!.getTime() > 1_000;
}

const AFTER = { "a.txt": "a2\n", "e.txt": "e1\n", "new/c.txt": "c2\n" };

for (const step of ["open", "fetch", "pre-deploy", "update"] as const) {
  Deno.test(`deploy() begins anew where it was killed in "${step}" before the tree had changed`, async () => {
    await using world = World.open();
    const { app, target, old, tip } = await interrupted(world);
    leaveJournal(app, step, step === "open" ? {} : { old, new: tip, branch: "main" });
    const { result } = await world.order(target, ownOrder("start"));
    assertEquals([result, trace(world)], ["deployed", ["pre", "post deploy"]]);
    assertEquals([app.files(), app.head(), isTouched(world)], [AFTER, tip, true]);
    assertEquals(lstat(`${app.path}/${JOURNAL}`), undefined);
  });
}

for (
  const [step, runs, touches] of [
    ["update", ["post deploy"], true],
    ["contents", ["post deploy"], true],
    ["post-deploy", ["post deploy"], true],
    ["touch", [], true],
    ["record", [], false],
  ] as const
) {
  Deno.test(`deploy() runs what is left, once, where it was killed in "${step}" after the tree had changed`, async () => {
    await using world = World.open();
    const { app, target, old, tip } = await interrupted(world);
    await app.git("merge", "--quiet", "--ff-only", tip);
    leaveJournal(app, step, { old, new: tip, branch: "main" });
    const first = await world.order(target, ownOrder("start"));
    assertEquals<unknown>([first.result, first.old, first.new], ["deployed", old, tip]);
    assertEquals([trace(world), isTouched(world)], [[...runs], touches]);
    assertEquals(await world.ref(app.path, "refs/hook/deployed"), tip);
    assertEquals(await world.ref(app.path, "refs/hook/previous"), old);
    const second = await world.order(target, ownOrder("poll"));
    assertEquals([second.result, trace(world)], ["unchanged", [...runs]]);
  });
}

Deno.test("deploy() finishes an interrupted one and then deploys what came after it", async () => {
  await using world = World.open();
  const { remote, app, target, old, tip } = await interrupted(world);
  await app.git("merge", "--quiet", "--ff-only", tip);
  leaveJournal(app, "post-deploy", { old, new: tip, branch: "main" });
  const next = await remote.commit({ "e.txt": "e3\n" });
  const deployment = await world.order(target, ownOrder("start"));
  assertEquals<unknown>([deployment.old, deployment.new, app.head()], [tip, next, next]);
  assertEquals(trace(world), ["post deploy", "pre", "post deploy"]);
  assertEquals(await world.ref(app.path, "refs/hook/previous"), tip);
});

Deno.test("deploy() finishes a rollback that was killed, and holds the repository", async () => {
  await using world = World.open();
  const { app, target, old, tip } = await interrupted(world);
  await world.deploy(target);
  await app.git("reset", "--quiet", "--keep", old);
  leaveJournal(app, "post-deploy", {
    action: "rollback",
    old: tip,
    new: old,
    branch: "main",
  });
  const { result } = await world.order(target, ownOrder("start"));
  assertEquals([result, app.head()], ["held", old]);
  assertEquals(trace(world).at(-1), "post rollback");
  assert(await world.ref(app.path, "refs/hook/hold") !== undefined);
  assertEquals(await world.ref(app.path, "refs/hook/deployed"), old);
});

/** A tree half-way between two commits, with somebody's work beside it. */
function leaveHalfATree(app: Checkout): void {
  put(app.path, {
    "a.txt": "a2\n",
    "b.txt": null,
    "new/c.txt": "c",
    "e.txt": "edited\n",
    "notes.txt": "mine\n",
    ".git/index.lock": "",
  });
}

Deno.test("deploy() takes a half-made update back, and somebody's work survives", async () => {
  await using world = World.open();
  const { app, target, old, tip } = await interrupted(world);
  leaveHalfATree(app);
  leaveJournal(app, "update", { old, new: tip, branch: "main" });
  const { result, reason } = await world.order(target, ownOrder("start"));
  assertEquals([result, reason], ["deployed", undefined]);
  assertEquals(app.files(), { ...AFTER, "e.txt": "edited\n", "notes.txt": "mine\n" });
  assertEquals(await app.git("status", "--porcelain"), " M e.txt\n?? notes.txt");
  await app.git("fsck", "--strict");
});

Deno.test("revertUpdate() takes back what git wrote, and nothing that somebody else did", async () => {
  await using world = World.open();
  const { app, old, tip } = await interrupted(world);
  leaveHalfATree(app);
  put(app.path, { "a.txt": "somebody's own\n" });
  Deno.removeSync(`${app.path}/.git/index.lock`);
  const signal = new AbortController().signal;
  const git = new CheckoutGit(world.git, absolutePath(app.path)!, signal, new Transcript());
  await revertUpdate(git, `${app.path}/.git`, sha(old)!, sha(tip)!);
  assertEquals(app.files(), {
    "a.txt": "somebody's own\n",
    "b.txt": "b1\n",
    "e.txt": "edited\n",
    "notes.txt": "mine\n",
    "new/": "",
  });
  assertEquals(await app.git("status", "--porcelain"), " M a.txt\n M e.txt\n?? notes.txt");
});

Deno.test("removeLocks() removes locks and halves of packs, and nothing else", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  const git = `${app.path}/.git`;
  put(git, {
    "index.lock": "",
    "shallow.lock": "",
    "refs/heads/main.lock": "",
    "refs/hook/deployed.lock": "",
    "packed-refs.lock": "",
    "objects/pack/tmp_pack_abc": "x",
    "objects/pack/.tmp-123-pack": "x",
    "refs/heads/a.locket": "",
  });
  const pack = [...Deno.readDirSync(`${git}/objects/pack`)].map(({ name }) => name)
    .filter((name) => name.startsWith("pack-")).toSorted();
  Deno.removeSync(`${git}/refs/heads/a.locket`);
  put(app.path, { "yarn.lock": "mine" });
  await removeLocks(git);
  assertEquals(app.files(), { "app.py": "one\n", "yarn.lock": "mine" });
  assertEquals(
    [...Deno.readDirSync(`${git}/objects/pack`)].map(({ name }) => name).toSorted(),
    pack,
  );
  assertEquals([...Deno.readDirSync(git)].filter(({ name }) => name.endsWith(".lock")), []);
  assertEquals([...Deno.readDirSync(`${git}/refs/heads`)].map(({ name }) => name), ["main"]);
});

Deno.test("deploy() leaves the locks of a living git alone", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await remote.commit({ "app.py": "two\n" });
  put(app.path, { ".git/index.lock": "" });
  const { result, kind } = await world.deploy({ path: app.path });
  assertEquals([result, kind], ["failed", "lock"]);
  assert(lstat(`${app.path}/.git/index.lock`) !== undefined);
});

Deno.test("deploy() goes on without the journal where it is unreadable", async () => {
  await using world = World.open();
  const { app, target, tip } = await interrupted(world);
  for (const text of ["", "{", "[]", "null", '{"state":1}']) {
    put(app.path, { [JOURNAL]: text });
    const { result, reason } = await world.deploy(target);
    assertEquals([["deployed", "unchanged"].includes(result), reason], [true, undefined], text);
  }
  assertEquals(app.head(), tip);
});

for (const strategy of ["pull", "reset"] as const) {
  Deno.test(`${strategy} goes back to the commit before, on the branch and without the network`, async () => {
    await using world = World.open();
    const [remote, app]: [Remote, Checkout] = await world.pair();
    const target = { path: app.path, strategy };
    const first = app.head();
    await world.deploy(target);
    await remote.commit({ "app.py": "two\n" });
    await world.deploy(target);
    const third = await remote.commit({ "app.py": "three\n" });
    await world.deploy(target);
    Deno.renameSync(remote.path, `${remote.path}.away`);
    const back = await world.order(target, rollbackOrder(sha(first)));
    assertEquals<unknown>([back.result, back.old, back.new], ["deployed", third, first]);
    assertEquals([app.head(), app.ref, app.files()], [
      first,
      "ref: refs/heads/main",
      { "app.py": "one\n" },
    ]);
    const unknown = await world.order(target, rollbackOrder(sha("0123456789".repeat(4))));
    assertEquals([unknown.result, app.head()], ["failed", first]);
  });
}

Deno.test("revertUpdate() leaves everything where a person is in the middle of a merge", async () => {
  await using world = World.open();
  const { app, old, tip } = await interrupted(world);
  leaveHalfATree(app);
  Deno.removeSync(`${app.path}/.git/index.lock`);
  put(app.path, { ".git/MERGE_HEAD": `${tip}\n` });
  const before = app.files();
  const signal = new AbortController().signal;
  const git = new CheckoutGit(world.git, absolutePath(app.path)!, signal, new Transcript());
  await revertUpdate(git, `${app.path}/.git`, sha(old)!, sha(tip)!);
  assertEquals(app.files(), before);
});

Deno.test("revertUpdate() does not follow a symbolic link out of the checkout", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const app = await world.clone(remote, "app");
  put(world.root, { "outside/logo": "theirs\n" });
  await Deno.symlink(world.path("outside"), `${app.path}/media`);
  await app.git("add", "media");
  await app.git("commit", "-qm", "a link");
  const old = await app.git("rev-parse", "HEAD");
  await app.git("rm", "-q", "media");
  put(app.path, { "media/logo": "theirs\n" });
  await app.git("add", "media");
  await app.git("commit", "-qm", "a directory");
  const tip = await app.git("rev-parse", "HEAD");
  await app.git("reset", "-q", "--hard", old);
  const signal = new AbortController().signal;
  const git = new CheckoutGit(world.git, absolutePath(app.path)!, signal, new Transcript());
  await revertUpdate(git, `${app.path}/.git`, sha(old)!, sha(tip)!);
  assertEquals(Deno.readTextFileSync(world.path("outside/logo")), "theirs\n");
});

Deno.test("a rollback in place goes back once without a history, and never forward again", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const first = remote.tip();
  const target = { path: app.path };
  const second = await remote.commit({ "app.py": "two\n" });
  assertEquals((await world.order(target, deliveryOrder())).new as string, second);
  assertEquals((await world.order(target, rollbackOrder())).new as string, first);
  const { result, reason } = await world.order(target, rollbackOrder());
  assertEquals([result, reason], ["failed", "there is no earlier deployment to go back to"]);
  assertEquals(app.head(), first);
});
