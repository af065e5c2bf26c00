/**
 * `deno task demo [-- --keep]`: the main job on real input, from the outside.
 *
 * A bare remote, a checkout as a server has it, the binary, a push, the delivery that Coding would
 * post, and a forged one. The demo signs by itself and looks at the checkout by git, so it would notice
 * if hook only said that all went well.
 *
 * @module
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { prepareProgram, type Program, programCommand } from "./program.ts";
import type { RegistryName } from "./registry.ts";
import { Service } from "./service.ts";
import { interruptions } from "./temporary.ts";
import { bold, dim, duration, red, say } from "./terminal.ts";
import { ROOT, TaskError } from "./toolchain.ts";

export interface DemoOptions {
  /** Leave it running until Ctrl-C, for pushes by hand. */
  keep: boolean;
}

/** @throws {TaskError} for an argument that the demo does not know. */
export function parseDemoArgs(args: string[]): DemoOptions {
  try {
    const { values } = parseArgs({ args, options: { keep: { type: "boolean", default: false } } });
    return { keep: values.keep };
  } catch (error) {
    throw new TaskError((error as Error).message, "deno task demo [--keep]", 2);
  }
}

/** Where everything of one demo lies. */
class Site {
  readonly remote: string;
  /** What the server has. */
  readonly checkout: string;
  /** Where somebody works and pushes from. */
  readonly work: string;
  readonly config: string;
  readonly secret = randomBytes(16).toString("hex");

  constructor(readonly folder: string) {
    this.remote = join(folder, "remote.git");
    this.checkout = join(folder, "server");
    this.work = join(folder, "laptop");
    this.config = join(folder, "hook.yaml");
  }

  /** Nothing of the user: neither a home, nor a git configuration, nor hooks from a template. */
  get env(): Record<string, string> {
    return {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: this.folder,
      GIT_CONFIG_GLOBAL: join(this.folder, "gitconfig"),
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      LC_ALL: "C",
    };
  }

  async git(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("git", {
      args,
      env: this.env,
      clearEnv: true,
      stdin: "null",
    }).output().catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new TaskError("Cannot find git", "install git and run the demo again");
    });
    const text = new TextDecoder();
    if (success) return text.decode(stdout).trim();
    throw new Error(`Cannot run "git ${args.join(" ")}": ${text.decode(stderr).trim()}`);
  }

  async prepare(): Promise<void> {
    await Deno.writeTextFile(
      join(this.folder, "gitconfig"),
      "[user]\n\tname = Demo\n\temail = demo@example.org\n[init]\n\tdefaultBranch = main\n",
    );
    await this.git("init", "--quiet", "--bare", this.remote);
    await this.git("clone", "--quiet", this.remote, this.work);
    // So that a push by hand, with the user's own git, works after --keep as well.
    await this.git("-C", this.work, "config", "user.name", "Demo");
    await this.git("-C", this.work, "config", "user.email", "demo@example.org");
    await this.commit("first");
    await this.git("clone", "--quiet", this.remote, this.checkout);
    await Deno.writeTextFile(
      this.config,
      [
        "listen: 127.0.0.1:0",
        "repositories:",
        "  app:",
        `    path: ${JSON.stringify(this.checkout)}`,
        `    secret: ${this.secret}`,
        "",
      ].join("\n"),
    );
  }

  /** Changes the page, commits and pushes; returns the new commit. */
  async commit(page: string): Promise<string> {
    await Deno.writeTextFile(join(this.work, "index.html"), `<h1>${page}</h1>\n`);
    await this.git("-C", this.work, "add", "index.html");
    await this.git("-C", this.work, "commit", "--quiet", "--message", `Page: ${page}`);
    await this.git("-C", this.work, "push", "--quiet", "origin", "HEAD");
    return await this.git("-C", this.work, "rev-parse", "HEAD");
  }

  async deployed(): Promise<{ commit: string; page: string }> {
    const commit = await this.git("-C", this.checkout, "rev-parse", "HEAD");
    const page = await Deno.readTextFile(join(this.checkout, "index.html"));
    return { commit, page: page.trim() };
  }
}

/** What Coding posts after a push, as far as the demo has something to say. */
function pushBody(before: string, after: string): string {
  return JSON.stringify({
    ref: "refs/heads/main",
    before,
    after,
    created: false,
    deleted: false,
    commits: [{ id: after, message: "Page: second", added: [], modified: ["index.html"] }],
    repository: { name: "app", full_name: "demo/app" },
    pusher: { name: "Demo", username: "demo" },
    sender: { login: "demo", name: "Demo" },
  });
}

/** Posts a delivery in Coding's second generation, signed with this secret. */
async function post(url: string, body: string, secret: string): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "User-Agent": "Coding.net Hook",
      "Content-Type": "application/json",
      "X-Coding-Event": "push",
      "X-Coding-Delivery": randomUUID(),
      "X-Coding-WebHook-Version": "v2",
      "X-Coding-Signature": `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`,
    },
    body,
  });
  const answer = await response.json() as { outcome?: string };
  return `${response.status} ${answer.outcome}`;
}

