/** SIGTERM, SIGINT and SIGHUP. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  e2e,
  exists,
  head,
  processesNaming,
  push,
  RawConnection,
  until,
  v2,
  within,
} from "./harness.ts";

const REF = "refs/heads/master";

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  e2e(`${signal} ends an idle service with exit code 0`, async (world) => {
    const { service } = await world.app();
    service.signal(signal);
    assertEquals((await service.exit()).code, 0);
    assertEquals(
      [service.events("stopping").length, service.events("stopped").length],
      [1, 1],
    );
  });

  e2e(`${signal} lets the running deployment end, and takes no more deliveries`, async (world) => {
    const { service, remote, checkout, secret, backend } = await world.app({ http: true });
    const tip = await remote.push();
    const gate = backend.hold();
    await service.post(v2(push(REF), { secret }));
    await gate.reached();
    const place = service.place;
    service.signal(signal);
    await service.logged("stopping");
    await until(
      () =>
        RawConnection.open(place).then(async (connection) => {
          await connection.close();
          return false;
        }, () => true),
      "a listener that is closed",
    );
    assertEquals(service.ended, undefined, "it waits for the deployment");
    gate.open();
    assertEquals((await service.exit()).code, 0);
    assertEquals(service.deployments().map(({ result }) => result), ["deployed"]);
    assertEquals(await checkout.head(), tip);
  });
}

e2e("SIGTERM answers who waits for the running deployment", async (world) => {
  const { service, remote, secret, backend } = await world.app({ http: true });
  await remote.push();
  const gate = backend.hold();
  const answer = service.post(v2(push(REF), { secret }), { wait: "60s" });
  await gate.reached();
  service.signal("SIGTERM");
  await service.logged("stopping");
  gate.open();
  const { status, json, text } = await answer;
  assertEquals([status, json.outcome], [200, "deployed"], text);
  assertEquals((await service.exit()).code, 0);
});

e2e("a second SIGTERM kills git's process group and exits 1", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  const before = await checkout.head();
  await remote.push();
  const gate = backend.hold();
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  const marks = [checkout.path, backend.url("app.git")];
  service.signal("SIGTERM");
  await service.logged("stopping");
  service.signal("SIGTERM");
  assertEquals((await service.exit()).code, 1);
  await until(() => processesNaming(marks).length === 0, "no git process is left");
  gate.open();
  assertEquals(await checkout.head(), before);
  assertEquals(await checkout.status(), "");
});

e2e("SIGTERM is not held up by a half-open connection", async (world) => {
  const { service } = await world.app();
  const halves = [
    "POST /hooks/app HTTP/1.1\r\nHost: x\r\nX-Half: ",
    head("/hooks/app", { "Content-Type": "application/json", "Content-Length": "100" }) + "{",
    "",
  ];
  for (const half of halves) {
    const connection = await RawConnection.open(service.place);
    world.onEnd(() => connection.close());
    await connection.write(half);
  }
  await service.request("/healthz"); // The others have been accepted before this one.
  service.signal("SIGTERM");
  assertEquals((await service.exit()).code, 0);
});

e2e("SIGTERM ends a service whose remote hangs within the repository's timeout", async (world) => {
  const { service, secret, backend } = await world.app({
    http: true,
    repository: { timeout: "3s" },
  });
  const gate = backend.hold();
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  service.signal("SIGTERM");
  assertEquals((await service.exit()).code, 0);
  assertEquals(service.deployments().map(({ result }) => result), ["failed"]);
  gate.open();
});

e2e("a deployment that was killed heals at the next start", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  const tip = await remote.push();
  const gate = backend.hold();
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  await service.kill();
  // Git lives on after a kill -9 of the service, until its remote answers.
  gate.open();
  await until(() => processesNaming([checkout.path]).length === 0, "the end of the orphaned git");
  const again = await world.start({ repositories: { app: { path: checkout.path, secret } } });
  const answer = await again.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, answer.text);
  assertEquals(await checkout.head(), tip);
});

e2e("SIGHUP takes over a changed configuration", async (world) => {
  const { service, checkout, secret } = await world.app();
  const other = await world.remote("other");
  const second = await world.checkout(other, "srv/other");
  const post = async (path: string, key: string) =>
    (await service.post(v2(push(REF), { secret: key }), { path })).status;
  assertEquals(await post("/hooks/other", secret), 404);
  const address = service.address;
  const fresh = world.secret();
  world.config({
    repositories: {
      app: { path: checkout.path, secret: fresh },
      other: { path: second.path, secret },
    },
  });
  service.signal("SIGHUP");
  assertEquals((await service.logged("reload")).result, "ok");
  assertEquals(await post("/hooks/other", secret), 202);
  assertEquals([await post("/hooks/app", secret), await post("/hooks/app", fresh)], [403, 202]);
  assertEquals(service.address, address, "the address did not change: the listener is the same");
  world.config({ repositories: { other: { path: second.path, secret } } });
  service.signal("SIGHUP");
  await service.logged("reload", 2);
  assertEquals([await post("/hooks/app", fresh), await post("/", secret)], [404, 202]);
});

e2e(
  "SIGHUP refuses a broken file with its errors and keeps the old configuration",
  async (world) => {
    const { service, remote, checkout, secret } = await world.app();
    const good = Deno.readTextFileSync(service.config);
    const broken = [
      "repositories: [",
      'repositories:\n  app:\n    path: /srv/app\n    secrt: "x"\n',
      "",
    ];
    for (const [index, text] of broken.entries()) {
      world.config(text);
      service.signal("SIGHUP");
      const line = await service.logged("reload", index + 1);
      assertEquals(line.result, "refused");
      const seen = JSON.stringify(line) + service.stderr;
      assertStringIncludes(seen, "hook.yaml");
      if (text.includes("secrt")) assertMatch(seen, /secrt[\s\S]*secret/);
      const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
      assertEquals(answer.status, 200, answer.text);
    }
    Deno.removeSync(service.config);
    service.signal("SIGHUP");
    assertEquals((await service.logged("reload", 4)).result, "refused");
    Deno.writeTextFileSync(service.config, good);
    service.signal("SIGHUP");
    assertEquals((await service.logged("reload", 5)).result, "ok");
    const tip = await remote.push();
    const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals([answer.json.outcome, await checkout.head()], ["deployed", tip]);
  },
);

e2e("SIGHUP does not disturb a running deployment", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  const tip = await remote.push();
  const gate = backend.hold();
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  const fresh = world.secret();
  world.config({ repositories: { app: { path: checkout.path, secret: fresh } } });
  service.signal("SIGHUP");
  assertEquals((await service.logged("reload")).result, "ok");
  const during = await service.post(v2(push(REF), { secret: fresh }));
  assertEquals(during.json.outcome, "queued");
  assertEquals(service.deployments(), []);
  gate.open();
  assertEquals((await service.deployed()).result, "deployed");
  await service.deployed(2); // Still one at a time: the waiting one followed.
  assertEquals(await checkout.head(), tip);
});

e2e("SIGHUP binds anew where the address changed, and closes the old one", async (world) => {
  const { service, checkout, secret } = await world.app();
  const old = service.place;
  const path = world.file("hook.sock");
  world.config({
    listen: `unix:${path}`,
    repositories: { app: { path: checkout.path, secret } },
  });
  service.signal("SIGHUP");
  assertEquals((await service.logged("listening", 2)).address, `unix:${path}`);
  assertEquals((await service.post(v2(push(REF), { secret }))).status, 202);
  await until(
    () =>
      RawConnection.open(old).then(async (connection) => {
        await connection.close();
        return false;
      }, () => true),
    "an old listener that is closed",
  );
});

e2e("SIGHUP to an address that is taken is refused and the old one stays", async (world) => {
  const { service, checkout, secret } = await world.app();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  world.onEnd(() => taken.close());
  world.config({
    listen: `127.0.0.1:${taken.addr.port}`,
    repositories: { app: { path: checkout.path, secret } },
  });
  service.signal("SIGHUP");
  assertEquals((await service.logged("reload")).result, "refused");
  assertEquals((await service.post(v2(push(REF), { secret }))).status, 202);
});

e2e(
  "log lines come one JSON object a line, flat, the start and the end among them",
  async (world) => {
    const { service, secret } = await world.app();
    await service.post(v2(push(REF), { secret }), { wait: "60s" });
    await service.stop();
    const events = service.lines.map(({ event }) => event);
    for (const event of ["listening", "delivery", "deployment", "stopping", "stopped"]) {
      assert(events.includes(event), `${event} among ${events}`);
    }
    assert(events.indexOf("stopping") < events.indexOf("stopped"));
    for (const line of service.lines) {
      assertMatch(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assertMatch(line.level, /^(debug|info|warning|error)$/);
    }
    assertEquals(exists(world.file("hook.yaml")), true);
  },
);

e2e("log format text prints lines for people", async (world) => {
  const remote = await world.remote();
  const checkout = await world.checkout(remote);
  const secret = world.secret();
  const service = world.spawn({
    log: { format: "text", level: "info" },
    repositories: { app: { path: checkout.path, secret } },
  });
  await service.see(() => service.stdout.includes("127.0.0.1:"), "the address in a line of text");
  assertEquals(service.lines, [], "no JSON");
  assert(!service.stdout.includes("\x1b["), "no colours where NO_COLOR is set");
  service.stray.length = 0;
  service.signal("SIGTERM");
  assertEquals((await within(service.status, "the end")).code, 0);
  service.stray.length = 0;
});
