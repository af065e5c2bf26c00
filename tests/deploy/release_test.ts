import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { deployOrder, ownOrder, rollbackOrder } from "../../lib/deploy/order.ts";
import { sha } from "../../lib/values.ts";
import type { Deployment } from "../../lib/delivery.ts";
import type { Target } from "../../lib/deploy/step.ts";
import { lstat, put, type Remote, type TargetText, World } from "./world.ts";

/** A root of releases and its remote. */
class Site {
  readonly path: string;
  constructor(readonly world: World, readonly remote: Remote, readonly more: Partial<Target>) {
    this.path = world.path("site");
  }

  get target(): TargetText {
    const { path, remote, more } = this;
    return { path, remote: remote.path, strategy: "release", more };
  }

  deploy(): Promise<Deployment> {
    return this.world.deploy(this.target);
  }

  /** Commits a text and deploys it. */
  async push(text: string): Promise<Deployment> {
    await this.remote.commit({ "app.py": text });
    return await this.deploy();
  }

  get current(): string {
    return Deno.readLinkSync(`${this.path}/current`);
  }

  get releases(): string[] {
    return [...Deno.readDirSync(`${this.path}/releases`)].map(({ name }) => name)
      .toSorted((a, b) => parseInt(a) - parseInt(b));
  }

  /** Everything directly below the root. */
  get entries(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).toSorted();
  }

  read(name = "app.py"): string {
    return Deno.readTextFileSync(`${this.path}/current/${name}`);
  }

  deployed(): Promise<string | undefined> {
    return this.world.ref(`${this.path}/repository.git`, "refs/hook/deployed");
  }
}

async function open(world: World, more: Partial<Target> = {}): Promise<Site> {
  return new Site(world, await world.remote("remote", { "app.py": "one\n" }), more);
}

/** The commit that a deployment came to. */
function commitOf({ new: commit }: Deployment) {
  return sha(commit!)!;
}

Deno.test("release makes its layout, with current pointing at a release named by number and commit", async () => {
  await using world = World.open();
  const site = await open(world);
  const { result, new: commit, branch, reason } = await site.deploy();
  assertEquals([result, branch, reason], ["deployed", "main", undefined]);
  assertEquals(site.entries, ["current", "releases", "repository.git"]);
  assertEquals(site.current, `releases/1-${commit!.slice(0, 8)}`);
  assertEquals(site.read(), "one\n");
  assertEquals(await site.deployed(), site.remote.tip());
  assertEquals((await site.deploy()).result, "unchanged");
  assertEquals(site.releases.length, 1);
  await world.run(`${site.path}/repository.git`, "fsck", "--strict");
});

Deno.test("release keeps so many releases, and never removes the one that is live", async () => {
  await using world = World.open();
  const site = await open(world, { keep: 2 });
  for (const text of ["a", "b", "c", "d"]) await site.push(text);
  assertEquals(site.releases.map((name) => parseInt(name)), [3, 4]);
  const [back] = site.releases;
  const rolled = await world.order(site.target, rollbackOrder());
  assertEquals([rolled.result, site.current, site.read()], ["deployed", `releases/${back}`, "c"]);
  await world.order({ ...site.target, more: { keep: 1 } }, deployOrder());
  assertEquals([site.read(), site.releases.length], ["d", 1]);
  assertEquals(site.current, `releases/${site.releases[0]}`);
  assertEquals(
    (await world.run(`${site.path}/repository.git`, "worktree", "list")).split("\n").length,
    2,
  );
});

Deno.test("release links shared entries: directories are made, files have to be there", async () => {
  await using world = World.open();
  const site = await open(world, { shared: ["media/", ".env", "var/data/"] });
  const missing = await site.deploy();
  assertEquals([missing.result, missing.kind, missing.step], ["failed", "shared", "share"]);
  assertStringIncludes(missing.reason!, `"${site.path}/shared/.env" does not exist`);
  assertEquals([lstat(`${site.path}/current`), site.releases], [undefined, []]);
  put(site.path, { "shared/.env": "KEY=1\n" });
  assertEquals((await site.deploy()).result, "deployed");
  put(`${site.path}/current`, { "media/upload": "picture" });
  await site.push("two\n");
  assertEquals([site.read(".env"), site.read("media/upload")], ["KEY=1\n", "picture"]);
  assert(Deno.statSync(`${site.path}/shared/var/data`).isDirectory);
  assertEquals(await world.run(`${site.path}/current`, "rev-parse", "HEAD"), site.remote.tip());
});

