/** Checkouts that are not there yet: cloned from `remote` where `path` is missing or empty. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type App, e2e, exists, push, v2, type World } from "./harness.ts";

const REF = "refs/heads/master";

async function deploy(app: App, ref = REF) {
  return await app.service.post(v2(push(ref), { secret: app.secret }), { wait: "60s" });
}

/** The answer of a delivery to a repository that may have been cloned at the start already. */
async function assertCurrent(app: App, ref = REF): Promise<void> {
  const answer = await deploy(app, ref);
  assertEquals(answer.status, 200, answer.text);
  assert(["deployed", "unchanged"].includes(String(answer.json.outcome)), answer.text);
  assertEquals(await app.checkout.head(), await app.remote.head());
  assertEquals(await app.checkout.status(), "");
}

for (const http of [false, true]) {
  const way = http ? "http" : "a path";
  e2e(`a missing path is cloned over ${way}, its parent folders too`, async (world) => {
    const app = await world.app({ absent: true, http, folder: "srv/deep/down/app" });
    await assertCurrent(app);
    const tip = await app.remote.push({ "app.py": "version = 2\n" });
    const answer = await deploy(app);
    assertEquals(answer.json.outcome, "deployed", answer.text);
    assertEquals(await app.checkout.head(), tip);
  });
}

e2e("an empty path is cloned into", async (world) => {
  Deno.mkdirSync(world.file("srv/app"), { recursive: true });
  await assertCurrent(await world.app({ absent: true }));
});

e2e("a clone without branch takes the remote's HEAD", async (world) => {
  const app = await world.app({ absent: true, branch: "trunk" });
  await assertCurrent(app, "refs/heads/trunk");
  assertEquals(await app.checkout.git("symbolic-ref", "HEAD"), "refs/heads/trunk");
});

e2e("a clone with branch takes that one", async (world) => {
  const remote = await world.remote();
  await remote.git("checkout", "-q", "-b", "live");
  const tip = await remote.commit({ "app.py": "version = live\n" });
  await remote.git("push", "-q", "origin", "live");
  const checkout = world.at("srv/app");
  const secret = world.secret();
  const service = await world.start({
    repositories: { app: { path: checkout.path, secret, remote: remote.path, branch: "live" } },
  });
  const ignored = await service.post(v2(push(REF), { secret }));
  assertEquals(ignored.json.outcome, "ignored", ignored.text);
  const answer = await service.post(v2(push("refs/heads/live"), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, answer.text);
  assertEquals(await checkout.head(), tip);
  assertEquals(await checkout.git("symbolic-ref", "HEAD"), "refs/heads/live");
});

e2e("a clone follows the strategy reset, too", async (world) => {
  const app = await world.app({ absent: true, repository: { strategy: "reset" } });
  await assertCurrent(app);
  const tip = await app.remote.forcePush({ "app.py": "version = rewritten\n" });
  const answer = await deploy(app);
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await app.checkout.head(), tip);
});

e2e("a clone that failed is made anew, with the branch of the remote's HEAD", async (world) => {
  const remote = await world.remote("app", "trunk");
  const backend = world.backend();
  backend.refuseWith = 500;
  const checkout = world.at("srv/app");
  const secret = world.secret();
  const service = await world.start({
    repositories: { app: { path: checkout.path, secret, remote: backend.url("app.git") } },
  });
  const ref = "refs/heads/trunk";
  const failed = await service.post(v2(push(ref), { secret }), { wait: "60s" });
  assertEquals([failed.status, failed.json.outcome], [500, "failed"], failed.text);
  backend.refuseWith = undefined;
  const answer = await service.post(v2(push(ref), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, answer.text);
  assertEquals(await checkout.head(), await remote.head());
  assertEquals(await checkout.git("symbolic-ref", "HEAD"), ref);
  assertEquals(await checkout.status(), "");
});

e2e("a clone that was cut off by its timeout is made anew", async (world) => {
  const remote = await world.remote();
  const backend = world.backend();
  const gate = backend.hold(({ path }) => path.endsWith("/git-upload-pack"));
  const checkout = world.at("srv/app");
  const secret = world.secret();
  const service = await world.start({
    repositories: {
      app: { path: checkout.path, secret, remote: backend.url("app.git"), timeout: "2s" },
    },
  });
  const failed = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals([failed.status, failed.json.outcome], [500, "failed"], failed.text);
  assertMatch(String((await service.deployed()).reason), /time|2 ?s/i);
  gate.open();
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, answer.text);
  assertEquals(await checkout.head(), await remote.head());
});

async function inhabited(world: World, file: string) {
  const remote = await world.remote();
  const path = world.file("srv/app");
  Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(`${path}/${file}`, "mine\n");
  const secret = world.secret();
  const service = world.spawn({
    repositories: { app: { path, secret, remote: remote.path } },
  });
  return { path, secret, service };
}

for (const file of ["index.html", ".hidden"]) {
  e2e(`a path that holds ${file} and no git is refused, its files untouched`, async (world) => {
    const { path, secret, service } = await inhabited(world, file);
    const listening = await service.logged("listening").then(() => true, () => false);
    if (listening) {
      const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
      assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
      assertMatch(
        String((await service.deployed()).reason),
        /nor? empty|not empty|not a git|no git/i,
      );
    } else {
      assertMatch(service.stderr, /path/);
    }
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), [file]);
    assertEquals(Deno.readTextFileSync(`${path}/${file}`), "mine\n");
  });
}

e2e(
  "a path below another repository's working tree is not taken for that repository",
  async (world) => {
    // Git looks for .git upwards: an empty folder inside somebody's checkout must not move that one.
    const outer = await world.remote("outer");
    const around = await world.checkout(outer, "srv");
    const before = await around.head();
    await outer.push();
    const remote = await world.remote("app");
    const path = world.file("srv/app");
    Deno.mkdirSync(path);
    const secret = world.secret();
    const service = await world.start({
      repositories: { app: { path, secret, remote: remote.path } },
    });
    const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals(answer.status, 200, answer.text);
    assertEquals(await world.at("srv/app").head(), await remote.head());
    assertEquals(await around.head(), before);
  },
);

e2e("a file at the path is refused and left alone", async (world) => {
  const remote = await world.remote();
  const path = world.file("app");
  Deno.writeTextFileSync(path, "mine\n");
  const secret = world.secret();
  const service = world.spawn({ repositories: { app: { path, secret, remote: remote.path } } });
  const listening = await service.logged("listening").then(() => true, () => false);
  if (listening) {
    const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
    assertMatch(String((await service.deployed()).reason), /not a (directory|folder)/);
  } else {
    assertMatch(service.stderr, /not a (directory|folder)/);
  }
  assertEquals(Deno.readTextFileSync(path), "mine\n");
});

e2e("a missing path without remote is an error that says so", async (world) => {
  const secret = world.secret();
  const path = world.file("srv/none");
  const service = world.spawn({ repositories: { app: { path, secret } } });
  const listening = await service.logged("listening").then(() => true, () => false);
  if (listening) {
    const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
    assertMatch(JSON.stringify(await service.deployed()), /remote/);
  } else {
    assertMatch(service.stderr, /remote/);
  }
  assertEquals(exists(path), false);
});
