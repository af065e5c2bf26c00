/**
 * `hook check`: is the configuration right, and is there what it names?
 *
 * @module
 */

import type { Args } from "../cli.ts";
import type { Config, RepositoryConfig } from "../config.ts";
import { isToBeCloned } from "../deploy/in_place.ts";
import { StepError } from "../deploy/step.ts";
import { checkedOutBranch, Git, isSupportedGit, OLDEST_GIT } from "../git.ts";
import { loadConfigOf, repositoryNamed } from "./config_file.ts";
import type { Io } from "./io.ts";

type Level = "ok" | "warn" | "fail";

/** One line of the result. */
interface Finding {
  readonly level: Level;
  readonly about: string;
  readonly message: string;
}

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
    ...await checkPrivacy("configuration", [config.file], hasLiteralSecret(config)),
  ];
  for (const repository of repositories) findings.push(...await checkRepository(repository));
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

function hasLiteralSecret({ repositories }: Config): boolean {
  return [...repositories.values()].some(({ secrets, secretFiles }) =>
    secrets.length > secretFiles.length
  );
}

/** A secret that others on this machine can read is none. */
async function checkPrivacy(
  about: string,
  files: readonly string[],
  holdsSecrets = true,
): Promise<Finding[]> {
  if (!holdsSecrets) return [];
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

async function checkRepository(repository: RepositoryConfig): Promise<Finding[]> {
  const about = repository.name;
  return [
    await checkCheckout(repository),
    ...await checkPrivacy(about, repository.secretFiles),
  ];
}

async function checkCheckout(repository: RepositoryConfig): Promise<Finding> {
  const { name: about, path, branch, remote } = repository;
  try {
    if (await isToBeCloned(repository)) {
      return remote === undefined
        ? { level: "fail", about, message: `"${path}" is missing or empty and "remote" is not set` }
        : { level: "ok", about, message: `"${path}" will be cloned from ${remote}` };
    }
    const current = await checkedOutBranch(path);
    const wanted = branch ?? current;
    if (wanted === undefined) {
      return { level: "fail", about, message: `"${path}" is detached and "branch" is not set` };
    }
    const switched = current !== wanted ? ` (now on ${current ?? "no branch"})` : "";
    return { level: "ok", about, message: `"${path}" follows ${wanted}${switched}` };
  } catch (error) {
    const message = error instanceof StepError || error instanceof Deno.errors.PermissionDenied
      ? error.message
      : String(error);
    return { level: "fail", about, message };
  }
}
