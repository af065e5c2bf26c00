/** The verbs that speak to the running service, under both kinds of strategies. */

import { assertEquals, assertMatch } from "@std/assert";
import { e2e, exists, until } from "./harness.ts";
import {
  again,
  deliver,
  deployedAt,
  gitFolder,
  hooks,
  live,
  type Site,
  site,
  sound,
  status,
  verb,
} from "./harness/engine.ts";

/** Pushes, delivers and waits. */
async function deployNext(app: Site): Promise<string> {
  const tip = await app.remote.push();
  const answer = await deliver(app, { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  return tip;
}

for (const strategy of ["pull", "reset", "release"] as const) {
  e2e(`engine: ${strategy} rolls back, holds, and goes on when it is resumed`, async (world) => {
    const log = world.file("post-deploy.log");
    const app = await site(world, {
      strategy,
      hooks: { "post-deploy": `echo "$HOOK_ACTION $HOOK_NEW" >> '${log}'` },
    });
    const first = await app.remote.head();
    const second = await deployNext(app);
    const back = await verb(app, "rollback", "app");
    assertEquals(back.code, 0, back.stderr);
    assertMatch(back.stdout, /^deployed app .*\nheld until: hook resume app\n$/);
    assertEquals(await live(app), first);
    assertEquals(Deno.readTextFileSync(log).trimEnd().split("\n").at(-1), `rollback ${first}`);
    const held = await status(app);
    assertEquals([held.deployed, (held.hold as { reason: string }).reason], [first, "rolled back"]);
    const answer = await deliver(app, { wait: "60s", delivery: "while-held" });
    assertEquals([answer.status, answer.json.outcome], [200, "held"]);
    // A start, and a push that it finds, change nothing.
    await app.service.stop();
    const third = await app.remote.push();
    await again(app);
    await until(async () => (await status(app)).tip === third, "the start has seen the push");
    assertEquals(await live(app), first);
    const resumed = await verb(app, "resume", "app");
    assertEquals(resumed.code, 0, resumed.stderr);
    await deployedAt(app, third);
    assertEquals((await status(app)).hold, undefined);
    assertEquals((await verb(app, "rollback", "app", "--to", second)).code, 0);
    assertEquals(await live(app), second);
    const deploy = await verb(app, "deploy", "app", "--wait");
    assertEquals(deploy.code, 0, deploy.stderr);
    assertMatch(deploy.stdout, /^deployed app /);
    await deployedAt(app, third);
    assertEquals((await status(app)).hold, undefined, "hook deploy ends a hold");
    await sound(app);
  });

  e2e(`engine: ${strategy} finishes a rollback that was killed, and holds`, async (world) => {
    const begun = world.file("begun");
    const app = await site(world, { strategy, repository: { hooks: world.file("hooks") } });
    const first = await app.remote.head();
    await deployNext(app);
    hooks(world, { "post-deploy": `touch '${begun}'; sleep 600` });
    const rollback = verb(app, "rollback", "app");
    await until(() => exists(begun), "post-deploy runs");
    app.service.signal("SIGKILL");
    await app.service.exit();
    assertEquals((await rollback).code, 1);
    hooks(world, { "post-deploy": "exit 0" });
    await again(app);
    await deployedAt(app, first);
    await until(async () => (await status(app)).hold !== undefined, "the status says held");
    assertEquals((await deliver(app)).json.outcome, "held");
    assertEquals((await verb(app, "deploy", "app", "--wait")).code, 0);
    await sound(app);
  });

  e2e(`engine: ${strategy} rolls back to a deployment by its number in the log`, async (world) => {
    const app = await site(world, { strategy });
    const commits = [await deployNext(app), await deployNext(app), await deployNext(app)];
    const { stdout } = await verb(app, "log", "--json");
    const { deployments } = JSON.parse(stdout);
    const { id } = deployments.find((record: { new: string }) => record.new === commits[0]);
    const back = await verb(app, "rollback", "app", "--to", String(id));
    assertEquals(back.code, 0, back.stderr);
    assertEquals(await live(app), commits[0]);
    const wrong = await verb(app, "rollback", "app", "--to", "4711");
    assertEquals(wrong.code, 2);
    assertMatch(wrong.stderr, /^hook: error: there is no deployment 4711 of "app"$/m);
  });
}

e2e("engine: a rollback with nowhere to go is an error and changes nothing", async (world) => {
  for (const strategy of ["pull"] as const) {
    const app = await site(world, { strategy });
    const { code, stderr } = await verb(app, "rollback", "app");
    assertEquals(code, 1);
    assertMatch(stderr, /^hook: error: .*no earlier deployment/);
    assertEquals(await live(app), await app.remote.head());
    assertEquals((await status(app)).hold, undefined);
    assertEquals((await verb(app, "status")).code, 0);
  }
});

e2e("engine: a held repository deploys nothing, and says so to who waits", async (world) => {
  const app = await site(world);
  const first = await app.remote.head();
  assertEquals((await verb(app, "hold", "app", "--reason", "the fair")).code, 0);
  await app.remote.push();
  const answer = await deliver(app, { wait: "60s", delivery: "held-once" });
  assertEquals([answer.status, answer.json.outcome], [200, "held"]);
  assertMatch(String(answer.json.reason), /hook resume app/);
  const table = (await verb(app, "status")).stdout;
  assertMatch(table, /^app +held /m);
  assertMatch(table, /held: the fair; hook resume app/);
  assertEquals(await live(app), first);
  await verb(app, "resume", "app");
  await deployedAt(app, await app.remote.head());
  // What was held was not deployed, so it is no duplicate.
  assertEquals((await deliver(app, { wait: "60s", delivery: "held-once" })).status, 200);
});

e2e("engine: a hold made by hand in the repository counts from the next start", async (world) => {
  const app = await site(world);
  const first = await app.remote.head();
  await app.service.stop();
  const blob = await world.git(app.path, "hash-object", "-w", "README");
  await world.git(app.path, "update-ref", "refs/hook/hold", blob);
  await app.remote.push();
  await again(app);
  await until(async () => (await status(app)).hold !== undefined, "the status says held");
  assertEquals((await deliver(app)).json.outcome, "held");
  assertEquals(await live(app), first);
});

e2e(
  "engine: log shows deployments and deliveries, the newest first, with output",
  async (world) => {
    const app = await site(world, { hooks: { "post-deploy": "echo migrated" } });
    const tip = await deployNext(app);
    const { code, stdout } = await verb(app, "log", "app");
    assertEquals(code, 0);
    assertMatch(
      stdout,
      new RegExp(`deployment \\d+ \\(delivery\\) deployed \\w{8} → ${tip.slice(0, 8)}`),
    );
    assertMatch(stdout, /^ {4}\| migrated$/m);
    assertMatch(stdout, /app: delivery \S+ by 张三 queued/);
    const limited = await verb(app, "log", "--limit", "1");
    assertEquals(limited.stdout.split("\n").filter((line) => /^\d{4}-/.test(line)).length, 1);
    const json = JSON.parse((await verb(app, "log", "--json")).stdout);
    assertEquals([json.deployments[0].new, json.deployments[0].state], [tip, "deployed"]);
    assertEquals(json.deliveries[0].outcome, "queued");
  },
);

e2e(
  "engine: the verbs say what is wrong when the service is away or the name is unknown",
  async (world) => {
    const app = await site(world);
    const unknown = await verb(app, "status", "apq");
    assertEquals(unknown.code, 1);
    assertMatch(unknown.stderr, /no repository "apq"\nhook: hint: did you mean "app"\?/);
    for (
      const words of [["deploy", "web"], ["rollback", "web"], ["hold", "web"], ["resume", "web"]]
    ) {
      const { code, stderr } = await verb(app, ...words);
      assertEquals([code, stderr.includes('no repository "web"')], [2, true], stderr);
    }
    await app.service.stop();
    for (const words of [["status"], ["log"], ["deploy", "app"], ["hold", "app"]]) {
      const { code, stderr } = await verb(app, ...words);
      assertEquals(code, 1);
      assertMatch(stderr, /^hook: error: cannot reach the service at ".*"\nhook: hint: /);
    }
  },
);

e2e(
  "engine: a checkout that was there before is left as it was found until a push",
  async (world) => {
    const remote = await world.remote();
    const checkout = await world.checkout(remote);
    const found = await checkout.head();
    await remote.push();
    const secret = world.secret();
    const repository = { path: checkout.path, secret, poll: "off" };
    const service = await world.start({ repositories: { app: repository } });
    const app: Site = {
      world,
      service,
      remote,
      path: checkout.path,
      secret,
      repository,
      isRelease: false,
    };
    await until(() => exists(`${gitFolder(app)}/refs/hook/found`), "it was recorded as found");
    assertEquals(await checkout.head(), found);
    await service.stop();
    await again(app);
    await until(async () => (await status(app)).tip !== undefined, "the start has compared");
    assertEquals(await checkout.head(), found);
    const answer = await deliver(app, { wait: "60s" });
    assertEquals(answer.json.outcome, "deployed");
    await deployedAt(app, await remote.head());
  },
);

e2e(
  "engine: a checkout that was moved by hand is left alone by starts, not by pushes",
  async (world) => {
    const app = await site(world);
    const first = await app.remote.head();
    await deployNext(app);
    await app.service.stop();
    await world.git(app.path, "reset", "-q", "--hard", first);
    await again(app);
    const notice = await app.service.logged("comparison");
    assertEquals(notice.result, "drifted");
    assertEquals(await live(app), first);
    assertMatch((await verb(app, "status")).stdout, /^app +drifted /m);
    const answer = await deliver(app, { wait: "60s" });
    assertEquals(answer.json.outcome, "deployed", answer.text);
    await deployedAt(app, await app.remote.head());
  },
);

e2e(
  "engine: check --online says whether the service has the file's text in force",
  async (world) => {
    const app = await site(world);
    const fine = await verb(app, "check", "--online");
    assertEquals(fine.code, 0, fine.stdout);
    assertMatch(fine.stdout, /^ok +service: .*this configuration in force$/m);
    Deno.writeTextFileSync(app.service.config, "# another text\n", { append: true });
    const stale = await verb(app, "check", "--online");
    assertEquals(stale.code, 1);
    assertMatch(stale.stdout, /^fail +service: .*another configuration, ".*hook\.yaml" as loaded/m);
    app.service.signal("SIGHUP");
    await app.service.logged("reload");
    assertEquals((await verb(app, "check", "--online")).code, 0);
  },
);
