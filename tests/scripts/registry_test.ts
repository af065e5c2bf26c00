import { assert, assertEquals, assertRejects } from "@std/assert";
import { findRegistry } from "../../scripts/registry.ts";
import { join } from "node:path";
import { ROOT, TaskError } from "../../scripts/toolchain.ts";
import jsr from "../../import_map.json" with { type: "json" };
import npm from "../../import_map.npm.json" with { type: "json" };

const never = (): Promise<boolean> => Promise.reject(new Error("JSR was asked"));

Deno.test("findRegistry() takes JSR where it answers and npm where it does not", async () => {
  assertEquals((await findRegistry("", () => Promise.resolve(true))).name, "jsr");
  assertEquals((await findRegistry("", () => Promise.resolve(false))).name, "npm");
});

Deno.test("findRegistry() does not ask where one is forced", async () => {
  assertEquals((await findRegistry("npm", never)).name, "npm");
  assertEquals((await findRegistry("jsr", never)).name, "jsr");
});

Deno.test("findRegistry() refuses a registry that it does not know", async () => {
  const error = await assertRejects(() => findRegistry("yarn", never), TaskError, '"yarn"');
  assertEquals(error.code, 2);
});

Deno.test("both import maps name the same npm packages at the same versions", () => {
  assertEquals(others(jsr.imports), others(npm.imports));
});

Deno.test("every @std module of npm's import map has its package in JSR's", () => {
  const packages = Object.keys(jsr.imports);
  for (const specifier of Object.keys(npm.imports).filter(isStd)) {
    const [scope, name] = specifier.split("/");
    assert(packages.includes(`${scope}/${name}/`), `import_map.json lacks ${scope}/${name}/`);
  }
});

Deno.test("every @std module that the code imports is in npm's import map", async () => {
  const known = Object.keys(npm.imports);
  let seen = 0;
  for (const file of await sources(ROOT)) {
    const code = await Deno.readTextFile(file);
    for (const [, specifier = ""] of code.matchAll(/\bfrom "(@std\/[^"]+)"/g)) {
      seen++;
      assert(known.includes(specifier), `import_map.npm.json lacks ${specifier}, see ${file}`);
    }
  }
  assert(seen > 0);
});

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory && !name.startsWith(".") && name !== "dist") found.push(...await sources(path));
    if (name.endsWith(".ts")) found.push(path);
  }
  return found;
}

function isStd(specifier: string): boolean {
  return specifier.startsWith("@std/");
}

function others(imports: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(imports).filter(([specifier]) => !isStd(specifier)));
}