Deno.test("release refuses a shared path that is in the repository", async () => {
  await using world = World.open();
  const site = await open(world, { shared: ["media/"] });
  await site.deploy();
  const { current } = site;
  await site.remote.commit({ "media/logo.svg": "x" });
  const { result, kind, reason } = await site.deploy();
  assertEquals([result, kind], ["failed", "shared"]);
  assertStringIncludes(reason!, '"media" is both shared and in the repository');
  assertEquals([site.current, site.releases.length], [current, 1]);
});

Deno.test("release removes what it built and leaves current where pre-deploy fails", async () => {
  await using world = World.open();
  const hooks = world.scripts("hooks", { "pre-deploy": "" });
  const site = await open(world, { hooks });
  await site.deploy();
  const { current } = site;
  const before = await site.deployed();
  world.scripts("hooks", {
    "pre-deploy":
      `touch built; test "$HOOK_RELEASE" = "$PWD" || echo elsewhere; cat app.py; exit 1`,
  });
  const { result, step, output } = await site.push("two\n");
  assertEquals([result, step], ["failed", "pre-deploy"]);
  assertStringIncludes(output!, "two");
  assert(!output!.includes("elsewhere"), "it runs in the new release");
  assertEquals([site.current, site.releases.length, site.read()], [current, 1, "one\n"]);
  assertEquals(await site.deployed(), before);
  world.scripts("hooks", { "pre-deploy": "" });
  assertEquals([(await site.deploy()).result, site.read()], ["deployed", "two\n"]);
});

Deno.test("release leaves current at the new release where post-deploy fails, and says so", async () => {
  await using world = World.open();
  const hooks = world.scripts("hooks", { "post-deploy": "" });
  const site = await open(world, { hooks });
  const first = await site.deploy();
  world.scripts("hooks", { "post-deploy": "exit 1" });
  const { result, step } = await site.push("two\n");
  assertEquals([result, step, site.read()], ["failed", "post-deploy", "two\n"]);
  assertEquals<unknown>(await site.deployed(), first.new);
  // Compared by itself, the service leaves the failure alone; a person tries again.
  const own = await world.order(site.target, ownOrder("poll"));
  assertEquals([own.result, site.releases.length], ["unchanged", 2]);
  world.scripts("hooks", { "post-deploy": "" });
  assertEquals((await world.order(site.target, deployOrder())).result, "deployed");
  assertEquals([await site.deployed(), site.read()], [site.remote.tip(), "two\n"]);
});

Deno.test("release goes back without the network, by one rename, and holds", async () => {
  await using world = World.open();
  const site = await open(world);
  const first = await site.deploy();
  await site.push("two\n");
  const third = await site.push("three\n");
  Deno.renameSync(site.remote.path, `${site.remote.path}.away`);
  const back = await world.order(site.target, rollbackOrder(commitOf(first)));
  assertEquals([back.result, back.action, back.reason], ["deployed", "rollback", undefined]);
  assertEquals<unknown>([back.old, back.new], [third.new, first.new]);
  assertEquals([site.read(), site.releases.length], ["one\n", 3]);
  Deno.renameSync(`${site.remote.path}.away`, site.remote.path);
  assertEquals((await site.push("four\n")).result, "held");
  assertEquals(site.read(), "one\n");
  assertEquals((await world.order(site.target, deployOrder())).result, "deployed");
  assertEquals(site.read(), "four\n");
  assertEquals((await site.push("five\n")).result, "deployed");
});

Deno.test("release says where a rollback has nowhere to go", async () => {
  await using world = World.open();
  const site = await open(world, { keep: 1 });
  const none = await world.order(site.target, rollbackOrder());
  assertEquals([none.result, none.reason], ["failed", "nothing is deployed yet"]);
  const first = await site.deploy();
  const only = await world.order(site.target, rollbackOrder());
  assertEquals(only.reason, "there is no earlier deployment to go back to");
  await site.push("two\n");
  const gone = await world.order(site.target, rollbackOrder(commitOf(first)));
  assertStringIncludes(gone.reason!, "is kept any more");
  assertEquals([site.read(), (await site.push("three\n")).result], ["two\n", "deployed"]);
});

