import { assertEquals } from "@std/assert";
import { CheckedOutBranches } from "../lib/branches.ts";
import { put, targetOf, World } from "./deploy/world.ts";

Deno.test("CheckedOutBranches.of() tells the branch of a checkout, and notices a switch a second later", async () => {
  await using world = World.open();
  const app = world.empty("app", "main");
  const target = targetOf({ path: app.path });
  let time = 0;
  const branches = new CheckedOutBranches(() => time);
  assertEquals<unknown>(await branches.of(target), "main");
  put(app.path, { ".git/HEAD": "ref: refs/heads/next\n" });
  time = 999;
  assertEquals<unknown>(await branches.of(target), "main", "the disk is not read at every push");
  time = 1001;
  assertEquals<unknown>(await branches.of(target), "next");
});

Deno.test("CheckedOutBranches.of() looks into the bare repository of releases", async () => {
  await using world = World.open();
  put(world.path("app/repository.git"), { HEAD: "ref: refs/heads/trunk\n" });
  const branches = new CheckedOutBranches(() => 0);
  const target = targetOf({ path: world.path("app"), strategy: "release" });
  assertEquals<unknown>(await branches.of(target), "trunk");
});

Deno.test("CheckedOutBranches.of() knows nothing of what is missing, detached or no repository", async () => {
  await using world = World.open();
  put(world.root, { file: "x", "detached/.git/HEAD": "0".repeat(40), "other/x": "" });
  const branches = new CheckedOutBranches(() => 0);
  for (const name of ["missing", "file", "detached", "other"]) {
    assertEquals(await branches.of(targetOf({ path: world.path(name) })), undefined, name);
  }
});