/** Numbers the steps and times them. */
class Story {
  #count = 0;

  async tell<T>(what: string, work: () => Promise<T>, outcome: (result: T) => string): Promise<T> {
    const start = performance.now();
    const result = await work();
    const time = duration(performance.now() - start);
    const number = String(++this.#count).padStart(2);
    say(`${number}  ${what.padEnd(40)} ${time.padStart(7)}  ${bold(outcome(result))}`);
    return result;
  }
}

function expect(what: string, seen: string, expected: string): void {
  if (seen !== expected) throw new Error(`Expected ${what} "${expected}", and it is "${seen}"`);
}

const short = (commit: string): string => commit.slice(0, 8);

/**
 * Runs the demo; returns its exit code. Whatever happens, the service is stopped and the folder
 * removed; if something failed, the log of the service is shown first.
 */
export async function demo(options: DemoOptions, registry: RegistryName): Promise<number> {
  const start = performance.now();
  const story = new Story();
  const program = await story.tell("build the program", () => prepareProgram(registry), describe);

  using interruption = interruptions();
  const site = new Site(await Deno.makeTempDir({ prefix: "hook-demo-" }));
  const stage: Stage = { site, story, program };
  const playing = play(stage, options);
  // After an interruption the play fails on what is cleared away below it; nobody waits for it then.
  playing.catch(() => {});
  try {
    const ending = await Promise.race([playing, interruption.promise]);
    if (ending === "interrupted") return 130;
    if (options.keep) {
      explain(stage, ending.url);
      await interruption.promise;
    }
    await story.tell("stop the service with SIGTERM", () => stop(stage), (code) => `exit ${code}`);
    say(`done in ${duration(performance.now() - start)}`);
    return 0;
  } catch (error) {
    say(`${red("error:")} ${(error as Error).message}`);
    if (stage.service) say(`The log of the service:\n${stage.service.log}`);
    return 1;
  } finally {
    await stage.service?.stop();
    await Deno.remove(site.folder, { recursive: true });
  }
}

interface Stage {
  site: Site;
  story: Story;
  program: Program;
  service?: Service;
}

function describe(program: Program): string {
  return program.kind === "binary" ? relative(ROOT, program.path) : "none: from source";
}

async function play(stage: Stage, options: DemoOptions): Promise<{ url: string }> {
  const { site, story } = stage;
  await story.tell("a remote, and a server's checkout of it", () => site.prepare(), () => "");
  const before = await site.deployed();

  const { address } = await story.tell("start hook serve", async () => {
    const service = stage.service = new Service(
      [...programCommand(stage.program), "serve", "-c", site.config],
      { ...site.env, ...sourceEnv(stage.program) },
      ROOT,
    );
    return await service.line('"listening"', (line) => line.event === "listening");
  }, (line) => String(line.address));
  const url = `${address}/hooks/app`;

  const after = await story.tell("commit and push", () => site.commit("second"), short);
  const body = pushBody(before.commit, after);
  await story.tell("post the delivery that Coding would post", async () => {
    const answer = await post(url, body, site.secret);
    expect("the answer", answer, "202 queued");
    return answer;
  }, String);
  await story.tell("wait until it is deployed", async () => {
    await stage.service?.line(
      "the deployment",
      (line) => line.event === "deployment" && line.new === after,
    );
    const now = await site.deployed();
    expect("the commit of the checkout", now.commit, after);
    expect("its page", now.page, "<h1>second</h1>");
    return now;
  }, (now) => `${short(before.commit)} → ${short(now.commit)}`);

  const unseen = await story.tell("commit and push again", () => site.commit("third"), short);
  await story.tell("post that with a forged signature", async () => {
    const answer = await post(url, pushBody(after, unseen), "not the secret");
    expect("the answer", answer, "403 rejected");
    expect("the commit of the checkout", (await site.deployed()).commit, after);
    return answer;
  }, (answer) => `${answer}, still ${short(after)}`);
  if (!options.keep) {
    say(dim(`    ${before.page} became ${(await site.deployed()).page} on the server`));
  }
  return { url };
}

/** From source, Deno needs its cache, which the site's home does not have. */
function sourceEnv(program: Program): Record<string, string> {
  return program.kind === "source" ? { DENO_DIR: program.denoDir } : {};
}

async function stop(stage: Stage): Promise<number> {
  const code = await stage.service?.stop();
  expect("the exit code of the service", String(code), "0");
  return 0;
}

function explain({ site, program }: Stage, url: string): void {
  const hook = program.kind === "binary"
    ? relative(Deno.env.get("INIT_CWD") ?? ROOT, program.path)
    : "deno task hook";
  say("");
  say(bold("It runs until Ctrl-C."));
  say(`  URL     ${url}`);
  say(`  secret  ${site.secret}`);
  say(`  folder  ${site.folder}`);
  say("Push by hand, then tell hook as Coding would:");
  say(`  git -C ${site.work} commit --allow-empty -m hello`);
  say(`  git -C ${site.work} push`);
  say(`  ${hook} send app -c ${site.config} --url ${url} --wait`);
  say(`  git -C ${site.checkout} log --oneline`);
}
