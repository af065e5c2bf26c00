import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../lib/config.ts";
import { type ProviderName, providers } from "../../lib/providers/mod.ts";
import { type Ran, runCli } from "../support/fake_io.ts";
import { inTemporaryDirectory } from "../support/temporary.ts";

const PATH = { PATH: Deno.env.get("PATH")! };

interface Place {
  readonly dir: string;
  /** The configuration's file. */
  readonly file: string;
  init(...args: string[]): Promise<Ran>;
  read(file?: string): Promise<string>;
  /** Makes what looks like a checkout at `app`, with this remote. */
  checkout(origin?: string, head?: string): Promise<string>;
}

function inPlace(test: (place: Place) => Promise<void>): Promise<void> {
  return inTemporaryDirectory(async (dir) => {
    const file = `${dir}/etc/hook.yaml`;
    await test({
      dir,
      file,
      init: (...args) => runCli(["init", "-c", file, ...args], { ...PATH, HOME: dir }),
      read: (path = file) => Deno.readTextFile(path),
      checkout: async (origin, head = "ref: refs/heads/main\n") => {
        await Deno.mkdir(`${dir}/app/.git`, { recursive: true });
        await Deno.writeTextFile(`${dir}/app/.git/HEAD`, head);
        const remote = origin === undefined ? "" : `[remote "origin"]\n\turl = ${origin}\n`;
        await Deno.writeTextFile(`${dir}/app/.git/config`, `[core]\n${remote}`);
        await Deno.writeTextFile(`${dir}/app/app.py`, "");
        return `${dir}/app`;
      },
    });
  });
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o7777;
}

/** The configuration as `hook serve` would read it. */
async function loaded(file: string) {
  const { repositories } = await loadConfig(file, {
    readFile: (path) => Deno.readTextFile(path),
    env: () => undefined,
    credentials: undefined,
  });
  return Object.fromEntries(repositories);
}

const ORIGIN = "git@gitee.com:team/app.git";

Deno.test("hook init makes configuration and secret, from what the checkout tells", async () => {
  await inPlace(async ({ dir, file, init, read, checkout }) => {
    const path = await checkout(ORIGIN);
    const { code, stdout, stderr } = await init("app", "--path", path, "--provider", "gitee");
    assertEquals([code, stderr], [0, ""]);
    assertEquals(
      await read(),
      [
        "# What may stand here: hook check --schema",
        "repositories:",
        "  app:",
        `    path: ${path}`,
        `    remote: ${ORIGIN}`,
        "    branch: main",
        "    provider: gitee",
        "    secret:",
        `      file: ${dir}/etc/app.secret`,
        "",
      ].join("\n"),
    );
    const secret = (await read(`${dir}/etc/app.secret`)).trimEnd();
    assertMatch(secret, /^[0-9a-f]{64}$/);
    assertEquals([await modeOf(file), await modeOf(`${dir}/etc/app.secret`)], [0o600, 0o600]);
    assertEquals((await loaded(file)).app!.accept, [
      { provider: "gitee", secrets: [secret], options: {} },
    ]);
    for (const part of ["/hooks/app", secret, "管理 → WebHooks", "hook check app"]) {
      assertStringIncludes(stdout, part);
    }
  });
});

Deno.test("hook init makes a secret that each forge can use, and says where it goes", async () => {
  await inPlace(async ({ dir, file, init }) => {
    for (const [name, { title, setup, secretForm }] of Object.entries(providers)) {
      const remote = ["--remote", "/srv/git/x.git"];
      const ran = await init(name, "--path", `${dir}/${name}`, "--provider", name, ...remote);
      assertEquals([ran.code, ran.stderr], [0, ""], name);
      const secret = (await Deno.readTextFile(`${dir}/etc/${name}.secret`)).trimEnd();
      assert(secretForm === undefined || secretForm.fits(secret), name);
      assertStringIncludes(ran.stdout, `At ${title}: ${setup.menu}`);
      // Once on its own, and once in its field.
      assertEquals(ran.stdout.split(secret).length, 3, name);
      assert(!/\{[a-z]+\}/.test(ran.stdout), `${name}: every blank is filled`);
    }
    const secrets = new Set<string>();
    for (const [name, { accept: [first] }] of Object.entries(await loaded(file))) {
      assertEquals(first!.provider, name as ProviderName);
      secrets.add(first!.secrets[0]!);
    }
    assertEquals(secrets.size, Object.keys(providers).length, "each has its own");
  });
});

