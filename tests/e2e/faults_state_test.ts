/** The state directory: another service in it, a ledger that is lost or damaged, no right to write. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { e2e, NEEDS_BINARY, NEEDS_ROOT, until } from "./harness.ts";
import { again, deliver, deployedAt, site, sound, verb } from "./harness/engine.ts";

e2e(
  "faults: a second service on one state directory is refused, the first goes on",
  async (world) => {
    const state = world.file("state");
    const app = await site(world, { config: { state } });
    const secret = world.secret();
    const other = { path: world.file("srv/other"), secret, remote: app.remote.path };
    const path = world.config({ state, repositories: { other } }, "second.yaml");
    const second = await world.run(["serve", "-c", path]);
    assertEquals(second.code, 1);
    assertMatch(
      second.stderr,
      /^hook: error: another hook runs with the state directory "[^"]+"$/m,
    );
    assert(second.stderr.includes(state), second.stderr);
    assertMatch(second.stderr, /^hook: hint: .+/m);
    const tip = await app.remote.push();
    assertEquals((await deliver(app, { wait: "60s" })).json.outcome, "deployed");
    await deployedAt(app, tip);
    // The lock goes with the process.
    app.service.signal("SIGKILL");
    await app.service.exit();
    await again(app, { state });
    assertEquals((await verb(app, "status")).code, 0);
  },
);

const LEDGER = "home/.local/state/hook/ledger.db";

const DAMAGES: [string, (file: string) => void][] = [
  ["deleted", (file) => {
    for (const suffix of ["", "-wal", "-shm"]) {
      try {
        Deno.removeSync(file + suffix);
      } catch {
        // SQLite removes them when it ends well.
      }
    }
  }],
  ["cut in half", (file) => Deno.truncateSync(file, Math.floor(Deno.statSync(file).size / 2))],
  ["truncated to nothing", (file) => Deno.truncateSync(file, 0)],
  ["filled with garbage", (file) => Deno.writeTextFileSync(file, "garbage ".repeat(10_000))],
];

for (const [damage, harm] of DAMAGES) {
  e2e(`faults: a ledger ${damage} stops no deployment, and history begins anew`, async (world) => {
    const app = await site(world);
    await app.remote.push();
    assertEquals((await deliver(app, { wait: "60s" })).json.outcome, "deployed");
    await app.service.stop();
    const file = world.file(LEDGER);
    harm(file);
    await again(app);
    const tip = await app.remote.push();
    const answer = await deliver(app, { wait: "60s" });
    assertEquals(answer.json.outcome, "deployed", answer.text);
    await deployedAt(app, tip);
    const { stdout, code } = await verb(app, "log", "--json");
    assertEquals(code, 0);
    assertEquals(JSON.parse(stdout).deployments[0].new, tip, "the new history");
    const aside = [...Deno.readDirSync(world.file("home/.local/state/hook"))]
      .filter(({ name }) => name.startsWith("ledger.db.damaged-"));
    const isDamage = damage.includes("half") || damage.includes("garbage");
    assertEquals(aside.length, isDamage ? 1 : 0, "damaged ledgers kept aside");
    await sound(app);
  });
}

e2e("faults: a ledger that loses its file while it runs stops no deployment", async (world) => {
  const app = await site(world);
  const file = world.file(LEDGER);
  Deno.writeTextFileSync(file, "garbage ".repeat(10_000));
  for (let count = 0; count < 3; count++) {
    const tip = await app.remote.push();
    const answer = await deliver(app, { wait: "60s" });
    assertEquals(answer.json.outcome, "deployed", answer.text);
    await deployedAt(app, tip);
  }
  assertEquals((await verb(app, "status")).code, 0);
});

e2e(
  "faults: a hold and what is deployed survive the loss of the state directory",
  async (world) => {
    const app = await site(world);
    const first = await app.remote.head();
    assertEquals((await verb(app, "hold", "app", "--reason", "the fair")).code, 0);
    await app.service.stop();
    Deno.removeSync(world.file("home/.local/state/hook"), { recursive: true });
    await app.remote.push();
    await again(app);
    await until(
      async () => (await verb(app, "status")).stdout.includes("held: the fair"),
      "the status says that it is held",
    );
    assertEquals((await deliver(app)).json.outcome, "held");
    await deployedAt(app, first);
  },
);

e2e(
  "faults: a state directory that may not be written is an error with a hint",
  async (world) => {
    const state = world.file("state");
    Deno.mkdirSync(state, { mode: 0o755 });
    // The service's user reaches everything else in the test's folder.
    Deno.chmodSync(world.dir, 0o755);
    const app = { path: world.file("srv/app"), secret: world.secret(), remote: "file:///nowhere" };
    const path = world.config({ state, repositories: { app } });
    Deno.chownSync(path, 12345, 12345);
    const { code, stderr } = await world.run(["serve", "-c", path], { uid: 12345 });
    assertEquals(code, 1);
    assertMatch(stderr, /^hook: error: cannot use the state directory ".*": permission denied$/m);
    assertMatch(stderr, /^hook: hint: .*"state"/m);
  },
  // From source, another user would have to run Deno out of root's folder.
  { skip: NEEDS_ROOT ?? NEEDS_BINARY },
);
