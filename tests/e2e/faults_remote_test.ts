/** Remotes that are away, that hang, and deliveries that never came. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { CAN_SEE_PROCESSES, e2e, processesNaming, until, type World } from "./harness.ts";
import { again, deliver, deployedAt, failedAs, site, sound, status } from "./harness/engine.ts";

const STRATEGIES = ["pull", "release"] as const;

for (const strategy of STRATEGIES) {
  e2e(`faults: ${strategy} deploys what was pushed while the remote was away`, async (world) => {
    const backend = world.backend();
    const app = await site(world, { strategy, url: () => backend.url("app.git") });
    backend.refuseWith = 503;
    const tip = await app.remote.push();
    const answer = await deliver(app, { wait: "60s" });
    assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
    await failedAs(app.service, "unreachable");
    await app.service.see(
      () =>
        app.service.deployments().some(({ trigger, attempt }) =>
          trigger === "retry" && attempt === 2
        ),
      "a second attempt",
    );
    assertMatch(JSON.stringify((await status(app)).failure), /unreachable/);
    backend.refuseWith = undefined;
    await deployedAt(app, tip);
    assertEquals((await status(app)).failure, undefined);
    await sound(app);
  });

  e2e(
    `faults: ${strategy} starts while the remote is away, and deploys once it is back`,
    async (world) => {
      const backend = world.backend();
      const app = await site(world, { strategy, url: () => backend.url("app.git") });
      await app.service.stop();
      const tip = await app.remote.push();
      backend.refuseWith = 502;
      await again(app);
      await app.service.logged("comparison");
      const [line] = app.service.events("comparison");
      assertEquals([line?.result, line?.kind], ["failed", "unreachable"]);
      backend.refuseWith = undefined;
      await deployedAt(app, tip);
      assertEquals(app.service.events("comparison").map(({ result }) => result), [
        "failed",
        "recovered",
      ]);
    },
  );

  e2e(
    `faults: ${strategy} deploys at its start what was pushed while it was down`,
    async (world) => {
      const app = await site(world, { strategy });
      await app.service.stop();
      const tip = await app.remote.push();
      await again(app);
      await deployedAt(app, tip);
      await sound(app);
    },
  );
}

e2e(
  "faults: a push whose delivery never comes is deployed by the next comparison",
  async (world) => {
    const app = await site(world, { repository: { poll: "10s" } });
    const tip = await app.remote.push();
    await deployedAt(app, tip);
    assertEquals(app.service.deployments().at(-1)?.trigger, "poll");
  },
);

/** A listener that takes connections, reads, and never says a word. */
function silence(world: World): { port: number; connections: Deno.Conn[] } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  world.onEnd(async () => {
    listener.close();
    for (const connection of connections) connection.close();
    await accepting.catch(() => {});
  });
  return { port: listener.addr.port, connections };
}

for (const strategy of STRATEGIES) {
  for (const protocol of ["http", "git"] as const) {
    e2e(
      `faults: ${strategy} ends a remote that hangs over ${protocol}, and tries again`,
      async (world) => {
        const app = await site(world, { strategy, repository: { timeout: "2s" } });
        await app.service.stop();
        const { port, connections } = silence(world);
        const url = `${protocol}://127.0.0.1:${port}/app.git`;
        // The user's own setting sends git elsewhere, so the configuration stays the same.
        await world.git(world.dir, "config", "--global", `url.${url}.insteadOf`, app.remote.path);
        await again(app);
        await until(() => connections.length > 0, "a connection to the remote that hangs");
        const answer = await deliver(app, { wait: "60s" });
        assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
        await failedAs(app.service, "timeout");
        await world.git(world.dir, "config", "--global", "--unset", `url.${url}.insteadOf`);
        const tip = await app.remote.push();
        await deployedAt(app, tip);
        if (CAN_SEE_PROCESSES) {
          const left = () =>
            processesNaming([`${protocol}://127.0.0.1:${port}`], [app.service.pid]);
          for (const connection of connections.splice(0)) connection.close();
          await until(() => left().length === 0, () => `git is gone: ${JSON.stringify(left())}`);
        }
        await sound(app);
      },
    );
  }
}

e2e("faults: one remote that hangs holds up no other repository", async (world) => {
  const { port, connections } = silence(world);
  const app = await site(world, { config: { concurrency: 1 }, repository: { timeout: "3s" } });
  await app.service.stop();
  const secret = world.secret();
  const slow = {
    path: world.file("srv/slow"),
    secret,
    remote: `git://127.0.0.1:${port}/slow.git`,
    timeout: "3s",
  };
  app.service = await world.start({ concurrency: 1, repositories: { slow, app: app.repository } });
  await until(() => connections.length > 0, "a connection to the remote that hangs");
  const tip = await app.remote.push();
  const answer = await deliver(app, { wait: "60s" });
  assert(["deployed", "unchanged"].includes(String(answer.json.outcome)), answer.text);
  await deployedAt(app, tip);
  for (const connection of connections.splice(0)) connection.close();
});
