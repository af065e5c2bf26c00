/** The strategy `reset`: it follows the remote, and discards nothing but changes to tracked files. */

import { assertEquals, assertMatch } from "@std/assert";
import { type App, e2e, exists, push, v2 } from "./harness.ts";

const REF = "refs/heads/master";
const RESET = { repository: { strategy: "reset" } };

async function assertDeployed(app: App, tip: string): Promise<void> {
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [200, "deployed"], answer.text);
  assertEquals(await app.checkout.head(), tip);
  assertEquals(await app.checkout.git("symbolic-ref", "HEAD"), REF, "still on its branch");
}

e2e("reset follows a push", async (world) => {
  const app = await world.app(RESET);
  const tip = await app.remote.push({ "app.py": "version = 2\n", "README": null });
  await assertDeployed(app, tip);
  assertEquals(app.checkout.read("app.py"), "version = 2\n");
  assertEquals(exists(`${app.checkout.path}/README`), false);
});

e2e("reset follows a force-push", async (world) => {
  const app = await world.app(RESET);
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
  const tip = await app.remote.forcePush({ "app.py": "version = rewritten\n" });
  await assertDeployed(app, tip);
  assertEquals(app.checkout.read("app.py"), "version = rewritten\n");
});

e2e("reset follows a branch that was moved back", async (world) => {
  const app = await world.app(RESET);
  const old = await app.remote.head();
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
  await app.remote.git("push", "-q", "-f", "origin", `${old}:${REF}`);
  await assertDeployed(app, old);
  assertEquals(app.checkout.read("app.py"), "version = 1\n");
});

e2e("reset discards local changes to tracked files, staged or not", async (world) => {
  const app = await world.app(RESET);
  app.checkout.write({ "app.py": "version = local\n" });
  await app.checkout.git("add", "app.py");
  app.checkout.write({ "README": "changed here\n" });
  const tip = await app.remote.push({ "app.py": "version = 2\n" });
  await assertDeployed(app, tip);
  assertEquals(app.checkout.read("app.py"), "version = 2\n");
  assertEquals(app.checkout.read("README"), "first\n");
});

e2e("reset leaves local commits behind", async (world) => {
  const app = await world.app(RESET);
  app.checkout.write({ "local.py": "mine = 1\n" });
  await app.checkout.git("add", "local.py");
  await app.checkout.git("commit", "-q", "-m", "local work");
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
  assertEquals(exists(`${app.checkout.path}/local.py`), false);
});

e2e("reset keeps untracked and ignored files that are in no one's way", async (world) => {
  const app = await world.app(RESET);
  Deno.writeTextFileSync(`${app.checkout.path}/.git/info/exclude`, ".env\n");
  app.checkout.write({ ".env": "KEY=1\n", "media/photo": "an upload\n" });
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
  assertEquals(app.checkout.read(".env"), "KEY=1\n");
  assertEquals(app.checkout.read("media/photo"), "an upload\n");
});

interface Obstacle {
  name: string;
  exclude?: string;
  local: Record<string, string>;
  remote: Record<string, string>;
}

const OBSTACLES: Obstacle[] = [
  {
    name: "an untracked file",
    local: { "settings.py": "SECRET = 'local'\n" },
    remote: { "settings.py": "SECRET = ''\n", "a.py": "before it\n" },
  },
  {
    name: "an ignored file",
    exclude: "settings.py\n",
    local: { "settings.py": "SECRET = 'local'\n" },
    remote: { "settings.py": "SECRET = ''\n", "a.py": "before it\n" },
  },
  {
    name: "an untracked folder where a file comes",
    local: { "media/photo": "an upload\n" },
    remote: { "media": "a file\n" },
  },
  {
    name: "an ignored folder where a file comes",
    exclude: "media/\n",
    local: { "media/photo": "an upload\n" },
    remote: { "media": "a file\n" },
  },
  {
    name: "an untracked file where a folder comes",
    local: { "media": "an upload\n" },
    remote: { "media/index.html": "<p>\n" },
  },
];

for (const { name, exclude, local, remote } of OBSTACLES) {
  e2e(`reset refuses ${name} in the way and leaves its content`, async (world) => {
    const app = await world.app(RESET);
    if (exclude !== undefined) {
      Deno.writeTextFileSync(`${app.checkout.path}/.git/info/exclude`, exclude);
    }
    app.checkout.write(local);
    const before = await app.checkout.head();
    const tip = await app.remote.push(remote);
    const posting = v2(push(REF), { secret: app.secret });
    const answer = await app.service.post(posting, { wait: "60s" });
    for (const [file, text] of Object.entries(local)) assertEquals(app.checkout.read(file), text);
    assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
    assertEquals(await app.checkout.head(), before);
    assertMatch(String((await app.service.deployed()).reason), /settings\.py|media/);
    await app.checkout.git("clean", "-q", "-f", "-d", "-x");
    await assertDeployed(app, tip);
  });
}

e2e("reset says unchanged where there is nothing new", async (world) => {
  const app = await world.app(RESET);
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [200, "unchanged"], answer.text);
});

e2e("reset over http follows a force-push", async (world) => {
  const app = await world.app({ ...RESET, http: true });
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
  await assertDeployed(app, await app.remote.forcePush({ "app.py": "version = rewritten\n" }));
});
