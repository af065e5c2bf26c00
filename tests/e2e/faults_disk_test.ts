/** Disks that are full, and folders that can't be written. */

import { assertEquals, assertMatch } from "@std/assert";
import { e2e, exists, type World } from "./harness.ts";
import {
  deliver,
  deployedAt,
  failedAs,
  gitFolder,
  live,
  site,
  sound,
  verb,
} from "./harness/engine.ts";

/** Why the tests that mount something are left out. */
const NEEDS_MOUNT = cannotMount();

function cannotMount(): string | undefined {
  if (Deno.build.os !== "linux") return "only Linux mounts a tmpfs";
  if (Deno.uid() !== 0) return "only root can mount";
  const folder = Deno.makeTempDirSync({ prefix: "hook-mount-" });
  try {
    const tried = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
    if (tried === undefined) umount(folder);
    return tried;
  } finally {
    Deno.removeSync(folder);
  }
}

/** Mounts something; gives back why it could not. */
function mount(...args: string[]): string | undefined {
  const { success, stderr } = new Deno.Command("mount", { args }).outputSync();
  return success ? undefined : `mount: ${new TextDecoder().decode(stderr).trim()}`;
}

function umount(path: string): void {
  new Deno.Command("umount", { args: ["-l", path], stderr: "null" }).outputSync();
}

/** A small disk at a folder of the test. */
function smallDisk(world: World, folder: string, size: string): string {
  const path = world.file(folder);
  Deno.mkdirSync(path, { recursive: true });
  assertEquals(mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path), undefined);
  world.onEnd(() => umount(path));
  return path;
}

/** Fills a disk to its last byte. */
function fill(file: string): void {
  using writer = Deno.openSync(file, { create: true, write: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) writer.writeSync(block);
  } catch {
    // That was the last one.
  }
}

for (const strategy of ["pull", "reset", "release"] as const) {
  e2e(
    `faults: ${strategy} on a full disk fails, keeps what is live, and deploys when there is room`,
    async (world) => {
      smallDisk(world, "srv", "3m");
      const app = await site(world, { strategy });
      const before = await live(app);
      fill(world.file("srv/ballast"));
      const noise = crypto.getRandomValues(new Uint8Array(49_000)).toHex();
      const tip = await app.remote.push({ "version": "2\n", "large.txt": noise });
      const answer = await deliver(app, { wait: "60s" });
      assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
      const line = await failedAs(app.service, "disk-full");
      assertMatch(String(line.hint), /df -h/);
      assertEquals(await live(app), before);
      await sound(app);
      Deno.removeSync(world.file("srv/ballast"));
      const next = await deliver(app, { wait: "60s" });
      assertEquals(next.json.outcome, "deployed", next.text);
      await deployedAt(app, tip);
      await sound(app);
    },
    { skip: NEEDS_MOUNT },
  );

  e2e(
    `faults: ${strategy} that meets a full disk in the middle of the files deploys when there is room`,
    async (world) => {
      const disk = smallDisk(world, "srv", "12m");
      const app = await site(world, { strategy });
      const before = await live(app);
      // What is fetched fits, its files do not.
      Deno.writeFileSync(`${disk}/ballast`, new Uint8Array(8 * 1024 * 1024));
      const large = "the same line again and again\n".repeat(200_000);
      await app.remote.push({ "a.txt": "small\n", "b/large.txt": large, "c.txt": "small\n" });
      const answer = await deliver(app, { wait: "60s" });
      assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
      await failedAs(app.service, "disk-full");
      if (app.isRelease) assertEquals(await live(app), before);
      await sound(app);
      Deno.removeSync(`${disk}/ballast`);
      const tip = await app.remote.push({ "b/large.txt": "small now\n" });
      const next = await deliver(app, { wait: "60s" });
      assertEquals(next.json.outcome, "deployed", next.text);
      await deployedAt(app, tip);
      await sound(app);
      if (!app.isRelease) {
        assertEquals(await world.git(app.path, "status", "--porcelain"), "");
      } else {
        assertEquals([...Deno.readDirSync(`${disk}/app/releases`)].length, 2, "releases kept");
      }
    },
    { skip: NEEDS_MOUNT },
  );

  e2e(
    `faults: ${strategy} on a read-only path says so, and deploys when it can write`,
    async (world) => {
      const app = await site(world, { strategy });
      const before = await live(app);
      assertEquals(mount("--bind", app.path, app.path), undefined);
      world.onEnd(() => umount(app.path));
      assertEquals(mount("-o", "remount,ro,bind", app.path), undefined);
      const tip = await app.remote.push();
      const answer = await deliver(app, { wait: "60s" });
      assertEquals([answer.status, answer.json.outcome], [500, "failed"]);
      const line = await failedAs(app.service, "permission");
      assertMatch(String(line.hint), /ReadWritePaths=/);
      assertEquals(await live(app), before);
      assertEquals(exists(`${gitFolder(app)}/hook-deployment.json`), false);
      assertEquals(mount("-o", "remount,rw,bind", app.path), undefined);
      assertEquals((await deliver(app, { wait: "60s" })).json.outcome, "deployed");
      await deployedAt(app, tip);
    },
    { skip: NEEDS_MOUNT },
  );
}

e2e(
  "faults: a full disk below the state directory stops no deployment",
  async (world) => {
    const state = smallDisk(world, "state", "256k");
    const app = await site(world, { config: { state } });
    fill(`${state}/ballast`);
    for (let count = 0; count < 3; count++) {
      const tip = await app.remote.push();
      const answer = await deliver(app, { wait: "60s" });
      assertEquals(answer.json.outcome, "deployed", answer.text);
      await deployedAt(app, tip);
    }
    assertEquals((await verb(app, "status")).code, 0);
    await app.service.logged("ledger");
    Deno.removeSync(`${state}/ballast`);
    const tip = await app.remote.push();
    await deliver(app, { wait: "60s" });
    const { stdout } = await verb(app, "log", "--json");
    assertEquals(JSON.parse(stdout).deployments[0].new, tip, "history goes on");
  },
  { skip: NEEDS_MOUNT },
);
