import { assertEquals } from "@std/assert";
import { configOf, problemsIn } from "../support/config_sources.ts";

const WHSEC = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;

/** The document of a repository with these lines. */
function app(...lines: string[]): string {
  return ["repositories:", "  app:", "    path: /srv/app", ...lines.map((line) => `    ${line}`)]
    .join("\n");
}

async function acceptOf(...lines: string[]) {
  const { repositories } = await configOf(app(...lines), { files: { "/etc/s": "from a file\n" } });
  const [{ accept, secretFiles }] = repositories.values().toArray() as [
    typeof repositories extends ReadonlyMap<unknown, infer Value> ? Value : never,
  ];
  return { accept, secretFiles };
}

Deno.test("provider and secret make one acceptance, by default of Coding", async () => {
  assertEquals(await acceptOf("secret: x"), {
    accept: [{ provider: "coding", secrets: ["x"], options: {} }],
    secretFiles: [],
  });
  assertEquals(await acceptOf("provider: gitee", "secret: [x, { file: /etc/s }]"), {
    accept: [{ provider: "gitee", secrets: ["x", "from a file"], options: {} }],
    secretFiles: ["/etc/s"],
  });
});

Deno.test("accept makes one acceptance an item, in its order", async () => {
  const { accept, secretFiles } = await acceptOf(
    "accept:",
    "  - { provider: coding, secret: { file: /etc/s } }",
    "  - { provider: cnb, secret: [new, old], signature_header: X-Mine }",
    "  - { provider: github, secret: x, allow_sha1: true }",
  );
  assertEquals(accept, [
    { provider: "coding", secrets: ["from a file"], options: {} },
    { provider: "cnb", secrets: ["new", "old"], options: { signatureHeader: "X-Mine" } },
    { provider: "github", secrets: ["x"], options: { allowSha1: true } },
  ]);
  assertEquals(secretFiles, ["/etc/s"]);
});

Deno.test("accept takes the place of provider, secret and their options", async () => {
  const item = "accept: [{ provider: github, secret: x }]";
  const beside = (key: string) =>
    `hook.yaml:5: repositories.app.${key}: found beside "accept"; allowed: in its items`;
  for (const line of ["provider: github", "secret: hunter2", "allow_sha1: true"]) {
    assertEquals(await problemsIn(app(item, line)), [beside(line.split(":")[0]!)]);
  }
  assertEquals(await problemsIn(app("provider: github")), [
    'hook.yaml:2: repositories.app: "secret" is missing',
  ]);
});

Deno.test("an option of another forge is an error, wherever it stands", async () => {
  assertEquals(await problemsIn(app("secret: x", "allow_sha1: false")), [
    'hook.yaml:5: repositories.app.allow_sha1: found with "provider: coding"; ' +
    'allowed: with "provider: github"',
  ]);
  assertEquals(
    await problemsIn(app("accept:", "  - { provider: gitea, secret: x, signature_header: X }")),
    [
      "hook.yaml:5: repositories.app.accept, item 1, signature_header: " +
      'found with "provider: gitea"; allowed: with "provider: cnb"',
    ],
  );
});

Deno.test("a secret in a form that its forge cannot use is an error that does not repeat it", async () => {
  const key = '"whsec_" and the base64 of 24 to 64 bytes';
  assertEquals(await problemsIn(app("provider: standard", "secret: hunter2")), [
    `hook.yaml:5: repositories.app.secret: found another form of secret; allowed: ${key}`,
  ]);
  const token = "ASCII characters, without blanks at either end";
  const list = await problemsIn(
    app("provider: gitlab", "secret:", "  - hunter2", "  - whsec_hunter2", `  - ${WHSEC}`),
  );
  assertEquals(list, [
    "hook.yaml:7: repositories.app.secret, item 2: found another form of secret; " +
    `allowed: a token (${token}), or a signing token: ${key}`,
  ]);
  assertEquals(
    await problemsIn(app("accept:", "  - { provider: codeup, secret: 密码 }")),
    [
      "hook.yaml:5: repositories.app.accept, item 1, secret: " +
      `found another form of secret; allowed: ${token}`,
    ],
  );
});
