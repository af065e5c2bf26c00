/** Configurations that are refused: exit code 2, and an error that names place, key and remedy. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { e2e, exists, push, v2, type World } from "./harness.ts";

interface Mistake {
  name: string;
  /** The file; `DIR` stands for the test's folder. */
  yaml: string;
  /** What standard error has to contain, each of them. */
  says: string[];
  /** The line that has to be named, where the parser knows it. */
  line?: number;
}

/** Lines of a file after the opening of a repository. */
function app(...lines: string[]): string {
  return ["repositories:", "  app:", ...lines.map((line) => `    ${line}`)].join("\n") + "\n";
}

const PATH = "path: DIR/srv/app";
const SECRET = "secret: change-me";

const MISTAKES: Mistake[] = [
  {
    name: "a misspelt key at the top",
    yaml: `listn: 127.0.0.1:0\n${app(PATH, SECRET)}`,
    says: ["listn", "listen"],
    line: 1,
  },
  {
    name: "a misspelt key of a repository",
    yaml: app(PATH, "secrt: change-me"),
    says: ["repositories.app.secrt", "secret"],
    line: 4,
  },
  {
    name: "a misspelt value",
    yaml: app(PATH, SECRET, "strategy: rest"),
    says: ["strategy", '"rest"', "pull", "reset"],
    line: 5,
  },
  {
    name: "an unknown provider",
    yaml: app(PATH, SECRET, "provider: codng"),
    says: ["provider", '"codng"', "coding"],
    line: 5,
  },
  { name: "no repositories", yaml: "listen: 127.0.0.1:0\n", says: ["repositories"] },
  { name: "an empty map of repositories", yaml: "repositories: {}\n", says: ["repositories"] },
  { name: "an empty file", yaml: "", says: ["repositories"] },
  { name: "a list instead of a map", yaml: "- app\n", says: ["hook.yaml"] },
  {
    name: "a list of repositories",
    yaml: "repositories:\n  - path: /srv/app\n",
    says: ["repositories"],
  },
  { name: "no path", yaml: app(SECRET), says: ["repositories.app", "path"] },
  { name: "no secret", yaml: app(PATH), says: ["repositories.app", "secret"] },
  {
    name: "a relative path",
    yaml: app("path: srv/app", SECRET),
    says: ["repositories.app.path", '"srv/app"', "absolute"],
    line: 3,
  },
  { name: "an empty secret", yaml: app(PATH, 'secret: ""'), says: ["secret", "empty"], line: 4 },
  { name: "an empty list of secrets", yaml: app(PATH, "secret: []"), says: ["secret"], line: 4 },
  {
    name: "an unknown form of secret",
    yaml: app(PATH, "secret: { fil: DIR/secret }"),
    says: ["secret", "fil", "file"],
  },
  {
    name: "a secret file that is missing",
    yaml: app(PATH, "secret: { file: DIR/none }"),
    says: ["secret", "DIR/none"],
  },
  {
    name: "a secret file that is a folder",
    yaml: app(PATH, "secret: { file: DIR/home }"),
    says: ["secret", "DIR/home"],
  },
  {
    name: "a secret file that is empty",
    yaml: app(PATH, "secret: { file: DIR/empty }"),
    says: ["secret", "DIR/empty", "empty"],
  },
  {
    name: "a secret variable that is not set",
    yaml: app(PATH, "secret: { env: HOOK_SECRET_NONE }"),
    says: ["secret", "HOOK_SECRET_NONE"],
  },
  {
    name: "a secret variable outside HOOK_SECRET_",
    yaml: app(PATH, "secret: { env: AWS_SECRET }"),
    says: ["secret", "HOOK_SECRET_"],
  },
  {
    name: "a credential without systemd",
    yaml: app(PATH, "secret: { credential: app }"),
    says: ["secret", "app"],
  },
  {
    name: "a credential that is a path",
    yaml: app(PATH, "secret: { credential: ../../etc/passwd }"),
    says: ["secret.credential"],
  },
  {
    name: "a repository's name in capitals",
    yaml: `repositories:\n  App:\n    ${PATH}\n    ${SECRET}\n`,
    says: ["App"],
  },
  {
    name: "a repository's name with a slash",
    yaml: `repositories:\n  a/b:\n    ${PATH}\n    ${SECRET}\n`,
    says: ["a/b"],
  },
  {
    name: "two repositories with one path",
    yaml: app(PATH, SECRET) + "  other:\n    path: DIR/srv/../srv/app/\n    secret: x\n",
    says: ["app", "other", "path"],
  },
  {
    name: "a path inside another's",
    yaml: app(PATH, SECRET) + "  inner:\n    path: DIR/srv/app/inner\n    secret: x\n",
    says: ["app", "inner", "path"],
  },
  {
    name: "a source that is no CIDR",
    yaml: app(PATH, SECRET, "allow_from: [10.0.0.0/33]"),
    says: ["allow_from", "10.0.0.0/33"],
    line: 5,
  },
  {
    name: "trusted_proxies that are no CIDR",
    yaml: `trusted_proxies: [proxy.example]\n${app(PATH, SECRET)}`,
    says: ["trusted_proxies", "proxy.example"],
    line: 1,
  },
  {
    name: "allow_from where no address can be known",
    yaml: `listen: unix:DIR/hook.sock\n${app(PATH, SECRET, "allow_from: [10.0.0.0/8]")}`,
    says: ["allow_from", "trusted_proxies"],
  },
  {
    name: "a listen that is no address",
    yaml: `listen: everywhere\n${app(PATH, SECRET)}`,
    says: ["listen", '"everywhere"'],
    line: 1,
  },
  {
    name: "a port that is none",
    yaml: `listen: 127.0.0.1:99999\n${app(PATH, SECRET)}`,
    says: ["listen", "127.0.0.1:99999"],
    line: 1,
  },
  {
    name: "a socket path too long for the system",
    yaml: `listen: unix:/tmp/${"x".repeat(120)}\n${app(PATH, SECRET)}`,
    says: ["listen"],
    line: 1,
  },
  {
    name: "a timeout without a unit",
    yaml: app(PATH, SECRET, "timeout: soon"),
    says: ["timeout", '"soon"'],
    line: 5,
  },
  {
    name: "a timeout of nothing",
    yaml: app(PATH, SECRET, "timeout: 0s"),
    says: ["timeout"],
    line: 5,
  },
  {
    name: "a body limit that is no size",
    yaml: `body_limit: big\n${app(PATH, SECRET)}`,
    says: ["body_limit", '"big"'],
    line: 1,
  },
  {
    name: "a concurrency of nothing",
    yaml: `concurrency: 0\n${app(PATH, SECRET)}`,
    says: ["concurrency", "0"],
    line: 1,
  },
  {
    name: "a concurrency that is no number",
    yaml: `concurrency: "4"\n${app(PATH, SECRET)}`,
    says: ["concurrency"],
    line: 1,
  },
  {
    name: "a branch like an option",
    yaml: app(PATH, SECRET, "branch: --force"),
    says: ["branch", "--force"],
    line: 5,
  },
  {
    name: "a remote like an option",
    yaml: app(PATH, SECRET, "remote: --upload-pack=x"),
    says: ["remote", "--upload-pack=x"],
    line: 5,
  },
  {
    name: "half a tls",
    yaml: `tls: { cert: DIR/cert.pem }\n${app(PATH, SECRET)}`,
    says: ["tls", "key"],
  },
  {
    name: "a key twice",
    yaml: app(PATH, SECRET, "secret: other"),
    says: ["hook.yaml", "twice"],
    line: 5,
  },
  {
    name: "broken YAML",
    yaml: "repositories:\n  app: [\n",
    says: ["hook.yaml"],
  },
  {
    name: "tabs",
    yaml: "repositories:\n\tapp:\n",
    says: ["hook.yaml"],
    line: 2,
  },
  {
    name: "no UTF-8",
    yaml: "\u0000latin1",
    says: ["hook.yaml"],
  },
];

