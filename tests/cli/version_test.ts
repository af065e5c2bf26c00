import { assertEquals, assertMatch } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { runCli } from "../support/fake_io.ts";

/** The path by which git is found, and nothing else of the environment. */
const PATH = { PATH: Deno.env.get("PATH")! };

Deno.test("hook version prints one line with the versions that a report needs", async () => {
  const { code, stdout, stderr } = await runCli(["version"], PATH);
  assertEquals([code, stderr], [0, ""]);
  const { deno, v8 } = Deno.version;
  const expected = `hook ${manifest.version} (Deno ${deno}, V8 ${v8}, git `;
  assertEquals(stdout.slice(0, expected.length), expected);
  assertMatch(stdout.slice(expected.length), /^\d+\.\d+[\w.]*\)\n$/);
});

Deno.test("hook version --json prints the permissions of the binary", async () => {
  const { code, stdout, stderr } = await runCli(["version", "--json"], PATH);
  assertEquals([code, stderr], [0, ""]);
  const { git, ...facts } = JSON.parse(stdout);
  assertMatch(git, /^\d+\.\d+/);
  const { deno, v8 } = Deno.version;
  const { version, permissions } = manifest;
  assertEquals(facts, { version, deno, v8, permissions: permissions.service });
});
