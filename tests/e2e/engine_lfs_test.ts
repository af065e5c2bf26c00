/** Git LFS: files instead of pointers where git-lfs is installed, else an error that says so. */

import { assertEquals, assertMatch } from "@std/assert";
import { e2e } from "./harness.ts";
import { deliver, deployedAt, failedAs, site } from "./harness/engine.ts";

const HAS_LFS =
  new Deno.Command("git", { args: ["lfs", "version"], stdout: "null", stderr: "null" })
    .outputSync().success;

for (const strategy of ["pull", "release"] as const) {
  e2e(
    `engine: ${strategy} deploys the files that Git LFS keeps`,
    async (world) => {
      await world.git(world.dir, "lfs", "install", "--skip-repo");
      const app = await site(world, { strategy });
      await app.remote.git("lfs", "track", "*.bin");
      const content = "large ".repeat(1000);
      const tip = await app.remote.push({ "data.bin": content });
      const { outcome, reason } = (await deliver(app, { wait: "60s" })).json;
      assertEquals(outcome, "deployed", String(reason));
      await deployedAt(app, tip);
      const root = app.isRelease ? `${app.path}/current` : app.path;
      assertEquals(Deno.readTextFileSync(`${root}/data.bin`), content);
    },
    { skip: HAS_LFS ? undefined : "git-lfs is not installed" },
  );
}

e2e(
  "engine: a repository with Git LFS is an error with a hint where git-lfs is missing",
  async (world) => {
    const remote = await world.remote();
    await remote.push({ ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n" });
    const app = {
      path: world.file("srv/app"),
      secret: world.secret(),
      remote: remote.path,
      strategy: "release",
    };
    const service = await world.start({ repositories: { app } });
    const line = await failedAs(service, "lfs");
    assertMatch(String(line.hint), /git-lfs/);
  },
  { skip: HAS_LFS ? "git-lfs is installed" : undefined },
);