async function mistaken(world: World, yaml: string): Promise<string> {
  Deno.writeTextFileSync(world.file("empty"), "\n");
  const path = world.config(yaml.replaceAll("DIR", world.dir));
  if (yaml.startsWith("\u0000latin1")) {
    Deno.writeFileSync(path, Uint8Array.of(0x6e, 0xe4, 0x6d, 0x65, 0x3a, 0x20, 0xff));
  }
  const finished = await world.run(["check", "-c", path]);
  assertEquals(finished.code, 2, finished.stdout + finished.stderr);
  assertMatch(finished.stderr, /^hook: error: /m);
  assert(!/^\s+at .*:\d+:\d+/m.test(finished.stderr), `no stack trace:\n${finished.stderr}`);
  return finished.stderr;
}

for (const { name, yaml, says, line } of MISTAKES) {
  e2e(`config refuses ${name}`, async (world) => {
    const stderr = await mistaken(world, yaml);
    for (const text of says) {
      assertStringIncludes(stderr, text.replaceAll("DIR", world.dir));
    }
    if (line !== undefined) assertMatch(stderr, new RegExp(`hook\\.yaml:${line}\\b`));
  });
}

/** Keys of the contract that later versions bring: accepted only when they work. */
const LATER = ["writable: []"];

e2e("config refuses keys that do not work yet", async (world) => {
  for (const key of LATER) {
    await world.step(key, async () => {
      const stderr = await mistaken(world, app(PATH, SECRET, key));
      assertStringIncludes(stderr, key.slice(0, key.indexOf(":")));
    });
  }
});

