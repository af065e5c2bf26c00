/**
 * Which configuration a verb works with.
 *
 * @module
 */

import { type Args, UsageError } from "../cli.ts";
import { type Config, type ConfigSources, loadConfig, type RepositoryConfig } from "../config.ts";
import { nearest } from "../nearest.ts";
import { credentialsDirectory } from "../systemd.ts";
import type { Io } from "./io.ts";

/** Where packages put it. */
const DEFAULT_FILE = "/etc/hook/hook.yaml";

/** The file that the options, the environment or the default name. */
export function configFile(args: Args, io: Io): string {
  return args.value("config") ?? io.env("HOOK_CONFIG") ?? DEFAULT_FILE;
}

/** Where a configuration's secrets are. */
export function configSources(io: Io): ConfigSources {
  return {
    readFile: (path) => Deno.readTextFile(path),
    env: io.env,
    credentials: credentialsDirectory(io.env),
  };
}

/**
 * Loads the configuration of a verb.
 *
 * @throws {ConfigError} with every problem in it
 */
export function loadConfigOf(args: Args, io: Io): Promise<Config> {
  return loadConfig(configFile(args, io), configSources(io));
}

/**
 * Finds a repository by the name that was typed.
 *
 * @throws {UsageError} with the nearest name where there is none
 */
export function repositoryNamed({ repositories }: Config, name: string): RepositoryConfig {
  const all = [...repositories.values()];
  const found = all.find((repository) => repository.name === name);
  if (found !== undefined) return found;
  const near = nearest(name, all.map((repository) => repository.name));
  throw new UsageError(
    `no repository "${name}" in the configuration`,
    near === undefined ? undefined : `did you mean "${near}"?`,
  );
}
