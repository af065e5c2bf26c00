import { assertEquals } from "@std/assert";
import { tabProblem, yamlProblem } from "../../lib/config/yaml_error.ts";

/** An error as the parser throws it. */
function thrown(message: string, line?: number): Error {
  return Object.assign(new SyntaxError(message), line === undefined ? {} : { line });
}

Deno.test("yamlProblem() says of an unknown error only that the text is not YAML", () => {
  assertEquals(yamlProblem(thrown('something new about "hunter2"', 7), ""), {
    line: 7,
    message: "not valid YAML: it cannot be understood",
  });
  assertEquals(yamlProblem(thrown("something new"), ""), {
    message: "not valid YAML: it cannot be understood",
  });
});

Deno.test("yamlProblem() repeats nothing that the parser quotes", () => {
  for (
    const said of [
      'Cannot read alias: unidentified alias "hunter2" at line 1, column 2:\n secret: *hunter2',
      "Cannot resolve unknown tag !<!hunter2> at line 1, column 2:",
      'Cannot read tag property: invalid characters in tag name "!hunter2"',
      'Expected valid JSON character: received "hunter2"',
    ]
  ) assertEquals(yamlProblem(thrown(said, 1), said).message.includes("hunter2"), false, said);
});

Deno.test("yamlProblem() names a key that stands twice where its line holds no other", () => {
  const duplicate = (text: string) =>
    yamlProblem(thrown("Cannot store mapping pair: duplicated key", 2), text).message;
  assertEquals(
    duplicate("x:\n  path: /a"),
    'not valid YAML: the key "path" stands twice in one map',
  );
  assertEquals(
    duplicate("x:\n  'path' :"),
    'not valid YAML: the key "path" stands twice in one map',
  );
  assertEquals(duplicate("x:\n{ a: 1, a: 2 }"), "not valid YAML: a key stands twice in one map");
  assertEquals(duplicate("x:"), "not valid YAML: a key stands twice in one map");
});

Deno.test("yamlProblem() goes back to the line that the parser had read past", () => {
  const noKey = thrown("a multiline key may not be an implicit key", 6);
  assertEquals(yamlProblem(noKey, "a: b\nnokey\n\n# comment\n\nc: d").line, 2);
  const tag = thrown("Cannot resolve unknown tag !<!x>", 3);
  assertEquals(yamlProblem(tag, "a: !x\n\nc: d").line, 1);
  assertEquals(yamlProblem(tag, "a: b\nb: c\nc: d").line, 3);
});

Deno.test("tabProblem() finds a tab that YAML would forbid, and only there", () => {
  for (const text of ["a:\n\tb: c", "a:\n  \tb: c", "a:\r\n \t - b"]) {
    assertEquals(tabProblem(text)?.line, 2, JSON.stringify(text));
  }
  for (const text of ["", "a:\tb", "a: b\t# c", "\t", "a: b\n\t\n\t# c", "a: 'b\tc'"]) {
    assertEquals(tabProblem(text), undefined, JSON.stringify(text));
  }
});
