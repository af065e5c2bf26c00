import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deploy } from "../lib/deploy.ts";
import { Git } from "../lib/git.ts";
import { lstat, PUSHED, put, targetOf, until, World } from "./deploy/world.ts";

/** A git server that takes connections and never says a word. */
function silentServer(): Disposable & { readonly url: string; readonly taken: () => boolean } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  return {
    url: `git://127.0.0.1:${listener.addr.port}/app.git`,
    taken: () => connections.length > 0,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of connections) connection.close();
      void accepting;
    },
  };
}

Deno.test("deploy() ends git where it takes longer than the timeout, and can go on later", async () => {
  await using world = World.open();
  using server = silentServer();
  const [remote, app] = await world.pair();
  await app.git("remote", "set-url", "origin", server.url);
  const { result, reason, hint, ms } = await world.deploy({ path: app.path, timeout: 300 });
  assertEquals(
    [result, reason],
    ["failed", "the deployment took longer than its timeout of 0.3 s and was ended"],
  );
  assertStringIncludes(hint!, '"timeout"');
  assert(ms >= 299, `${ms}`);
  assertEquals(world.processes(), []);
  await app.git("remote", "set-url", "origin", remote.path);
  const tip = await remote.commit({ "app.py": "two\n" });
  assertEquals((await world.deploy({ path: app.path })).new as string, tip);
});

Deno.test("deploy() ends at once where it is told to stop", async () => {
  await using world = World.open();
  using server = silentServer();
  const [, app] = await world.pair();
  await app.git("remote", "set-url", "origin", server.url);
  const stop = new AbortController();
  const deploying = world.deploy({ path: app.path }, stop.signal);
  await until(server.taken, "git has connected");
  stop.abort(new Error("stopped"));
  const { result, reason } = await deploying;
  assertEquals([result, reason], ["failed", "hook was told to stop at once"]);
  assertEquals(world.processes(), []);
});

Deno.test("deploy() starts nothing where it was told to stop before", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const stopped = AbortSignal.abort(new Error("stopped"));
  const deployment = await world.deploy({ path: world.path("app"), remote: remote.path }, stopped);
  assertEquals(deployment.reason, "hook was told to stop at once");
  assertEquals(lstat(world.path("app/.git")), undefined);
});

Deno.test("deploy() says that git is missing", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  const git = new Git((name) => name === "PATH" ? world.path("home") : undefined);
  const signal = new AbortController().signal;
  const options = { git, signal, now: () => 0, wall: () => 0 };
  const { result, reason, hint } = await deploy(targetOf({ path: app.path }), PUSHED, options);
  assertEquals([result, reason], ["failed", "git cannot be started"]);
  assertStringIncludes(hint!, "install git");
});

Deno.test("deploy() measures with the clock that it is given", async () => {
  await using world = World.open();
  let time = 1000;
  const now = () => time += 250.4;
  const signal = new AbortController().signal;
  const options = { git: world.git, signal, now, wall: () => 0 };
  const { ms } = await deploy(targetOf({ path: world.path("missing") }), PUSHED, options);
  assertEquals(ms, 250);
});

Deno.test("deploy() gives a reason in one line, and git's words in the output", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const names = Array.from({ length: 30 }, (_, index) => `file-${index}-${"x".repeat(40)}`);
  put(app.path, Object.fromEntries(names.map((name) => [name, "mine"])));
  await remote.commit(Object.fromEntries(names.map((name) => [name, "theirs"])));
  const { reason, output } = await world.deploy({ path: app.path });
  assertEquals([reason!.includes("\n"), reason!.length], [false, 1000]);
  assertStringIncludes(output!, "would be overwritten by merge:\n\tfile-0-");
});
