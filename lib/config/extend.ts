/**
 * A configuration with one more repository, made from its text and read again before it counts.
 *
 * @module
 */

import { type Config, ConfigError, type ConfigSources, parseConfig } from "../config.ts";
import type { RepositoryName } from "../values.ts";
import { AppendError, appendRepository, type Entry } from "./append.ts";

/** A configuration's file. */
export interface ConfigText {
  readonly file: string;
  /** Undefined where there is none yet. */
  readonly text?: string;
}

/** What comes to it. */
export interface Addition {
  readonly entry: Entry & { readonly secret: { readonly file: string } };
  /** What the file of the secret will hold. */
  readonly secret: string;
  readonly sources: ConfigSources;
}

/** The configuration can't be extended; the message says why, the hint what to do. */
export class ExtendError extends Error {
  override readonly name = "ExtendError";
  constructor(message: string, readonly hint: string) {
    super(message);
  }
}

/** How a new configuration begins. */
const NEW_FILE = "# What may stand here: hook check --schema\n";

/** What stands in for secrets that only the service can read; every forge would take it. */
const STAND_IN = `whsec_${"A".repeat(43)}=`;
const STAND_IN_CREDENTIALS = "/credentials-of-the-service";

/**
 * Adds a repository.
 *
 * @throws {ExtendError} where the name is taken, or the text is written in a way of its own
 * @throws {ConfigError} where the configuration has errors, old or new
 */
export async function extendConfig(
  { file, text = "" }: ConfigText,
  name: RepositoryName,
  addition: Addition,
): Promise<{ text: string; config: Config }> {
  const read = (text: string) => parseConfig(text, file, pretended(addition));
  const before = await orError(read(text));
  if (!(before instanceof ConfigError) && before.repositories.has(name)) {
    throw new ExtendError(
      `"${name}" is in "${file}" already`,
      "choose another name, or edit the file",
    );
  }
  const extended = appended(text, name, addition.entry, file);
  const after = await orError(read(extended));
  // One without repositories is no valid configuration yet, and becomes one by this.
  if (after instanceof ConfigError) {
    if (before instanceof ConfigError) throw text === "" ? after : before;
    throw new ExtendError(`cannot add "${name}": ${told(after, name)}`, "nothing was changed");
  }
  if (!(before instanceof ConfigError) && !isExtension(before, after)) {
    throw byHand(file, name, addition.entry);
  }
  return { text: extended, config: after };
}

async function orError(config: Promise<Config>): Promise<Config | ConfigError> {
  try {
    return await config;
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** The problems of a repository that is not in the file, so without file and line. */
function told({ problems }: ConfigError, name: string): string {
  const place = new RegExp(`^.*?: repositories\\.${name.replaceAll(".", "\\.")}\\.`);
  return problems.map((problem) => problem.replace(place, "")).join("; ");
}

/** The sources, with the secret that is not written yet, and with what systemd will pass. */
function pretended({ sources, entry, secret }: Addition): ConfigSources {
  return {
    env: (name) => sources.env(name) ?? STAND_IN,
    credentials: sources.credentials ?? STAND_IN_CREDENTIALS,
    readFile: async (path) => {
      if (path === entry.secret.file) return secret;
      return path.startsWith(`${STAND_IN_CREDENTIALS}/`) ? STAND_IN : await sources.readFile(path);
    },
  };
}

function appended(text: string, name: string, entry: Entry, file: string): string {
  try {
    return appendRepository(text === "" ? NEW_FILE : text, name, entry);
  } catch (error) {
    throw error instanceof AppendError ? byHand(file, name, entry) : error;
  }
}

function byHand(file: string, name: string, entry: Entry): ExtendError {
  const lines = appendRepository("", name, entry).replace(/^repositories:\n/, "").trimEnd();
  return new ExtendError(
    `"${file}" is written in a way that only its author can extend`,
    `add this to its repositories by hand, and a secret in a file of its own:\n${lines}`,
  );
}

/** Whether nothing but one repository has come to the configuration. */
function isExtension(before: Config, after: Config): boolean {
  const rest = ({ repositories: _, fingerprint: __, ...others }: Config) => JSON.stringify(others);
  return after.repositories.size === before.repositories.size + 1 &&
    rest(before) === rest(after) &&
    [...before.repositories].every(([name, repository]) =>
      JSON.stringify(repository) === JSON.stringify(after.repositories.get(name))
    );
}
