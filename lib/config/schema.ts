/**
 * The configuration's form: the one definition from which the check, its messages and the JSON
 * Schema come. Each message says what is allowed, in words that follow "allowed:".
 *
 * @module
 */

import * as v from "valibot";
import { listenAddress, network } from "../address.ts";
import { type ProviderName, providers } from "../providers/mod.ts";
import { DURATION, duration, SIZE, size } from "../units.ts";
import { absolutePath, branchName, remoteUrl } from "../values.ts";
import type { SecretPlace } from "./secrets.ts";

/**
 * A string that `read` understands; it returns undefined for any other.
 *
 * @param allowed what is said of another string
 * @param text what is said of a value that is no string
 */
function readable<T>(allowed: string, read: (text: string) => T | undefined, text = allowed) {
  return v.pipe(v.string(text), transformation(allowed, read));
}

/** A string of a pattern, which the JSON Schema shows, that `read` understands. */
function patterned<T>(allowed: string, pattern: RegExp, read: (text: string) => T | undefined) {
  return v.pipe(v.string(allowed), v.regex(pattern, allowed), transformation(allowed, read));
}

function transformation<T>(allowed: string, read: (text: string) => T | undefined) {
  return v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
    const value = read(dataset.value);
    if (value !== undefined) return value;
    // A string that broke a pattern was told of already.
    if (dataset.issues === undefined) addIssue({ message: allowed });
    return NEVER;
  });
}

/** A number that `read` understands within bounds. */
function within(read: (text: string) => number | undefined, least: number, most: number) {
  return (text: string): number | undefined => {
    const value = read(text);
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
}

/** A map of these keys and no others. An empty list passes for an empty map with the validator. */
function map<const Entries extends v.ObjectEntries>(entries: Entries, allowed: string) {
  return v.pipe(
    v.strictObject(entries, allowed),
    v.check((value) => !Array.isArray(value), allowed),
  );
}

function optionalWithDefault<S extends v.GenericSchema>(
  schema: S,
  value: v.InferInput<S>,
  description: string,
) {
  return v.pipe(v.optional(schema, value), v.description(description));
}

function optional<S extends v.GenericSchema>(schema: S, description: string) {
  return v.pipe(v.optional(schema), v.description(description));
}

const ABSOLUTE_PATH = 'an absolute path other than "/", without "." and ".." in it';
const path = readable(ABSOLUTE_PATH, absolutePath);

const SECRET = "a text, { file: PATH }, { env: HOOK_SECRET_… }, { credential: NAME }, " +
  "or a list of these";
const QUOTED_SECRET = `${SECRET}; a number needs quotes`;

/** Where a secret is kept; a map with exactly one of its keys. */
const secretPlace = map({
  file: v.optional(path),
  env: v.optional(
    v.pipe(v.string("HOOK_SECRET_…"), v.regex(/^HOOK_SECRET_[A-Za-z0-9_]+$/, "HOOK_SECRET_…")),
  ),
  credential: v.optional(
    v.pipe(
      v.string("a credential's name"),
      v.regex(/^(?!\.)[A-Za-z0-9._-]+$/, "a credential's name"),
    ),
  ),
}, SECRET);

const secretSource = v.union([
  v.string(),
  v.pipe(
    secretPlace,
    v.check(
      (place) => Object.values(place).filter((value) => value !== undefined).length === 1,
      "exactly one of file, env, credential",
    ),
    v.transform((place) => place as SecretPlace),
  ),
], QUOTED_SECRET);

/** A secret, or a list of them while one is replaced by another. */
const secret = v.union(
  [secretSource, v.pipe(v.array(secretSource), v.minLength(1, "at least one secret"))],
  QUOTED_SECRET,
);

const NETWORK = "an address or a network such as 192.0.2.0/24 or 2001:db8::/32";
const networks = v.pipe(
  v.array(readable(NETWORK, network), `a list of: ${NETWORK}`),
  v.minLength(1, `at least one: ${NETWORK}`),
);

const REMOTE = {
  option: "a URL; this one would be taken for an option",
  characters: "a URL without control characters",
  transport: "https://…, http://…, ssh://…, git://…, file://…, user@host:path or an absolute path",
  password: "a URL without a password, which would show in process lists; " +
    "use a deploy key or git's credential store",
} as const;

const remote = v.pipe(
  v.string(REMOTE.transport),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const url = remoteUrl(dataset.value);
    if (typeof url === "string") return url;
    addIssue({ message: REMOTE[url.problem] });
    return NEVER;
  }),
);

const providerNames = Object.keys(providers) as [ProviderName, ...ProviderName[]];

