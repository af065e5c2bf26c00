/** The strategy `pull`: it fast-forwards, and never loses local work. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type App,
  CAN_SEE_PROCESSES,
  Checkout,
  e2e,
  exists,
  kill,
  NEEDS_ROOT,
  processesNaming,
  push,
  until,
  v2,
  type World,
} from "./harness.ts";

const REF = "refs/heads/master";

/** Everything about a checkout that a refused deployment must leave alone. */
async function picture(checkout: Checkout): Promise<string> {
  const files = await checkout.git("ls-files", "-s", "--", ".");
  return [await checkout.head(), await checkout.status(), files, await contents(checkout.path)]
    .join("\n");
}

function contents(folder: string): Promise<string> {
  const lines: string[] = [];
  const walk = (path: string) => {
    for (const entry of Deno.readDirSync(path)) {
      if (entry.name === ".git") continue;
      const inner = `${path}/${entry.name}`;
      if (entry.isDirectory) walk(inner);
      else lines.push(`${inner.slice(folder.length)}: ${Deno.readTextFileSync(inner)}`);
    }
  };
  walk(folder);
  return Promise.resolve(lines.sort().join("\n"));
}

/** Posts a push and checks that it fails and that the checkout stays exactly as it was. */
async function assertRefused(app: App, reason: RegExp, hint?: RegExp): Promise<void> {
  const before = await picture(app.checkout);
  const ended = app.service.deployments().length;
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
  assertEquals(await picture(app.checkout), before, "the checkout is as it was");
  const line = await app.service.deployed(ended + 1);
  assertEquals(line.result, "failed");
  assertMatch(`${line.reason} ${line.output ?? ""}`, reason);
  if (hint !== undefined) assertMatch(String(line.hint), hint);
}

async function assertDeployed(app: App, tip: string): Promise<void> {
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [200, "deployed"], answer.text);
  assertEquals(await app.checkout.head(), tip);
}

for (const http of [false, true]) {
  e2e(`pull fast-forwards from a remote over ${http ? "http" : "a path"}`, async (world) => {
    const app = await world.app({ http });
    const tip = await app.remote.push({
      "app.py": "version = 2\n",
      "README": null,
      "bin/run": { text: "#!/bin/sh\n", mode: 0o755 },
      "深/文件.txt": "内容\n",
    });
    await assertDeployed(app, tip);
    assertEquals(app.checkout.read("app.py"), "version = 2\n");
    assertEquals(app.checkout.read("深/文件.txt"), "内容\n");
    assertEquals(exists(`${app.checkout.path}/README`), false);
    const mode = Deno.statSync(`${app.checkout.path}/bin/run`).mode ?? 0;
    assertEquals(mode & 0o111, 0o111, "executable");
    assertEquals(await app.checkout.status(), "");
    assertEquals(await app.checkout.git("symbolic-ref", "HEAD"), REF, "still on its branch");
  });
}

e2e("pull says unchanged where there is nothing new, and touches nothing", async (world) => {
  const app = await world.app();
  const stamp = Deno.statSync(`${app.checkout.path}/app.py`).mtime;
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [200, "unchanged"]);
  assertEquals((await app.service.deployed()).result, "unchanged");
  assertEquals(Deno.statSync(`${app.checkout.path}/app.py`).mtime, stamp);
});

