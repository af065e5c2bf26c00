import { assert, assertEquals } from "@std/assert";
import { jsonSchema } from "../../lib/config/json_schema.ts";
import { knownKeys } from "../../lib/config/schema.ts";
import { providers } from "../../lib/providers/mod.ts";
import { configOf } from "../support/config_sources.ts";

/** What of JSON Schema is looked at here. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

const root = jsonSchema() as Schema & Record<string, unknown>;
const repositories = root.properties!.repositories!;
const repository = repositories.additionalProperties as Schema;

Deno.test("jsonSchema() is a draft that editors know, and survives JSON", () => {
  assertEquals(root.$schema, "http://json-schema.org/draft-07/schema#");
  assertEquals(JSON.parse(JSON.stringify(root)), root);
});

Deno.test("jsonSchema() has exactly the keys that are accepted, and needs those that are due", () => {
  assertEquals(Object.keys(root.properties!), knownKeys([]));
  assertEquals(Object.keys(repository.properties!), knownKeys(["repositories", "app"]));
  assertEquals(root.required, ["repositories"]);
  assertEquals(repository.required, ["path"]);
  assertEquals(root.properties!.tls!.required, ["cert", "key"]);
  for (const map of [root, repository, root.properties!.tls!, root.properties!.log!]) {
    assertEquals(map.additionalProperties, false);
  }
});

Deno.test("jsonSchema() describes every key", () => {
  for (const map of [root, repository, root.properties!.log!]) {
    for (const [key, { description }] of Object.entries(map.properties!)) {
      assert(/^\S.*\.$/.test(description ?? ""), `${key}: ${description}`);
    }
  }
});

Deno.test("jsonSchema() wants at least one repository, with a name fit for a URL", () => {
  assertEquals(repositories.minProperties, 1);
  const name = new RegExp(repositories.propertyNames!.pattern!);
  for (const good of ["app", "a".repeat(64)]) assert(name.test(good));
  for (const bad of ["", "App", "-a", "a".repeat(65)]) assert(!name.test(bad));
});

Deno.test("jsonSchema() has the words and bounds that the check has", () => {
  const { provider, strategy, timeout, allow_from, secret } = repository.properties!;
  assertEquals(provider!.enum, Object.keys(providers));
  assertEquals(strategy!.enum, ["pull", "reset", "release"]);
  assertEquals(allow_from!.minItems, 1);
  assert(new RegExp(timeout!.pattern!).test("10m") && !new RegExp(timeout!.pattern!).test("10"));
  const { concurrency, log } = root.properties!;
  assertEquals([concurrency!.type, concurrency!.minimum, concurrency!.maximum], ["integer", 1, 64]);
  assertEquals(log!.properties!.level!.enum, ["debug", "info", "warning", "error"]);
  const [text, place, list] = secret!.anyOf!;
  assertEquals(text!.type, "string");
  assertEquals(Object.keys(place!.properties!), ["file", "env", "credential"]);
  assertEquals([list!.type, list!.minItems], ["array", 1]);
});

Deno.test("jsonSchema() shows the defaults that are in force", async () => {
  const without = await configOf("repositories: { app: { path: /a, secret: x } }");
  const shown = (map: Schema) =>
    Object.entries(map.properties!)
      .flatMap(([key, { default: value }]) =>
        value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`]
      );
  const withThem = await configOf(
    [
      ...shown(root),
      "log: { level: " + root.properties!.log!.properties!.level!.default + " }",
      `repositories: { app: { path: /a, secret: x, ${shown(repository).join(", ")} } }`,
    ].join("\n"),
  );
  assert(shown(root).length >= 3 && shown(repository).length >= 3);
  assertEquals({ ...withThem, fingerprint: without.fingerprint }, without);
});
