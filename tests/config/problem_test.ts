import { assertEquals } from "@std/assert";
import * as v from "valibot";
import { formatProblems, found, problemsOf } from "../../lib/config/problem.ts";
import { repositorySchema, rootSchema } from "../../lib/config/schema.ts";

Deno.test("found() says what stands in the file", () => {
  for (
    const [value, words] of [
      [undefined, "nothing"],
      [null, "nothing"],
      ["main", '"main"'],
      ["", '""'],
      [1.5, "the number 1.5"],
      [NaN, "the number NaN"],
      [true, "the boolean true"],
      [[], "an empty list"],
      [[1], "a list"],
      [{}, "an empty map"],
      [{ a: 1 }, "a map"],
    ] as const
  ) assertEquals(found(value, false), words);
});

Deno.test("found() says of a secret only what kind it is", () => {
  for (
    const [value, words] of [
      [null, "nothing"],
      ["hunter2", "a text"],
      ["", "a text"],
      [8154930027, "a number"],
      [true, "a boolean"],
      [["hunter2"], "a list"],
      [{ hunter2: 1 }, "a map"],
    ] as const
  ) assertEquals(found(value, true), words);
});

Deno.test("found() keeps a text short, and free of what a terminal would obey", () => {
  assertEquals(found("x".repeat(500), false), `"${"x".repeat(79)}…"`);
  assertEquals(found("a\x1b[31m", false), '"a [31m"');
  assertEquals(found('a"b\\c', false), '"a\\"b\\\\c"');
});

Deno.test("found() shows a text up to its first blank: a key may have slipped into it", () => {
  for (
    const [text, words] of [
      ["my branch", '"my …"'],
      ["main secret:hunter2", '"main …"'],
      ["main\nsecret:hunter2", '"main …"'],
      [" hunter2", '" …"'],
    ] as const
  ) assertEquals(found(text, false), words);
});

Deno.test("found() shows no user name, token or password of a URL", () => {
  for (
    const [text, words] of [
      ["https://user:hunter2@example.com/x", '"https://…@example.com/x"'],
      ["https://hunter2@example.com/x", '"https://…@example.com/x"'],
      ["https://u:hunter2@hunter2@h/x@y", '"https://…@y"'],
      ["https://u:hunter2/hunter2@h/x", '"https://…@h/x"'],
      ["https://u:hunter2 hunter2@h/x", '"https:// …"'],
      ["u:hunter2@h", '"…@h"'],
      ["u:hunter2 x@h", '" …"'],
      ["git@example.com:x", '"git@example.com:x"'],
      ["https://example.com/x", '"https://example.com/x"'],
    ] as const
  ) assertEquals(found(text, false), words, text);
});

function problems(schema: v.GenericSchema, value: unknown, base: string[] = []): string[] {
  const { issues = [] } = v.safeParse(schema, value);
  return problemsOf(issues, base).map(({ path, message }) => `${path.join("/")}: ${message}`);
}

Deno.test("problemsOf() tells of every unknown and every missing key of a map", () => {
  assertEquals(problems(rootSchema, { listne: 1, zzz: 2 }), [
    ': "repositories" is missing',
    'listne: unknown key, did you mean "listen"?; allowed: ' +
    "listen, admin, state, tls, trusted_proxies, concurrency, body_limit, log, repositories",
    "zzz: unknown key; allowed: " +
    "listen, admin, state, tls, trusted_proxies, concurrency, body_limit, log, repositories",
  ]);
});

Deno.test("problemsOf() begins paths at the base", () => {
  const value = { path: "/a", secret: "x", branch: 1, timeout: "1" };
  const said = problems(repositorySchema, value, ["repositories", "app"]);
  assertEquals(said.map((line) => line.split(":")[0]), [
    "repositories/app/branch",
    "repositories/app/timeout",
  ]);
});

Deno.test("problemsOf() tells of the form that was written, of those that are allowed", () => {
  const said = (secret: unknown) =>
    problems(repositorySchema, { path: "/a", secret }, ["repositories", "app"])
      .map((line) => line.replace("repositories/app/secret", "").split(";")[0]!);
  assertEquals(said({ env: "HOME" }), ["/env: found a text"]);
  assertEquals(said({ file: 1 }), ["/file: found a number"]);
  assertEquals(said(["a", 1, { file: "b" }]), ["/1: found a number", "/2/file: found a text"]);
  assertEquals(said(1), [": found a number"]);
});

Deno.test("problemsOf() shows nothing of what stands under a secret", () => {
  const secrets = ["", 8154930027, ["hunter2", ["hunter2"]], { hunter2: 1 }, { fil: "hunter2" }];
  for (const secret of [...secrets, { file: "hunter2" }, { env: "hunter2" }, [{ hunter2: null }]]) {
    const said = problems(repositorySchema, { path: "/a", secret }, ["repositories", "app"]);
    assertEquals(/hunter2|8154930027/.test(said.join()), false, said.join());
  }
});

const SOURCE = "a: 1\nb:\n  c: 2\n  d: [3]\n";

Deno.test("formatProblems() puts lines into the file's order, and each only once", () => {
  const message = "wrong";
  const lines = formatProblems(
    [
      { path: ["b", "d", 0], message },
      { path: ["b", "c"], message },
      { path: [], message },
      { path: ["a"], message: "first" },
      { path: ["a"], message: "second" },
      { path: ["b", "c"], message },
    ],
    SOURCE,
    "x.yaml",
  );
  assertEquals(lines, [
    "x.yaml: wrong",
    "x.yaml:1: a: first",
    "x.yaml:1: a: second",
    "x.yaml:3: b.c: wrong",
    "x.yaml:4: b.d, item 1: wrong",
  ]);
});

Deno.test("formatProblems() quotes keys that are no words", () => {
  const key = (...path: (string | number)[]) =>
    formatProblems([{ path, message: "wrong" }], "", "f")[0]!.slice(
      "f: ".length,
      -": wrong".length,
    );
  assertEquals(key("app-1.x_y"), "app-1.x_y");
  assertEquals(key("网站"), '"网站"');
  assertEquals(key("a/b"), '"a/b"');
  assertEquals(key("a b"), '"a …"');
  assertEquals(key("secret:hunter2"), '"secret:…"');
  assertEquals(key("secret=hunter2"), '"secret=…"');
  assertEquals(key("a\x1b[31mb"), '"a [31mb"');
  assertEquals(key("x".repeat(200)).length, 82);
  assertEquals(key("a", 0, "b", 1), "a, item 1, b, item 2");
});