e2e("pull takes the branch that the checkout is on", async (world) => {
  const app = await world.app({ branch: "release/2026" });
  const tip = await app.remote.push();
  const other = await app.service.post(v2(push(REF), { secret: app.secret }));
  assertEquals(other.json.outcome, "ignored");
  const posting = v2(push("refs/heads/release/2026"), { secret: app.secret });
  const answer = await app.service.post(posting, { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await app.checkout.head(), tip);
});

e2e(
  "pull skips commits: the remote's tip is deployed, however many pushes came before",
  async (world) => {
    const app = await world.app();
    for (let count = 0; count < 3; count++) await app.remote.push();
    await assertDeployed(app, await app.remote.head());
  },
);

e2e("pull keeps local changes that are in no one's way", async (world) => {
  const app = await world.app();
  const tip = await app.remote.push({ "other.py": "new = True\n" });
  app.checkout.write({ "app.py": "version = local\n", "notes.txt": "mine\n" });
  await assertDeployed(app, tip);
  assertEquals(app.checkout.read("app.py"), "version = local\n");
  assertEquals(app.checkout.read("notes.txt"), "mine\n");
});

e2e("pull keeps staged changes that are in no one's way", async (world) => {
  const app = await world.app();
  app.checkout.write({ "staged.py": "mine = 1\n" });
  await app.checkout.git("add", "staged.py");
  const tip = await app.remote.push({ "other.py": "new = True\n" });
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals(app.checkout.read("staged.py"), "mine = 1\n", answer.text);
  assertEquals(await app.checkout.head(), tip);
  assertMatch(await app.checkout.status(), /^A {2}staged\.py$/m);
});

interface Obstacle {
  name: string;
  /** What is in the way in the checkout. */
  local: (app: App) => Promise<void> | void;
  /** What the remote brings. */
  remote: Record<string, string | null>;
  /** What the reason has to name. */
  names: RegExp;
}

const OBSTACLES: Obstacle[] = [
  {
    name: "a local change to a file that the push changes",
    local: ({ checkout }) => checkout.write({ "app.py": "version = local\n" }),
    remote: { "app.py": "version = 2\n", "a.py": "before it\n", "z.py": "after it\n" },
    names: /app\.py/,
  },
  {
    name: "a staged change to a file that the push changes",
    local: async ({ checkout }) => {
      checkout.write({ "app.py": "version = local\n" });
      await checkout.git("add", "app.py");
    },
    remote: { "app.py": "version = 2\n", "a.py": "before it\n" },
    names: /app\.py/,
  },
  {
    name: "a local change to a file that the push removes",
    local: ({ checkout }) => checkout.write({ "app.py": "version = local\n" }),
    remote: { "app.py": null, "a.py": "before it\n" },
    names: /app\.py/,
  },
  {
    name: "an untracked file where the push adds one",
    local: ({ checkout }) => checkout.write({ "settings.py": "SECRET = 'local'\n" }),
    remote: { "settings.py": "SECRET = ''\n", "a.py": "before it\n" },
    names: /settings\.py/,
  },
  {
    name: "an ignored file where the push adds one",
    local: async ({ checkout }) => {
      await Deno.writeTextFile(`${checkout.path}/.git/info/exclude`, "settings.py\n");
      checkout.write({ "settings.py": "SECRET = 'local'\n" });
    },
    remote: { "settings.py": "SECRET = ''\n", "a.py": "before it\n" },
    names: /settings\.py/,
  },
  {
    name: "an untracked file where the push adds a folder",
    local: ({ checkout }) => checkout.write({ "media": "an upload\n" }),
    remote: { "media/index.html": "<p>\n", "a.py": "before it\n" },
    names: /media/,
  },
  {
    name: "an ignored file where the push adds a folder",
    local: async ({ checkout }) => {
      await Deno.writeTextFile(`${checkout.path}/.git/info/exclude`, "media\n");
      checkout.write({ "media": "an upload\n" });
    },
    remote: { "media/index.html": "<p>\n", "a.py": "before it\n" },
    names: /media/,
  },
  {
    name: "an untracked folder where the push adds a file",
    local: ({ checkout }) => checkout.write({ "media/photo": "an upload\n" }),
    remote: { "media": "a file\n", "a.py": "before it\n" },
    names: /media/,
  },
  {
    name: "an ignored folder where the push adds a file",
    local: async ({ checkout }) => {
      await Deno.writeTextFile(`${checkout.path}/.git/info/exclude`, "media/\n");
      checkout.write({ "media/photo": "an upload\n" });
    },
    remote: { "media": "a file\n", "a.py": "before it\n" },
    names: /media/,
  },
];

for (const { name, local, remote, names } of OBSTACLES) {
  e2e(`pull refuses ${name}, changes nothing, and deploys once it is gone`, async (world) => {
    const app = await world.app();
    await local(app);
    const tip = await app.remote.push(remote);
    await assertRefused(app, names);
    await app.checkout.git("reset", "-q", "--hard");
    await app.checkout.git("clean", "-q", "-f", "-d", "-x");
    await assertDeployed(app, tip);
  });
}

e2e(
  "pull is not talked into stashing, rebasing or merging by the user's configuration",
  async (world) => {
    const app = await world.app();
    const settings = {
      "merge.autoStash": "true",
      "rebase.autoStash": "true",
      "pull.rebase": "true",
    };
    for (const [key, value] of Object.entries({ ...settings, "merge.ff": "false" })) {
      await world.git(world.dir, "config", "--global", key, value);
    }
    await assertDeployed(app, await app.remote.push({ "other.py": "new = True\n" }));
    app.checkout.write({ "app.py": "version = local\n" });
    await app.remote.push({ "app.py": "version = 2\n" });
    await assertRefused(app, /app\.py/);
    assertEquals(await app.checkout.git("stash", "list"), "");
  },
);

e2e("pull keeps an untracked file where the push adds the very same", async (world) => {
  const app = await world.app();
  app.checkout.write({ "same.txt": "same\n" });
  await app.remote.push({ "same.txt": "same\n" });
  // Git refuses that as well; whichever it is, the content stays.
  await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals(app.checkout.read("same.txt"), "same\n");
});

e2e("pull refuses a diverged branch with git's reason and a hint naming reset", async (world) => {
  const app = await world.app();
  app.checkout.write({ "local.py": "mine = 1\n" });
  await app.checkout.git("add", "local.py");
  await app.checkout.git("commit", "-q", "-m", "local work");
  await app.remote.push({ "app.py": "version = 2\n" });
  await assertRefused(app, /diverg|fast-forward/i, /reset/);
});

e2e("pull refuses a force-push and keeps the old commit", async (world) => {
  const app = await world.app();
  const old = await app.remote.push({ "app.py": "version = 2\n" });
  await assertDeployed(app, old);
  await app.remote.forcePush({ "app.py": "version = rewritten\n" });
  await assertRefused(app, /diverg|fast-forward/i, /reset/);
  assertEquals(await app.checkout.head(), old);
});

e2e("pull keeps local commits where the remote has nothing new", async (world) => {
  const app = await world.app();
  app.checkout.write({ "local.py": "mine = 1\n" });
  await app.checkout.git("add", "local.py");
  await app.checkout.git("commit", "-q", "-m", "local work");
  const before = await app.checkout.head();
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [200, "unchanged"], answer.text);
  assertEquals(await app.checkout.head(), before);
});