Deno.test("release removes what a kill left: half a release, links and repositories aside", async () => {
  await using world = World.open();
  const site = await open(world);
  await site.deploy();
  const tip = await site.remote.commit({ "app.py": "two\n" });
  const half = `2-${tip.slice(0, 8)}`;
  put(site.path, {
    [`releases/${half}/app.py`]: "tw",
    ".hook-0123": { link: `releases/${half}` },
    ".hook-4567.git/HEAD": "ref: refs/heads/main\n",
    "repository.git/index.lock": "",
    "repository.git/hook-deployment.json": JSON.stringify({
      state: "running",
      action: "deploy",
      step: "build",
      new: tip,
      branch: "main",
      release: half,
    }),
  });
  const { result, reason } = await site.deploy();
  assertEquals([result, reason], ["deployed", undefined]);
  assertEquals(site.entries, ["current", "releases", "repository.git"]);
  assertEquals([site.read(), site.current, site.releases.length], ["two\n", `releases/${half}`, 2]);
  await world.run(`${site.path}/repository.git`, "fsck", "--strict");
});

Deno.test("release makes a damaged repository anew, while readers keep the old release", async () => {
  await using world = World.open();
  const site = await open(world);
  await site.deploy();
  const { current } = site;
  Deno.writeTextFileSync(`${site.path}/repository.git/HEAD`, "");
  Deno.removeSync(`${site.path}/repository.git/refs`, { recursive: true });
  assertEquals(site.read(), "one\n");
  const { result, reason } = await site.push("two\n");
  assertEquals([result, reason], ["deployed", undefined]);
  assertEquals(site.read(), "two\n");
  assert(site.current !== current);
  await world.run(`${site.path}/repository.git`, "fsck", "--strict");
  assertEquals((await site.push("three\n")).result, "deployed");
});

Deno.test("release refuses a directory that holds something else", async () => {
  await using world = World.open();
  const site = await open(world);
  put(site.path, { "index.html": "mine" });
  const { result, kind, reason } = await site.deploy();
  assertEquals([result, kind], ["failed", "configuration"]);
  assertStringIncludes(reason!, 'holds "index.html", so it is no root of releases');
  assertEquals(site.entries, ["index.html"]);
});

Deno.test("release follows the remote's default branch when it is renamed", async () => {
  await using world = World.open();
  const site = await open(world);
  await site.deploy();
  const tip = await site.remote.commit({ "app.py": "two\n" }, {
    branch: "trunk",
    parent: site.remote.tip(),
  });
  site.remote.delete("main");
  site.remote.setHead("trunk");
  const { result, branch, new: commit } = await site.deploy();
  assertEquals<unknown>([result, branch, commit], ["deployed", "trunk", tip]);
  assertEquals((await site.deploy()).result, "unchanged");
});

Deno.test("release follows force-pushes", async () => {
  await using world = World.open();
  const site = await open(world);
  await site.deploy();
  await site.push("two\n");
  await site.remote.commit({ "app.py": "other\n" }, { parent: null });
  const { result } = await site.deploy();
  assertEquals([result, site.read()], ["deployed", "other\n"]);
});

Deno.test("release says that current is no link, and touches nothing", async () => {
  await using world = World.open();
  const site = await open(world);
  put(site.path, { "current/index.html": "mine" });
  const { result, reason } = await site.deploy();
  assertEquals(result, "failed");
  assertMatch(reason!, /current" is not a symbolic link/);
  assertEquals(Deno.readTextFileSync(`${site.path}/current/index.html`), "mine");
});

Deno.test("release shows a reader the old tree or the new one, never a mixture, never nothing", async () => {
  await using world = World.open();
  const site = await open(world, { keep: 3 });
  const numbered = (number: number) => ({ "a.txt": `${number}\n`, "z.txt": `${number}\n` });
  await site.remote.commit(numbered(0));
  await site.deploy();
  let latest = 0;
  let reads = 0;
  const problems: string[] = [];
  let over = false;
  const reader = (async () => {
    while (!over) {
      const least = latest;
      try {
        // A reader that has opened its directory stays in one tree.
        const root = Deno.realPathSync(`${site.path}/current`);
        const [a, z] = ["a.txt", "z.txt"].map((name) => Deno.readTextFileSync(`${root}/${name}`));
        if (a !== z) problems.push(`a mixture: ${a} ${z}`);
        if (Number(a) < least - 1) problems.push(`${a} after ${least}`);
      } catch (error) {
        problems.push(String(error));
      }
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  const count = 40;
  for (let number = 1; number <= count; number++) {
    await site.remote.commit(numbered(number));
    const { result, reason } = await site.deploy();
    if (result !== "deployed") problems.push(`${result}: ${reason}`);
    latest = number;
  }
  over = true;
  await reader;
  assertEquals(problems, []);
  assert(reads > count, `${reads} reads`);
  assertEquals(site.releases.length, 3);
});
