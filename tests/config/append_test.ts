import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "@std/yaml/parse";
import fc from "fast-check";
import { AppendError, appendRepository, type Entry } from "../../lib/config/append.ts";

const ENTRY: Entry = { path: "/srv/new", secret: { file: "/etc/hook/new.secret" } };

function appended(...lines: string[]): string {
  return appendRepository(lines.join("\n"), "new", ENTRY);
}

const NEW = [
  "  new:",
  "    path: /srv/new",
  "    secret:",
  "      file: /etc/hook/new.secret",
];

function text(...lines: string[]): string {
  return `${lines.join("\n")}\n`;
}

Deno.test("appendRepository() makes the map where there is none", () => {
  assertEquals(appended(""), text("repositories:", ...NEW));
  assertEquals(
    appended("# mine", "listen: none", ""),
    text("# mine", "listen: none", "repositories:", ...NEW),
  );
});

Deno.test("appendRepository() fills a map that is empty in any spelling", () => {
  for (
    const empty of ["repositories:", "repositories: {}", "repositories: null", "repositories: ~"]
  ) {
    assertEquals(appended(empty, ""), text("repositories:", ...NEW), empty);
  }
  assertEquals(
    appended("repositories: {} # none yet", "log: { level: debug }", ""),
    text("repositories: # none yet", ...NEW, "log: { level: debug }"),
  );
  assertEquals(appended('"repositories" :', ""), text('"repositories" :', ...NEW));
});

Deno.test("appendRepository() keeps comments, order and the indentation that is there", () => {
  assertEquals(
    appended(
      "# the sites",
      "repositories: # by name",
      "    app:  # the first",
      "        path: /srv/app",
      "        secret: |",
      "          x",
      "",
      "    # the last",
      "",
      "# the rest",
      "listen: 127.0.0.1:1 # here",
      "",
    ),
    text(
      "# the sites",
      "repositories: # by name",
      "    app:  # the first",
      "        path: /srv/app",
      "        secret: |",
      "          x",
      "",
      "    # the last",
      "    new:",
      "      path: /srv/new",
      "      secret:",
      "        file: /etc/hook/new.secret",
      "",
      "# the rest",
      "listen: 127.0.0.1:1 # here",
    ),
  );
});

Deno.test("appendRepository() ends a last line that has no end", () => {
  const app = ["repositories:", "  app: { path: /srv/app, secret: x }"];
  assertEquals(appended(...app), text(...app, ...NEW));
});

Deno.test("appendRepository() keeps the line ends of Windows, and a byte order mark", () => {
  const windows = appendRepository(
    "\ufeffrepositories:\r\n  app:\r\n    path: /a\r\n",
    "new",
    ENTRY,
  );
  const lines = ["\ufeffrepositories:", "  app:", "    path: /a", ...NEW, ""];
  assertEquals(windows, lines.join("\r\n"));
});

Deno.test("appendRepository() refuses a map in braces, which it would have to rewrite", () => {
  for (const value of ["{ app: { path: /a } }", "{", "*anchor", "&a { b: c }", "text"]) {
    assertThrows(() => appended(`repositories: ${value}`, ""), AppendError);
  }
});

Deno.test("appendRepository() does not take another key, or a nested one, for the map", () => {
  for (const other of ["repositoriesx:", "x:\n  repositories:", "# repositories:"]) {
    const parsed = parse(appended(other, "")) as Record<string, unknown>;
    assertEquals(parsed.repositories, { new: ENTRY }, other);
  }
});

Deno.test("appendRepository() adds exactly what it is given, whatever the texts", () => {
  const anyText = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom(
      ...["true", "No", "null", "1", "1.10", "0x1", "a: b", "a #b", "- x", "{a}", "[a]", "'", '"'],
      ...[
        "git@h:a/b.git",
        "https://h/a.git",
        "/srv/ä ö",
        "a:",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@",
      ],
      ...["2026-11-24", "1e3", ".5", "~", "=", "<<", "a\tb", "a\nb", "\u2028", "", " ", "on", "y"],
    ),
  );
  const before = "listen: none\nrepositories:\n  app:\n    path: /a\n# the end\nconcurrency: 2\n";
  fc.assert(fc.property(anyText, anyText, anyText, (name, path, file) => {
    fc.pre(name !== "app" && name !== "__proto__" && name !== "<<");
    const entry = { path, secret: { file } };
    assertEquals(parse(appendRepository(before, name, entry), { schema: "core" }), {
      listen: "none",
      repositories: { app: { path: "/a" }, [name]: entry },
      concurrency: 2,
    });
  }));
});