e2e("pull refuses a branch that the remote no longer has", async (world) => {
  const app = await world.app();
  await app.remote.git("push", "-q", "origin", "HEAD:refs/heads/other");
  await app.remote.git("-C", app.remote.path, "update-ref", "-d", REF);
  await assertRefused(app, /master/);
});

e2e("pull runs the checkout's own hooks as git pull would", async (world) => {
  const app = await world.app();
  const mark = world.file("post-merge-ran");
  postMerge(app.checkout, `echo "$1" > '${mark}'`);
  await assertDeployed(app, await app.remote.push());
  assertEquals(Deno.readTextFileSync(mark), "0\n");
});

function postMerge(checkout: Checkout, ...lines: string[]): void {
  const hook = `${checkout.path}/.git/hooks/post-merge`;
  Deno.writeTextFileSync(hook, ["#!/bin/sh", ...lines, ""].join("\n"));
  Deno.chmodSync(hook, 0o755);
}

e2e("pull is not held up by what a hook leaves in the background", async (world) => {
  const app = await world.app();
  const file = world.file("pid");
  // It keeps the hook's streams open: who waits for their end waits for it.
  postMerge(app.checkout, "sleep 300 &", `echo $! > '${file}'`);
  const tip = await app.remote.push();
  await assertDeployed(app, tip);
  kill(Number(Deno.readTextFileSync(file)));
});

e2e("pull ends a hook that hangs at its timeout, with all that it started", async (world) => {
  const app = await world.app({ repository: { timeout: "2s" } });
  postMerge(app.checkout, "sleep 300 & sleep 300");
  await app.remote.push();
  await app.service.post(v2(push(REF), { secret: app.secret }));
  const line = await app.service.deployed();
  assertEquals(line.result, "failed");
  assertMatch(String(line.reason), /time|2 ?s/i);
  await until(
    () => processesNaming([app.checkout.path], [app.service.pid]).length === 0,
    "no process is left of the hook",
  );
});

e2e("pull bounds what it keeps of the output", async (world) => {
  const app = await world.app();
  postMerge(app.checkout, "yes 'many words of output' | head -c 20000000");
  await assertDeployed(app, await app.remote.push());
  await app.service.deployed();
  for (const line of app.service.stdout.split("\n")) {
    assert(line.length < 100_000, `a line of ${line.length} characters`);
  }
});

