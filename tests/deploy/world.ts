/**
 * A temporary folder in which git has a configuration of its own, with remotes and checkouts of
 * real repositories. Whatever is started there carries the folder in its environment.
 */

import type { Deployment } from "../../lib/delivery.ts";
import { deploy } from "../../lib/deploy.ts";
import { deliveryOrder, type Order } from "../../lib/deploy/order.ts";
import type { Target } from "../../lib/deploy/step.ts";
import { Git } from "../../lib/git.ts";
import { type AbsolutePath, absolutePath, branchName, repositoryName } from "../../lib/values.ts";
import { remoteUrl } from "../../lib/values.ts";

/** What stands at paths: a text, a symbolic link, or nothing. */
export type Files = Record<string, string | { readonly link: string } | null>;

/** Puts files at paths below a folder; `null` removes what is there. */
export function put(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    if (lstat(path) !== undefined && (content === null || typeof content === "object")) {
      Deno.removeSync(path, { recursive: true });
    }
    if (content === null) continue;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.symlinkSync(content.link, path);
  }
}

/** Everything below a folder but `.git`: texts, links as `-> target`, empty folders as `""`. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (relative: string): boolean => {
    const entries = [...Deno.readDirSync(`${folder}/${relative}`)]
      .filter(({ name }) => name !== ".git");
    for (const entry of entries) {
      const path = `${relative}${entry.name}`;
      if (entry.isSymlink) found[path] = `-> ${Deno.readLinkSync(`${folder}/${path}`)}`;
      else if (entry.isFile) found[path] = Deno.readTextFileSync(`${folder}/${path}`);
      else if (!walk(`${path}/`)) found[`${path}/`] = "";
    }
    return entries.length > 0;
  };
  walk("");
  return Object.fromEntries(Object.entries(found).sort());
}

export function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

/** A target's parts as people write them. */
export interface TargetText {
  readonly path: string;
  readonly remote?: string;
  readonly branch?: string;
  readonly strategy?: Target["strategy"];
  /** In milliseconds; long enough for any machine by default. */
  readonly timeout?: number;
  readonly name?: string;
  /** Everything else as it is in a target. */
  readonly more?: Partial<Target>;
}

/** What a repository is where its configuration says nothing about it. */
export const QUIET = {
  keep: 5,
  shared: [],
  submodules: false,
  transport: {},
  touch: [],
} as const;

/** A push was delivered. */
export const PUSHED = deliveryOrder();

export function targetOf(
  { path, remote, branch, strategy, timeout, name = "app", more }: TargetText,
): Target {
  const url = remote === undefined ? undefined : remoteUrl(remote);
  if (typeof url === "object") throw new Error(`"${remote}" is no remote: ${url.problem}`);
  return {
    name: repositoryName(name)!,
    path: absolutePath(path)!,
    strategy: strategy ?? "pull",
    timeout: timeout ?? 60_000,
    ...QUIET,
    ...url !== undefined && { remote: url },
    ...branch !== undefined && { branch: branchName(branch)! },
    ...more,
  };
}

/** A bare repository, put together from files and one run of git a commit: git is not cheap. */
export class Remote {
  #seconds = 1_700_000_000;

  constructor(readonly world: World, readonly path: string) {
    makeGitDirectory(path, true);
  }

  /** The commit that a branch is at. */
  tip(branch = "main"): string {
    return Deno.readTextFileSync(`${this.path}/refs/heads/${branch}`).trim();
  }

  /**
   * Commits files on a branch, which it makes where there is none.
   *
   * @param parent the commit to build on instead of the branch's own; `null` for none
   */
  async commit(files: Files, { branch = "main", parent }: CommitOptions = {}): Promise<string> {
    const own = lstat(`${this.path}/refs/heads/${branch}`) === undefined ? null : this.tip(branch);
    await this.#import([this.#describe(branch, parent === undefined ? own : parent, files)]);
    return this.tip(branch);
  }

