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

/** A map of these keys and no others. */
function map<const Entries extends v.ObjectEntries>(entries: Entries, allowed: string) {
  return notList(v.strictObject(entries, allowed), allowed);
}

/** The validator takes a list for a map with the keys 0, 1, 2; this refuses it. */
function notList<S extends v.GenericSchema>(schema: S, allowed: string): S {
  const never = v.never(allowed);
  const run: S["~run"] = (dataset, config) =>
    Array.isArray(dataset.value) ? never["~run"](dataset, config) : schema["~run"](dataset, config);
  return { ...schema, "~run": run };
}

/** An entry of `shared`: relative, without a way out of the release, a directory where it ends in /. */
function sharedEntry(text: string): string | undefined {
  const bare = text.replace(/\/$/, "");
  return absolutePath(`/${bare}`) === `/${bare}` && !/^\.git(?:\/|$)/.test(bare) ? text : undefined;
}

function unixAddress(text: string) {
  const address = listenAddress(text);
  return address?.kind === "unix" ? address : undefined;
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

const SECRET_ENV = "a variable whose name begins with HOOK_SECRET_";

/** Where a secret is kept; a map with exactly one of its keys. */
const secretPlace = map({
  file: v.optional(path),
  env: v.optional(
    v.pipe(v.string(SECRET_ENV), v.regex(/^HOOK_SECRET_[A-Za-z0-9_]+$/, SECRET_ENV)),
  ),
  credential: v.optional(
    v.pipe(
      v.string("a credential's name"),
      v.regex(/^(?!\.)[A-Za-z0-9._-]+$/, "a credential's name"),
    ),
  ),
}, SECRET);

const secretForms = [
  v.string(),
  v.pipe(
    secretPlace,
    v.check(
      (place) => Object.values(place).filter((value) => value !== undefined).length === 1,
      "exactly one of file, env, credential",
    ),
    v.transform((place) => place as SecretPlace),
  ),
] as const;

/** A secret, or a list of them while one is replaced by another. */
export const secret = v.union([
  ...secretForms,
  v.pipe(
    v.array(v.union(secretForms, "a text, { file: … }, { env: … } or { credential: … }")),
    v.minLength(1, "at least one secret"),
  ),
], `${SECRET}; a number needs quotes`);

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

const HEADER = "a header's name: letters, digits and dashes";

const providerNames = Object.keys(providers) as [ProviderName, ...ProviderName[]];

const DURATION_TEXT = "a duration such as 90s or 10m, from 1s to 24h";
const timeout = patterned(DURATION_TEXT, DURATION, within(duration, 1_000, 86_400_000));

const BRANCH = "the name of a branch";

/** How deliveries prove themselves. */
export const proofEntries = {
  provider: optionalWithDefault(
    v.picklist(providerNames, providerNames.join(", ")),
    "coding",
    "The forge that delivers; pinned, never guessed.",
  ),
  secret: optional(
    secret,
    "Shared with the forge: a text, a file, an environment variable, a systemd credential, or a list.",
  ),
  allow_sha1: optional(
    v.boolean("true, false"),
    "github: take SHA-1 where the stronger signature is absent.",
  ),
  signature_header: optional(
    v.pipe(v.string(HEADER), v.regex(/^[A-Za-z0-9-]{1,64}$/, HEADER)),
    "cnb: the header with the signature; by default X-CNB-Signature.",
  ),
} as const;

const acceptance = map(
  {
    ...proofEntries,
    provider: v.picklist(providerNames, providerNames.join(", ")),
    secret,
  },
  "a map with provider and secret",
);

const ACCEPT = "a list of { provider, secret }";

const TAGS = "a pattern of tags such as v*";
const KEEP = "a whole number from 1 to 100";
const DEPTH = "a whole number from 1 to 1000000";
const SHARED = 'a list of paths inside a release, such as .env or media/, without "." and ".."';
const POLL = "a duration from 10s to 24h, or off";
const PATHS = `a list; each item ${ABSOLUTE_PATH}`;
const SUBMODULES = "true, false, recursive";
const CREDENTIALS = "{ username: NAME, password: SECRET }";

const credentials = map({
  username: v.pipe(v.string("a user name"), v.regex(/^[^\p{Cc}]+$/u, "a user name")),
  password: secret,
}, CREDENTIALS);

function wholeNumber(allowed: string, least: number, most: number) {
  return v.pipe(
    v.number(allowed),
    v.integer(allowed),
    v.minValue(least, allowed),
    v.maxValue(most, allowed),
  );
}

/** One repository. */
export const repositorySchema = map({
  // The JSON Schema is about the text, so it ends where a transformation begins.
  path: v.pipe(
    v.string(ABSOLUTE_PATH),
    v.description("The checkout; absolute."),
    transformation(ABSOLUTE_PATH, absolutePath),
  ),
  ...proofEntries,
  accept: optional(
    v.pipe(v.array(acceptance, ACCEPT), v.minLength(1, ACCEPT)),
    "Several forges instead of provider and secret, while a repository moves.",
  ),
  remote: optional(remote, "Where to clone and fetch from; by default the checkout's origin."),
  branch: optional(
    readable(BRANCH, branchName, `${BRANCH}, in quotes where it looks like a number`),
    "By default the branch that is checked out, or the remote's HEAD in a new clone.",
  ),
  tags: optional(
    v.pipe(v.string(TAGS), v.regex(/^(?![-/.])(?!.*(?:\.\.|\/\/))[\w.*?/+-]{1,200}$/, TAGS)),
    "Tags to follow instead of a branch: the highest version among those that are new.",
  ),
  strategy: optionalWithDefault(
    v.picklist(["pull", "reset", "release"], "pull, reset, release"),
    "pull",
    "pull fast-forwards and never discards local work; reset follows force-pushes and discards local changes to tracked files; release is atomic.",
  ),
  keep: optionalWithDefault(wholeNumber(KEEP, 1, 100), 5, "Releases kept."),
  shared: optionalWithDefault(
    v.array(readable(SHARED, (text) => sharedEntry(text)), SHARED),
    [],
    "Entries of a release that are linked from PATH/shared: media/ is a directory, .env a file.",
  ),
  submodules: optionalWithDefault(
    v.union([v.boolean(), v.literal("recursive")], SUBMODULES),
    false,
    "Whether submodules are checked out, and theirs.",
  ),
  depth: optional(wholeNumber(DEPTH, 1, 1_000_000), "How many commits of history are fetched."),
  ssh_key: optional(path, "A private key for this repository alone."),
  known_hosts: optional(path, "The host keys for this repository alone."),
  credentials: optional(credentials, "For https; the password in the forms of secret."),
  hooks: optional(path, "A directory with executables pre-deploy and post-deploy."),
  touch: optionalWithDefault(
    v.array(path, PATHS),
    [],
    "Files whose time of modification is set after a deployment.",
  ),
  poll: optionalWithDefault(
    readable(POLL, (text) => text === "off" ? "off" : within(duration, 10_000, 86_400_000)(text)),
    "5m",
    "How often the remote is compared even if no delivery came.",
  ),
  timeout: optionalWithDefault(timeout, "10m", "For one deployment."),
  allow_from: optional(networks, "The networks that may post deliveries."),
}, "a map of the repository's keys");

const LISTEN = 'HOST:PORT, "[V6]:PORT", unix:/PATH with a path of at most 107 bytes, or none';
const ADMIN = "unix:/PATH, the path of at most 107 bytes";
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
    readable(LISTEN, (text) => text === "none" ? text : listenAddress(text)),
    "0.0.0.0:17838",
    "The public listener; none where remotes are only polled.",
  ),
  admin: optional(readable(ADMIN, unixAddress), "Where the verbs reach the service."),
  state: optional(path, "The directory of the history."),
  tls: optional(tls, "Certificate and key in PEM; read again by SIGHUP."),
  trusted_proxies: optional(
    proxies,
    "Proxies whose X-Forwarded-For is believed; unix means whoever connects to our socket.",
  ),
  concurrency: optionalWithDefault(
    wholeNumber(CONCURRENCY, 1, 64),
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
    notList(v.record(v.string(), v.unknown(), REPOSITORIES), REPOSITORIES),
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
  const [first, , third, , fifth] = parents;
  if (parents.length === 0) return Object.keys(rootSchema.entries);
  if (first === "tls") return Object.keys(tls.entries);
  if (first === "log") return Object.keys(log.entries);
  if (first === "repositories" && (third === "secret" || fifth === "secret")) {
    return Object.keys(secretPlace.entries);
  }
  if (first === "repositories" && third === "credentials") {
    return Object.keys(parents.length === 3 ? credentials.entries : secretPlace.entries);
  }
  if (first === "repositories" && third === "accept") return Object.keys(acceptance.entries);
  if (first === "repositories" && parents.length === 2) {
    return Object.keys(repositorySchema.entries);
  }
  return [];
}