e2e("config tells all mistakes at once, each with its line", async (world) => {
  const yaml = [
    "listn: 127.0.0.1:0",
    "concurrency: many",
    "repositories:",
    "  app:",
    "    path: relative",
    "    secret: change-me",
    "    brnch: master",
    "  other:",
    "    path: DIR/srv/other",
    "    strategy: rebase",
    "",
  ].join("\n");
  const stderr = await mistaken(world, yaml);
  for (const key of ["listn", "concurrency", "path", "brnch", "strategy", "secret"]) {
    assertStringIncludes(stderr, key);
  }
  for (const line of [1, 2, 5, 7, 10]) assertStringIncludes(stderr, `hook.yaml:${line}`);
  for (const suggestion of ["listen", "branch"]) assertStringIncludes(stderr, suggestion);
});

e2e("config errors never show a secret", async (world) => {
  const cases = [
    app(PATH, "secret: 8154930027415566"),
    app(PATH, "secret: [true, [literal-8154930027415566]]"),
    app(PATH, "secret: { file: [literal-8154930027415566] }"),
    app("path: relative", "secret: literal-8154930027415566", "secrt: literal-8154930027415566"),
    app(PATH, 'secret: "literal-8154930027415566', "branch: master"),
    app(PATH, "secret: literal-8154930027415566", "secret: literal-8154930027415566"),
    app(PATH, "secret: literal-8154930027415566: x"),
    app(PATH, SECRET, "remote: https://user:literal-8154930027415566@/x y"),
  ];
  for (const [index, yaml] of cases.entries()) {
    await world.step(`case ${index + 1}`, async () => {
      const stderr = await mistaken(world, yaml);
      assert(!stderr.includes("8154930027415566"), stderr);
    });
  }
});

e2e("serve refuses a broken configuration like check, and starts nothing", async (world) => {
  const yaml = `listen: unix:${world.dir}/hook.sock\n${app(PATH, "secrt: x")}`;
  const finished = await world.refused(yaml.replaceAll("DIR", world.dir));
  assertEquals(finished.code, 2);
  assertMatch(finished.stderr, /^hook: error: /m);
  assertStringIncludes(finished.stderr, "secrt");
  assertEquals([exists(world.file("hook.sock")), exists(world.file("srv"))], [false, false]);
});

e2e("a configuration that is missing is named", async (world) => {
  const finished = await world.run(["serve", "-c", world.file("none.yaml")]);
  assertEquals(finished.code, 2);
  assertStringIncludes(finished.stderr, world.file("none.yaml"));
  assertMatch(finished.stderr, /^hook: error: /m);
});

e2e("a configuration is found by HOOK_CONFIG", async (world) => {
  await world.checkout(await world.remote());
  const path = world.config(app(PATH, SECRET).replaceAll("DIR", world.dir), "other.yaml");
  const finished = await world.run(["check"], { env: { HOOK_CONFIG: path } });
  assertEquals(finished.code, 0, finished.stderr);
});

e2e("the smallest configuration is the contract's", async (world) => {
  await world.checkout(await world.remote());
  const yaml = app(PATH, SECRET).replaceAll("DIR", world.dir);
  const finished = await world.run(["check", "-c", world.config(yaml)]);
  assertEquals(finished.code, 0, finished.stderr);
});

e2e("every key of this version is accepted", async (world) => {
  Deno.writeTextFileSync(world.file("secret"), "from a file\n", { mode: 0o600 });
  const yaml = [
    "listen: '[::1]:0'",
    "trusted_proxies: [127.0.0.0/8, '::1/128', unix]",
    "concurrency: 2",
    "body_limit: 1MiB",
    "log: { format: json, level: debug }",
    app(
      PATH,
      "secret: [change-me, { file: DIR/secret }, { env: HOOK_SECRET_APP }]",
      "provider: coding",
      "remote: git@e.coding.net:team/app.git",
      "branch: 特性/分支",
      "strategy: reset",
      "timeout: 90s",
      "allow_from: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1]",
    ),
  ].join("\n").replaceAll("DIR", world.dir);
  const finished = await world.run(["check", "-c", world.config(yaml)], {
    env: { HOOK_SECRET_APP: "from the environment" },
  });
  assertEquals(finished.code, 0, finished.stderr);
});

e2e("a secret file loses its line end and nothing else", async (world) => {
  const secret = world.keepPrivate(`  spaces-${crypto.randomUUID()}  `);
  Deno.writeTextFileSync(world.file("secret"), secret + "\r\n", { mode: 0o600 });
  const { service } = await world.app({ repository: { secret: { file: world.file("secret") } } });
  const answer = await service.post(v2(push("refs/heads/master"), { secret }));
  assertEquals(answer.status, 202, answer.text);
});