  /** Makes several branches, each one commit further than `main`, in one run of git. */
  async branches(files: Readonly<Record<string, Files>>): Promise<void> {
    const tip = this.tip();
    const commits = Object.entries(files).map(([branch, files]) => {
      return this.#describe(branch, tip, files);
    });
    await this.#import(commits);
  }

  /** A commit in the language of git-fast-import(1). */
  #describe(branch: string, parent: string | null, files: Files): string {
    const lines = [
      `commit refs/heads/${branch}`,
      `committer Test <test@example.test> ${this.#seconds++} +0000`,
      "data 6",
      "change",
      ...parent === null ? [] : [`from ${parent}`],
    ];
    for (const [path, content] of Object.entries(files)) {
      if (content === null) {
        lines.push(`D ${path}`);
        continue;
      }
      const [mode, text] = typeof content === "string" ? [100644, content] : [120000, content.link];
      lines.push(`M ${mode} inline ${path}`, `data ${encode(text).length}`, text);
    }
    return `${lines.join("\n")}\n`;
  }

  async #import(commits: readonly string[]): Promise<void> {
    const process = new Deno.Command("git", {
      args: ["fast-import", "--quiet", "--force"],
      cwd: this.path,
      env: this.world.env,
      clearEnv: true,
      stdin: "piped",
      stderr: "piped",
      stdout: "null",
    }).spawn();
    const output = process.output();
    const writer = process.stdin.getWriter();
    await writer.write(encode(commits.join("")));
    await writer.close();
    const { success, stderr } = await output;
    if (!success) throw new Error(`git fast-import: ${new TextDecoder().decode(stderr)}`);
  }

  /** Makes a tag, or moves it. */
  tag(name: string, commit = this.tip()): void {
    put(this.path, { [`refs/tags/${name}`]: `${commit}\n` });
  }

  /** Lets a branch point elsewhere, as a force-push does. */
  move(commit: string, branch = "main"): void {
    Deno.writeTextFileSync(`${this.path}/refs/heads/${branch}`, `${commit}\n`);
  }

  /** Deletes a branch. */
  delete(branch: string): void {
    Deno.removeSync(`${this.path}/refs/heads/${branch}`);
  }

  /** Names the default branch. */
  setHead(branch: string): void {
    Deno.writeTextFileSync(`${this.path}/HEAD`, `ref: refs/heads/${branch}\n`);
  }
}

export interface CommitOptions {
  readonly branch?: string;
  readonly parent?: string | null;
}

/** A checkout, with whatever somebody does in it by hand. */
export class Checkout {
  constructor(readonly world: World, readonly path: string) {}

  /** Runs git in it. */
  git(...args: string[]): Promise<string> {
    return this.world.run(this.path, ...args);
  }

  /** Commits files by hand and gives back the commit. */
  async commit(files: Files): Promise<string> {
    put(this.path, files);
    await this.git("add", "--all", "--force");
    await this.git("commit", "--quiet", "--allow-empty", "-m", "local");
    return this.head();
  }

  /** What HEAD says: `ref: …`, or a commit where it is detached. */
  get ref(): string {
    return Deno.readTextFileSync(`${this.path}/.git/HEAD`).trim();
  }

  /** The checked-out commit. */
  head(): string {
    const name = /^ref: (.*)$/.exec(this.ref)?.[1];
    return name === undefined
      ? this.ref
      : Deno.readTextFileSync(`${this.path}/.git/${name}`).trim();
  }

  /** The URL of a remote. */
  get origin(): string | undefined {
    const config = Deno.readTextFileSync(`${this.path}/.git/config`);
    return /^\[remote "origin"\]\n\turl = (.*)$/m.exec(config)?.[1];
  }

  files(): Record<string, string> {
    return snapshot(this.path);
  }

