/** What the tests of the engine share: repositories of both kinds, hooks, and the verbs. */

import { assertEquals } from "@std/assert";
import { push, v2 } from "./coding.ts";
import { exists } from "./paths.ts";
import type { Remote } from "./repository.ts";
import type { Answer, LogLine, Service } from "./service.ts";
import { until } from "./wait.ts";
import type { Finished, World } from "./world.ts";

const REF = "refs/heads/master";

/** A repository that is kept by the engine, whatever its strategy. */
export interface Site {
  world: World;
  service: Service;
  remote: Remote;
  path: string;
  secret: string;
  /** What the configuration says about it. */
  repository: Record<string, unknown>;
  isRelease: boolean;
}

export interface SiteOptions {
  strategy?: "pull" | "reset" | "release";
  /** Over the keys of the repository. */
  repository?: Record<string, unknown>;
  /** Besides `repositories`. */
  config?: Record<string, unknown>;
  /** Scripts by name, `pre-deploy` and `post-deploy`. */
  hooks?: Record<string, string>;
  /** The remote's URL, where it is not its path. */
  url?: (remote: Remote) => string;
}

/** Writes executables into a folder and gives back its path. */
export function hooks(world: World, scripts: Record<string, string>, name = "hooks"): string {
  const folder = world.file(name);
  Deno.mkdirSync(folder, { recursive: true });
  for (const [hook, script] of Object.entries(scripts)) {
    Deno.writeTextFileSync(`${folder}/${hook}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    Deno.chmodSync(`${folder}/${hook}`, 0o755); // What is written over keeps its mode.
  }
  return folder;
}

/** A remote that the service has cloned and deployed for the first time. */
export async function site(world: World, options: SiteOptions = {}): Promise<Site> {
  const strategy = options.strategy ?? "pull";
  const remote = await world.remote();
  const path = world.file("srv/app");
  const secret = world.secret();
  const repository = {
    path,
    secret,
    remote: options.url?.(remote) ?? remote.path,
    strategy,
    poll: "off",
    ...(options.hooks === undefined ? {} : { hooks: hooks(world, options.hooks) }),
    ...options.repository,
  };
  const isRelease = strategy === "release";
  const service = await world.start({ ...options.config, repositories: { app: repository } });
  const made = { world, service, remote, path, secret, repository, isRelease };
  await deployedAt(made, await remote.head());
  return made;
}

/** Starts the service of a site anew; the one before has ended. */
export async function again(
  site: Site,
  config: Record<string, unknown> = {},
): Promise<void> {
  site.service = await site.world.start({ ...config, repositories: { app: site.repository } });
}

/** The repository's own directory. */
export function gitFolder({ path, isRelease }: Site): string {
  return isRelease ? `${path}/repository.git` : `${path}/.git`;
}

/** What readers see. */
export async function live(site: Site): Promise<string> {
  const { world, path, isRelease } = site;
  return await world.git(
    isRelease ? Deno.realPathSync(`${path}/current`) : path,
    "rev-parse",
    "HEAD",
  );
}

/** What counts as deployed; undefined where nothing does. */
export async function marked(site: Site): Promise<string | undefined> {
  const folder = gitFolder(site);
  if (!exists(folder)) return undefined;
  return await site.world.git(folder, "rev-parse", "--verify", "refs/hook/deployed")
    .catch(() => undefined);
}

/** Waits until a commit counts as deployed and nothing is left to do for it; readers see it, too. */
export async function deployedAt(site: Site, sha: string): Promise<void> {
  await until(
    async () => await marked(site) === sha && !exists(`${gitFolder(site)}/hook-deployment.json`),
    `${sha} is deployed`,
  );
  assertEquals(await live(site), sha);
}

/** Posts a push that nobody has posted before. */
export async function deliver(
  { service, secret }: Pick<Site, "service" | "secret">,
  options: { wait?: string; path?: string; delivery?: string } = {},
): Promise<Answer> {
  const { delivery, ...rest } = options;
  const posting = v2(push(REF), { secret, ...(delivery === undefined ? {} : { delivery }) });
  return await service.post(posting, rest);
}

/** Runs a verb that speaks to the service of a site. */
export async function verb({ world, service }: Site, ...words: string[]): Promise<Finished> {
  return await world.run([...words, "-c", service.config]);
}

/** `hook status --json` of the one repository. */
export async function status(site: Site): Promise<Record<string, unknown>> {
  const { stdout } = await verb(site, "status", "--json");
  return JSON.parse(stdout).repositories[0];
}

/** Checks git's objects and that nothing is locked. */
export async function sound(site: Site): Promise<void> {
  const folder = gitFolder(site);
  await site.world.git(folder.replace(/\/\.git$/, ""), "fsck", "--no-dangling", "--no-progress");
  const locks = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".lock"));
  assertEquals(locks, [], "locks");
}

/** Waits for the log line of a deployment that failed for a reason, and gives it back. */
export async function failedAs(service: Service, kind: string): Promise<LogLine> {
  return await service.see(
    () => service.deployments().find((line) => line.result === "failed" && line.kind === kind),
    `a deployment that failed as "${kind}"`,
  );
}
