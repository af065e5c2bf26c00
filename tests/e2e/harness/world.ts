/**
 * What one test lives in: its own folder, git configuration, remotes, checkouts and services.
 *
 * At the end of every test the output of everything that ran is searched for its secrets and
 * signatures, and /proc for processes that were left behind.
 */

import { assertEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import { GitBackend } from "./backend.ts";
import { listing } from "./paths.ts";
import { CAN_SEE_PROCESSES, kill, processesNaming } from "./processes.ts";
import { BINARY, invocation } from "./product.ts";
import { Checkout, Remote } from "./repository.ts";
import { type LogLine, Service } from "./service.ts";
import { until, within } from "./wait.ts";

/** A configuration as an object, or as the text of a file. */
export type Config = Record<string, unknown> | string;

/** What a verb that runs to its end left. */
export interface Finished {
  command: string;
  code: number;
  stdout: string;
  stderr: string;
}

export interface StartOptions {
  /** Over the environment of every test; `undefined` removes a variable. */
  env?: Record<string, string | undefined>;
  /** The limit of open files, soft and hard. */
  files?: number;
  /** As this user; only root can. */
  uid?: number;
  cwd?: string;
}

export interface AppOptions {
  /** Keys of the repository in the configuration, over `path` and `secret`. */
  repository?: Record<string, unknown>;
  /** Keys of the configuration besides `repositories`. */
  config?: Record<string, unknown>;
  branch?: string;
  /** Folder of the checkout, below the test's own. */
  folder?: string;
  /** No checkout is made: it is for the product to clone. */
  absent?: boolean;
  /** Serve the remote over http. */
  http?: boolean;
  start?: StartOptions;
}

/** One repository called `app` and the service that deploys it. */
export interface App {
  service: Service;
  remote: Remote;
  checkout: Checkout;
  secret: string;
  /** The remote's server, with `http`. */
  backend: GitBackend;
  /** `refs/heads/` and the branch. */
  ref: string;
}

const AUTHOR = { name: "Test Author", email: "author@example.test" };

export class World {
  /** The test's own folder. */
  readonly dir: string;
  /** Secrets that no output may show, beside the signatures. */
  readonly #private = new Set<string>();
  readonly #services: Service[] = [];
  readonly #finished: Finished[] = [];
  readonly #configs = new Map<string, string>();
  readonly #closing: (() => Promise<void> | void)[] = [];
  /** Set by a failed step: the test goes on, but its report is wanted. */
  failed = false;
  #context: Deno.TestContext;

  constructor(context: Deno.TestContext) {
    this.#context = context;
    this.dir = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "hook-e2e-" }));
    for (const folder of ["home", "remotes", "authors", "tmp"]) Deno.mkdirSync(this.file(folder));
    Deno.writeTextFileSync(
      this.file("home/.gitconfig"),
      `[user]\n\tname = ${AUTHOR.name}\n\temail = ${AUTHOR.email}\n` +
        "[init]\n\tdefaultBranch = master\n[commit]\n\tgpgsign = false\n" +
        '[protocol "file"]\n\tallow = always\n',
    );
  }

  /** A path below the test's folder. */
  file(name: string): string {
    return `${this.dir}/${name}`;
  }

  /** The environment of git and of the product. */
  get env(): Record<string, string> {
    return {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: this.file("home"),
      LANG: "C.UTF-8",
      TMPDIR: this.file("tmp"),
      NO_COLOR: "1",
      GIT_CONFIG_GLOBAL: this.file("home/.gitconfig"),
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_AUTHOR_NAME: AUTHOR.name,
      GIT_AUTHOR_EMAIL: AUTHOR.email,
      GIT_COMMITTER_NAME: AUTHOR.name,
      GIT_COMMITTER_EMAIL: AUTHOR.email,
    };
  }

  readonly git = async (cwd: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await new Deno.Command("git", {
      args,
      cwd,
      clearEnv: true,
      env: this.env,
      stdin: "null",
    }).output();
    if (code !== 0) {
      throw new Error(`git ${args.join(" ")} in ${cwd}: ${new TextDecoder().decode(stderr)}`);
    }
    return new TextDecoder().decode(stdout).trim();
  };

  /** A new secret, which no output may show. */
  secret(): string {
    return this.keepPrivate(`secret-${randomBytes(16).toString("hex")}`);
  }

  /** Adds a text that no output may show. Short ones would be found by chance and are left out. */
  readonly keepPrivate = (value: string): string => {
    if (value.length >= 16) this.#private.add(value);
    return value;
  };

  /** A remote with one commit. */
  async remote(name = "app", branch = "master"): Promise<Remote> {
    const path = this.file(`remotes/${name}.git`);
    const remote = new Remote(this.git, path, this.file(`authors/${name}`), branch);
    await remote.create();
    return remote;
  }

  /** A clone of a remote, from its path or from `url`. */
  async checkout(remote: Remote, folder = "srv/app", url = remote.path): Promise<Checkout> {
    const path = this.file(folder);
    await this.git(this.dir, "clone", "-q", "--", url, path);
    return new Checkout(this.git, path);
  }

  /** A checkout that may not be there yet. */
  at(folder: string): Checkout {
    return new Checkout(this.git, this.file(folder));
  }

  /** The remotes of this test over http. */
  backend(): GitBackend {
    const backend = new GitBackend(this.file("remotes"), this.env);
    this.onEnd(() => backend.close());
    return backend;
  }

  /** Runs at the end of the test, the latest first. */
  onEnd(close: () => Promise<void> | void): void {
    this.#closing.push(close);
  }

  /** Writes a configuration; an object gets a loopback listener on a free port unless it names one. */
  config(config: Config, name = "hook.yaml"): string {
    const text = typeof config === "string"
      ? config
      : JSON.stringify({ listen: "127.0.0.1:0", ...config }, null, 2) + "\n"; // JSON is YAML.
    const path = this.file(name);
    Deno.writeTextFileSync(path, text, { mode: 0o600 }); // It holds secrets.
    this.#configs.set(path, text);
    return path;
  }

  #command(args: string[], options: StartOptions): { command: Deno.Command; line: string } {
    let { program, args: words, cwd, env } = invocation(args);
    if (options.files !== undefined) {
      // Nothing but a shell can set the limit of the program that replaces it.
      words = ["-c", `ulimit -n ${options.files}; exec "$@"`, "sh", program, ...words];
      program = "/bin/sh";
    }
    const merged: Record<string, string | undefined> = { ...this.env, ...env, ...options.env };
    const environment = Object.fromEntries(
      Object.entries(merged).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const command = new Deno.Command(program, {
      args: words,
      cwd: cwd ?? options.cwd ?? this.dir,
      clearEnv: true,
      env: environment,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    return { command, line: [program, ...words].join(" ") };
  }

  /** Spawns `hook serve` without waiting for it to listen. */
  spawn(config: Config, options: StartOptions = {}): Service {
    const path = this.config(config);
    const { command, line } = this.#command(["serve", "-c", path], options);
    const service = new Service({
      command: line,
      child: command.spawn(),
      config: path,
      keepPrivate: this.keepPrivate,
    });
    this.#services.push(service);
    return service;
  }

  /** Starts `hook serve` and waits until it listens. */
  async start(config: Config, options: StartOptions = {}): Promise<Service> {
    const service = this.spawn(config, options);
    await service.logged("listening");
    return service;
  }

  /** `hook serve` with a configuration or in a situation that it refuses: its exit code and streams. */
  async refused(config: Config, options: StartOptions = {}): Promise<Finished> {
    const service = this.spawn(config, options);
    const { code } = await service.exit();
    const { command, stdout, stderr } = service;
    return { command, code, stdout, stderr };
  }

  /** Runs a verb to its end. */
  async run(args: string[], options: StartOptions = {}): Promise<Finished> {
    const { command, line } = this.#command(args, options);
    const child = command.spawn();
    this.onEnd(() => kill(child.pid));
    const { code, stdout, stderr } = await within(child.output(), `the end of ${line}`);
    const decoder = new TextDecoder();
    const finished = {
      command: line,
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
    this.#finished.push(finished);
    return finished;
  }

  /** A remote, a checkout of it and the service that deploys it. */
  async app(options: AppOptions = {}): Promise<App> {
    const remote = await this.remote("app", options.branch);
    const backend = options.http ? this.backend() : undefined;
    const url = backend?.url("app.git") ?? remote.path;
    const folder = options.folder ?? "srv/app";
    const checkout = options.absent ? this.at(folder) : await this.checkout(remote, folder, url);
    const secret = this.secret();
    const service = await this.start({
      ...options.config,
      repositories: {
        app: {
          path: checkout.path,
          secret,
          ...(options.absent ? { remote: url } : {}),
          ...options.repository,
        },
      },
    }, options.start);
    if (options.http && !options.absent) await checkout.recorded();
    return {
      service,
      remote,
      checkout,
      secret,
      get backend() {
        if (backend === undefined) throw new Error("This test's remote is a path");
        return backend;
      },
      ref: `refs/heads/${remote.branch}`,
    };
  }

  /** A part of a test with a name of its own in the report; the test goes on when it fails. */
  async step(name: string, body: () => Promise<void> | void): Promise<void> {
    const passed = await this.#context.step(name, async () => await body());
    if (!passed) this.failed = true;
  }

  /** Checks what holds for every test, and stops everything. */
  async finish(): Promise<void> {
    for (const service of this.#services) await service.stop();
    await this.#close();
    if (CAN_SEE_PROCESSES) {
      await until(
        () => processesNaming([this.dir]).length === 0,
        () =>
          "no process of this test is left: " +
          JSON.stringify(processesNaming([this.dir]), null, 2),
        10_000,
      );
    }
    assertEquals(this.#leaks(), [], "secrets or signatures in the output");
  }

  /** Stops everything without another check; for a test that has failed. */
  async abandon(): Promise<void> {
    for (const service of this.#services) await service.kill();
    await this.#close().catch(() => {});
    for (const process of processesNaming([this.dir])) kill(process.pid);
  }

  async #close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  #leaks(): string[] {
    const found: string[] = [];
    const outputs = [...this.#services, ...this.#finished];
    for (const value of this.#private) {
      for (const { command, stdout, stderr } of outputs) {
        for (const line of `${stdout}\n${stderr}`.split("\n")) {
          if (line.includes(value)) found.push(`${command}: ${line}`);
        }
      }
    }
    return found;
  }

  /** Everything that helps to understand a failure. */
  report(): string {
    const parts = [`product: ${BINARY ?? "from source"}`, `folder: ${this.dir}`];
    for (const { command, stdout, stderr, ended } of this.#withCodes()) {
      parts.push(`$ ${command}`, `exit code: ${ended ?? "still running"}`);
      parts.push("--- stdout", tail(stdout), "--- stderr", tail(stderr));
    }
    for (const [path, text] of this.#configs) parts.push(`--- ${path}`, text.trimEnd());
    parts.push(`--- files below ${this.dir}`, listing(this.dir, 4).trimEnd());
    return parts.join("\n");
  }

  #withCodes(): { command: string; stdout: string; stderr: string; ended: number | undefined }[] {
    return [
      ...this.#services.map((service) => ({
        command: service.command,
        stdout: service.stdout,
        stderr: service.stderr,
        ended: service.ended?.code,
      })),
      ...this.#finished.map((finished) => ({ ...finished, ended: finished.code })),
    ];
  }

  remove(): void {
    if (Deno.env.get("HOOK_E2E_KEEP")) return;
    Deno.removeSync(this.dir, { recursive: true });
  }
}

/** The end of a stream: a burst leaves thousands of lines. */
function tail(text: string, lines = 60): string {
  const all = text.trimEnd().split("\n");
  const left = all.length - lines;
  return left > 0 ? [`(${left} lines before)`, ...all.slice(-lines)].join("\n") : all.join("\n");
}

export type { LogLine };