  /** Adds to the repository's own configuration. */
  configure(text: string): void {
    Deno.writeTextFileSync(`${this.path}/.git/config`, text, { append: true });
  }

  /** Takes a remote's objects along, which makes it quick to fetch from. */
  copyObjects(remote: Remote): void {
    for (const { name } of Deno.readDirSync(`${remote.path}/objects/pack`)) {
      const pack = `objects/pack/${name}`;
      Deno.copyFileSync(`${remote.path}/${pack}`, `${this.path}/.git/${pack}`);
    }
  }

  /** What `git fetch` of the branch `main` leaves. */
  take(remote: Remote): void {
    this.copyObjects(remote);
    put(`${this.path}/.git`, { "refs/remotes/origin/main": `${remote.tip()}\n` });
  }
}

/** The part of a configuration that names a remote. */
export function originOf({ path }: Remote): string {
  return `[remote "origin"]\n\turl = ${path}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What `git init` makes, as far as git needs it. */
function makeGitDirectory(path: string, bare: boolean, branch = "main"): void {
  for (const name of ["objects/pack", "refs/heads"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  put(path, {
    HEAD: `ref: refs/heads/${branch}\n`,
    config: `[core]\n\trepositoryformatversion = 0\n\tbare = ${bare}\n`,
  });
}

/** Somebody who commits; packs, which a clone can copy; and nothing that only costs time here. */
const GIT_CONFIG = `[user]
\tname = Test
\temail = test@example.test
[fastimport]
\tunpackLimit = 1
[maintenance]
\tauto = false
[core]
\tfsync = none
[pack]
\tthreads = 1
`;

export class World implements AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  /** The product's git, in this world's environment. */
  readonly git: Git;

  private constructor(readonly root: string) {
    this.env = {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: `${root}/home`,
      GIT_CONFIG_GLOBAL: `${root}/gitconfig`,
      GIT_CONFIG_NOSYSTEM: "1",
    };
    this.git = new Git((name) => this.env[name]);
  }

  static open(): World {
    const world = new World(Deno.realPathSync(Deno.makeTempDirSync({ prefix: "hook-test-" })));
    Deno.mkdirSync(`${world.root}/home`);
    Deno.writeTextFileSync(`${world.root}/gitconfig`, GIT_CONFIG);
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed test may leave something running.
    for (const { pid } of this.processes()) kill(pid);
    await Deno.remove(this.root, { recursive: true });
  }

  /** A path below the folder. */
  path(name: string): AbsolutePath {
    return absolutePath(`${this.root}/${name}`)!;
  }

  /** Runs git as a person would, and gives back what it printed. */
  async run(cwd: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command("git", {
      args,
      cwd,
      env: this.env,
      clearEnv: true,
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trimEnd();
    if (code !== 0) throw new Error(`git ${args.join(" ")} in ${cwd}: ${text(stderr)}`);
    return text(stdout);
  }

  /** A remote, with a first commit where there are files. */
  async remote(name: string, files?: Files): Promise<Remote> {
    const remote = new Remote(this, `${this.root}/${name}`);
    if (files !== undefined) await remote.commit(files);
    return remote;
  }

  /** A new repository with nothing in it. */
  empty(name: string, branch?: string): Checkout {
    const path = `${this.root}/${name}`;
    makeGitDirectory(`${path}/.git`, false, branch);
    return new Checkout(this, path);
  }

  /** What `git clone` makes. */
  async clone(remote: Remote, name: string): Promise<Checkout> {
    const app = this.empty(name, "main");
    app.configure(
      originOf(remote) + '[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n',
    );
    app.take(remote);
    put(`${app.path}/.git`, { "refs/heads/main": `${remote.tip()}\n` });
    await app.git("reset", "--quiet", "--hard");
    return app;
  }

  /** A remote with one commit, and its clone. */
  async pair(files: Files = { "app.py": "one\n" }): Promise<[Remote, Checkout]> {
    const remote = await this.remote("remote", files);
    return [remote, await this.clone(remote, "app")];
  }

  /** Deploys with the product. */
  deploy(target: TargetText, signal = new AbortController().signal): Promise<Deployment> {
    return this.order(target, PUSHED, signal);
  }

  /** Carries out an order with the product. */
  order(
    target: TargetText,
    order: Order,
    signal = new AbortController().signal,
  ): Promise<Deployment> {
    const now = () => performance.now();
    return deploy(targetOf(target), order, { git: this.git, signal, now, wall: Date.now });
  }

  /** What a ref of a repository holds; undefined where there is none. */
  async ref(path: string, ref: string): Promise<string | undefined> {
    return await this.run(path, "rev-parse", "--verify", "--quiet", ref).catch(() => undefined);
  }

  /** Writes executables, and gives back the folder that they are in. */
  scripts(folder: string, files: Readonly<Record<string, string>>): AbsolutePath {
    for (const [name, text] of Object.entries(files)) {
      put(this.path(folder), { [name]: `#!/bin/sh\n${text}\n` });
      Deno.chmodSync(`${this.path(folder)}/${name}`, 0o755);
    }
    return this.path(folder);
  }

  /** The processes that were started in this world and still run; none where /proc is missing. */
  processes(): { readonly pid: number; readonly command: string }[] {
    const found: { pid: number; command: string }[] = [];
    if (lstat("/proc/self/environ") === undefined) return found;
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        if (!Deno.readTextFileSync(`/proc/${name}/environ`).includes(this.root)) continue;
        const command = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
        found.push({ pid: Number(name), command });
      } catch {
        // It ended while we looked, or is somebody else's.
      }
    }
    return found;
  }
}

