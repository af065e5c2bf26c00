/** States broken by hand, which a start or a delivery has to heal. */

import { assert, assertEquals } from "@std/assert";
import { e2e, until } from "./harness.ts";
import { again, deliver, deployedAt, live, site, sound } from "./harness/engine.ts";

const BREAKAGES: [string, (path: string) => void][] = [
  ["the live release", (path) => {
    Deno.removeSync(Deno.realPathSync(`${path}/current`), { recursive: true });
  }],
  ["the link", (path) => Deno.removeSync(`${path}/current`)],
  ["all releases", (path) => Deno.removeSync(`${path}/releases`, { recursive: true })],
  ["everything", (path) => Deno.removeSync(path, { recursive: true })],
];

for (const [what, breakIt] of BREAKAGES) {
  for (const healer of ["start", "delivery"] as const) {
    e2e(`engine: release brings back ${what} that was removed, at a ${healer}`, async (world) => {
      const app = await site(world, { strategy: "release" });
      const tip = await app.remote.head();
      if (healer === "start") {
        await app.service.stop();
        breakIt(app.path);
        await again(app);
      } else {
        breakIt(app.path);
        assertEquals((await deliver(app, { wait: "60s" })).status, 200);
      }
      const isBack = async () => await live(app).then((sha) => sha === tip, () => false);
      await until(isBack, "current shows the tip");
      await deployedAt(app, tip);
      assert(Deno.readTextFileSync(`${app.path}/current/app.py`).startsWith("version"));
      await sound(app);
    });
  }
}
