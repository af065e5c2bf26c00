/**
 * The commands of the README, run as they stand there: only the places are others, below the
 * test's own folder.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseMarkdown } from "../support/markdown.ts";
import { commandsOf, notRunBecause, readFromRoot } from "../support/readme.ts";
import {
  BINARY,
  type Checkout,
  e2e,
  exists,
  NEEDS_BINARY,
  type Remote,
  ROOT,
  until,
  within,
  type World,
} from "./harness.ts";

const README = readFromRoot("README.md");

/** The commands in a section that are run, by a word of its heading. */
function commandsIn(word: string): string[] {
  const section = README.split(/^## /m).find((part) => part.split("\n", 1)[0]!.includes(word));
  if (section === undefined) throw new Error(`no section about ${word}`);
  return commandsOf(section).filter((command) => notRunBecause(command) === undefined);
}

/** A server as the README has it, in a folder: with a checkout in srv/app. */
class Server {
  readonly #world: World;

  private constructor(world: World, readonly remote: Remote, readonly checkout: Checkout) {
    this.#world = world;
  }

  static async make(world: World): Promise<Server> {
    for (const folder of ["usr/local/bin", "etc/systemd/system", "srv", "run"]) {
      Deno.mkdirSync(world.file(folder), { recursive: true });
    }
    const remote = await world.remote();
    return new Server(world, remote, await world.checkout(remote, "srv/app"));
  }

  /** A text of the README with its places moved here. */
  moved(text: string): string {
    return text
      .replaceAll(/(?<![\w/])\/(?=(?:usr\/local\/bin|etc|srv|run)\/)/g, `${this.#world.dir}/`)
      .replaceAll(/\bdist\/hook\b/g, BINARY!);
  }

  /** Runs a command in a shell; fails unless it exits 0. Returns its standard output. */
  async run(command: string): Promise<string> {
    const env = this.#world.env;
    const child = new Deno.Command("/bin/sh", {
      args: ["-ec", this.moved(command)],
      cwd: ROOT,
      clearEnv: true,
      env: {
        ...env,
        PATH: `${this.#world.file("usr/local/bin")}:${env.PATH}`,
        HOOK_CONFIG: this.#world.file("etc/hook/hook.yaml"),
        HOOK_ADMIN: `unix:${this.#world.file("run/admin.sock")}`,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await within(child.output(), `the end of ${command}`);
    const decoder = new TextDecoder();
    const told = decoder.decode(stderr);
    assertEquals(code, 0, `${command}\n${decoder.decode(stdout)}${told}`);
    assertEquals(told, "", command);
    return decoder.decode(stdout);
  }

  /** Writes the smallest configuration of the README, and starts the service with it. */
  async start() {
    const { text } = parseMarkdown(README).code.find(({ language }) => language === "yaml")!;
    const listen = `listen: unix:${this.#world.file("run/hook.sock")}\n`;
    const admin = `admin: unix:${this.#world.file("run/admin.sock")}\n`;
    const config = listen + admin + this.moved(text) + "\n";
    this.#world.config(config, "etc/hook/hook.yaml");
    return await this.#world.start(config);
  }
}

e2e(
  "README: five minutes on a server, and the verbs for when something is wrong",
  async (world) => {
    const server = await Server.make(world);
    const { remote, checkout } = server;
    const first = await checkout.head();
    const setUp = commandsIn("Five minutes");
    const install = setUp.filter((command) => command.startsWith("install "));
    assertEquals(install.length, 3);
    for (const command of install) await server.run(command);
    assert(exists(world.file("etc/systemd/system/hook.service")));

    const service = await server.start();
    for (const command of setUp.filter((command) => command.startsWith("chmod "))) {
      Deno.chmodSync(world.file("etc/hook/hook.yaml"), 0o644);
      await server.run(command);
      assertEquals(Deno.statSync(world.file("etc/hook/hook.yaml")).mode! & 0o777, 0o600);
    }
    assertEquals(
      (await server.run("hook check")).match(/^(?!ok )/gm)?.length,
      1,
      "all lines are ok",
    );
    assertMatch(await server.run("hook send app --wait"), /^200 .*"outcome":"unchanged"/);
    const tip = await remote.push();
    assertMatch(await server.run("hook send app --wait"), /^200 .*"outcome":"deployed"/);
    assertEquals(await checkout.head(), tip);
    assert(setUp.includes("hook check") && setUp.includes("hook send app --wait"));

    const expected: Record<string, (output: string) => Promise<void> | void> = {
      "hook status": (output) => assertMatch(output, /^app +ok +master +[0-9a-f]{8} /m),
      "hook log app": (output) => assertStringIncludes(output, "deployed"),
      "hook check --online": (output) => assertStringIncludes(output, "the remote answers"),
      "hook rollback app": async () => {
        assertEquals(await checkout.head(), first);
        assertMatch(await server.run("hook status"), /^app +held /m);
        assertMatch(await server.run("hook send app --wait"), /"outcome":"held"/);
      },
      "hook resume app": async () => {
        await until(async () => await checkout.head() === tip, "the tip is deployed again");
        await until(
          async () => /^app +ok /m.test(await server.run("hook status")),
          "the deployment has ended",
        );
      },
      'hook hold app --reason "migration by hand"': async () => {
        assertMatch(await server.run("hook status"), /^app +held [\s\S]*migration by hand/m);
      },
      "hook deploy app --wait": async () => {
        assertEquals(await checkout.head(), tip);
        assertMatch(await server.run("hook status"), /^app +ok /m);
      },
    };
    const wrong = commandsIn("something is wrong");
    assertEquals(wrong.toSorted(), Object.keys(expected).sort());
    for (const command of wrong) await expected[command]!(await server.run(command));
    assertEquals(service.events("error"), []);
  },
  { skip: NEEDS_BINARY },
);

e2e("README: hook init makes a configuration that hook check accepts", async (world) => {
  const server = await Server.make(world);
  Deno.symlinkSync(BINARY!, world.file("usr/local/bin/hook"));
  const [command, ...more] = commandsIn("Forges");
  assertEquals(more, []);
  const told = await server.run(command!);
  const secret = Deno.readTextFileSync(world.file("etc/hook/app.secret")).trim();
  assertMatch(secret, /^[0-9a-f]{64}$/);
  assertStringIncludes(told, secret);
  assertStringIncludes(told, "/hooks/app");
  for (const file of ["hook.yaml", "app.secret"]) {
    assertEquals(Deno.statSync(world.file(`etc/hook/${file}`)).mode! & 0o777, 0o600);
  }
  assertMatch(await server.run("hook check"), /^ok +app: .*\/srv\/app" follows master$/m);
}, { skip: NEEDS_BINARY });

e2e("README: every command of it is run, or there is a reason why not", () => {
  const seen = ["Five minutes", "Forges", "something is wrong"].flatMap(commandsIn);
  const all = commandsOf(README).filter((command) => notRunBecause(command) === undefined);
  assertEquals(all.filter((command) => !seen.includes(command)), []);
  return Promise.resolve();
});
