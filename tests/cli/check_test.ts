import { assertEquals, assertStringIncludes } from "@std/assert";
import { jsonSchema } from "../../lib/config/json_schema.ts";
import { type Ran, runCli } from "../support/fake_io.ts";
import { inTemporaryDirectory } from "../support/temporary.ts";

const PATH = { PATH: Deno.env.get("PATH")! };

/** A folder with a configuration, and files as git leaves them in a checkout. */
interface Place {
  readonly dir: string;
  /** Writes hook.yaml; `DIR` stands for the folder. */
  configure(yaml: string, mode?: number): Promise<void>;
  /** Makes what looks like a checkout at `name`, with this `.git/HEAD`. */
  checkout(name: string, head?: string): Promise<void>;
  check(args?: string[], env?: Record<string, string>): Promise<Ran>;
}

function inPlace(test: (place: Place) => Promise<void>): Promise<void> {
  return inTemporaryDirectory(async (dir) => {
    const file = `${dir}/hook.yaml`;
    await test({
      dir,
      configure: async (yaml, mode = 0o600) => {
        await Deno.writeTextFile(file, yaml.replaceAll("DIR", dir));
        await Deno.chmod(file, mode);
      },
      checkout: async (name, head = "ref: refs/heads/main\n") => {
        await Deno.mkdir(`${dir}/${name}/.git`, { recursive: true });
        await Deno.writeTextFile(`${dir}/${name}/.git/HEAD`, head);
        await Deno.writeTextFile(`${dir}/${name}/.git/config`, '[remote "origin"]\n');
        await Deno.writeTextFile(`${dir}/${name}/app.py`, "");
      },
      check: async (args = [], env = {}) => {
        const ran = await runCli(["check", "-c", file, ...args], { ...PATH, ...env });
        // Of git only that it was found.
        const stdout = ran.stdout.replaceAll(dir, "DIR").replace(/git: \d[\w.]*/, "git: VERSION");
        return { ...ran, stdout, stderr: ran.stderr.replaceAll(dir, "DIR") };
      },
    });
  });
}

const OK = ["ok    configuration: DIR/hook.yaml", "ok    git: VERSION"];

function done(...lines: string[]): Ran {
  return { code: 0, stdout: [...OK, ...lines, ""].join("\n"), stderr: "" };
}

function failed(...lines: string[]): Ran {
  return { ...done(...lines), code: 1 };
}

Deno.test("hook check says ok of a configuration and of each checkout", async () => {
  await inPlace(async ({ configure, checkout, check }) => {
    await checkout("app");
    await checkout("two", "ref: refs/heads/feature/x\n");
    await configure(`
      repositories:
        app: { path: DIR/app, secret: x }
        two: { path: DIR/two, secret: x, branch: main }
        new: { path: DIR/new, secret: x, remote: /srv/git/new.git }
    `);
    const app = 'ok    app: "DIR/app" follows main';
    const two = 'ok    two: "DIR/two" follows main (now on feature/x)';
    const fresh = 'ok    new: "DIR/new" will be cloned from /srv/git/new.git';
    assertEquals(await check(), done(app, two, fresh));
    assertEquals(await check(["new", "app"]), done(fresh, app));
  });
});

Deno.test("hook check fails where a deployment could not begin", async () => {
  await inPlace(async ({ dir, configure, checkout, check }) => {
    await checkout("detached", "0123456789abcdef0123456789abcdef01234567\n");
    await Deno.writeTextFile(`${dir}/file`, "");
    await Deno.mkdir(`${dir}/other`);
    await Deno.writeTextFile(`${dir}/other/index.html`, "");
    await configure(`
      repositories:
        none: { path: DIR/none, secret: x }
        detached: { path: DIR/detached, secret: x }
        file: { path: DIR/file, secret: x }
        other: { path: DIR/other, secret: x }
    `);
    assertEquals(
      await check(),
      failed(
        'fail  none: "DIR/none" is missing or empty and "remote" is not set',
        'fail  detached: "DIR/detached" is detached and "branch" is not set',
        'fail  file: "DIR/file" is not a directory',
        'fail  other: "DIR/other" is neither a git checkout nor empty; ' +
          "clone the repository there, or name an empty directory",
      ),
    );
  });
});

Deno.test("hook check warns where every user can read a secret", async () => {
  await inPlace(async ({ dir, configure, checkout, check }) => {
    await checkout("app");
    await Deno.writeTextFile(`${dir}/secret`, "x\n", { mode: 0o644 });
    await Deno.chmod(`${dir}/secret`, 0o644);
    const app = 'ok    app: "DIR/app" follows main';
    const warning = (file: string) =>
      `"DIR/${file}" holds a secret and every user can read it: chmod o= DIR/${file}`;
    await configure("repositories: { app: { path: DIR/app, secret: x } }", 0o644);
    assertEquals(await check(), done(`warn  configuration: ${warning("hook.yaml")}`, app));
    // A file that only names the secret's file may be read by all.
    await configure(
      "repositories: { app: { path: DIR/app, secret: { file: DIR/secret } } }",
      0o644,
    );
    assertEquals(await check(), done(`warn  app: ${warning("secret")}`, app));
    await Deno.chmod(`${dir}/secret`, 0o640);
    assertEquals(await check(), done(app));
  });
});

Deno.test("hook check reads secrets from the environment and from systemd's credentials", async () => {
  await inPlace(async ({ dir, configure, checkout, check }) => {
    await checkout("app");
    await Deno.writeTextFile(`${dir}/app-secret`, "x", { mode: 0o600 });
    await configure(`
      repositories:
        app: { path: DIR/app, secret: [{ env: HOOK_SECRET_APP }, { credential: app-secret }] }
    `);
    const env = { HOOK_SECRET_APP: "x", CREDENTIALS_DIRECTORY: dir };
    assertEquals(await check([], env), done('ok    app: "DIR/app" follows main'));
    const refused = await check();
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertStringIncludes(refused.stderr, "HOOK_SECRET_APP, which is not set");
    assertStringIncludes(refused.stderr, 'the credential "app-secret", and systemd passed none');
  });
});

Deno.test("hook check prints a line for every error of the configuration, and gives 2", async () => {
  await inPlace(async ({ configure, check }) => {
    await configure("concurrency: 0\nrepositories:\n  app:\n    pth: DIR/app\n    secret: x\n");
    const { code, stdout, stderr } = await check();
    assertEquals([code, stdout], [2, ""]);
    const lines = stderr.trimEnd().split("\n");
    assertEquals(lines.map((line) => line.replace(/;.*/, "")), [
      "hook: error: DIR/hook.yaml:1: concurrency: found the number 0",
      'hook: error: DIR/hook.yaml:3: repositories.app: "path" is missing',
      'hook: error: DIR/hook.yaml:4: repositories.app.pth: unknown key, did you mean "path"?',
    ]);
  });
});

Deno.test("hook check suggests the nearest name for one that is not configured", async () => {
  await inPlace(async ({ configure, check }) => {
    await configure("repositories: { app: { path: DIR/app, secret: x } }");
    const { stdout, stderr } = await check(["ap"]);
    assertEquals(stdout, "");
    assertEquals(
      stderr,
      'hook: error: no repository "ap" in the configuration\nhook: hint: did you mean "app"?\n',
    );
  });
});

Deno.test("hook check --schema prints the JSON Schema and needs no configuration", async () => {
  const { code, stdout, stderr } = await runCli(["check", "--schema"]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout), JSON.parse(JSON.stringify(jsonSchema())));
});
