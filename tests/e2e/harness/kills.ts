/**
 * A service that is killed at random moments of its deployments, and what has to hold once it runs
 * again.
 */

import { assert, assertEquals } from "@std/assert";
import { push, v2 } from "./coding.ts";
import { exists } from "./paths.ts";
import { processesNaming } from "./processes.ts";
import { type Files, Remote } from "./repository.ts";
import type { Service } from "./service.ts";
import { until } from "./wait.ts";
import type { World } from "./world.ts";

export interface KillOptions {
  strategy: "pull" | "reset" | "release";
  /** How often the service is killed. */
  kills: number;
  /** Of the moments; HOOK_SEED repeats a run. */
  seed?: number;
}

export interface Survived {
  kills: number;
  /** Kills by the step that the journal named when the service died. */
  steps: Record<string, number>;
  /** How often a reader looked at the release that was live. */
  reads: number;
  /** The measured length of a deployment, in milliseconds. */
  length: number;
}

const FILES = 200;
const KEEP = 3;

/** A generator of numbers from 0 to less than 1 that a seed repeats: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The files of one commit: a third of them change, some come and some go. */
function revision(number: number): Files {
  const files: Files = { "version": `${number}\n` };
  for (let file = number % 3; file < FILES; file += 3) {
    files[`src/${file % 10}/file${file}.py`] = `# ${number}\n${"value = 1\n".repeat(50)}`;
  }
  files[`only/in${number}.py`] = "here\n";
  if (number > 1) files[`only/in${number - 1}.py`] = null;
  return files;
}

/** Commits that are in the remote already and wait to be its branch's tip. */
class Commits {
  readonly #remote: Remote;
  readonly #shas: string[] = [];

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  async prepare(count: number): Promise<void> {
    const all: Files = {};
    for (let file = 0; file < FILES; file++) all[`src/${file % 10}/file${file}.py`] = "# 0\n";
    await this.#remote.push(all);
    for (let number = 1; number <= count; number++) {
      this.#shas.push(await this.#remote.commit(revision(number)));
    }
    await this.#remote.git("push", "-q", "origin", "HEAD:refs/heads/later");
  }

  /** Makes the next one the tip, as a push would. */
  async publish(): Promise<string> {
    const sha = this.#shas.shift()!;
    await this.#remote.git("--git-dir", this.#remote.path, "update-ref", "refs/heads/master", sha);
    return sha;
  }
}

/** Looks at what readers of `current` see, again and again, until it is stopped. */
class Reader {
  reads = 0;
  readonly #path: string;
  readonly #ended: Promise<void>;
  #stopped = false;

  constructor(path: string) {
    this.#path = path;
    this.#ended = this.#run();
    this.#ended.catch(() => {}); // It is told by `stop`.
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const version = await Deno.readTextFile(`${this.#path}/current/version`);
      assert(/^\d+\n$/.test(version), `"current" shows half a file: ${JSON.stringify(version)}`);
      this.reads++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }
}

/** Kills a service so many times, and expects the remote's tip after each. */
export async function surviveKills(world: World, options: KillOptions): Promise<Survived> {
  const seed = options.seed ?? Number(Deno.env.get("HOOK_SEED") ?? Date.now() % 1_000_000);
  const loop = new KillLoop(world, options, seeded(seed));
  try {
    return await loop.run();
  } catch (error) {
    const place = `${options.strategy}, kill ${loop.kills}, HOOK_SEED=${seed}`;
    console.error(`not survived (${place}): ${error instanceof Error ? error.message : error}`);
    throw error;
  }
}

class KillLoop {
  kills = 0;
  readonly #world: World;
  readonly #options: KillOptions;
  readonly #random: () => number;
  readonly #secret: string;
  readonly #path: string;
  readonly #marks: string;
  readonly #steps: Record<string, number> = {};
  #service!: Service;

  constructor(world: World, options: KillOptions, random: () => number) {
    this.#world = world;
    this.#options = options;
    this.#random = random;
    this.#secret = world.secret();
    this.#path = world.file("srv/app");
    this.#marks = world.file("post-deploy.log");
  }

