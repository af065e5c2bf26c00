/** Many repositories at once. */

import { assert, assertEquals } from "@std/assert";
import { CAN_SEE_PROCESSES, e2e, processesNaming, until } from "./harness.ts";

const COUNT = 500;
const CONCURRENCY = 4;
/** Comparisons that may run beside the deployments. */
const COMPARISONS = 8;

e2e(`engine: ${COUNT} repositories start, one by one and bounded in number`, async (world) => {
  const remote = await world.remote();
  const tip = await remote.head();
  const secret = world.secret();
  const repositories: Record<string, unknown> = {};
  for (let number = 0; number < COUNT; number++) {
    repositories[`app-${number}`] = {
      path: world.file(`srv/app-${number}`),
      secret,
      remote: remote.path,
    };
  }
  // Checkouts that are there already: a copy of one costs less than a clone.
  const first = await world.checkout(remote, "srv/app-0");
  for (let number = 1; number < COUNT; number++) {
    const { success } = await new Deno.Command("cp", {
      args: ["-a", first.path, world.file(`srv/app-${number}`)],
    }).output();
    assert(success);
  }
  const service = await world.start({ concurrency: CONCURRENCY, repositories });
  let most = 0;
  let memory = 0;
  await until(
    () => {
      if (CAN_SEE_PROCESSES) {
        const gits = processesNaming([world.file("srv/")], [service.pid]);
        most = Math.max(most, gits.filter(({ parent }) => parent === service.pid).length);
        const peak = /^VmHWM:\s+(\d+) kB$/m.exec(
          Deno.readTextFileSync(`/proc/${service.pid}/status`),
        )?.[1];
        memory = Number(peak ?? 0) / 1024;
      }
      const recorded = Object.keys(repositories).filter((name) => {
        try {
          return Deno.readTextFileSync(world.file(`srv/${name}/.git/refs/hook/deployed`)).trim() ===
            tip;
        } catch {
          return false;
        }
      });
      return recorded.length === COUNT;
    },
    `${COUNT} repositories are recorded`,
    240_000,
  );
  assert(most <= CONCURRENCY + COMPARISONS, `${most} processes of git at a time`);
  assert(memory < 300, `${memory.toFixed(0)} MiB at most`);
  const { stdout } = await world.run(["status", "--json", "-c", service.config]);
  assertEquals(JSON.parse(stdout).repositories.length, COUNT);
});
