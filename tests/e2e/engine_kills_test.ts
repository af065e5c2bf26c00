/** A service that is killed in the middle of its work; tests/long/ does it sixty times. */

import { e2e } from "./harness.ts";
import { surviveKills } from "./harness/kills.ts";

for (const strategy of ["pull", "reset", "release"] as const) {
  e2e(`engine: ${strategy} converges after kills at random moments`, async (world) => {
    await surviveKills(world, { strategy, kills: 5 });
  });
}