const DURATION_TEXT = "a duration such as 90s or 10m, from 1s to 24h";
const timeout = patterned(DURATION_TEXT, DURATION, within(duration, 1_000, 86_400_000));

const BRANCH = "the name of a branch";

/** One repository. */
export const repositorySchema = map({
  path: v.pipe(path, v.description("The checkout; absolute.")),
  secret: v.pipe(
    secret,
    v.description(
      "Shared with the forge: a text, a file, an environment variable, a systemd credential, or a list.",
    ),
  ),
  provider: optionalWithDefault(
    v.picklist(providerNames, providerNames.join(", ")),
    "coding",
    "The forge that delivers; pinned, never guessed.",
  ),
  remote: optional(remote, "Where to clone and fetch from; by default the checkout's origin."),
  branch: optional(
    readable(BRANCH, branchName, `${BRANCH}, in quotes where it looks like a number`),
    "By default the branch that is checked out, or the remote's HEAD in a new clone.",
  ),
  strategy: optionalWithDefault(
    v.picklist(["pull", "reset"], "pull, reset"),
    "pull",
    "pull fast-forwards and never discards local work; reset follows force-pushes and discards local changes to tracked files.",
  ),
  timeout: optionalWithDefault(timeout, "10m", "For one deployment."),
  allow_from: optional(networks, "The networks that may post deliveries."),
}, "a map of the repository's keys");

const LISTEN = 'HOST:PORT, "[V6]:PORT" or unix:/PATH, the path of at most 107 bytes';
const SIZE_TEXT = "a size such as 512KiB or 5MiB, from 1KiB to 64MiB";
const CONCURRENCY = "a whole number from 1 to 64";

const tls = map({ cert: path, key: path }, "{ cert: FILE, key: FILE }");

const log = map({
  format: optional(
    v.picklist(["text", "json"], "text, json"),
    "By default text on a terminal, else JSON lines.",
  ),
  level: optionalWithDefault(
    v.picklist(["debug", "info", "warning", "error"], "debug, info, warning, error"),
    "info",
    "The least level that is written.",
  ),
}, "{ format: text|json, level: debug|info|warning|error }");

const PROXY = `${NETWORK}, or unix`;
const proxies = v.pipe(
  v.array(
    readable(PROXY, (text) => text === "unix" ? text : network(text)),
    `a list of: ${PROXY}`,
  ),
  v.minLength(1, `at least one: ${PROXY}`),
);

const REPOSITORIES = "a map from names to repositories";

/** Everything but the repositories' own keys, which are checked one by one. */
export const rootSchema = map({
  listen: optionalWithDefault(
    readable(LISTEN, listenAddress),
    "0.0.0.0:17838",
    "The public listener.",
  ),
  tls: optional(tls, "Certificate and key in PEM; read again by SIGHUP."),
  trusted_proxies: optional(
    proxies,
    "Proxies whose X-Forwarded-For is believed; unix means whoever connects to our socket.",
  ),
  concurrency: optionalWithDefault(
    v.pipe(
      v.number(CONCURRENCY),
      v.integer(CONCURRENCY),
      v.minValue(1, CONCURRENCY),
      v.maxValue(64, CONCURRENCY),
    ),
    4,
    "Repositories that deploy at the same time.",
  ),
  body_limit: optionalWithDefault(
    patterned(SIZE_TEXT, SIZE, within(size, 1024, 64 * 1024 ** 2)),
    "5MiB",
    "A larger request gets 413.",
  ),
  log: optional(log, "How the log is written."),
  repositories: v.pipe(
    v.record(v.string(), v.unknown(), REPOSITORIES),
    v.check((value) => !Array.isArray(value), REPOSITORIES),
    v.description("The repositories by name."),
  ),
}, "a map of keys, with at least repositories");

/** The configuration's form with everything in it, for the JSON Schema. */
export const configSchema = v.strictObject({
  ...rootSchema.entries,
  repositories: v.pipe(
    v.record(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)), repositorySchema),
    v.minEntries(1),
    v.description("The repositories by name."),
  ),
});

/** The keys of a level, for suggestions; `parents` leads from the root. */
export function knownKeys(parents: readonly (string | number)[]): readonly string[] {
  const [first, , third] = parents;
  if (parents.length === 0) return Object.keys(rootSchema.entries);
  if (first === "tls") return Object.keys(tls.entries);
  if (first === "log") return Object.keys(log.entries);
  if (first === "repositories" && third === "secret") return Object.keys(secretPlace.entries);
  if (first === "repositories" && parents.length === 2) {
    return Object.keys(repositorySchema.entries);
  }
  return [];
}
