import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Config, parseConfig } from "../lib/config.ts";
import { ListenError } from "../lib/server/listener.ts";
import { deliveryUrls, Service } from "../lib/service.ts";
import { openState, type State } from "../lib/state.ts";
import { type Checkout, lstat, put, type Remote, until, World } from "./deploy/world.ts";
import { pushOf, SECRET, v2 } from "./providers/deliveries.ts";
import { type Line, LogBook } from "./server/site.ts";

interface ConfigText {
  readonly listen?: string;
  /** Paths by name, and remotes where there are any. */
  readonly repositories: Readonly<Record<string, string | readonly [path: string, remote: string]>>;
}

function configOf({ listen = "127.0.0.1:0", repositories }: ConfigText): Promise<Config> {
  const entries = Object.entries(repositories).map(([name, place]) => {
    const [path, remote] = typeof place === "string" ? [place, undefined] : place;
    return [name, { path, secret: SECRET, ...remote !== undefined && { remote } }];
  });
  // JSON is YAML.
  const text = JSON.stringify({ listen, repositories: Object.fromEntries(entries) });
  return parseConfig(text, "hook.yaml", {
    readFile: () => Promise.reject(new Error("no files here")),
    env: () => undefined,
    credentials: undefined,
  });
}

/** A service that runs, and what it wrote. */
class Running implements AsyncDisposable {
  private constructor(
    readonly service: Service,
    readonly state: State,
    readonly log: LogBook,
    readonly client: Deno.HttpClient,
  ) {}

  static async start(world: World, config: Config): Promise<Running> {
    const log = new LogBook();
    const directory = await Deno.makeTempDir({ dir: world.root, prefix: "state-" });
    const state = openState(directory, {
      wall: Date.now,
      onTrouble: (message) => log.logger.error(message),
    });
    try {
      const service = await Service.start(config, {
        git: world.git,
        state,
        admin: { kind: "unix", path: `${directory}/admin.sock` },
        log: () => log.logger,
        now: () => performance.now(),
      });
      return new Running(service, state, log, Deno.createHttpClient({ poolMaxIdlePerHost: 0 }));
    } catch (error) {
      state.close();
      throw error;
    }
  }

  /** What a person sees: without the comparisons that change nothing. */
  get lines(): readonly Line[] {
    return this.log.lines.filter(({ level }) => level !== "debug");
  }

  /** The lines of deployments that a person sees. */
  get deployments(): readonly Line[] {
    return this.lines.filter(({ event }) => event === "deployment");
  }

  /** Where it listens, as it says itself. */
  get url(): string {
    return String(this.log.of("listening").at(-1)?.address);
  }

  /** Posts a push to `main` and gives back the status and the outcome. */
  async push(name: string, delivery: string, query = "", url = this.url): Promise<unknown[]> {
    const { headers, body } = v2(pushOf("refs/heads/main"), { delivery });
    const { client } = this;
    const to = `${url}/hooks/${name}${query}`;
    const response = await fetch(to, { method: "POST", headers, body, client });
    return [response.status, (await response.json()).outcome];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop();
    this.state.close();
    this.client.close();
  }
}

/** Makes deployments of a checkout that change something wait for the test. */
class Gate {
  readonly #entered: string;
  readonly #open: string;

  constructor(world: World, app: Checkout) {
    this.#entered = world.path("entered");
    this.#open = world.path("open");
    const wait = `touch ${this.#entered}; while ! test -e ${this.#open}; do sleep 0.01; done`;
    put(app.path, { ".git/hooks/post-merge": `#!/bin/sh\n${wait}\n` });
    Deno.chmodSync(`${app.path}/.git/hooks/post-merge`, 0o755);
  }

