import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkRepository } from "../lib/check.ts";
import type { Finding } from "../lib/findings.ts";
import { put, targetOf, type TargetText, World } from "./deploy/world.ts";

function check(world: World, target: TargetText): Promise<Finding[]> {
  return checkRepository(targetOf(target), world.git);
}

/** The messages of a level, without the temporary folder. */
function messages(world: World, findings: readonly Finding[], level: Finding["level"]): string[] {
  return findings.filter((each) => each.level === level)
    .map(({ message }) => message.replaceAll(world.root, "DIR"));
}

Deno.test("checkRepository() finds nothing wrong with a checkout that can be deployed, and changes nothing", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  const hooks = world.scripts("hooks", { "pre-deploy": "exit 1" });
  put(world.root, { "app.ini": "x" });
  Deno.utimeSync(world.path("app.ini"), 1, 1);
  const touch = [world.path("app.ini")];
  const before = [app.files(), app.head()];
  const findings = await check(world, { path: app.path, more: { hooks, touch } });
  assertEquals(messages(world, findings, "ok"), [
    '"DIR/app" follows main',
    `the remote answers at ${remote.tip().slice(0, 8)}`,
    '"DIR/app" is writable',
    'the hook "DIR/hooks/pre-deploy" is executable',
    '"DIR/app.ini" can be touched',
  ]);
  assertEquals(findings.length, 5);
  assertEquals([app.files(), app.head()], before);
  assertEquals(Deno.statSync(world.path("app.ini")).mtime!.getTime(), 1000);
});

Deno.test("checkRepository() asks the remote of what is not cloned yet", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  remote.tag("v1");
  for (const strategy of ["pull", "release"] as const) {
    const target = { path: world.path("deep/new/app"), remote: remote.path, strategy };
    const findings = await check(world, target);
    assertEquals(findings.filter(({ level }) => level !== "ok"), [], strategy);
    const tagged = await check(world, { ...target, more: { tags: "v*" } });
    assertEquals(tagged.filter(({ level }) => level !== "ok"), [], strategy);
    const none = await check(world, { ...target, branch: "none" });
    assertEquals(messages(world, none, "fail"), ['the remote answers, but it has no "none"']);
    const other = await check(world, { ...target, more: { tags: "w*" } });
    assertEquals(messages(world, other, "fail"), ['the remote answers, but it has no "w*"']);
  }
});

Deno.test("checkRepository() tells everything that a deployment would fail of, at once", async () => {
  await using world = World.open();
  const [remote, app] = await world.pair();
  put(world.root, { "hooks/post-deploy": "#!/bin/sh\n", "empty/x": "" });
  put(app.path, { "app.py": "mine\n" });
  Deno.renameSync(remote.path, `${remote.path}.away`);
  const findings = await check(world, {
    path: app.path,
    more: { hooks: world.path("hooks"), touch: [world.path("none.ini")] },
  });
  const failures = messages(world, findings, "fail");
  assertStringIncludes(failures[0]!, "there is no repository at the remote's address");
  assertEquals(failures.slice(1), [
    'the hook "DIR/hooks/post-deploy" is not executable: chmod +x DIR/hooks/post-deploy',
    'the file "DIR/none.ini" to touch does not exist',
  ]);
  const warnings = messages(world, findings, "warn");
  assertStringIncludes(warnings.join(), "local changes to tracked files");
  const none = await check(world, { path: app.path, more: { hooks: world.path("empty") } });
  assertStringIncludes(messages(world, none, "warn").join(), "has neither pre-deploy nor");
});

Deno.test("checkRepository() misses the shared files of releases, not the directories", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const path = world.path("site");
  const target = {
    path,
    remote: remote.path,
    strategy: "release",
    more: { shared: [".env", "media/"] },
  } as const;
  const missing = 'the shared file "DIR/site/shared/.env" does not exist';
  assertEquals(messages(world, await check(world, target), "fail"), [missing]);
  put(path, { "shared/.env": "" });
  assertEquals(messages(world, await check(world, target), "fail"), []);
});
