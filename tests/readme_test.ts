/** The READMEs say what the program does, and the same in both languages. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { jsonSchema } from "../lib/config/json_schema.ts";
import { knownKeys } from "../lib/config/schema.ts";
import { verbs } from "../lib/cli.ts";
import { helpText } from "../lib/cli/help.ts";
import { providers } from "../lib/providers/mod.ts";
import { READMES, usageSection, withUsage } from "../scripts/usage.ts";
import { sourcesOf } from "./support/config_sources.ts";
import { codeIn, type Document, parseMarkdown, withoutComments } from "./support/markdown.ts";
import { commandsOf, NOT_RUN, notRunBecause, readFromRoot } from "./support/readme.ts";
import { parseConfig } from "../lib/config.ts";

const texts = READMES.map(readFromRoot);
const documents = texts.map(parseMarkdown);
const [english, chinese] = documents as [Document, Document];

Deno.test("README: the usage is the help of the program and of every verb", () => {
  const section = usageSection();
  for (const text of [helpText(), ...verbs.map((verb) => helpText(verb))]) {
    assertStringIncludes(section, text);
  }
  for (const [index, text] of texts.entries()) {
    assertEquals(text, withUsage(text), `${READMES[index]} is old: deno task usage`);
  }
});

Deno.test("README: both languages have the same sections", () => {
  const levels = ({ headings }: Document) => headings.map(({ level }) => level);
  assert(levels(english).length > 10);
  assertEquals(levels(chinese), levels(english));
});

Deno.test("README: both languages show the same code, comments aside", () => {
  const blocks = ({ code }: Document) =>
    code.map(({ language, text }) => ({ language, text: withoutComments(text) }));
  assert(english.code.length > 10);
  assertEquals(blocks(chinese), blocks(english));
});

Deno.test("README: both languages name the same code in every row of every table", () => {
  const rows = ({ tables }: Document) =>
    tables.flatMap(({ rows }) => rows.map((row) => row.map((cell) => codeIn(cell).sort())));
  assert(english.tables.length > 4);
  assertEquals(rows(chinese), rows(english));
});

/** The table whose first row is about `key`. */
function tableOf({ tables }: Document, key: string) {
  const found = tables.find(({ rows }) => codeIn(rows[0]?.[0] ?? "")[0] === key);
  if (found === undefined) throw new Error(`no table begins with ${key}`);
  return found;
}

/** A row of a table of keys. */
interface KeyRow {
  readonly keys: readonly string[];
  readonly standard: string;
  readonly meaning: string;
}

function keyRows(document: Document, first: string): KeyRow[] {
  return tableOf(document, first).rows.map(([names = "", standard = "", meaning = ""]) => ({
    keys: codeIn(names),
    standard,
    meaning,
  }));
}

/** The tables of keys, with where their keys stand in a configuration. */
const KEY_TABLES = [
  { first: "listen", parents: [] },
  { first: "path", parents: ["repositories", "app"] },
] as const;

Deno.test("README: the tables of keys hold every key of the configuration and no other", () => {
  for (const document of documents) {
    for (const { first, parents } of KEY_TABLES) {
      const keys = keyRows(document, first).flatMap(({ keys }) => keys);
      assertEquals(keys.toSorted(), [...knownKeys(parents)].sort());
    }
  }
});

Deno.test("README: the rows of keys that are maps name the keys in them", () => {
  const maps = [
    { first: "listen", key: "tls", parents: ["tls"] },
    { first: "listen", key: "log", parents: ["log"] },
    { first: "path", key: "credentials", parents: ["repositories", "app", "credentials"] },
  ] as const;
  for (const document of documents) {
    for (const { first, key, parents } of maps) {
      const row = keyRows(document, first).find(({ keys }) => keys.includes(key))!;
      for (const inner of knownKeys(parents)) {
        assert(new RegExp(`\\b${inner}\\b`).test(row.meaning), `${key}: ${inner}`);
      }
    }
  }
});

/** What of JSON Schema is looked at here. */
interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
}

Deno.test("README: the defaults are those of the configuration's schema", () => {
  const root = jsonSchema() as Schema;
  const repository = root.properties!.repositories!.additionalProperties!;
  const tables = [["listen", root], ["path", repository]] as const;
  for (const document of documents) {
    for (const [first, { properties = {} }] of tables) {
      const rows = keyRows(document, first);
      for (const [key, { default: standard }] of Object.entries(properties)) {
        if (standard === undefined) continue;
        const shown = rows.find(({ keys }) => keys.includes(key))?.standard.replaceAll("`", "");
        assertEquals(shown, Array.isArray(standard) ? "[]" : String(standard), key);
      }
    }
  }
});

Deno.test("README: the statuses and outcomes are the same in both languages", () => {
  const statuses = (document: Document) =>
    document.tables.find(({ head }) => head.at(-1) === "`outcome`")!.rows
      .map(([, status = "", outcome = ""]) => [status.match(/\d{3}/g), codeIn(outcome)]);
  assert(statuses(english).length > 10);
  assertEquals(statuses(chinese), statuses(english));
});

/** Fills in what an example leaves out, and reads it where every file that it names is there. */
async function parseExample(text: string) {
  const whole = text.includes("repositories:")
    ? text
    : `${text}\nrepositories:\n  app:\n    path: /srv/app\n    secret: change-me\n`;
  const secret = "0".repeat(32);
  return await parseConfig(whole, "README.md", {
    ...sourcesOf({ env: { HOOK_SECRET_APP: secret }, credentials: "/credentials" }),
    readFile: () => Promise.resolve(`${secret}\n`),
  });
}

Deno.test("README: the table of forges holds every provider and no other", () => {
  for (const document of documents) {
    const names = keyRows(document, "coding").flatMap(({ keys }) => keys);
    assertEquals(names.toSorted(), Object.keys(providers).sort());
  }
});

/** The anchor that GitHub and its kin give a heading. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

Deno.test("README: every link within the page leads to a heading", () => {
  for (const [index, text] of texts.entries()) {
    const anchors = documents[index]!.headings.map((heading) => anchor(heading.text));
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link!);
    assert(links.length > 2);
    assertEquals(links.filter((link) => !anchors.includes(link)), []);
  }
});

Deno.test("README: the examples of configurations are accepted", async () => {
  for (const { code } of documents) {
    const examples = code.filter(({ language }) => language === "yaml");
    assert(examples.length > 4);
    for (const { text } of examples) await parseExample(text);
  }
});

Deno.test("README: the smallest example is as long as the text says", () => {
  const { text } = english.code.find(({ language }) => language === "yaml")!;
  assertEquals(text.split("\n").length, 4);
});

Deno.test("README: every command is run by a test, or there is a reason why not", () => {
  const commands = commandsOf(texts[0]!);
  for (const [left] of NOT_RUN) {
    assert(commands.some((command) => left.test(command)), `no command is ${left}`);
  }
  const programs = commands.filter((command) => notRunBecause(command) === undefined)
    .map((command) => command.split(" ", 1)[0]!);
  // What runs in the end-to-end test runs on the machine that tests: nothing else comes in unseen.
  assertEquals([...new Set(programs)].sort(), ["chmod", "hook", "install"]);
});