Deno.test("hook init prints the pipeline's step for CNB, without the secret in it", async () => {
  await inPlace(async ({ dir, init, checkout }) => {
    const path = await checkout(ORIGIN, "ref: refs/heads/发布\n");
    const { stdout } = await init("app", "--path", path, "--provider", "cnb");
    const secret = (await Deno.readTextFile(`${dir}/etc/app.secret`)).trimEnd();
    const [, pipeline] = stdout.split(".cnb.yml:\n\n") as [string, string];
    assert(!pipeline.includes(secret));
    const parts = [
      "发布:\n  push:\n",
      "image: cnbcool/webhook:v",
      "/hooks/app\n",
      "${HOOK_SECRET}",
    ];
    for (const part of parts) assertStringIncludes(pipeline, part);
  });
});

Deno.test("hook init adds to a configuration and keeps what is there", async () => {
  await inPlace(async ({ dir, file, init, read }) => {
    await Deno.mkdir(`${dir}/etc`);
    const before = [
      "# ours",
      "listen: 127.0.0.1:8080",
      "repositories:",
      "    docs: # the manual",
      "        path: /srv/docs",
      "        secret: { env: HOOK_SECRET_DOCS }",
      "    wiki: { path: /srv/wiki, secret: { credential: wiki } }",
      "",
      "log: { level: debug }",
      "",
    ].join("\n");
    await Deno.writeTextFile(file, before);
    await Deno.chmod(file, 0o640);
    const { code, stderr, stdout } = await init("app", "--path", "/srv/app", "--remote", "/x.git");
    assertEquals([code, stderr], [0, ""]);
    const added = (await read()).split("\n").filter((line) => !before.split("\n").includes(line));
    assertEquals(added, [
      "    app:",
      "      path: /srv/app",
      "      remote: /x.git",
      "      provider: coding",
      "      secret:",
      `        file: ${dir}/etc/app.secret`,
    ]);
    assertEquals(await modeOf(file), 0o640);
    assertStringIncludes(stdout, "http://127.0.0.1:8080/hooks/app");
    assertEquals([...Deno.readDirSync(`${dir}/etc`)].map(({ name }) => name).sort(), [
      "app.secret",
      "hook.yaml",
    ]);
  });
});

Deno.test("hook init writes through a symbolic link to where the file is", async () => {
  await inPlace(async ({ dir, file, init }) => {
    await Deno.mkdir(`${dir}/etc`);
    await Deno.mkdir(`${dir}/real`);
    await Deno.writeTextFile(`${dir}/real/hook.yaml`, "repositories: {}\n");
    await Deno.symlink(`${dir}/real/hook.yaml`, file);
    const { code } = await init("app", "--path", "/srv/app", "--remote", "/x.git");
    assertEquals(code, 0);
    assert((await Deno.lstat(file)).isSymlink);
    assertEquals(Object.keys(await loaded(file)), ["app"]);
    assertEquals((await Deno.stat(`${dir}/real/app.secret`)).isFile, true);
  });
});

Deno.test("hook init overwrites neither a repository nor a secret", async () => {
  await inPlace(async ({ dir, file, init, read }) => {
    const args = ["--path", `${dir}/x`, "--remote", "/x.git"];
    await init("app", ...args);
    const [config, secret] = [await read(), await read(`${dir}/etc/app.secret`)];
    const again = await init("app", "--path", `${dir}/y`, "--remote", "/x.git");
    assertEquals(again, {
      code: 1,
      stdout: "",
      stderr: `hook: error: "app" is in "${file}" already\n` +
        "hook: hint: choose another name, or edit the file\n",
    });
    await Deno.writeTextFile(`${dir}/etc/two.secret`, "precious");
    const two = await init("two", "--path", `${dir}/y`, "--remote", "/x.git");
    assertEquals(two, {
      code: 1,
      stdout: "",
      stderr: `hook: error: "${dir}/etc/two.secret" exists already\n` +
        "hook: hint: move it away, or choose another name\n",
    });
    assertEquals([await read(), await read(`${dir}/etc/app.secret`)], [config, secret]);
    assertEquals(await read(`${dir}/etc/two.secret`), "precious");
    const same = await init("three", ...args);
    assertEquals(same, {
      code: 1,
      stdout: "",
      stderr: `hook: error: cannot add "three": path: found "${dir}/x", ` +
        'the same directory as the path of "app"; allowed: a directory of its own\n' +
        "hook: hint: nothing was changed\n",
    });
    assertEquals(await read(), config);
  });
});

