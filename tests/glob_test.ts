import { assertEquals } from "@std/assert";
import { glob } from "../lib/glob.ts";

Deno.test("glob() takes * and ? as a shell does, and never across a slash", () => {
  const cases: [string, string, boolean][] = [
    ["v*", "v1.2.3", true],
    ["v*", "v", true],
    ["v*", "w1", false],
    ["v*", "v1/x", false],
    ["v?.0", "v1.0", true],
    ["v?.0", "v10.0", false],
    ["v?", "v/", false],
    ["release/*", "release/1", true],
    ["v1.0", "v1x0", false],
    ["v1+(x)", "v1+(x)", true],
    ["v*", "xv1", false],
  ];
  for (const [pattern, name, fits] of cases) {
    assertEquals(glob(pattern).test(name), fits, `${pattern} ${name}`);
  }
});
