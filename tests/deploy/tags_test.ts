import { assertEquals, assertStringIncludes } from "@std/assert";
import { chooseTag, type Refs } from "../../lib/deploy/fetch.ts";
import { ownOrder } from "../../lib/deploy/order.ts";
import { sha } from "../../lib/values.ts";
import { World } from "./world.ts";

/** Refs whose commits are told apart by their place. */
function refs(...names: string[]): Refs {
  return {
    commits: new Map(names.map((name, index) => [name, sha(`${index}`.padStart(40, "a"))!])),
  };
}

Deno.test("chooseTag() takes the highest of those that match and are new", () => {
  const tags = ["v1.2", "v1.10", "w9"].map((name) => `refs/hook/remote-tags/${name}`);
  assertEquals(chooseTag(refs(...tags), "v*")?.name, "v1.10");
  assertEquals(chooseTag(refs(...tags), "v*")?.matching, ["v1.2", "v1.10"]);
  assertEquals(chooseTag(refs(...tags, "refs/hook/tags/v1.10"), "v*")?.name, "v1.2");
  assertEquals(
    chooseTag(refs(...tags, "refs/hook/tags/v1.10", "refs/hook/tags/v1.2"), "v*"),
    undefined,
  );
  assertEquals(chooseTag(refs("refs/tags/v1"), "v*"), undefined, "a tag of the checkout's own");
});

for (const strategy of ["pull", "reset", "release"] as const) {
  Deno.test(`${strategy} follows tags by version, and deploys a new one though it is lower`, async () => {
    await using world = World.open();
    const remote = await world.remote("remote", { "app.py": "1.9\n" });
    remote.tag("v1.9.0");
    await remote.commit({ "app.py": "1.10\n" });
    remote.tag("v1.10.0");
    await remote.commit({ "app.py": "rc\n" });
    remote.tag("v1.10.0-rc.1");
    await remote.commit({ "app.py": "main\n" });
    remote.tag("nightly");
    const path = world.path("app");
    const target = { path, remote: remote.path, strategy, more: { tags: "v*" } };
    const read = () => {
      return Deno.readTextFileSync(`${path}/${strategy === "release" ? "current/" : ""}app.py`);
    };
    const first = await world.deploy(target);
    assertEquals([first.result, first.branch, read()], ["deployed", "v1.10.0", "1.10\n"]);
    assertEquals((await world.deploy(target)).result, "unchanged");
    await remote.commit({ "app.py": "1.9.1\n" });
    remote.tag("v1.9.1");
    const patch = await world.order(target, ownOrder("poll"));
    assertEquals([patch.result, patch.branch, read()], ["deployed", "v1.9.1", "1.9.1\n"]);
    await remote.commit({ "app.py": "2\n" });
    remote.tag("other");
    assertEquals((await world.deploy(target)).result, "unchanged");
    assertEquals((await world.deploy(target)).result, "unchanged");
  });
}

Deno.test("deploy() says that no tag matches", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  const more = { tags: "v*" };
  const { result, kind, reason } = await world.deploy({
    path: world.path("app"),
    remote: remote.path,
    more,
  });
  assertEquals([result, kind], ["failed", "no-branch"]);
  assertStringIncludes(reason!, 'the remote has no tag "v*"');
});

Deno.test("deploy() takes an annotated tag for its commit", async () => {
  await using world = World.open();
  const remote = await world.remote("remote", { "app.py": "one\n" });
  await world.run(remote.path, "tag", "-a", "-m", "x", "v1", "main");
  const target = { path: world.path("app"), remote: remote.path, more: { tags: "v*" } };
  const { new: commit } = await world.deploy(target);
  assertEquals<unknown>(commit, remote.tip());
});
