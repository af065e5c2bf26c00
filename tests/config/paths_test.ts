import { assertEquals } from "@std/assert";
import { pathProblems } from "../../lib/config/paths.ts";
import { inTemporaryDirectory } from "../support/temporary.ts";

/** Each collision as `name relation`. */
function collisions(paths: Record<string, string>): string[] {
  return pathProblems(Object.entries(paths)).map(({ path, message }) => {
    const [, relation, other] = /, (.*) the path of "(.*)";/.exec(message)!;
    return `${path.join(".")} is ${relation} ${other}`;
  });
}

Deno.test("pathProblems() finds one path twice, and one inside or around another", () => {
  assertEquals(collisions({ a: "/none/x", b: "/none/y", c: "/none/x2" }), []);
  assertEquals(collisions({ a: "/none/x", b: "/none//x/" }), [
    "repositories.b.path is the same directory as a",
  ]);
  assertEquals(collisions({ a: "/none/x", b: "/none/x/y" }), ["repositories.b.path is inside a"]);
  assertEquals(collisions({ a: "/none/x/y", b: "/none/x" }), ["repositories.b.path is around a"]);
});

Deno.test("pathProblems() leaves paths that are none to others", () => {
  assertEquals(collisions({ a: "/", b: "relative", c: "relative", d: "", e: "/none" }), []);
});

Deno.test("pathProblems() follows links as far as there is something", async () => {
  await inTemporaryDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/real/app`, { recursive: true });
    await Deno.symlink(`${dir}/real`, `${dir}/link`);
    await Deno.symlink(`${dir}/nowhere`, `${dir}/dangling`);
    const at = (b: string) => collisions({ a: `${dir}/real/app`, b: `${dir}/${b}` });
    assertEquals(at("link/app"), ["repositories.b.path is the same directory as a"]);
    assertEquals(at("link/app/new/deep"), ["repositories.b.path is inside a"]);
    assertEquals(at("link"), ["repositories.b.path is around a"]);
    assertEquals(at("link/app2"), []);
    assertEquals(at("dangling/app"), []);
  });
});