e2e("pull reports a lock that somebody left, and deploys when it is gone", async (world) => {
  const app = await world.app();
  const tip = await app.remote.push();
  const lock = `${app.checkout.path}/.git/index.lock`;
  Deno.writeTextFileSync(lock, "");
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
  assertMatch(JSON.stringify(await app.service.deployed()), /index\.lock/);
  assert(exists(lock), "not ours to remove: another git may hold it");
  Deno.removeSync(lock);
  await assertDeployed(app, tip);
});

e2e("pull follows a branch whose name is not ASCII", async (world) => {
  const branch = "特性/分支";
  const app = await world.app({ branch, repository: { branch } });
  const tip = await app.remote.push();
  const posting = v2(push(`refs/heads/${branch}`), { secret: app.secret });
  const answer = await app.service.post(posting, { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await app.checkout.head(), tip);
});

for (const state of ["on another branch", "detached"]) {
  e2e(
    `pull of a configured branch takes over a checkout ${state}, keeping local work`,
    async (world) => {
      const { remote, checkout, secret, config } = await configured(world, { branch: "master" });
      await (state === "detached"
        ? checkout.git("checkout", "-q", "--detach")
        : checkout.git("checkout", "-q", "-b", "work"));
      checkout.write({ "README": "changed here\n", "notes.txt": "mine\n" });
      const service = await world.start(config);
      const tip = await remote.push({ "app.py": "version = 2\n" });
      const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
      assertEquals(answer.json.outcome, "deployed", answer.text);
      assertEquals([await checkout.head(), await checkout.git("symbolic-ref", "HEAD")], [tip, REF]);
      assertEquals([checkout.read("README"), checkout.read("notes.txt")], [
        "changed here\n",
        "mine\n",
      ]);
    },
  );

  e2e(`pull refuses local work in the way in a checkout ${state}`, async (world) => {
    const { remote, checkout, secret, config } = await configured(world, { branch: "master" });
    await (state === "detached"
      ? checkout.git("checkout", "-q", "--detach")
      : checkout.git("checkout", "-q", "-b", "work"));
    const head = await checkout.git("rev-parse", "--symbolic-full-name", "HEAD");
    Deno.writeTextFileSync(`${checkout.path}/.git/info/exclude`, "settings.py\n");
    checkout.write({ "app.py": "version = local\n", "settings.py": "SECRET = 'local'\n" });
    const before = await picture(checkout);
    const service = await world.start(config);
    await remote.push({ "app.py": "version = 2\n" });
    const posting = () => v2(push(REF), { secret });
    assertEquals((await service.post(posting(), { wait: "60s" })).json.outcome, "failed");
    assertEquals(await picture(checkout), before);
    await checkout.git("checkout", "-q", "--", "app.py");
    await remote.push({ "settings.py": "SECRET = ''\n" });
    assertEquals((await service.post(posting(), { wait: "60s" })).json.outcome, "failed");
    assertEquals(checkout.read("settings.py"), "SECRET = 'local'\n");
    assertEquals(await checkout.git("rev-parse", "--symbolic-full-name", "HEAD"), head);
  });
}

e2e("pull works where the path is a symlink to the checkout", async (world) => {
  const { remote, checkout, secret } = await configured(world, {});
  const path = world.file("link");
  Deno.symlinkSync(checkout.path, path);
  const service = await world.start({ repositories: { app: { path, secret } } });
  const tip = await remote.push();
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await checkout.head(), tip);
});

e2e("pull works in a linked worktree, and leaves the main one alone", async (world) => {
  const { remote, checkout, secret } = await configured(world, {});
  await checkout.git("checkout", "-q", "-b", "work");
  const before = await checkout.head();
  const linked = world.at("srv/linked");
  await checkout.git("worktree", "add", "-q", linked.path, "master");
  const service = await world.start({ repositories: { app: { path: linked.path, secret } } });
  const tip = await remote.push();
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals([await linked.head(), await checkout.head()], [tip, before]);
});

