import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { parseBuildArgs, TARGETS, withoutFolders } from "../../scripts/build.ts";
import { npmRuntimeRefusal } from "../../scripts/runtime.ts";
import { requireDeno, ROOT, TaskError } from "../../scripts/toolchain.ts";

const LINUX = "x86_64-unknown-linux-gnu";

/** The arguments as on the one machine that npm's runtime is for. */
const parse = (...args: string[]) => parseBuildArgs(args, LINUX, "2.7.11");

/** The refusal of some arguments; they have to be refused as wrong usage, with a hint. */
function refusal(args: string[], host: string = LINUX, deno = "2.7.11"): string {
  const error = assertThrows(() => parseBuildArgs(args, host, deno), TaskError);
  assertEquals(error.code, 2);
  return `${error.message}\n${error.hint}`;
}

Deno.test("parseBuildArgs() builds dist/hook with the official runtime by default", () => {
  assertEquals(parse(), {
    target: undefined,
    runtime: "official",
    output: join(ROOT, "dist/hook"),
  });
});

Deno.test("parseBuildArgs() names the file after a target that was asked for", () => {
  for (const target of TARGETS) {
    assertEquals(parse("--target", target).output, join(ROOT, `dist/hook-${target}`));
  }
});

Deno.test("parseBuildArgs() takes npm's runtime for the system and the Deno that it belongs to", () => {
  assertEquals(parse("--runtime=npm").runtime, "npm");
  assertEquals(parse("--runtime=npm", "--target", LINUX).runtime, "npm");
});

Deno.test("parseBuildArgs() refuses npm's runtime with every other target", () => {
  for (const target of TARGETS.filter((target) => target !== LINUX)) {
    assertStringIncludes(refusal(["--runtime=npm", "--target", target]), `not for ${target}`);
  }
});

Deno.test("parseBuildArgs() refuses npm's runtime on another machine", () => {
  assertStringIncludes(refusal(["--runtime=npm"], "aarch64-apple-darwin"), "this machine is");
});

Deno.test("parseBuildArgs() refuses npm's runtime with another Deno, and names the right one", () => {
  const text = refusal(["--runtime=npm"], LINUX, "2.9.6");
  assertStringIncludes(text, "this is 2.9.6");
  assertStringIncludes(text, "deno@2.7.11 task build --runtime=npm");
});

Deno.test("parseBuildArgs() refuses unknown targets, runtimes and options", () => {
  assertStringIncludes(refusal(["--target", "x86_64-pc-windows-msvc"]), "aarch64-apple-darwin");
  assertStringIncludes(refusal(["--runtime=jsr"]), '"jsr"');
  assertStringIncludes(refusal(["--tragte", LINUX]), "--tragte");
  assertStringIncludes(refusal(["main.ts"]), "main.ts");
});

Deno.test("npmRuntimeRefusal() allows exactly one combination", () => {
  assertEquals(npmRuntimeRefusal(LINUX, LINUX, "2.7.11"), undefined);
});

Deno.test("withoutFolders() hides where Deno's cache is and leaves the rest alone", () => {
  const cache = join(ROOT, "../home of/npm/.cache/deno/npm");
  const bundle = [
    "// ../home of/npm/.cache/deno/npm/registry.example.org/valibot/1.5.0/dist/npm/x.mjs",
    '  "../home of/npm/.cache/deno/npm/registry.example.org/deno-std/1.4.0/yaml/parse.js"() {',
    "// lib/queue.ts",
    "// a comment about ../home of/npm/.cache/deno/npm/",
    "const text = `",
    "`;",
  ].join("\n");
  assertEquals(
    withoutFolders(bundle, cache).split("\n"),
    [
      "// npm: valibot/1.5.0/dist/npm/x.mjs",
      '  "npm: deno-std/1.4.0/yaml/parse.js"() {',
      ...bundle.split("\n").slice(2),
    ],
  );
});

Deno.test("requireDeno() refuses what is older than 2.7", () => {
  for (const version of ["1.46.3", "2.6.10"]) {
    assertThrows(() => requireDeno(version), TaskError, `"${version}"`);
  }
  for (const version of ["2.7.0", "2.10.1", "3.0.0"]) requireDeno(version);
});