Deno.test("hook init leaves a configuration alone that it can't extend, and prints the lines", async () => {
  await inPlace(async ({ dir, file, init, read }) => {
    await Deno.mkdir(`${dir}/etc`);
    const text = "repositories: { docs: { path: /srv/docs, secret: x } }\n";
    await Deno.writeTextFile(file, text);
    const { code, stderr } = await init("app", "--path", "/srv/app", "--remote", "/x.git");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "only its author can extend");
    assertStringIncludes(stderr, "  app:\n    path: /srv/app\n    remote: /x.git\n");
    const broken = "repositories:\n  docs: { path: srv, secret: x }\n";
    await Deno.writeTextFile(file, broken);
    const refused = await init("app", "--path", "/srv/app", "--remote", "/x.git");
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, ":2: repositories.docs.path: found");
    assertEquals(await read(), broken);
    assertEquals([...Deno.readDirSync(`${dir}/etc`)].length, 1, "no secret is left behind");
  });
});

Deno.test("hook init asks for what neither checkout nor options tell", async () => {
  await inPlace(async ({ dir, init, checkout }) => {
    const missing = await init("app", "--path", `${dir}/none`);
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "hook: hint: name what to clone there: --remote URL");
    const path = await checkout();
    const noOrigin = await init("app", "--path", path);
    assertStringIncludes(noOrigin.stderr, 'has no remote "origin"');
    assertEquals((await init("app", "--path", path, "--remote", "/x.git")).code, 0);
  });
  await inPlace(async ({ init, checkout, file }) => {
    const path = await checkout(ORIGIN, "0123456789abcdef0123456789abcdef01234567\n");
    const detached = await init("app", "--path", path);
    assertStringIncludes(detached.stderr, "hook: hint: name the branch to deploy: --branch B");
    assertEquals((await init("app", "--path", path, "--branch", "release")).code, 0);
    assertEquals<string | undefined>((await loaded(file)).app!.branch, "release");
  });
});

Deno.test("hook init does not copy a remote with a password or a token in it", async () => {
  for (const origin of ["https://me:hunter2@h/x.git", "https://hunter2@h/x.git"]) {
    await inPlace(async ({ init, checkout, read }) => {
      const path = await checkout(origin);
      const { code, stdout } = await init("app", "--path", path);
      assertEquals(code, 0);
      assert(!(await read()).includes("hunter2") && !stdout.includes("hunter2"));
      assert(!(await read()).includes("remote:"));
    });
  }
});

Deno.test("hook init refuses arguments that can't be right, before it writes anything", async () => {
  await inPlace(async ({ dir, init }) => {
    const good = ["--path", "/srv/app", "--remote", "/x.git"];
    const wrong: [string[], string][] = [
      [["App", ...good], '"App" is not usable as a name'],
      [["../x", ...good], '"../x" is not usable as a name'],
      [["app"], '"init" needs --path DIR'],
      [["app", "--path", "srv/app"], '"srv/app" is not an absolute path'],
      [["app", "--path", "/srv/../etc"], "is not an absolute path"],
      [["app", ...good, "--branch=-x"], '"-x" is not the name of a branch'],
      [["app", ...good, "--provider", "gitte"], 'did you mean "gitee"?'],
      [["app", ...good, "--provider", "toString"], 'unknown provider "toString"'],
      [["app", "--path", "/srv/app", "--remote", "ext::sh"], "no URL that git may fetch from"],
      [["app", "--path", "/srv/app", "--remote", "https://u:hunter2@h/x"], "without a password"],
    ];
    for (const [args, says] of wrong) {
      const { code, stdout, stderr } = await init(...args);
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertStringIncludes(stderr, says);
      assert(!stderr.includes("hunter2"));
    }
    assertEquals([...Deno.readDirSync(dir)], []);
  });
});
