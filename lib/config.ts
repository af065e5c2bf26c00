/**
 * From `hook.yaml` to a configuration that can be relied on, or to every error in it at once.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { parse as parseYaml } from "@std/yaml/parse";
import * as v from "valibot";
import type { ListenAddress, Network, TrustedProxies } from "./address.ts";
import { type Acceptance, readAcceptances, readSecrets } from "./config/accept.ts";
import { pathProblems } from "./config/paths.ts";
import type { Step } from "./config/lines.ts";
import { formatProblems, type Problem, problemsOf } from "./config/problem.ts";
import { repositorySchema, rootSchema, secret as repositorySecret } from "./config/schema.ts";
import { type SecretReader, unreadable } from "./config/secrets.ts";
import { tabProblem, type YamlProblem, yamlProblem } from "./config/yaml_error.ts";
import type { Transport } from "./deploy/transport.ts";
import type { Kept } from "./keeper.ts";
import { type AbsolutePath, type RepositoryName, repositoryName } from "./values.ts";

/** One repository's part of the configuration. */
export interface RepositoryConfig extends Kept {
  /** The forges that deliver, in the order in which they are tried; one unless it is moving. */
  readonly accept: readonly Acceptance[];
  /** The files that secrets came from. */
  readonly secretFiles: readonly string[];
  /** Whether a secret stands in the configuration itself. */
  readonly hasLiteralSecret: boolean;
  readonly allowFrom?: readonly Network[];
}

/** Certificate and key, in PEM. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly files: { readonly cert: string; readonly key: string };
}

/** Everything that `hook serve` needs to know. */
export interface Config {
  readonly file: string;
  /** Tells one text of a configuration from another: its SHA-256, in hexadecimal digits. */
  readonly fingerprint: string;
  /** Undefined where the remotes are only polled. */
  readonly listen?: ListenAddress;
  /** Where the verbs reach the service; undefined for the place that goes with the state. */
  readonly admin?: ListenAddress;
  /** The directory of the history; undefined for the default. */
  readonly state?: AbsolutePath;
  readonly tls?: TlsConfig;
  readonly trustedProxies: TrustedProxies;
  readonly concurrency: number;
  /** In bytes. */
  readonly bodyLimit: number;
  readonly log: {
    readonly format?: "text" | "json";
    readonly level: "debug" | "info" | "warning" | "error";
  };
  readonly repositories: ReadonlyMap<RepositoryName, RepositoryConfig>;
}

/** A configuration with errors: one message each, with file, line where known, and key. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly string[], readonly hint?: string) {
    super(problems.join("\n"));
  }
}

/** Where a configuration's parts are read from; the tests have their own. */
export type ConfigSources = SecretReader;

/**
 * Reads and checks a configuration, with the secrets and certificates that it names.
 *
 * @throws {ConfigError} with every problem that could be found
 */
export async function loadConfig(file: string, sources: ConfigSources): Promise<Config> {
  let text: string;
  try {
    text = await sources.readFile(file);
  } catch (error) {
    const hint = error instanceof Deno.errors.NotFound ? "name another one: -c FILE" : undefined;
    throw new ConfigError([`${file}: cannot be read: ${unreadable(error)}`], hint);
  }
  return await parseConfig(text, file, sources);
}

/**
 * Checks a configuration's text.
 *
 * @param file its name, for messages
 * @throws {ConfigError} with every problem that could be found
 */
