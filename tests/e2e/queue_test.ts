/** The queue: one deployment running and one waiting for each repository, and several repositories. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { e2e, push, type Service, v2, type World } from "./harness.ts";

const REF = "refs/heads/master";

/** Waits until every delivery has its deployment, told by the sum that the log lines give. */
async function settled(service: Service, deliveries: number, repository = "app"): Promise<void> {
  await service.see(
    () =>
      service.deployments(repository).reduce((sum, line) => sum + Number(line.deliveries), 0) >=
        deliveries,
    `deployments for ${deliveries} deliveries`,
  );
}

e2e("queue: 1,000 deliveries while deploying cost one more deployment", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  await remote.push();
  const gate = backend.hold();
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  let next = 0;
  const statuses = new Map<number, number>();
  const sender = async () => {
    while (next++ < 1_000) {
      const { status } = await service.post(v2(push(REF), { secret }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 20 }, sender));
  assertEquals([...statuses], [[202, 1_000]]);
  const tip = await remote.push();
  gate.open();
  await settled(service, 1_001);
  assertEquals(await checkout.head(), tip);
  // Had anything more been waiting, this one would have joined it; after the end the log is whole.
  await service.post(v2(push(REF), { secret }), { wait: "60s" });
  await service.stop();
  assertEquals(service.deployments().map(({ deliveries }) => deliveries), [1, 1_000, 1]);
});

e2e("queue: what is pushed while deploying is deployed next", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  const first = await remote.push({ "app.py": "version = 2\n" });
  // The fetch's last request: the remote's refs have been read by then.
  const gate = backend.hold(({ path }) => path.endsWith("/git-upload-pack"));
  await service.post(v2(push(REF), { secret }));
  await gate.reached();
  const second = await remote.push({ "app.py": "version = 3\n" });
  assertNotEquals(first, second);
  const answer = await service.post(v2(push(REF), { secret }), { wait: "1s" });
  assertEquals([answer.status, answer.json.outcome], [202, "queued"]);
  gate.open();
  await settled(service, 2);
  assertEquals(await checkout.head(), second);
  assertEquals(checkout.read("app.py"), "version = 3\n");
});

e2e(
  "queue: ?wait of a delivery that joins the waiting deployment answers with its result",
  async (world) => {
    const { service, remote, checkout, secret, backend } = await world.app({ http: true });
    const gate = backend.hold();
    await service.post(v2(push(REF), { secret }));
    await gate.reached();
    const waiting = Array.from(
      { length: 5 },
      () => service.post(v2(push(REF), { secret }), { wait: "60s" }),
    );
    await service.logged("delivery", 1);
    const tip = await remote.push();
    gate.open();
    for (const answer of await Promise.all(waiting)) {
      assertEquals(answer.status, 200, answer.text);
      assert(["deployed", "unchanged"].includes(String(answer.json.outcome)), answer.text);
    }
    assertEquals(await checkout.head(), tip);
    assert(service.deployments().length <= 3, `${service.deployments().length} deployments`);
  },
);

async function two(world: World, config: Record<string, unknown> = {}) {
  const backend = world.backend();
  const secret = world.secret();
  const sites = [];
  for (const name of ["one", "two"]) {
    const remote = await world.remote(name);
    const checkout = await world.checkout(remote, `srv/${name}`, backend.url(`${name}.git`));
    sites.push({ name, remote, checkout, tip: await remote.push() });
  }
  const service = await world.start({
    ...config,
    repositories: Object.fromEntries(
      sites.map(({ name, checkout }) => [name, { path: checkout.path, secret }]),
    ),
  });
  for (const { checkout } of sites) await checkout.recorded();
  const post = (name: string, wait?: string) =>
    service.post(v2(push(REF), { secret }), { path: `/hooks/${name}`, wait });
  return { backend, service, sites, post };
}

e2e("queue: two repositories deploy at the same time", async (world) => {
  const { backend, service, sites, post } = await two(world);
  const gate = backend.hold(({ path }) => path.endsWith("/info/refs"));
  await post("one");
  await post("two");
  await gate.reached(2); // Neither has been let through yet.
  gate.open();
  for (const { name, checkout, tip } of sites) {
    await service.deployed(1, name);
    assertEquals(await checkout.head(), tip);
  }
});

e2e("queue: a repository whose remote hangs holds up no other", async (world) => {
  const { backend, service, sites, post } = await two(world);
  const gate = backend.hold(({ path }) => path.startsWith("/one.git"));
  await post("one");
  await gate.reached();
  const answer = await post("two", "60s");
  assertEquals([answer.status, answer.json.outcome], [200, "deployed"]);
  assertEquals(await sites[1]?.checkout.head(), sites[1]?.tip);
  assertEquals(service.deployments("one"), []);
  gate.open();
  await service.deployed(1, "one");
});

e2e("queue: concurrency 1 deploys one repository after the other", async (world) => {
  const { backend, service, sites, post } = await two(world, { concurrency: 1 });
  const before = backend.requests.length;
  const gate = backend.hold(({ path }) => path.startsWith("/one.git"));
  await post("one");
  await gate.reached();
  const answer = await post("two", "1s");
  assertEquals([answer.status, answer.json.outcome], [202, "queued"]);
  const asked = backend.requests.slice(before).filter(({ path }) => path.startsWith("/two.git"));
  assertEquals(asked, [], "the second waits for the first");
  gate.open();
  await service.deployed(2);
  assertEquals(service.deployments().map(({ repository }) => repository), ["one", "two"]);
  for (const { checkout, tip } of sites) assertEquals(await checkout.head(), tip);
});

e2e("queue: a failed deployment does not stop the next", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  const tip = await remote.push();
  backend.refuseWith = 500;
  const failed = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals([failed.status, failed.json.outcome], [500, "failed"], failed.text);
  backend.refuseWith = undefined;
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, answer.text);
  assertEquals(await checkout.head(), tip);
});