  /** Resolves when a deployment stands before it. */
  async reached(): Promise<void> {
    await until(() => lstat(this.#entered) !== undefined, "a deployment has reached the gate");
  }

  open(): void {
    Deno.writeTextFileSync(this.#open, "");
  }
}

/** A checkout that is one commit behind its remote, and whose deployment waits at a gate. */
async function gated(world: World): Promise<[Remote, Checkout, Gate]> {
  const [remote, app] = await world.pair();
  await remote.commit({ "app.py": "two\n" });
  return [remote, app, new Gate(world, app)];
}

Deno.test("Service deploys a signed push, and writes down what it did", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const old = app.head();
  const tip = await remote.commit({ "app.py": "two\n" });
  const config = await configOf({ repositories: { app: app.path } });
  {
    await using running = await Running.start(world, config);
    const [listening] = running.log.of("listening");
    assertMatch(running.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assertEquals(listening!.urls, [`${running.url}/hooks/app`]);
    assertEquals(await running.push("app", "1", "?wait=60s"), [200, "deployed"]);
    assertEquals(app.head(), tip);
    const [line] = running.deployments;
    const { result, repository, branch, deliveries, level } = line!;
    assertEquals([level, repository, result, branch, deliveries], [
      "info",
      "app",
      "deployed",
      "main",
      1,
    ]);
    assertEquals([line!.old, line!.new, line!.output], [old, tip, undefined]);
    await running.service.stop();
    assertEquals(running.lines.slice(-2).map(({ event }) => event), ["stopping", "stopped"]);
  }
});

Deno.test("Service clones what is missing when it starts and when it reloads", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const a = world.path("a");
  const b = world.path("b");
  const first = await configOf({ repositories: { a: [a, remote.path] } });
  await using running = await Running.start(world, first);
  await until(() => running.deployments.length === 1, "the first is cloned");
  assertEquals(running.deployments[0]!.result, "deployed");
  const second = await configOf({ repositories: { a: [a, remote.path], b: [b, remote.path] } });
  await running.service.reload(second);
  await until(() => running.deployments.length === 2, "the second is cloned");
  assertEquals(running.deployments.map(({ repository }) => repository), ["a", "b"]);
  assertEquals(Deno.readTextFileSync(`${b}/app.py`), "one\n");
});

Deno.test("Service.start() fails where its address is taken", async () => {
  await using world = World.open();
  const config = await configOf({ repositories: { app: world.path("app") } });
  await using running = await Running.start(world, config);
  const listen = running.url.slice("http://".length);
  const taken = await configOf({ listen, repositories: { app: world.path("app") } });
  await assertRejects(() => Running.start(world, taken), ListenError, "the port is in use");
});

Deno.test("Service answers 500 with git's reason where a deployment fails", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  await app.commit({ local: "x" });
  await remote.commit({ "app.py": "two\n" });
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  assertEquals(await running.push("app", "1", "?wait=60s"), [500, "failed"]);
  const [line] = running.deployments;
  assertEquals([line!.level, line!.result], ["error", "failed"]);
  assertMatch(String(line!.reason), /have diverged/);
  assertMatch(String(line!.output), /fast-forward/);
  assertEquals(await running.push("app", "1", "?wait=60s"), [500, "failed"], "not a duplicate");
});

Deno.test("Service makes one more deployment of all pushes that come during one", async () => {
  await using world = World.open();
  const [, app, gate] = await gated(world);
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  assertEquals(await running.push("app", "first"), [202, "queued"]);
  await gate.reached();
  const burst = Array.from({ length: 50 }, (_, index) => running.push("app", `${index}`));
  assertEquals(new Set((await Promise.all(burst)).map(String)), new Set(["202,queued"]));
  gate.open();
  await until(() => running.deployments.length === 2, "both deployments have ended");
  const lines = running.deployments;
  assertEquals(lines.map(({ result, deliveries }) => [result, deliveries]), [
    ["deployed", 1],
    ["unchanged", 50],
  ]);
});

Deno.test("Service.stop() lets a deployment end, and its client hear of it", async () => {
  await using world = World.open();
  const [remote, app, gate] = await gated(world);
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  const { url } = running;
  const answer = running.push("app", "1", "?wait=60s");
  await gate.reached();
  let stopped = false;
  const stopping = running.service.stop().then(() => stopped = true);
  await assertRejects(() => running.push("app", "2", "", url), TypeError);
  assertEquals(stopped, false);
  gate.open();
  assertEquals(await answer, [200, "deployed"]);
  await stopping;
  assertEquals(app.head(), remote.tip());
  const events = running.lines.map(({ event }) => event);
  assertEquals(events.slice(-3), ["stopping", "deployment", "stopped"]);
});

Deno.test("Service.abort() ends a deployment that would not end", async () => {
  await using world = World.open();
  const [, app, gate] = await gated(world);
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  await running.push("app", "1");
  await gate.reached();
  const stopping = running.service.stop();
  running.service.abort();
  await stopping;
  const [line] = running.deployments;
  assertEquals([line!.result, line!.reason], ["failed", "hook was told to stop at once"]);
  assertEquals(world.processes(), []);
});

Deno.test("Service.reload() takes other repositories, at the same socket", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  const { url } = running;
  await running.service.reload(await configOf({ repositories: { renamed: app.path } }));
  assertEquals(await running.push("app", "1"), [404, undefined]);
  assertEquals(await running.push("renamed", "1", "?wait=60s"), [200, "unchanged"]);
  assertEquals([running.url, running.log.of("listening").length], [url, 1]);
});

