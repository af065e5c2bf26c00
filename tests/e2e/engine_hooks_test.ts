/** Hooks against the running binary: those that hang, and those that leave something behind. */

import { assertEquals } from "@std/assert";
import { CAN_SEE_PROCESSES, e2e, exists, kill, processesNaming, until } from "./harness.ts";
import { again, deliver, deployedAt, failedAs, hooks, live, site, verb } from "./harness/engine.ts";

for (const strategy of ["pull", "release"] as const) {
  e2e(`engine: ${strategy} ends a hook that forks and hangs, with its children`, async (world) => {
    const app = await site(world, { strategy, repository: { hooks: world.file("hooks") } });
    const before = await live(app);
    await app.service.stop();
    app.repository.timeout = "5s";
    await again(app);
    const mark = `${world.dir}/sleeper`;
    Deno.symlinkSync("/bin/sleep", mark);
    hooks(world, {
      "pre-deploy": `trap '' TERM; ${mark} 600 & (${mark} 601 &) ; ${mark} 602; ${mark} 603`,
    });
    await app.remote.push();
    const answer = await deliver(app, { wait: "60s" });
    assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
    const line = await failedAs(app.service, "hook");
    assertEquals(line.step, "pre-deploy");
    if (CAN_SEE_PROCESSES) {
      await until(
        () => processesNaming([mark]).length === 0,
        () => `no process of the hook is left: ${JSON.stringify(processesNaming([mark]))}`,
      );
    }
    assertEquals(await live(app), before, "a gate that hangs lets nothing through");
    hooks(world, { "pre-deploy": "exit 0" });
    await app.service.stop();
    delete app.repository.timeout;
    await again(app);
    const tip = await app.remote.push();
    assertEquals((await deliver(app, { wait: "60s" })).json.outcome, "deployed");
    await deployedAt(app, tip);
  });

  e2e(
    `engine: ${strategy} does not wait for a daemon that a hook leaves, and lets it live`,
    async (world) => {
      const pidFile = world.file("daemon.pid");
      const mark = `${world.dir}/daemon`;
      Deno.symlinkSync("/bin/sleep", mark);
      const app = await site(world, {
        strategy,
        hooks: { "post-deploy": `${mark} 600 & echo $! > '${pidFile}'` },
      });
      const daemon = Number(Deno.readTextFileSync(pidFile));
      world.onEnd(() => kill(daemon));
      const isAlive = () => exists(`/proc/${daemon}/stat`);
      if (CAN_SEE_PROCESSES) assertEquals(isAlive(), true, "after the deployment");
      hooks(world, { "post-deploy": "exit 0" });
      await app.service.stop();
      if (CAN_SEE_PROCESSES) assertEquals(isAlive(), true, "after the end of the service");
      await again(app);
      const tip = await app.remote.push();
      assertEquals((await deliver(app, { wait: "60s" })).json.outcome, "deployed");
      await deployedAt(app, tip);
      if (CAN_SEE_PROCESSES) assertEquals(isAlive(), true, "after the next start");
    },
  );

  e2e(
    `engine: ${strategy} tries a commit that failed in a hook again when it is asked to`,
    async (world) => {
      const app = await site(world, { strategy, repository: { hooks: world.file("hooks") } });
      hooks(world, { "post-deploy": "echo no database >&2; exit 3" });
      const tip = await app.remote.push();
      const answer = await deliver(app, { wait: "60s", delivery: "the-one" });
      assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
      assertEquals(answer.json.reason, 'the hook "post-deploy" ended with 3');
      const { code, stdout } = await verb(app, "status");
      assertEquals(code, 1);
      assertEquals(stdout.includes("failed: the hook"), true, stdout);
      // A start leaves it: the same commit would fail again.
      await app.service.stop();
      await again(app);
      await until(
        async () => /\bago\b/.test((await verb(app, "status")).stdout),
        "the start has compared",
      );
      assertEquals((await verb(app, "status")).stdout.includes("failed: "), true, "still failed");
      hooks(world, { "post-deploy": "exit 0" });
      // The forge delivers the same once more.
      const second = await deliver(app, { wait: "60s", delivery: "the-one" });
      assertEquals(second.json.outcome, "deployed", second.text);
      await deployedAt(app, tip);
      assertEquals((await verb(app, "status")).code, 0);
      const third = await deliver(app, { delivery: "the-one" });
      assertEquals(third.json.outcome, "duplicate");
      await app.service.stop();
      await again(app);
      const fourth = await deliver(app, { delivery: "the-one" });
      assertEquals(fourth.json.outcome, "duplicate", "after a restart, too");
    },
  );
}