/** Ends a process that a test has started; it may be gone. */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A case of a test that has several. */
export interface Case {
  /** What is special about it. */
  readonly what: string;
}

/** Something in the checkout that is in the way of a commit. */
export interface Obstacle extends Case {
  /** What is there from the first commit on. */
  readonly first?: Files;
  /** What stands in the checkout without being committed. */
  readonly local: Files;
  /** The commit that has to be deployed. */
  readonly next: Files;
  /** A path that the reason has to name. */
  readonly named: string;
}

/** A checkout with obstacles, each in a folder of its own and in the way of a branch of its own. */
export async function obstructed(
  world: World,
  obstacles: readonly Obstacle[],
): Promise<[Remote, Checkout]> {
  const all = (of: (obstacle: Obstacle) => Files): Files =>
    Object.assign({}, ...obstacles.map((obstacle, index) => inFolder(index, of(obstacle))));
  const [remote, app] = await world.pair({ "app.py": "one\n", ...all(({ first = {} }) => first) });
  await remote.branches(Object.fromEntries(
    obstacles.map(({ next }, index) => [folderOf(index), inFolder(index, next)]),
  ));
  app.copyObjects(remote);
  put(app.path, all(({ local }) => local));
  return [remote, app];
}

/** The folder, and the branch, of one of several obstacles. */
export function folderOf(index: number): string {
  return `case-${index}`;
}

function inFolder(index: number, files: Files): Files {
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [`${folderOf(index)}/${name}`, content]),
  );
}

/**
 * Goes through the cases of a test side by side, because they wait for git most of the time.
 *
 * @throws {Error} that names every case that failed, and why
 */
export async function each<T extends Case>(
  cases: readonly T[],
  body: (one: T) => Promise<void>,
): Promise<void> {
  const failures: string[] = [];
  const queue = [...cases];
  const work = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      try {
        await body(one);
      } catch (error) {
        failures.push(`${one.what}: ${error instanceof Error ? error.stack : error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 3 }, work));
  if (failures.length > 0) throw new Error(failures.join("\n\n"));
}

/** How long a condition may take on a loaded machine, in milliseconds. */
const PATIENCE = 20_000;

/** Polls until a condition holds, and says in vain for what. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
