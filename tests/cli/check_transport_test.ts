import { assertEquals } from "@std/assert";
import { runCli } from "../support/fake_io.ts";
import { inTemporaryDirectory } from "../support/temporary.ts";

const WHSEC = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;

/** The warnings about a body that anybody could read and copy. */
async function warnings(forge: string, ...root: string[]): Promise<string[]> {
  let lines: string[] = [];
  await inTemporaryDirectory(async (dir) => {
    const file = `${dir}/hook.yaml`;
    const repository = `app: { path: ${dir}/app, remote: /srv/x.git, ${forge} }`;
    await Deno.writeTextFile(`${dir}/cert.pem`, "-----BEGIN CERTIFICATE-----\n");
    const text = [...root, `repositories: { ${repository} }`, ""].join("\n");
    await Deno.writeTextFile(file, text.replaceAll("DIR", dir), { mode: 0o600 });
    const ran = await runCli(["check", "-c", file], { PATH: Deno.env.get("PATH")! });
    assertEquals([ran.code, ran.stderr], [0, ""]);
    lines = ran.stdout.split("\n").filter((line) => line.includes("sign"));
  });
  return lines;
}

const warning = (provider: string) =>
  `warn  app: "${provider}" does not sign the body, and nothing encrypts it: ` +
  'set "tls", or listen on loopback or a unix socket behind a proxy that does';

Deno.test("hook check warns of forges that do not sign, where others could listen", async () => {
  for (const provider of ["gitee", "gongfeng", "codeup", "azure", "gitlab"]) {
    const forge = `provider: ${provider}, secret: x`;
    assertEquals(await warnings(forge), [warning(provider)]);
    assertEquals(await warnings(forge, 'listen: "[::]:17838"'), [warning(provider)]);
    assertEquals(await warnings(forge, "listen: 192.0.2.1:80"), [warning(provider)]);
  }
  const both = "accept: [{ provider: github, secret: x }, { provider: gitee, secret: y }]";
  assertEquals(await warnings(both), [warning("gitee")]);
  assertEquals(await warnings(`provider: gitlab, secret: [${WHSEC}, old]`), [warning("gitlab")]);
});

Deno.test("hook check does not warn of forges that sign", async () => {
  for (const provider of ["coding", "github", "gitea", "forgejo", "gogs", "bitbucket", "cnb"]) {
    assertEquals(await warnings(`provider: ${provider}, secret: x`), []);
  }
  for (const provider of ["standard", "gitlab"]) {
    assertEquals(await warnings(`provider: ${provider}, secret: ${WHSEC}`), []);
  }
});

Deno.test("hook check does not warn where nobody else can listen", async () => {
  const places = [
    "listen: 127.0.0.1:17838",
    "listen: 127.8.9.10:1",
    'listen: "[::1]:17838"',
    "listen: localhost:17838",
    "listen: unix:/run/hook.sock",
    "tls: { cert: DIR/cert.pem, key: DIR/cert.pem }",
  ];
  for (const place of places) assertEquals(await warnings("provider: gitee, secret: x", place), []);
});
