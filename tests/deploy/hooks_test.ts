import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deliveryOrder } from "../../lib/deploy/order.ts";
import { lstat, put, until, World } from "./world.ts";

/** What the scripts of a test wrote. */
function trace(world: World): string[] {
  const text = lstat(world.path("trace")) ? Deno.readTextFileSync(world.path("trace")) : "";
  return text.split("\n").filter((line) => line !== "");
}

/** A line for a script that writes down a text of the shell's. */
function note(world: World, text: string): string {
  return `echo "${text}" >> '${world.path("trace")}'`;
}

/** A checkout one commit behind its remote. */
async function behind(world: World) {
  const [remote, app] = await world.pair();
  const old = app.head();
  const tip = await remote.commit({ "app.py": "two\n" });
  return { remote, app, old, tip };
}

Deno.test("deploy() runs pre-deploy before the tree changes, and post-deploy and touch after it", async () => {
  await using world = World.open();
  const { app, tip } = await behind(world);
  put(world.root, { "app.ini": "" });
  Deno.utimeSync(world.path("app.ini"), 1, 1);
  const mtime = `$(stat -c %Y ${world.path("app.ini")})`;
  const hooks = world.scripts("hooks", {
    "pre-deploy": note(
      world,
      "pre $(cat app.py) $(git rev-parse HEAD) $(git show $HOOK_NEW:app.py)",
    ),
    "post-deploy": note(world, `post $(cat app.py) $(git rev-parse HEAD) ${mtime}`),
  });
  const before = Date.now() - 1000;
  const more = { hooks, touch: [world.path("app.ini")] };
  const { result, old } = await world.deploy({ path: app.path, more });
  assertEquals(result, "deployed");
  assertEquals(trace(world), [`pre one ${old} two`, `post two ${tip} 1`]);
  assert(Deno.statSync(world.path("app.ini")).mtime!.getTime() >= before);
});

Deno.test("deploy() tells hooks what happens, in variables of their own and none of git's", async () => {
  await using world = World.open();
  const { app, old, tip } = await behind(world);
  const hooks = world.scripts("hooks", {
    "post-deploy": `env > '${world.path("env")}'; pwd >> '${world.path("trace")}'`,
  });
  const order = deliveryOrder("17", "张三");
  await world.order({ path: app.path, more: { hooks } }, order);
  assertEquals(trace(world), [app.path]);
  const env = Object.fromEntries(
    Deno.readTextFileSync(world.path("env")).trimEnd().split("\n").map((line) => {
      return [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)];
    }),
  );
  const hook = Object.entries(env).filter(([name]) => name.startsWith("HOOK_"));
  assertEquals(Object.fromEntries(hook), {
    HOOK_ACTION: "deploy",
    HOOK_REPOSITORY: "app",
    HOOK_REF: "refs/heads/main",
    HOOK_OLD: old,
    HOOK_NEW: tip,
    HOOK_PATH: app.path,
    HOOK_RELEASE: "",
    HOOK_DELIVERY: "17",
    HOOK_PUSHER: "张三",
  });
  assertEquals(env.HOME, world.env.HOME);
  // Git puts its own programs in front.
  assert(env.PATH!.endsWith(world.env.PATH!), env.PATH);
  const known = ["PATH", "HOME", "PWD", "_", "SHLVL", "OLDPWD"];
  const others = Object.keys(env).filter((name) => {
    return !name.startsWith("HOOK_") && !known.includes(name);
  });
  assertEquals(others, []);
});

Deno.test("deploy() cleans what strangers chose before a hook sees it", async () => {
  await using world = World.open();
  const { app } = await behind(world);
  const hooks = world.scripts("hooks", {
    "post-deploy": `printf '%s' "$HOOK_PUSHER" > '${world.path("pusher")}'
printf '%s' "$HOOK_DELIVERY" > '${world.path("delivery")}'`,
  });
  const order = deliveryOrder("a\u0000b\u001b[31m\nc", "字".repeat(200));
  const { result } = await world.order({ path: app.path, more: { hooks } }, order);
  assertEquals(result, "deployed");
  const delivery = Deno.readTextFileSync(world.path("delivery"));
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u001f\u007f]/.test(delivery), JSON.stringify(delivery));
  const pusher = Deno.readFileSync(world.path("pusher"));
  assert(pusher.length <= 256 && pusher.length > 200, `${pusher.length}`);
  new TextDecoder("utf-8", { fatal: true }).decode(pusher);
});

Deno.test("deploy() leaves tree and HEAD where pre-deploy fails", async () => {
  await using world = World.open();
  const { app, old, tip } = await behind(world);
  const hooks = world.scripts("hooks", {
    "pre-deploy": "echo no migration; exit 3",
    "post-deploy": note(world, "post"),
  });
  const deployment = await world.deploy({ path: app.path, more: { hooks } });
  const { result, step, kind, reason, hint, output } = deployment;
  assertEquals([result, step, kind], ["failed", "pre-deploy", "hook"]);
  assertEquals(reason, 'the hook "pre-deploy" ended with 3');
  assertEquals(hint, "see what it said: hook log app");
  assertStringIncludes(output!, "no migration");
  assertEquals([app.head(), app.files(), trace(world)], [old, { "app.py": "one\n" }, []]);
  assertEquals(await world.ref(app.path, "refs/hook/deployed"), undefined);
  Deno.writeTextFileSync(world.path("hooks/pre-deploy"), "#!/bin/sh\n");
  const again = await world.deploy({ path: app.path, more: { hooks } });
  assertEquals<unknown>([again.result, again.new, trace(world)], ["deployed", tip, ["post"]]);
});

