import { assertEquals } from "@std/assert";
import { lstat, type Remote, World } from "./world.ts";

/** Adds a submodule at a path of a remote, at the commit that the other one is at. */
async function addModule(world: World, remote: Remote, path: string, module: Remote) {
  const work = world.path(`work-${crypto.randomUUID()}`);
  await world.run(world.root, "clone", "--quiet", remote.path, work);
  const allow = ["-c", "protocol.file.allow=always"];
  await world.run(work, ...allow, "submodule", "--quiet", "add", "--force", module.path, path);
  await world.run(work, "commit", "--quiet", "-m", "module");
  await world.run(work, "push", "--quiet", "origin", "HEAD:main");
}

/** Points a submodule of a remote at another place. */
async function moveModule(world: World, remote: Remote, path: string, module: Remote) {
  const work = world.path(`work-${crypto.randomUUID()}`);
  await world.run(world.root, "clone", "--quiet", remote.path, work);
  await world.run(work, "config", "-f", ".gitmodules", `submodule.${path}.url`, module.path);
  const entry = `160000,${module.tip()},${path}`;
  await world.run(work, "update-index", "--cacheinfo", entry);
  await world.run(work, "commit", "--quiet", "-a", "-m", "moved");
  await world.run(work, "push", "--quiet", "origin", "HEAD:main");
}

for (const strategy of ["pull", "release"] as const) {
  Deno.test(`${strategy} checks submodules out where that is wanted, theirs too, also when their URLs change`, async () => {
    await using world = World.open();
    const inner = await world.remote("inner", { "inner.txt": "inner\n" });
    const module = await world.remote("module", { "module.txt": "module\n" });
    await addModule(world, module, "deep", inner);
    const remote = await world.remote("remote", { "app.py": "one\n" });
    await addModule(world, remote, "lib", module);
    const root = (name: string) => strategy === "release" ? `${name}/current` : name;
    const deploy = (name: string, submodules: boolean | "recursive") => {
      const path = world.path(name);
      return world.deploy({ path, remote: remote.path, strategy, more: { submodules } });
    };
    const has = (name: string, file: string) =>
      lstat(world.path(`${root(name)}/${file}`)) !== undefined;
    for (
      const [name, submodules, expected] of [
        ["none", false, [false, false]],
        ["direct", true, [true, false]],
        ["all", "recursive", [true, true]],
      ] as const
    ) {
      const { result, reason } = await deploy(name, submodules);
      assertEquals([result, reason], ["deployed", undefined], name);
      const found = [has(name, "lib/module.txt"), has(name, "lib/deep/inner.txt")];
      assertEquals(found, [...expected], name);
    }
    const other = await world.remote("other", { "other.txt": "other\n" });
    await moveModule(world, remote, "lib", other);
    const { result, reason } = await deploy("all", "recursive");
    assertEquals([result, reason], ["deployed", undefined]);
    assertEquals([has("all", "lib/other.txt"), has("all", "lib/module.txt")], [true, false]);
  });
}

for (const strategy of ["reset", "release"] as const) {
  Deno.test(`${strategy} fetches no more history than depth says`, async () => {
    await using world = World.open();
    const remote = await world.remote("remote", { "app.py": "0\n" });
    for (let count = 1; count < 6; count++) await remote.commit({ "app.py": `${count}\n` });
    const path = world.path("app");
    // A path alone would be copied, with all its history.
    const target = { path, remote: `file://${remote.path}`, strategy, more: { depth: 2 } };
    assertEquals((await world.deploy(target)).result, "deployed");
    await remote.commit({ "app.py": "6\n" });
    const { result, reason } = await world.deploy(target);
    assertEquals([result, reason], ["deployed", undefined]);
    const repository = strategy === "release" ? `${path}/repository.git` : path;
    assertEquals(await world.run(repository, "rev-parse", "--is-shallow-repository"), "true");
    const tip = "refs/remotes/origin/main";
    assertEquals(await world.run(repository, "rev-list", "--count", tip), "2");
  });
}

Deno.test("pull clones with depth and fast-forwards from there", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "0\n" });
  for (let count = 1; count < 6; count++) await remote.commit({ "app.py": `${count}\n` });
  const target = { path: world.path("app"), remote: `file://${remote.path}`, more: { depth: 1 } };
  assertEquals((await world.deploy(target)).result, "deployed");
  for (let count = 6; count < 9; count++) await remote.commit({ "app.py": `${count}\n` });
  const { result, reason } = await world.deploy(target);
  assertEquals([result, reason], ["deployed", undefined]);
  assertEquals(Deno.readTextFileSync(world.path("app/app.py")), "8\n");
});