  /** The repository's own directory. */
  get #directory(): string {
    return `${this.#path}/${this.#options.strategy === "release" ? "repository.git" : ".git"}`;
  }

  get #isRelease(): boolean {
    return this.#options.strategy === "release";
  }

  async run(): Promise<Survived> {
    const remote = await this.#world.remote();
    const commits = new Commits(remote);
    await commits.prepare(this.#options.kills + 4);
    this.#writeHook();
    if (!this.#isRelease) await this.#world.checkout(remote);
    await this.#start(remote);
    const length = await this.#measure(commits);
    const reader = this.#isRelease ? new Reader(this.#path) : undefined;
    try {
      while (this.kills < this.#options.kills) await this.#round(commits, remote, length);
    } finally {
      await reader?.stop();
    }
    const { kills } = this;
    return { kills, steps: this.#steps, reads: reader?.reads ?? 0, length };
  }

  #writeHook(): void {
    const hooks = this.#world.file("hooks");
    Deno.mkdirSync(hooks);
    // A hook may be killed too: it is run again, so the last line counts.
    Deno.writeTextFileSync(
      `${hooks}/post-deploy`,
      `#!/bin/sh\nsleep 0.03\necho "$HOOK_NEW" >> '${this.#marks}'\n`,
      { mode: 0o755 },
    );
  }

  async #start(remote: Remote): Promise<void> {
    this.#service = await this.#world.start({
      repositories: {
        app: {
          path: this.#path,
          secret: this.#secret,
          remote: remote.path,
          strategy: this.#options.strategy,
          hooks: this.#world.file("hooks"),
          poll: "off",
          ...(this.#isRelease ? { keep: KEEP } : {}),
        },
      },
    });
  }

  async #deliver(wait?: string): Promise<string> {
    const posting = v2(push("refs/heads/master"), { secret: this.#secret });
    const answer = await this.#service.post(posting, wait === undefined ? {} : { wait });
    return String(answer.json.outcome);
  }

  /** How long a deployment takes here and now, in milliseconds. */
  async #measure(commits: Commits): Promise<number> {
    let length = Infinity;
    // The first one may find that the start has deployed already.
    const first = await commits.publish();
    await this.#deliver("60s");
    await this.#converged(first);
    for (let count = 0; count < 2; count++) {
      const sha = await commits.publish();
      const begun = performance.now();
      assertEquals(await this.#deliver("60s"), "deployed");
      length = Math.min(length, performance.now() - begun);
      await this.#converged(sha);
    }
    return length;
  }

  /** A push that is acknowledged, a kill in the middle, and a start. */
  async #round(commits: Commits, remote: Remote, length: number): Promise<void> {
    const sha = await commits.publish();
    assertEquals(await this.#deliver(), "queued");
    await this.#killAfter(this.#random() * length);
    await this.#start(remote);
    // What mends a broken deployment may be killed too.
    if (this.#random() < 0.2 && this.kills < this.#options.kills) {
      await this.#killAfter(this.#random() * length);
      await this.#start(remote);
    }
    await this.#converged(sha);
  }

  async #killAfter(ms: number): Promise<void> {
    // The one place that waits for a time: the moment is the test's subject.
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#service.signal("SIGKILL");
    await this.#service.exit();
    this.kills++;
    const step = this.#journal()?.step ?? "between";
    this.#steps[step] = (this.#steps[step] ?? 0) + 1;
  }

  #journal(): { state?: string; step?: string } | undefined {
    try {
      return JSON.parse(Deno.readTextFileSync(`${this.#directory}/hook-deployment.json`));
    } catch {
      return undefined;
    }
  }

  async #git(...args: string[]): Promise<string> {
    return await this.#world.git(this.#directory.replace(/\/\.git$/, ""), ...args);
  }

  /** Everything that has to hold once the service had its time. */
  async #converged(sha: string): Promise<void> {
    const deployed = `${this.#directory}/refs/hook/deployed`;
    await until(
      async () => {
        const loose = exists(deployed) ? Deno.readTextFileSync(deployed).trim() : undefined;
        if (loose !== undefined && loose !== sha) return false;
        if (this.#journal() !== undefined) return false;
        return await this.#git("rev-parse", "refs/hook/deployed") === sha;
      },
      () => `the remote's tip ${sha} is deployed; the journal: ${JSON.stringify(this.#journal())}`,
    );
    await until(
      () => processesNaming([this.#path]).length === 0,
      () => `nothing works in the repository: ${JSON.stringify(processesNaming([this.#path]))}`,
    );
    await until(
      () => leftovers(this.#directory).length === 0,
      () => `no lock or temporary file is left: ${leftovers(this.#directory)}`,
    );
    const ran = Deno.readTextFileSync(this.#marks).trimEnd().split("\n").at(-1);
    assertEquals(ran, sha, "the commit that post-deploy ran for last");
    await this.#git("fsck", "--no-dangling", "--no-progress");
    if (this.#isRelease) await this.#checkReleases(sha);
    else await this.#checkCheckout(sha);
  }

  async #checkCheckout(sha: string): Promise<void> {
    assertEquals(await this.#git("rev-parse", "HEAD"), sha);
    assertEquals(await this.#git("symbolic-ref", "HEAD"), "refs/heads/master");
    assertEquals(await this.#git("status", "--porcelain", "--ignored"), "", "the checkout");
    assertEquals(
      exists(`${this.#directory}/hook-rescue`),
      false,
      "nothing was taken for local work",
    );
  }

  async #checkReleases(sha: string): Promise<void> {
    const names = [...Deno.readDirSync(this.#path)].map(({ name }) => name).sort();
    assertEquals(names, ["current", "releases", "repository.git"]);
    const live = Deno.realPathSync(`${this.#path}/current`);
    assertEquals(await this.#world.git(live, "rev-parse", "HEAD"), sha);
    assertEquals(await this.#world.git(live, "status", "--porcelain"), "", "the live release");
    const releases = [...Deno.readDirSync(`${this.#path}/releases`)].map(({ name }) => name).sort();
    assert(releases.length <= KEEP + 1, `releases kept: ${releases.join(" ")}`);
    const known = [...Deno.readDirSync(`${this.#directory}/worktrees`)].map(({ name }) => name);
    assertEquals(known.sort(), releases, "git's list of worktrees");
  }
}

/** Lock files, and temporary files of git and of hook, below a repository's own directory. */
function leftovers(directory: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) found.push(...leftovers(path));
    else if (/\.lock$|^tmp_|^\.tmp-|^hook-deployment\.json/.test(name)) found.push(path);
  }
  return found;
}