export async function parseConfig(
  text: string,
  file: string,
  sources: ConfigSources,
): Promise<Config> {
  const raw = readYaml(text, file);
  const root = v.safeParse(rootSchema, raw);
  const problems = root.issues ? problemsOf(root.issues, []) : [];
  const entries = Object.entries(repositoriesOf(raw));
  const isPublic = part("listen", raw) !== "none";
  const checked = await Promise.all(
    entries.map(([name, value]) => checkRepository(name, value, isPublic, sources)),
  );
  problems.push(...checked.flatMap((repository) => repository.problems));
  problems.push(...pathProblems(entries.flatMap(([name, value]) => {
    return isMap(value) && typeof value.path === "string" ? [[name, value.path]] : [];
  })));
  if (entries.length === 0 && isMap(raw) && isMap(raw.repositories)) {
    problems.push({
      path: ["repositories"],
      message: "found an empty map; allowed: at least one repository",
    });
  }
  const tls = await readTls(part("tls", raw), sources, problems);
  problems.push(...listenProblems(raw, entries));
  if (problems.length > 0 || !root.success) {
    throw new ConfigError(formatProblems(problems, text, file));
  }

  const { listen, admin, state, trusted_proxies, concurrency, body_limit, log } = root.output;
  const proxies = trusted_proxies ?? [];
  return {
    file,
    fingerprint: await fingerprintOf(text),
    ...listen !== "none" && { listen },
    ...admin && { admin },
    ...state && { state },
    ...tls && { tls },
    trustedProxies: {
      networks: proxies.filter((proxy) => proxy !== "unix"),
      unix: proxies.includes("unix"),
    },
    concurrency,
    bodyLimit: body_limit,
    log: { level: log?.level ?? "info", ...log?.format && { format: log.format } },
    repositories: new Map(
      checked.flatMap(({ config }) => config ? [[config.name, config] as const] : []),
    ),
  };
}

async function fingerprintOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeHex(new Uint8Array(digest));
}

/**
 * Parses YAML.
 *
 * @throws {ConfigError} where it is not YAML
 */