Deno.test("deploy() does not count a commit as deployed whose post-deploy failed", async () => {
  await using world = World.open();
  const { app, tip, old } = await behind(world);
  const first = await world.deploy({ path: app.path, branch: "main" });
  assertEquals<unknown>([first.old, first.new], [old, tip]);
  const next = await world.run(app.path, "rev-parse", "HEAD");
  const remote = app.origin!;
  await world.run(remote, "symbolic-ref", "HEAD");
  const hooks = world.scripts("hooks", { "post-deploy": note(world, "post") + "; exit 1" });
  const touch = [world.path("app.ini")];
  put(world.root, { "app.ini": "" });
  Deno.utimeSync(world.path("app.ini"), 1, 1);
  const commit = await world.run(app.path, "commit-tree", "-m", "x", "-p", next, `${next}^{tree}`);
  await world.run(app.path, "push", "--quiet", "origin", `${commit}:refs/heads/main`);
  const { result, step, kind } = await world.deploy({ path: app.path, more: { hooks, touch } });
  assertEquals([result, step, kind], ["failed", "post-deploy", "hook"]);
  assertEquals([app.head(), await world.ref(app.path, "refs/hook/deployed")], [commit, tip]);
  assertEquals(Deno.statSync(world.path("app.ini")).mtime!.getTime(), 1000, "not touched");
  // The commit is there already, and still the steps that are missing have to run.
  world.scripts("hooks", { "post-deploy": note(world, "again") });
  const again = await world.deploy({ path: app.path, more: { hooks, touch } });
  assertEquals([again.result, trace(world)], ["deployed", ["post", "again"]]);
  assertEquals(await world.ref(app.path, "refs/hook/deployed"), commit);
});

Deno.test("deploy() skips a hook that is missing, and fails with one that cannot be executed", async () => {
  await using world = World.open();
  const { app, old, tip } = await behind(world);
  const hooks = world.path("hooks");
  put(hooks, { "pre-deploy": "#!/bin/sh\n" });
  const plain = await world.deploy({ path: app.path, more: { hooks } });
  assertEquals([plain.result, plain.kind, app.head()], ["failed", "hook", old]);
  assertStringIncludes(plain.reason!, "cannot be executed");
  assertStringIncludes(plain.hint!, `chmod +x ${hooks}/pre-deploy`);
  world.scripts("hooks", { "pre-deploy": "" });
  Deno.writeTextFileSync(`${hooks}/pre-deploy`, "#!/no/such/program\n");
  assertEquals((await world.deploy({ path: app.path, more: { hooks } })).kind, "hook");
  put(hooks, { "pre-deploy": null });
  assertEquals<unknown>((await world.deploy({ path: app.path, more: { hooks } })).new, tip);
});

Deno.test("deploy() is not held up by what a hook leaves running", async () => {
  await using world = World.open();
  const { app } = await behind(world);
  const hooks = world.scripts("hooks", { "post-deploy": "sleep 300 & echo started" });
  const { result, output } = await world.deploy({ path: app.path, more: { hooks } });
  assertEquals(result, "deployed");
  assertStringIncludes(output!, "started");
  assertEquals(world.processes().map(({ command }) => command), ["sleep 300"]);
});

Deno.test("deploy() ends a hook with its children at the timeout", async () => {
  await using world = World.open();
  const { app, old } = await behind(world);
  const hooks = world.scripts("hooks", {
    "pre-deploy": `trap '' TERM; sleep 300 & (trap '' TERM; sleep 301) & wait; sleep 302`,
  });
  const { result, step, kind, reason } = await world.deploy({
    path: app.path,
    timeout: 1500,
    more: { hooks },
  });
  assertEquals([result, step, kind], ["failed", "pre-deploy", "hook"]);
  assertStringIncludes(reason!, "timeout");
  await until(() => world.processes().length === 0, "nothing of the hook is left");
  assertEquals(app.head(), old);
});

Deno.test("deploy() says which file to touch is missing, after everything else", async () => {
  await using world = World.open();
  const { app, tip } = await behind(world);
  const hooks = world.scripts("hooks", { "post-deploy": note(world, "post") });
  const more = { hooks, touch: [world.path("none.ini")] };
  const { result, step, reason } = await world.deploy({ path: app.path, more });
  assertEquals([result, step], ["failed", "touch"]);
  assertStringIncludes(reason!, `"${world.path("none.ini")}" to touch does not exist`);
  assertEquals([app.head(), trace(world)], [tip, ["post"]]);
});

Deno.test("deploy() runs no hook where nothing is to be deployed", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  const hooks = world.scripts("hooks", {
    "pre-deploy": note(world, "pre"),
    "post-deploy": note(world, "post"),
  });
  const { result } = await world.deploy({ path: app.path, more: { hooks } });
  assertEquals([result, trace(world)], ["unchanged", []]);
  assertEquals((await world.deploy({ path: app.path, more: { hooks } })).result, "unchanged");
  assertEquals(trace(world), []);
});
