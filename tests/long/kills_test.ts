/** Sixty kills a strategy; the suite has a short form in tests/e2e/engine_kills_test.ts. */

import { e2e } from "../e2e/harness.ts";
import { surviveKills } from "../e2e/harness/kills.ts";

const KILLS = Number(Deno.env.get("HOOK_KILLS") ?? 60);

for (const strategy of ["pull", "reset", "release"] as const) {
  e2e(`kills: ${strategy} converges after ${KILLS} kills at random moments`, async (world) => {
    const begun = performance.now();
    const { kills, steps, reads, length } = await surviveKills(world, { strategy, kills: KILLS });
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    console.log(
      `${strategy}: ${kills} kills survived, 0 deployments lost, ${seconds} s; ` +
        `a deployment takes ${length.toFixed(0)} ms; killed in ${JSON.stringify(steps)}` +
        (reads > 0 ? `; ${reads} reads of current` : ""),
    );
  });
}
