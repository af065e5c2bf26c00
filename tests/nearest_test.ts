import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { nearest } from "../lib/nearest.ts";
import { anyText } from "./support/texts.ts";

const KEYS = [
  "path",
  "secret",
  "provider",
  "remote",
  "branch",
  "strategy",
  "timeout",
  "allow_from",
];

Deno.test("nearest() finds the word that a slip of the finger was meant to be", () => {
  for (
    const [word, meant] of [
      ["brnch", "branch"],
      ["barnch", "branch"],
      ["branches", "branch"],
      ["pth", "path"],
      ["secrets", "secret"],
      ["allowfrom", "allow_from"],
      ["allow-from", "allow_from"],
      ["stategy", "strategy"],
    ] as const
  ) assertEquals(nearest(word, KEYS), meant, word);
});

Deno.test("nearest() takes no notice of capitals", () => {
  assertEquals(nearest("BRANCH", KEYS), "branch");
  assertEquals(nearest("Secret", KEYS), "secret");
  assertEquals(nearest("app", ["APP"]), "APP");
});

Deno.test("nearest() finds nothing where nothing is near", () => {
  for (const word of ["submodules", "keep", "zzz", "x", "notify"]) {
    assertEquals(nearest(word, KEYS), undefined, word);
  }
  assertEquals(nearest("branch", []), undefined);
});

Deno.test("nearest() gives one of the candidates or nothing, and is certain of a candidate", () => {
  fc.assert(fc.property(anyText, (word) => {
    assertEquals([undefined, ...KEYS].includes(nearest(word, KEYS)), true);
  }));
  for (const key of KEYS) assertEquals(nearest(key, KEYS), key);
});
