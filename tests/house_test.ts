/** The rules by which the rooms of `lib/` keep to themselves, read off the source text. */

import { assert, assertEquals } from "@std/assert";
import { credentialsDirectory } from "../lib/systemd.ts";
import { Git } from "../lib/git.ts";
import manifest from "../deno.json" with { type: "json" };
import mapOfJsr from "../import_map.json" with { type: "json" };
import mapOfNpm from "../import_map.npm.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

interface Import {
  readonly specifier: string;
  /** Only types are taken, so nothing of it is there at run time. */
  readonly typesOnly: boolean;
}

interface Source {
  /** The code, without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const STATEMENT =
  /^(?:import|export)\s+(type\s+)?(?:([^"';]*?)\s*from\s+)?"([^"]+)"(?:\s+with\s+\{[^}]*\})?;/gm;

function parse(text: string): Source {
  const code = text.replace(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const imports = [...code.matchAll(STATEMENT)].map(([, type, names = "", specifier]) => {
    const list = /^\{([\s\S]*)\}$/.exec(names)?.[1]?.split(",").map((name) => name.trim());
    const each = list?.filter((name) => name !== "") ?? [];
    const allTypes = each.length > 0 && each.every((name) => name.startsWith("type "));
    return { specifier: specifier!, typesOnly: type !== undefined || allTypes };
  });
  return { code, imports };
}

/** All files of the program by path, such as `lib/git.ts`. */
function sources(): Map<string, Source> {
  const found = new Map<string, Source>();
  const visit = (folder: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
      const path = `${folder}${name}`;
      if (isDirectory) visit(`${path}/`);
      else if (path.endsWith(".ts")) found.set(path, parse(read(path)));
    }
  };
  visit("lib/");
  found.set("main.ts", parse(read("main.ts")));
  return found;
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

const SOURCES = sources();

/** The files whose code has it. */
function filesWith(pattern: RegExp): string[] {
  return [...SOURCES].filter(([, { code }]) => pattern.test(code)).map(([path]) => path).sort();
}

/** What a file imports of the program's own, as paths. */
function ownImports(path: string): (Import & { readonly path: string })[] {
  return SOURCES.get(path)!.imports
    .filter(({ specifier }) => specifier.startsWith("."))
    .map((each) => {
      const url = new URL(each.specifier, new URL(path, ROOT));
      return { ...each, path: url.href.slice(ROOT.href.length) };
    });
}

/** The room of a file: `lib/config/lines.ts` and `lib/config.ts` are of `config`. */
function roomOf(path: string): string {
  return /^lib\/([^/.]+)/.exec(path)?.[1] ?? path;
}

Deno.test("house: the imports are read as they are written", () => {
  const { imports, code } = parse(`
/** import { a } from "./comment.ts"; */
// import { b } from "./comment.ts";
import { c, type D } from "./c.ts";
import { type E, type F } from "./e.ts";
import type { G } from "./g.ts";
import * as h from "h";
import i from "../i.json" with { type: "json" };
import {
  j,
  type K,
} from "./j.ts";
export type { L } from "./l.ts";
export const m = "import { n } from";
`);
  const read = imports.map(({ specifier, typesOnly }) => `${specifier} ${typesOnly}`);
  assertEquals(read, [
    "./c.ts false",
    "./e.ts true",
    "./g.ts true",
    "h false",
    "../i.json false",
    "./j.ts false",
    "./l.ts true",
  ]);
  assertEquals(code.includes("comment"), false);
  for (const [path, source] of SOURCES) {
    const froms = source.code.match(/\bfrom\s*"/g) ?? [];
    assertEquals(source.imports.length, froms.length, path);
  }
});

Deno.test("house: every import of the program's own leads to a file", () => {
  for (const path of SOURCES.keys()) {
    for (const each of ownImports(path)) {
      assert(SOURCES.has(each.path) || each.path === "deno.json", `${path}: ${each.specifier}`);
    }
  }
});

Deno.test("house: git.ts alone starts a process", () => {
  assertEquals(filesWith(/\bDeno\s*\.\s*(?:Command|run|spawn\w*)\b/), ["lib/git.ts"]);
  assertEquals(filesWith(/child_process|\bDeno\s*\.\s*kill\b|\bDeno\s*\.\s*dlopen\b/), []);
});

Deno.test("house: config.ts alone reads YAML", () => {
  assertEquals(filesWith(/@std\/yaml/), ["lib/config.ts"]);
});

Deno.test("house: systemd.ts alone knows systemd's variables", () => {
  const variables = /(?:CREDENTIALS|STATE|RUNTIME|CACHE|LOGS|CONFIGURATION)_DIRECTORY/;
  assertEquals(filesWith(variables), ["lib/systemd.ts"]);
  const signals = filesWith(/NOTIFY_SOCKET|WATCHDOG_|INVOCATION_ID|LISTEN_FDS|JOURNAL_STREAM/);
  assertEquals(signals.filter((path) => path !== "lib/systemd.ts"), []);
});

Deno.test("house: ledger.ts alone knows SQLite, and processes.ts alone who runs", () => {
  assertEquals(filesWith(/node:sqlite|\bDatabaseSync\b/), ["lib/ledger.ts"]);
  assertEquals(filesWith(/["'` ]\/proc\b/), ["lib/processes.ts"]);
  assertEquals(
    filesWith(/hook-deployment\.json|refs\/hook\//).filter((path) =>
      path !== "lib/deploy/marks.ts" && path !== "lib/deploy/fetch.ts"
    ),
    [],
  );
});

Deno.test("house: main.ts alone exits", () => {
  assertEquals(filesWith(/\bDeno\s*\.\s*exit|\bprocess\s*\.\s*exit|\bDeno\["exit/), ["main.ts"]);
});

Deno.test("house: io.ts alone has the streams, the environment and the signals", () => {
  assertEquals(filesWith(/\bDeno\s*\.\s*(?:stdout|stderr|stdin)\b/), ["lib/cli/io.ts"]);
  assertEquals(filesWith(/\bDeno\s*\.\s*(?:env|addSignalListener)\b/), ["lib/cli/io.ts"]);
  assertEquals(filesWith(/\bconsole\s*\.|\b(?:alert|confirm|prompt)\(/), []);
});

/** What a room may not know, neither its values nor its types. */
const STRANGERS: Readonly<Record<string, readonly string[]>> = {
  providers: ["cli", "config", "deploy", "files", "git", "log", "queue", "server", "service"],
  git: [
    "admin",
    "cli",
    "config",
    "deploy",
    "keeper",
    "ledger",
    "log",
    "providers",
    "queue",
    "server",
  ],
  deploy: ["admin", "cli", "config", "history", "keeper", "ledger", "log", "providers", "queue"],
  queue: ["cli", "config", "deploy", "git", "keeper", "log", "providers", "server", "service"],
  pool: ["admin", "cli", "config", "deploy", "git", "keeper", "log", "queue", "service"],
  ledger: ["admin", "cli", "config", "deploy", "git", "history", "keeper", "log", "queue"],
  keeper: ["admin", "cli", "config", "history", "ledger", "log", "providers", "server", "service"],
  history: ["admin", "cli", "config", "git", "providers", "server", "service"],
  admin: ["cli", "config", "log", "providers", "service"],
  check: ["admin", "cli", "config", "keeper", "ledger", "log", "queue", "server", "service"],
  config: ["cli", "git", "log", "queue", "server", "service"],
  server: ["admin", "cli", "git", "ledger", "queue", "service"],
  log: ["cli", "config", "deploy", "git", "providers", "queue", "server", "service"],
  service: ["cli"],
};

for (const [room, strangers] of Object.entries(STRANGERS)) {
  Deno.test(`house: ${room} knows nothing of ${strangers.join(", ")}`, () => {
    const files = [...SOURCES.keys()].filter((path) => roomOf(path) === room);
    assert(files.length > 0, "the room is gone: this rule needs another name");
    const known = files.flatMap((path) =>
      ownImports(path)
        .filter((each) => strangers.includes(roomOf(each.path)))
        .map((each) => `${path} imports ${each.path}`)
    );
    assertEquals(known, []);
  });
}

Deno.test("house: nothing but main.ts imports the command line", () => {
  const outside = [...SOURCES.keys()].filter((path) => roomOf(path) !== "cli");
  const users = outside.filter((path) => {
    return ownImports(path).some((each) => roomOf(each.path) === "cli");
  });
  assertEquals(users, ["main.ts"]);
});

/** A circle in a graph, as the way around it; undefined where there is none. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...way, node]);
      if (circle !== undefined) return circle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const circle = visit(node, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

Deno.test("house: no file imports itself by way of others", () => {
  assertEquals(circleIn(new Map([["a", ["b", "c"]], ["b", []], ["c", ["a"]]])), ["a", "c", "a"]);
  assertEquals(circleIn(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), undefined);
  // Types are gone at run time. What is loaded on demand is no statement and does not count: the
  // table of verbs names the files that it loads, and they name the table.
  const graph = new Map([...SOURCES.keys()].map((path) => {
    const imports = ownImports(path).filter(({ typesOnly }) => !typesOnly);
    return [path, imports.map((each) => each.path)] as const;
  }));
  assertEquals(circleIn(graph), undefined);
});

Deno.test("house: no room imports itself by way of others", () => {
  const graph = new Map<string, string[]>();
  for (const path of SOURCES.keys()) {
    const rooms = ownImports(path).filter(({ typesOnly }) => !typesOnly)
      .map((each) => roomOf(each.path)).filter((room) => room !== roomOf(path));
    graph.set(roomOf(path), [...graph.get(roomOf(path)) ?? [], ...rooms]);
  }
  assertEquals(circleIn(graph), undefined);
});

Deno.test("house: only the command line loads files on demand", () => {
  const loaders = filesWith(/\bimport\s*\(/);
  assertEquals(loaders.filter((path) => roomOf(path) !== "cli"), []);
});

/** The names of the environment that the program may ask for, as patterns. */
function isPermitted(name: string): boolean {
  return manifest.permissions.service.env.some((permitted) =>
    permitted.endsWith("*") ? name.startsWith(permitted.slice(0, -1)) : name === permitted
  );
}

Deno.test("house: every variable that is read is in the binary's permissions", () => {
  const names = [...SOURCES.values()].flatMap(({ code }) =>
    [...code.matchAll(/\benv(?:\.get)?\(\s*["'`]([^"'`]+)["'`]/g)].map((match) => match[1]!)
  );
  const ask = (name: string): undefined => void names.push(name);
  new Git(ask);
  credentialsDirectory(ask);
  for (const expected of ["HOOK_CONFIG", "CREDENTIALS_DIRECTORY", "PATH", "SSH_AUTH_SOCK"]) {
    assert(
      names.includes(expected),
      `${expected} is not found: does this test still see anything?`,
    );
  }
  assertEquals(names.filter((name) => !isPermitted(name)), []);
});

Deno.test("house: the binary may start git and nothing else, and reads no environment at large", () => {
  const { run, env, ...rest } = manifest.permissions.service;
  assertEquals(run, ["git"]);
  assertEquals(env.filter((name) => name.includes("*")), ["HOOK_SECRET_*"]);
  assertEquals(Object.keys(rest).sort(), ["net", "read", "sys", "write"]);
});

/** Whether an import map has the specifier, by itself or by a prefix that ends in a slash. */
function isMapped(imports: Readonly<Record<string, string>>, specifier: string): boolean {
  return Object.keys(imports).some((key) =>
    key.endsWith("/") ? specifier.startsWith(key) : specifier === key
  );
}

Deno.test("house: every package is in both import maps", () => {
  const packages = new Set(
    [...SOURCES.values()].flatMap(({ imports }) => imports.map(({ specifier }) => specifier))
      .filter((specifier) => !/^(?:\.|node:)/.test(specifier)),
  );
  assert(packages.has("@std/yaml/parse"));
  const missing = [...packages].filter((specifier) =>
    !isMapped(mapOfJsr.imports, specifier) || !isMapped(mapOfNpm.imports, specifier)
  );
  assertEquals(missing, []);
});

Deno.test("house: packages have exact versions", () => {
  for (const { imports } of [mapOfJsr, mapOfNpm]) {
    for (const [name, target] of Object.entries(imports)) {
      assert(/@\d+\.\d+\.\d+(?:\/|$)/.test(target), `${name}: ${target}`);
    }
  }
});
