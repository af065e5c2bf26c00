/** Files, variables and credentials that exist only for one test. */

import { type Config, ConfigError, type ConfigSources, parseConfig } from "../../lib/config.ts";

/** What there is to read; a file that is an error throws it. */
export interface Given {
  readonly files?: Readonly<Record<string, string | Error>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly credentials?: string;
}

/** Sources with nothing but what is given. */
export function sourcesOf({ files = {}, env = {}, credentials }: Given = {}): ConfigSources {
  return {
    readFile: (path) => {
      const found = Object.hasOwn(files, path) ? files[path]! : new Deno.errors.NotFound(path);
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
    env: (name) => Object.hasOwn(env, name) ? env[name] : undefined,
    credentials,
  };
}

/** The configuration of a text, or the messages with which it is refused. */
export async function outcomeOf(
  text: string,
  given?: Given,
): Promise<{ config: Config } | { problems: readonly string[] }> {
  try {
    return { config: await parseConfig(text, "hook.yaml", sourcesOf(given)) };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems };
    throw error;
  }
}

/** The messages with which a text is refused; none where it is accepted. */
export async function problemsIn(text: string, given?: Given): Promise<readonly string[]> {
  const outcome = await outcomeOf(text, given);
  return "problems" in outcome ? outcome.problems : [];
}

/** The configuration of a text that has no errors. */
export async function configOf(text: string, given?: Given): Promise<Config> {
  return await parseConfig(text, "hook.yaml", sourcesOf(given));
}
