/** Remotes with an author who pushes to them, and checkouts to be deployed. */

import { until } from "./wait.ts";

/** Runs git in a folder and gives back its trimmed output; throws with stderr when it fails. */
export type Git = (cwd: string, ...args: string[]) => Promise<string>;

/** Files by path; `null` removes one, a `mode` of 0o755 makes it executable. */
export type Files = Record<string, string | null | { text: string; mode: number }>;

function put(folder: string, files: Files): void {
  for (const [name, value] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    if (value === null) {
      Deno.removeSync(path, { recursive: true });
      continue;
    }
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof value === "string") {
      Deno.writeTextFileSync(path, value);
    } else {
      Deno.writeTextFileSync(path, value.text);
      Deno.chmodSync(path, value.mode);
    }
  }
}

/** A bare repository and the folder of somebody who works on it. */
export class Remote {
  #git: Git;
  #commits = 0;
  /** The branch on which the author works. */
  readonly branch: string;
  /** The bare repository's path. */
  readonly path: string;
  /** The author's folder. */
  readonly work: string;

  constructor(git: Git, path: string, work: string, branch: string) {
    this.#git = git;
    this.path = path;
    this.work = work;
    this.branch = branch;
  }

  /** Makes both folders and pushes a first commit. */
  async create(): Promise<string> {
    await this.#git("/", "init", "-q", "--bare", `--initial-branch=${this.branch}`, this.path);
    await this.#git("/", "init", "-q", `--initial-branch=${this.branch}`, this.work);
    await this.#git(this.work, "remote", "add", "origin", this.path);
    return await this.push({ "README": "first\n", "app.py": "version = 1\n" });
  }

  /** Commits the files and pushes them; gives back the commit. */
  async push(files: Files = {}): Promise<string> {
    const sha = await this.commit(files);
    await this.#git(this.work, "push", "-q", "origin", `HEAD:refs/heads/${this.branch}`);
    return sha;
  }

  /** Commits without pushing. */
  async commit(files: Files = {}): Promise<string> {
    const number = ++this.#commits;
    put(this.work, Object.keys(files).length > 0 ? files : { "counter": `${number}\n` });
    await this.#git(this.work, "add", "-A", "-f");
    await this.#git(this.work, "commit", "-q", "--allow-empty", "-m", `commit ${number}`);
    return await this.head();
  }

  /** Replaces the newest commit by another and forces it onto the remote. */
  async forcePush(files: Files): Promise<string> {
    put(this.work, files);
    await this.#git(this.work, "add", "-A", "-f");
    await this.#git(this.work, "commit", "-q", "--amend", "-m", "rewritten");
    await this.#git(this.work, "push", "-q", "-f", "origin", `HEAD:refs/heads/${this.branch}`);
    return await this.head();
  }

  async head(): Promise<string> {
    return await this.#git(this.work, "rev-parse", "HEAD");
  }

  async git(...args: string[]): Promise<string> {
    return await this.#git(this.work, ...args);
  }
}

/** A working tree that the product deploys into. */
export class Checkout {
  #git: Git;
  readonly path: string;

  constructor(git: Git, path: string) {
    this.#git = git;
    this.path = path;
  }

  async git(...args: string[]): Promise<string> {
    return await this.#git(this.path, ...args);
  }

  /**
   * Waits until the service has recorded the checkout as it found it. Before that, what it asks the
   * remote may come from its start, and not from the delivery that a test has posted.
   */
  async recorded(): Promise<void> {
    const isThere = (name: string) => {
      try {
        return Deno.lstatSync(`${this.path}/.git/${name}`).isFile;
      } catch {
        return false;
      }
    };
    await until(
      () => isThere("refs/hook/deployed") && !isThere("hook-deployment.json"),
      `"${this.path}" is recorded as found`,
    );
  }

  async head(): Promise<string> {
    return await this.git("rev-parse", "HEAD");
  }

  /** Local changes, untracked and ignored files, as git tells them. */
  async status(): Promise<string> {
    return await this.git("status", "--porcelain", "--ignored");
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.path}/${name}`);
  }

  write(files: Files): void {
    put(this.path, files);
  }
}