e2e("pull fast-forwards a shallow checkout", async (world) => {
  const remote = await world.remote();
  for (let count = 0; count < 3; count++) await remote.push();
  const checkout = world.at("srv/app");
  await world.git(world.dir, "clone", "-q", "--depth=1", `file://${remote.path}`, checkout.path);
  const secret = world.secret();
  const service = await world.start({ repositories: { app: { path: checkout.path, secret } } });
  for (let count = 0; count < 3; count++) await remote.push();
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await checkout.head(), await remote.head());
});

e2e("pull works on a path with spaces, quotes and non-ASCII", async (world) => {
  const folder = "srv/my app's “网站” $(touch x) `y` \\ ;&";
  const app = await world.app({ folder });
  await assertDeployed(app, await app.remote.push({ "app.py": "version = 2\n" }));
});

e2e("pull fetches with a remote URL whose password never reaches the log", async (world) => {
  const remote = await world.remote();
  const backend = world.backend();
  const password = world.secret();
  backend.credentials = `deployer:${password}`;
  const checkout = await world.checkout(
    remote,
    "srv/app",
    backend.url("app.git", `deployer:${password}`),
  );
  const secret = world.secret();
  const service = await world.start({ repositories: { app: { path: checkout.path, secret } } });
  const tip = await remote.push();
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await checkout.head(), tip);
  // Git puts the URL into its complaints: those must come without the password as well.
  for (const status of [500, 404, 403]) {
    backend.refuseWith = status;
    const failed = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals([failed.status, failed.json.outcome], [500, "failed"]);
    assert(!failed.text.includes(password), "not in the answer");
  }
});

for (const status of [401, 404, 500]) {
  e2e(
    `pull reports a remote that answers ${status}, and deploys when it is well again`,
    async (world) => {
      const app = await world.app({ http: true });
      const tip = await app.remote.push();
      app.backend.refuseWith = status;
      await assertRefused(app, /./);
      app.backend.refuseWith = undefined;
      const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
      assertEquals(answer.status, 200, answer.text);
      assertEquals(await app.checkout.head(), tip);
    },
  );
}

e2e("pull reports a remote that asks for a password, without waiting for one", async (world) => {
  const app = await world.app({ http: true });
  await app.remote.push();
  app.backend.credentials = "nobody:knows";
  await assertRefused(app, /could not read Username|[Aa]uthentication|password|credential/);
});

e2e("pull ends at its timeout with a remote that hangs, and no git stays behind", async (world) => {
  // Accepts, reads, and never answers.
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of silent) connections.push(connection);
  })();
  world.onEnd(async () => {
    silent.close();
    for (const connection of connections) connection.close();
    await accepting.catch(() => {});
  });
  const url = `http://127.0.0.1:${silent.addr.port}/app.git`;
  const remote = await world.remote();
  const checkout = await world.checkout(remote);
  await checkout.git("remote", "set-url", "origin", url);
  const secret = world.secret();
  const service = await world.start({
    repositories: { app: { path: checkout.path, secret, timeout: "2s" } },
  });
  await service.post(v2(push(REF), { secret }));
  await until(() => connections.length > 0, "a connection to the remote");
  if (CAN_SEE_PROCESSES) {
    const running = processesNaming([url, checkout.path], [service.pid]);
    assert(running.length > 0, "git is seen while it hangs");
  }
  const line = await service.deployed();
  assertEquals(line.result, "failed");
  assertMatch(String(line.reason), /time|2 ?s/i);
  await until(
    () => processesNaming([url, checkout.path], [service.pid]).length === 0,
    "no process is left of the deployment",
  );
  assertEquals(exists(`${checkout.path}/.git/index.lock`), false);
  await checkout.git("remote", "set-url", "origin", remote.path);
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.status, 200, "the repository is usable again");
});

