import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { lineFinder, type Step } from "../../lib/config/lines.ts";
import { textOf } from "../support/texts.ts";

function lineOf(source: string, path: readonly Step[]): number | undefined {
  return lineFinder(source)(path);
}

const DOCUMENT = `# a comment
listen: 127.0.0.1:80

repositories:
  # path: not this one
  app:
    path: /srv/app # path: nor this
    "secret":
    - change-me
    - file: /etc/hook/app
      mode: x
    -
      env: HOOK_SECRET_APP
  'two' :
      branch: |
        path: in a text
        listen: in a text
      path: /srv/two
  flow: { path: /srv/flow,
    secret: x }
log:
  level: debug
`;

Deno.test("lineFinder() finds keys by their indentation", () => {
  for (
    const [path, line] of [
      [["listen"], 2],
      [["repositories"], 4],
      [["repositories", "app"], 6],
      [["repositories", "app", "path"], 7],
      [["repositories", "two"], 14],
      [["repositories", "two", "branch"], 15],
      [["repositories", "two", "path"], 18],
      [["log", "level"], 22],
    ] as const
  ) assertEquals(lineOf(DOCUMENT, path), line, path.join("."));
});

Deno.test("lineFinder() finds keys in quotes, and lists as far left as their key", () => {
  const secret = ["repositories", "app", "secret"];
  for (
    const [rest, line] of [
      [[], 8],
      [[0], 9],
      [[1], 10],
      [[1, "file"], 10],
      [[1, "mode"], 11],
      [[2], 12],
      [[2, "env"], 13],
    ] as const
  ) assertEquals(lineOf(DOCUMENT, [...secret, ...rest]), line, rest.join("."));
});

Deno.test("lineFinder() finds the nearest line around what it cannot find", () => {
  for (
    const [path, line] of [
      [["repositories", "app", "branch"], 6],
      [["repositories", "app", "secret", 7], 8],
      [["repositories", "flow", "path"], 19],
      [["repositories", "none", "path"], 4],
      [["none"], undefined],
      [[], undefined],
    ] as const
  ) assertEquals(lineOf(DOCUMENT, path), line, path.join("."));
});

Deno.test("lineFinder() takes no neighbour for what is below a key", () => {
  assertEquals(lineOf("a:\nb: 1\nc:\n  d: 2\n", ["a", "b"]), 1);
  assertEquals(lineOf("x:\n  a:\n  b: 1\n", ["x", "a", "b"]), 2);
  assertEquals(lineOf("x:\n  a:\n    c: 1\ny:\n  b: 1\n", ["x", "b"]), 1);
  assertEquals(lineOf("- a: 1\n- b: 2\n", [0, "b"]), 1);
});

Deno.test("lineFinder() takes no key for another that begins with it", () => {
  const source = "path_to: a\npath-to: b\npaths: c\npath:d: e\npath: f\n";
  assertEquals(lineOf(source, ["path"]), 5);
  assertEquals(lineOf(source, ["path:d"]), 4);
});

Deno.test("lineFinder() counts lines however they end, and no byte order mark as indentation", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const source = `\ufeffa: 1${end}b:${end}  c: 2${end}`;
    assertEquals(lineOf(source, ["a"]), 1);
    assertEquals(lineOf(source, ["b"]), 2);
    assertEquals(lineOf(source, ["b", "c"]), 3);
  }
});

Deno.test("lineFinder() finds nothing in a document without keys", () => {
  for (const source of ["", "\n", "# only a comment", "---\n", "text", "[a, b]", "{ a: b }"]) {
    assertEquals(lineOf(source, ["a"]), undefined, source);
    assertEquals(lineOf(source, ["a", 0, "b"]), undefined, source);
  }
});

/** A tree of keys, written in block style with the line of every path. */
type Tree = { readonly [key: string]: Tree | null };

interface Written {
  lines: string[];
  places: [path: Step[], line: number][];
}

function write(tree: Tree, step: number, indent = 0, path: Step[] = [], into?: Written): Written {
  const written = into ?? { lines: [], places: [] };
  for (const [key, below] of Object.entries(tree)) {
    const here = [...path, key];
    written.lines.push(`${" ".repeat(indent)}${key}:${below === null ? " value" : ""}`);
    written.places.push([here, written.lines.length]);
    if (written.lines.length % 3 === 0) written.lines.push("", "    # a comment: x");
    if (below !== null) write(below, step, indent + step, here, written);
  }
  return written;
}

Deno.test("lineFinder() finds every key of a document in block style", () => {
  const key = fc.constantFrom("a", "ab", "a-b", "path", "secret", "x.y", "_");
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.dictionary(key, fc.option(tie("tree"), { depthSize: "small" }), {
      minKeys: 1,
      maxKeys: 4,
    }),
  }));
  fc.assert(fc.property(tree, fc.integer({ min: 1, max: 4 }), (keys, step) => {
    const { lines, places } = write(keys, step);
    const find = lineFinder(lines.join("\n"));
    for (const [path, line] of places) assertEquals(find(path), line, lines.join("\n"));
  }));
});

Deno.test("lineFinder() points to no line that does not hold a key of the path", () => {
  const pieces = ["path", "secret", "app", ": ", ":", "\n", "\n  ", "\n- ", "- ", "#", "'", '"'];
  const step = fc.oneof(fc.constantFrom("path", "secret", "app", "- "), fc.nat(2));
  const path = fc.array(step, { maxLength: 3 });
  const text = fc.array(textOf(...pieces), { maxLength: 4 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, path, (source, steps) => {
      const line = lineOf(source, steps);
      if (line === undefined) return;
      const shown = source.split(/\r\n?|\n/)[line - 1];
      assert(shown !== undefined, `line ${line} does not exist`);
      const holds = (each: Step) =>
        typeof each === "number"
          ? /^\s*-/.test(shown!) || shown!.includes("- ")
          : shown!.includes(each);
      assert(steps.some(holds), `${line} of ${JSON.stringify(source)} for ${steps.join(".")}`);
      assert(!/^\s*#/.test(shown!), "a comment");
    }),
    { numRuns: 2_000 },
  );
});
