/**
 * `hook check`: is the configuration right, and is there what it names?
 *
 * @module
 */

import { isLocal } from "../address.ts";
import { checkAll, checkPlace } from "../check.ts";
import { type Args, UsageError } from "../cli.ts";
import type { Config, RepositoryConfig } from "../config.ts";
import type { Finding } from "../findings.ts";
import { Git, isSupportedGit, OLDEST_GIT } from "../git.ts";
import { providers } from "../providers/mod.ts";
import { adminClient, UnreachableError } from "./admin_client.ts";
import { loadConfigOf, repositoryNamed } from "./config_file.ts";
import type { Io } from "./io.ts";

/** Prints a line a check; 1 where one of them failed. */
export async function run(args: Args, io: Io): Promise<number> {
  if (args.has("schema")) {
    const { jsonSchema } = await import("../config/json_schema.ts");
    io.stdout(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return 0;
  }
  const config = await loadConfigOf(args, io);
  const repositories = selected(config, args.operands);
  const findings: Finding[] = [
    { level: "ok", about: "configuration", message: config.file },
    await checkGit(io),
    ...await checkPrivacy("configuration", holdsSecret(config) ? [config.file] : []),
  ];
  for (const repository of repositories) {
    const { name, secretFiles } = repository;
    findings.push(...await checkPrivacy(name, secretFiles), ...checkTransport(config, repository));
  }
  findings.push(...await checkRepositories(config, repositories, args, io));
  for (const { level, about, message } of findings) {
    io.stdout(`${level.padEnd(4)}  ${about}: ${message}\n`);
  }
  return findings.some(({ level }) => level === "fail") ? 1 : 0;
}

function selected(config: Config, names: readonly string[]): RepositoryConfig[] {
  return names.length === 0
    ? [...config.repositories.values()]
    : names.map((name) => repositoryNamed(config, name));
}

async function checkGit(io: Io): Promise<Finding> {
  try {
    const version = await new Git(io.env).version();
    if (isSupportedGit(version)) return { level: "ok", about: "git", message: version };
    const needed = OLDEST_GIT.join(".");
    return { level: "fail", about: "git", message: `${version} is older than ${needed}` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { level: "fail", about: "git", message };
  }
}

function holdsSecret({ repositories }: Config): boolean {
  return [...repositories.values()].some(({ hasLiteralSecret }) => hasLiteralSecret);
}

/** A secret that others on this machine can read is none. */
async function checkPrivacy(about: string, files: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const file of files) {
    const { mode } = await Deno.stat(file);
    if (mode === null || (mode & 0o007) === 0) continue;
    findings.push({
      level: "warn",
      about,
      message: `"${file}" holds a secret and every user can read it: chmod o= ${file}`,
    });
  }
  return findings;
}

/** Looks at the files, or with `--online` at everything: by the running service where there is one. */
async function checkRepositories(
  config: Config,
  repositories: readonly RepositoryConfig[],
  args: Args,
  io: Io,
): Promise<Finding[]> {
  const git = new Git(io.env);
  if (!args.has("online")) {
    return await Promise.all(repositories.map((each) => checkPlace(each, git)));
  }
  const service = await adminClient(args, io);
  try {
    const names = repositories.map(({ name }) => name);
    const { findings, configuration } = await service.ask("POST", "/check", { names });
    return [inForce(config, configuration as Config), ...findings as Finding[]];
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(error.message, RELOAD);
    if (!(error instanceof UnreachableError)) throw error;
    io.stderr(`hook: no service answers at "${service.path}", so the checks run as you\n`);
    return await checkAll(repositories, git);
  }
}

const RELOAD = 'is it loaded? "systemctl reload hook", or SIGHUP; another service: --admin';

/** Whether the service's findings are about the configuration that was named. */
function inForce(own: Config, its: Pick<Config, "file" | "fingerprint">): Finding {
  const about = "service";
  return own.fingerprint === its.fingerprint
    ? { level: "ok", about, message: "it answers, with this configuration in force" }
    : {
      level: "fail",
      about,
      message: `it was checked with another configuration, "${its.file}" as loaded; ${RELOAD}`,
    };
}

/** Whoever can read a delivery that is not signed can post others like it. */
function checkTransport({ listen, tls }: Config, { name, accept }: RepositoryConfig): Finding[] {
  if (tls !== undefined || listen === undefined || isLocal(listen)) return [];
  const unsigned = accept.filter(({ provider, secrets }) =>
    secrets.some((secret) => !providers[provider].signsBody(secret))
  );
  return unsigned.map(({ provider }) => ({
    level: "warn",
    about: name,
    message: `"${provider}" does not sign the body, and nothing encrypts it: ` +
      'set "tls", or listen on loopback or a unix socket behind a proxy that does',
  }));
}
