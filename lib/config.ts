/**
 * From `hook.yaml` to a configuration that can be relied on, or to every error in it at once.
 *
 * @module
 */

import { parse as parseYaml } from "@std/yaml/parse";
import * as v from "valibot";
import type { ListenAddress, Network, TrustedProxies } from "./address.ts";
import { lineOf, type Step } from "./config/lines.ts";
import { type Problem, problemsOf } from "./config/problem.ts";
import { knownKeys, repositorySchema, rootSchema } from "./config/schema.ts";
import {
  readSecret,
  SecretError,
  secretPath,
  type SecretReader,
  type SecretSource,
} from "./config/secrets.ts";
import type { Target } from "./deploy/step.ts";
import type { ProviderName } from "./providers/mod.ts";
import {
  type AbsolutePath,
  absolutePath,
  isWithin,
  type RepositoryName,
  repositoryName,
} from "./values.ts";

/** One repository's part of the configuration. */
export interface RepositoryConfig extends Target {
  /** The values, in the order in which they are tried; never shown. */
  readonly secrets: readonly string[];
  /** The files that secrets came from. */
  readonly secretFiles: readonly string[];
  readonly provider: ProviderName;
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
  readonly listen: ListenAddress;
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
  constructor(readonly problems: readonly string[]) {
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
    const missing = error instanceof Deno.errors.NotFound;
    throw new ConfigError([`${file}: cannot be read: ${missing ? "it does not exist" : error}`]);
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
  const root = v.safeParse(rootSchema, raw, {});
  const problems = root.issues ? problemsOf(withAllUnknownKeys(root.issues, raw, []), []) : [];
  const entries = Object.entries(repositoriesOf(raw));
  const checked = await Promise.all(
    entries.map(([name, value]) => checkRepository(name, value, sources)),
  );
  problems.push(...checked.flatMap((repository) => repository.problems));
  problems.push(...pathProblems(entries));
  if (entries.length === 0 && isMap(raw) && isMap(raw.repositories)) {
    problems.push({
      path: ["repositories"],
      message: "found none; allowed: at least one repository",
    });
  }
  const tls = await readTls(root.success ? root.output.tls : undefined, sources, problems);
  if (root.success) problems.push(...listenProblems(root.output, checked));
  if (problems.length > 0 || !root.success) throw new ConfigError(format(problems, text, file));

  const { listen, trusted_proxies, concurrency, body_limit, log } = root.output;
  const proxies = trusted_proxies ?? [];
  return {
    file,
    listen,
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

/**
 * Parses YAML. Its messages may quote the text, which may be a secret, so quotations are cut.
 *
 * @throws {ConfigError} where it is not YAML
 */
function readYaml(text: string, file: string): unknown {
  try {
    return parseYaml(text, { schema: "core" }) as unknown;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const line = "line" in error && typeof error.line === "number" ? `:${error.line}` : "";
    const [what = ""] = error.message.replace(/"[^"]*"|'[^']*'/g, '"…"').split("\n", 1);
    throw new ConfigError([`${file}${line}: not valid YAML: ${what}`]);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function repositoriesOf(raw: unknown): Record<string, unknown> {
  const repositories = isMap(raw) && Object.hasOwn(raw, "repositories") ? raw.repositories : {};
  return isMap(repositories) ? repositories : {};
}

type Issues = readonly v.BaseIssue<unknown>[];

/** The validator stops at the first unknown key of a map; this adds the others. */
function withAllUnknownKeys(issues: Issues, value: unknown, base: readonly Step[]): Issues {
  if (!isMap(value)) return issues;
  const known = knownKeys(base);
  const isUnknown = (key: string) => !known.includes(key);
  const first = issues.find((issue) => issue.path?.length === 1 && issue.expected === "never");
  if (first === undefined) return issues;
  const [place] = first.path!;
  const others = Object.keys(value).filter((key) => isUnknown(key) && key !== place.key);
  return [
    ...issues,
    ...others.map((key) => ({ ...first, path: [{ ...place, key }] as typeof first.path })),
  ];
}

interface CheckedRepository {
  readonly name: string;
  readonly problems: readonly Problem[];
  readonly config?: RepositoryConfig;
}

async function checkRepository(
  name: string,
  value: unknown,
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
  if (parsed.issues) {
    problems.push(...problemsOf(withAllUnknownKeys(parsed.issues, value, base), base));
  }
  const source = v.safeParse(
    repositorySchema.entries.secret,
    isMap(value) ? value.secret : undefined,
  );
  const secrets = source.success ? await readSecrets(source.output, sources, base) : NO_SECRETS;
  problems.push(...secrets.problems);
  if (problems.length > 0 || !parsed.success || validName === undefined) return { name, problems };

  const { path, provider, remote, branch, strategy, timeout, allow_from } = parsed.output;
  const config: RepositoryConfig = {
    name: validName,
    path,
    secrets: secrets.values,
    secretFiles: secrets.files,
    provider,
    strategy,
    timeout,
    ...remote && { remote },
    ...branch && { branch },
    ...allow_from && { allowFrom: allow_from },
  };
  return { name, problems, config };
}

interface Secrets {
  readonly values: readonly string[];
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

const NO_SECRETS: Secrets = { values: [], files: [], problems: [] };

async function readSecrets(
  secret: SecretSource | SecretSource[],
  sources: ConfigSources,
  base: readonly Step[],
): Promise<Secrets> {
  const values: string[] = [];
  const files: string[] = [];
  const problems: Problem[] = [];
  const list = Array.isArray(secret) ? secret : [secret];
  for (const [index, source] of list.entries()) {
    const path = [...base, "secret", ...Array.isArray(secret) ? [index] : []];
    try {
      values.push(await readSecret(source, sources));
      if (typeof source !== "string" && !("env" in source)) files.push(secretPath(source, sources));
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      problems.push({
        path,
        message: `found ${error.message}; allowed: a secret that is not empty`,
      });
    }
  }
  return { values, files, problems };
}

async function readTls(
  tls: { cert: string; key: string } | undefined,
  sources: ConfigSources,
  problems: Problem[],
): Promise<TlsConfig | undefined> {
  if (tls === undefined) return undefined;
  const read = async (key: "cert" | "key"): Promise<string> => {
    try {
      const pem = await sources.readFile(tls[key]);
      if (pem.includes("-----BEGIN ")) return pem;
      problems.push({ path: ["tls", key], message: `"${tls[key]}" is not PEM` });
    } catch (error) {
      const why = error instanceof Error ? error.name : "unknown error";
      problems.push({ path: ["tls", key], message: `"${tls[key]}" cannot be read: ${why}` });
    }
    return "";
  };
  return { cert: await read("cert"), key: await read("key"), files: tls };
}

/** Two repositories must not write into one directory. */
function pathProblems(entries: readonly (readonly [string, unknown])[]): Problem[] {
  const problems: Problem[] = [];
  const seen: { name: string; path: AbsolutePath; real: AbsolutePath }[] = [];
  for (const [name, value] of entries) {
    const text = isMap(value) && typeof value.path === "string" ? value.path : "";
    const path = absolutePath(text);
    if (path === undefined) continue;
    const real = realPath(path);
    for (const other of seen) {
      const relation = real === other.real
        ? "is the same directory as"
        : isWithin(other.real, real)
        ? "is inside"
        : isWithin(real, other.real)
        ? "contains"
        : undefined;
      if (relation === undefined) continue;
      problems.push({
        path: ["repositories", name, "path"],
        message: `"${path}" ${relation} the path of "${other.name}"; ` +
          "allowed: a directory of its own",
      });
    }
    seen.push({ name, path, real });
  }
  return problems;
}

/** The path without symbolic links, as far as it exists already. */
function realPath(path: AbsolutePath): AbsolutePath {
  try {
    return absolutePath(Deno.realPathSync(path)) ?? path;
  } catch {
    return path;
  }
}

/** What the listener's address makes impossible. */
function listenProblems(
  root: v.InferOutput<typeof rootSchema>,
  repositories: readonly CheckedRepository[],
): Problem[] {
  if (root.listen.kind !== "unix") return [];
  const problems: Problem[] = [];
  if (root.tls) {
    problems.push({
      path: ["tls"],
      message: 'found with "listen: unix:…"; allowed: with HOST:PORT',
    });
  }
  if (root.trusted_proxies?.includes("unix")) return problems;
  for (const { name, config } of repositories) {
    if (config?.allowFrom === undefined) continue;
    problems.push({
      path: ["repositories", name, "allow_from"],
      message: "no address can be known behind a unix socket; allowed: with " +
        '"trusted_proxies: [unix]", where the proxy sends X-Forwarded-For',
    });
  }
  return problems;
}

/** Lines such as `hook.yaml:7: repositories.app.brnch: unknown key, …`, in the file's order. */
function format(problems: readonly Problem[], text: string, file: string): string[] {
  return problems
    .map((problem) => ({ ...problem, line: lineOf(text, problem.path) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
    .map(({ path, line, message }) => {
      const place = line === undefined ? file : `${file}:${line}`;
      return path.length === 0 ? `${place}: ${message}` : `${place}: ${path.join(".")}: ${message}`;
    });
}