function readYaml(text: string, file: string): unknown {
  const refuse = ({ line, message }: YamlProblem) =>
    new ConfigError([`${line === undefined ? file : `${file}:${line}`}: ${message}`]);
  const tab = tabProblem(text);
  if (tab !== undefined) throw refuse(tab);
  try {
    return parseYaml(text, { schema: "core" }) as unknown;
  } catch (error) {
    throw error instanceof Error ? refuse(yamlProblem(error, text)) : error;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function repositoriesOf(raw: unknown): Record<string, unknown> {
  const repositories = isMap(raw) && Object.hasOwn(raw, "repositories") ? raw.repositories : {};
  return isMap(repositories) ? repositories : {};
}

/** One key of the whole, valid though others may not be. */
function part<Key extends keyof RootEntries>(
  key: Key,
  raw: unknown,
): v.InferOutput<RootEntries[Key]> | undefined {
  const parsed = v.safeParse(rootSchema.entries[key], isMap(raw) ? raw[key] : undefined);
  return parsed.success ? parsed.output as v.InferOutput<RootEntries[Key]> : undefined;
}

type RootEntries = typeof rootSchema.entries;

interface CheckedRepository {
  readonly name: string;
  readonly problems: readonly Problem[];
  readonly config?: RepositoryConfig;
}

async function checkRepository(
  name: string,
  value: unknown,
  isPublic: boolean,
  sources: ConfigSources,
): Promise<CheckedRepository> {
  const base = ["repositories", name];
  const problems: Problem[] = [];
  const validName = repositoryName(name);
  if (validName === undefined) {
    problems.push({
      path: base,
      message: "this name is not usable in a URL; allowed: lower-case letters, digits, " +
        "dot, dash and underscore, up to 64, the first a letter or digit",
    });
  }
  const parsed = v.safeParse(repositorySchema, value);
  if (parsed.issues) problems.push(...problemsOf(parsed.issues, base));
  const proofs = isMap(value) ? await readAcceptances(value, base, sources, isPublic) : undefined;
  problems.push(...proofs?.problems ?? []);
  const password = await readPassword(value, base, sources);
  problems.push(...password.problems);
  if (isMap(value)) problems.push(...contradictions(value, base, isPublic));
  if (problems.length > 0 || !parsed.success || !proofs || validName === undefined) {
    return { name, problems };
  }

  const { remote, branch, tags, depth, hooks, poll, allow_from, ...others } = parsed.output;
  const { path, strategy, timeout, keep, shared, submodules, touch } = others;
  const config: RepositoryConfig = {
    name: validName,
    path,
    accept: proofs.accept,
    secretFiles: [...proofs.files, ...password.files],
    hasLiteralSecret: proofs.isLiteral || password.isLiteral,
    strategy,
    timeout,
    keep,
    shared,
    submodules,
    touch,
    transport: transportOf(parsed.output, password.values[0]?.value),
    ...poll !== "off" && { poll },
    ...tags && { tags },
    ...depth && { depth },
    ...hooks && { hooks },
    ...remote && { remote },
    ...branch && { branch },
    ...allow_from && { allowFrom: allow_from },
  };
  return { name, problems, config };
}

type ParsedRepository = v.InferOutput<typeof repositorySchema>;

/** The password for https; its form is left to the schema to report. */
function readPassword(value: unknown, base: readonly Step[], sources: ConfigSources) {
  const credentials = isMap(value) && isMap(value.credentials) ? value.credentials : {};
  const source = v.safeParse(repositorySecret, credentials.password);
  const path = [...base, "credentials", "password"];
  return readSecrets(source.success ? source.output : [], sources, path);
}

function transportOf(
  { ssh_key, known_hosts, credentials }: ParsedRepository,
  password: string | undefined,
): Transport {
  return {
    ...ssh_key && { sshKey: ssh_key },
    ...known_hosts && { knownHosts: known_hosts },
    ...credentials && password !== undefined &&
      { credentials: { username: credentials.username, password } },
  };
}

/** Keys that are right by themselves and wrong together. */
function contradictions(
  { tags, branch, strategy, shared, poll }: Record<string, unknown>,
  base: readonly Step[],
  isPublic: boolean,
): Problem[] {
  const problems: Problem[] = [];
  const refuse = (key: string, message: string) => problems.push({ path: [...base, key], message });
  if (tags !== undefined && branch !== undefined) {
    refuse("tags", 'found beside "branch"; allowed: one of the two');
  }
  const isShared = Array.isArray(shared) && shared.length > 0;
  if (isShared && strategy !== "release") {
    refuse("shared", 'found without "strategy: release"; allowed: with it');
  }
  if (poll === "off" && !isPublic) {
    refuse(
      "poll",
      'found off beside "listen: none", so nothing would be deployed; ' +
        "allowed: a duration",
    );
  }
  return problems;
}

async function readTls(
  tls: { cert: string; key: string } | undefined,
  sources: ConfigSources,
  problems: Problem[],
): Promise<TlsConfig | undefined> {
  if (tls === undefined) return undefined;
  const read = async (key: "cert" | "key"): Promise<string> => {
    let what = `the file "${tls[key]}"`;
    try {
      const pem = await sources.readFile(tls[key]);
      if (pem.includes("-----BEGIN ")) return pem;
      what += ", which is not PEM";
    } catch (error) {
      what += `, which cannot be read: ${unreadable(error)}`;
    }
    problems.push({ path: ["tls", key], message: `found ${what}; allowed: a file in PEM` });
    return "";
  };
  return { cert: await read("cert"), key: await read("key"), files: tls };
}

/** What the listener's address makes impossible. */
function listenProblems(raw: unknown, entries: readonly (readonly [string, unknown])[]): Problem[] {
  const listen = part("listen", raw);
  if (!isMap(raw) || (listen !== "none" && listen?.kind !== "unix")) return [];
  const problems: Problem[] = [];
  if (raw.tls !== undefined) {
    problems.push({
      path: ["tls"],
      message: 'found beside a "listen" without TLS; allowed: beside "listen: HOST:PORT"',
    });
  }
  if (part("trusted_proxies", raw)?.includes("unix")) return problems;
  for (const [name, value] of entries) {
    if (!isMap(value) || value.allow_from === undefined) continue;
    problems.push({
      path: ["repositories", name, "allow_from"],
      message: "found beside a unix socket, where no address is known; allowed: beside " +
        '"trusted_proxies: [unix]", where the proxy sends X-Forwarded-For',
    });
  }
  return problems;
}