Deno.test("Service.reload() moves to another address, and tells the URLs there", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  const before = running.url;
  const listen = "[::1]:0";
  await running.service.reload(await configOf({ listen, repositories: { moved: app.path } }));
  assertMatch(running.url, /^http:\/\/\[::1\]:\d+$/);
  assertEquals(running.log.of("listening").at(-1)!.urls, [`${running.url}/hooks/moved`]);
  assertEquals(await running.push("moved", "1", "?wait=60s"), [200, "unchanged"]);
  await assertRejects(() => running.push("app", "2", "", before), TypeError);
});

Deno.test("Service.reload() keeps everything where the new address is taken", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listen = `127.0.0.1:${other.addr.port}`;
  const config = await configOf({ listen, repositories: { renamed: app.path } });
  await assertRejects(() => running.service.reload(config), ListenError, "the port is in use");
  assertEquals(await running.push("app", "1", "?wait=60s"), [200, "unchanged"]);
  assertEquals(await running.push("renamed", "2"), [404, undefined]);
});

Deno.test("Service.reload() does not disturb a deployment, and fails one whose repository is gone", async () => {
  await using world = World.open();
  const [, app, gate] = await gated(world);
  await using running = await Running.start(
    world,
    await configOf({ repositories: { app: app.path } }),
  );
  const first = running.push("app", "1", "?wait=60s");
  await gate.reached();
  await running.push("app", "2");
  await running.service.reload(await configOf({ repositories: { other: app.path } }));
  gate.open();
  assertEquals(await first, [200, "deployed"]);
  await running.service.stop();
  assertEquals(running.deployments.map(({ result, reason }) => [result, reason]), [
    ["deployed", undefined],
    ["failed", "no longer in the configuration"],
  ]);
});

Deno.test("deliveryUrls() names what to paste, and leaves to people what it cannot know", async () => {
  const repositories = { app: "/srv/app", docs: "/srv/docs" };
  const urls = async (listen: string) => deliveryUrls(await configOf({ listen, repositories }));
  assertEquals(await urls("192.0.2.1:8080"), [
    "http://192.0.2.1:8080/hooks/app",
    "http://192.0.2.1:8080/hooks/docs",
  ]);
  assertEquals((await urls("0.0.0.0:17838"))[0], "http://YOUR-SERVER:17838/hooks/app");
  assertEquals((await urls("[::]:17838"))[0], "http://YOUR-SERVER:17838/hooks/app");
  assertEquals((await urls("[::1]:17838"))[0], "http://[::1]:17838/hooks/app");
  assertEquals((await urls("unix:/run/hook/hook.sock"))[0], "https://YOUR-PROXY/hooks/app");
  const config = await configOf({ listen: "127.0.0.1:0", repositories });
  const bound = { kind: "tcp", hostname: "127.0.0.1", port: 4711 } as const;
  const [bare] = deliveryUrls(config, bound);
  assertEquals(bare, "http://127.0.0.1:4711/hooks/app");
  assert(config.tls === undefined);
});