e2e("pull explains dubious ownership with the command that mends it", async (world) => {
  const app = await world.app();
  const before = await app.checkout.head();
  await app.remote.push();
  for (const path of [app.checkout.path, `${app.checkout.path}/.git`]) {
    Deno.chownSync(path, 12345, 12345);
  }
  const answer = await app.service.post(v2(push(REF), { secret: app.secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
  const line = await app.service.deployed();
  assertMatch(`${line.reason} ${line.output}`, /dubious ownership/);
  assertStringIncludes(String(line.hint), "safe.directory");
  assertStringIncludes(String(line.hint), app.checkout.path);
  for (const path of [app.checkout.path, `${app.checkout.path}/.git`]) Deno.chownSync(path, 0, 0);
  assertEquals(await app.checkout.head(), before);
}, { skip: NEEDS_ROOT });

async function configured(world: World, repository: Record<string, unknown>) {
  const remote = await world.remote();
  const checkout = await world.checkout(remote);
  const secret = world.secret();
  const config = { repositories: { app: { path: checkout.path, secret, ...repository } } };
  return { remote, checkout, secret, config };
}

e2e("a detached checkout without branch is an error", async (world) => {
  const { checkout, secret, config } = await configured(world, {});
  await checkout.git("checkout", "-q", "--detach");
  const before = await checkout.head();
  const service = world.spawn(config);
  // The contract calls it an error and leaves open whether of the start or of the deployment.
  const listening = service.logged("listening").then(() => true, () => false);
  if (await listening) {
    const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
    assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
    assertMatch(String((await service.deployed()).reason), /detached/);
  } else {
    assertEquals((await service.exit()).code === 0, false);
    assertMatch(service.stderr, /detached/);
  }
  assertEquals(await checkout.head(), before);
});

e2e("remote in the configuration updates the checkout's origin", async (world) => {
  const moved = world.file("remotes/moved.git");
  const { remote, checkout, secret, config } = await configured(world, { remote: moved });
  await world.git(world.dir, "clone", "-q", "--bare", remote.path, moved);
  await remote.git("remote", "set-url", "origin", moved);
  const tip = await remote.push();
  const service = await world.start(config);
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals(await checkout.head(), tip);
  assertEquals(await checkout.git("remote", "get-url", "origin"), moved);
});

e2e("remote in the configuration with unrelated history is an error", async (world) => {
  const stranger = await world.remote("stranger");
  await stranger.forcePush({ "README": "another project\n" });
  const { checkout, secret, config } = await configured(world, { remote: stranger.path });
  const before = await checkout.head();
  const service = await world.start(config);
  const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
  assertEquals([answer.status, answer.json.outcome], [500, "failed"], answer.text);
  assertMatch(String((await service.deployed()).reason), /unrelated|history|histories/);
  assertEquals(await checkout.head(), before);
});

e2e("a branch called like an option is refused or harmless", async (world) => {
  const mark = world.file("pwned");
  for (const branch of ["--force", "-x", `--upload-pack=touch ${mark}`, "HEAD", "@{-1}", "a..b"]) {
    await world.step(branch, async () => {
      const { config } = await configured(world, { branch });
      const finished = await world.refused(config);
      assertEquals(finished.code, 2, finished.stdout);
      assertStringIncludes(finished.stderr, "branch");
      assertEquals(exists(mark), false);
      for (const folder of ["remotes/app.git", "authors/app", "srv/app"]) {
        Deno.removeSync(world.file(folder), { recursive: true });
      }
    });
  }
});

e2e("a remote called like an option or a helper runs nothing", async (world) => {
  const mark = world.file("pwned");
  const remotes = [
    `--upload-pack=touch ${mark}`,
    `ext::sh -c touch% ${mark}`,
    `-oProxyCommand=touch ${mark}`,
    `ssh://-oProxyCommand=touch\${IFS}${mark}/x`,
  ];
  for (const remote of remotes) {
    await world.step(remote.replace(world.dir, ""), async () => {
      const secret = world.secret();
      const path = world.file("srv/none");
      const service = world.spawn({ repositories: { app: { path, secret, remote } } });
      const listening = await service.logged("listening").then(() => true, () => false);
      if (listening) {
        const answer = await service.post(v2(push(REF), { secret }), { wait: "60s" });
        assert(answer.status === 500 || answer.json.outcome === "ignored", answer.text);
      } else {
        assertEquals((await service.exit()).code, 2);
        assertStringIncludes(service.stderr, "remote");
      }
      await service.stop().catch(() => {});
      assertEquals(exists(mark), false, "nothing was run");
    });
  }
});

e2e("a ref in the payload that looks like an option is ignored", async (world) => {
  const { service, secret } = await world.app();
  for (const ref of ["--upload-pack=x", "refs/heads/--force", "refs/heads/-x", "-", ""]) {
    const answer = await service.post(v2(push(ref), { secret }));
    assert(answer.json.outcome === "ignored" || answer.status === 400, `${ref}: ${answer.text}`);
  }
  assertEquals(service.deployments(), []);
});
