import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { planTests } from "../../scripts/test.ts";
import { ROOT } from "../../scripts/toolchain.ts";

const THERE = ["tests", "tests/", "tests/queue_test.ts", "tests/e2e/pull_test.ts"];
const exists = (path: string) => path.startsWith("/") || THERE.includes(path);
const plan = (...args: string[]) => planTests(args, exists);

Deno.test("planTests() does everything where no file is named", () => {
  const all = ["--ignore=tests/long", "tests/"];
  assertEquals(plan(), { check: true, binary: true, args: all });
  assertEquals(plan("--filter", "x"), {
    check: true,
    binary: true,
    args: ["--filter", "x", ...all],
  });
});

Deno.test("planTests() runs a named unit test without checks and build", () => {
  assertEquals(plan("tests/queue_test.ts", "--filter", "x"), {
    check: false,
    binary: false,
    args: ["tests/queue_test.ts", "--filter", "x"],
  });
});

Deno.test("planTests() builds for an end-to-end test and for a folder that holds them", () => {
  const driven = ["tests/e2e/pull_test.ts", "tests", "tests/", join(ROOT, "tests/e2e")];
  for (const path of [...driven, join(ROOT, "tests/long")]) {
    assertEquals(plan(path).binary, true, path);
  }
  assertEquals(plan(join(ROOT, "tests/e2e_helper_test.ts")).binary, false);
});
