/** The verbs besides `serve`: their streams, their exit codes and their suggestions. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createServer } from "node:http";
import { createHmac } from "node:crypto";
import { type Config, e2e, type Finished, NEEDS_BINARY, type World } from "./harness.ts";

const VERBS = ["serve", "check", "send", "version", "help"];

function assertOk(finished: Finished): void {
  assertEquals([finished.code, finished.stderr], [0, ""], finished.stdout);
}

/** Wrong usage: nothing on stdout, an error on stderr, exit code 2. */
function assertUsage(finished: Finished, ...says: string[]): void {
  assertEquals([finished.code, finished.stdout], [2, ""], finished.stderr);
  assertMatch(finished.stderr, /^hook: error: /);
  for (const text of says) assertStringIncludes(finished.stderr, text);
}

e2e("help prints every verb to stdout and exits 0", async (world) => {
  for (const args of [["help"], ["--help"], ["-h"]]) {
    const finished = await world.run(args);
    assertOk(finished);
    for (const verb of VERBS) assertMatch(finished.stdout, new RegExp(`\\b${verb}\\b`));
  }
});

e2e("help VERB and VERB --help print the same", async (world) => {
  for (const verb of VERBS.filter((name) => name !== "help")) {
    const [one, two] = [await world.run(["help", verb]), await world.run([verb, "--help"])];
    assertOk(one);
    assertOk(two);
    assertEquals(one.stdout, two.stdout);
    assertStringIncludes(one.stdout, `hook ${verb}`);
  }
  assertUsage(await world.run(["help", "srve"]), "srve", "serve");
});

e2e("no verb is wrong usage", async (world) => {
  const finished = await world.run([]);
  assertEquals(finished.code, 2);
  assertEquals(finished.stdout, "");
});

e2e("an unknown verb suggests the nearest one", async (world) => {
  assertUsage(await world.run(["srve"]), '"srve"', "serve");
  assertUsage(await world.run(["chek"]), '"chek"', "check");
});

e2e("an unknown option suggests the nearest one", async (world) => {
  assertUsage(await world.run(["serve", "--confg", "x"]), "--confg", "--config");
  assertUsage(await world.run(["check", "--shema"]), "--shema", "--schema");
  assertUsage(await world.run(["version", "--jsn"]), "--jsn", "--json");
});

e2e("arguments that a verb does not take are wrong usage", async (world) => {
  assertUsage(await world.run(["serve", "extra"]), "extra");
  assertUsage(await world.run(["version", "extra"]), "extra");
  assertUsage(await world.run(["serve", "-c"]), "-c");
  assertUsage(await world.run(["send"]));
});

e2e("version prints the version, --json everything else", async (world) => {
  const plain = await world.run(["version"]);
  assertOk(plain);
  assertMatch(plain.stdout, /\b\d+\.\d+\.\d+\b/);
  assertEquals((await world.run(["--version"])).stdout.split("\n")[0], plain.stdout.split("\n")[0]);
  const finished = await world.run(["version", "--json"]);
  assertOk(finished);
  const json = JSON.parse(finished.stdout);
  assertMatch(json.version, /^\d+\.\d+\.\d+/);
  for (const key of ["deno", "v8", "git"]) assertMatch(String(json[key]), /\d+\.\d+/, key);
  assertEquals(json.permissions.run, ["git"]);
});

e2e("version works without git", async (world) => {
  const finished = await world.run(["version"], { env: { PATH: world.file("nowhere") } });
  assertEquals(finished.code, 0, finished.stderr);
});

async function configured(world: World, extra: Record<string, unknown> = {}): Promise<Config> {
  const checkout = await world.checkout(await world.remote());
  return { repositories: { app: { path: checkout.path, secret: world.secret(), ...extra } } };
}

e2e("check prints one ok line a check and exits 0", async (world) => {
  const path = world.config(await configured(world));
  for (const args of [["check", "-c", path], ["check", "app", "--config", path]]) {
    const finished = await world.run(args);
    assertOk(finished);
    const lines = finished.stdout.trimEnd().split("\n");
    assert(lines.length > 0);
    for (const line of lines) assertMatch(line, /^ok\b/);
  }
});

e2e("check of an unknown name suggests the nearest one", async (world) => {
  const path = world.config(await configured(world));
  assertUsage(await world.run(["check", "ap", "-c", path]), '"ap"', "app");
});

e2e("check --schema prints a JSON Schema of this version's keys", async (world) => {
  const finished = await world.run(["check", "--schema"]);
  assertOk(finished);
  const schema = JSON.parse(finished.stdout);
  assertMatch(String(schema.$schema), /json-schema\.org/);
  const keys = Object.keys(schema.properties);
  for (const key of ["listen", "tls", "trusted_proxies", "concurrency", "body_limit", "log"]) {
    assert(keys.includes(key), `${key} among ${keys}`);
  }
  assertEquals(schema.required, ["repositories"]);
  assertEquals(schema.additionalProperties, false);
  const text = JSON.stringify(schema.properties.repositories);
  for (const key of ["path", "secret", "provider", "remote", "branch", "strategy", "timeout"]) {
    assertStringIncludes(text, `"${key}"`);
  }
});

e2e("send posts a signed push that is queued, deployed with --wait", async (world) => {
  const { service, remote, checkout } = await world.app();
  const send = (...args: string[]) => world.run(["send", "app", "-c", service.config, ...args]);
  const url = new URL("/hooks/app", service.address).href;
  const queued = await send("--url", url);
  assertEquals(queued.code, 0, queued.stderr);
  assertMatch(queued.stdout, /202[\s\S]*queued|queued/);
  await service.deployed();
  const tip = await remote.push();
  const deployed = await send("--url", url, "--wait");
  assertEquals(deployed.code, 0, deployed.stderr);
  assertStringIncludes(deployed.stdout, "deployed");
  assertEquals(await checkout.head(), tip);
  const ping = await send("--url", url, "--event", "ping");
  assertEquals(ping.code, 0, ping.stderr);
  assertStringIncludes(ping.stdout, "pong");
  const other = await send("--url", url, "--ref", "refs/heads/other");
  assertEquals(other.code, 0, other.stderr);
  assertStringIncludes(other.stdout, "ignored");
});

e2e("send finds the service by the configuration's listen", async (world) => {
  const path = world.file("hook.sock");
  const { service } = await world.app({ config: { listen: `unix:${path}` } });
  const finished = await world.run(["send", "app", "-c", service.config]);
  assertEquals(finished.code, 0, finished.stderr);
  assertStringIncludes(finished.stdout, "queued");
});

e2e("send says so and exits 1 when the deployment failed", async (world) => {
  const { service, remote, checkout } = await world.app();
  await remote.push({ "app.py": "version = 2\n" });
  checkout.write({ "app.py": "version = local\n" });
  const url = new URL("/hooks/app", service.address).href;
  const finished = await world.run(["send", "app", "-c", service.config, "--url", url, "--wait"]);
  assertEquals(finished.code, 1);
  assertStringIncludes(finished.stdout + finished.stderr, "failed");
});

e2e("send exits 1 when it is refused or nobody listens", async (world) => {
  const { service, checkout } = await world.app();
  const url = new URL("/hooks/app", service.address).href;
  const other = world.config({
    repositories: { app: { path: checkout.path, secret: world.secret() } },
  }, "other.yaml");
  const refused = await world.run(["send", "app", "-c", other, "--url", url]);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stdout + refused.stderr, "rejected");
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const gone = `http://127.0.0.1:${free.addr.port}/hooks/app`;
  free.close();
  const nobody = await world.run(["send", "app", "-c", other, "--url", gone]);
  assertEquals(nobody.code, 1);
  assertMatch(nobody.stderr, /^hook: error: /);
});

e2e("send --payload posts the file's bytes, signed", async (world) => {
  const config = await configured(world);
  const secret = String(
    (config as { repositories: { app: { secret: string } } }).repositories.app
      .secret,
  );
  const received = Promise.withResolvers<{ headers: Record<string, unknown>; body: Uint8Array }>();
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      const body = new Uint8Array(chunks.flatMap((chunk) => [...chunk]));
      received.resolve({ headers: request.headers, body });
      response.end('{"outcome":"queued","repository":"app","delivery":"x"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  world.onEnd(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const text = '{ "ref": "refs/heads/master",\n  "note": "空白 kept" }\n';
  Deno.writeTextFileSync(world.file("payload.json"), text);
  const finished = await world.run([
    "send",
    "app",
    "-c",
    world.config(config),
    "--url",
    `http://127.0.0.1:${port}/hooks/app`,
    "--payload",
    world.file("payload.json"),
  ]);
  assertEquals(finished.code, 0, finished.stderr);
  const { headers, body } = await received.promise;
  assertEquals(new TextDecoder().decode(body), text);
  const expected = "sha1=" + createHmac("sha1", secret).update(body).digest("hex");
  assertEquals(headers["x-coding-signature"], expected);
  assertEquals(headers["x-coding-event"], "push");
  assertMatch(String(headers["content-type"]), /^application\/json/);
});

e2e("send of an unknown name suggests the nearest one", async (world) => {
  const path = world.config(await configured(world));
  assertUsage(await world.run(["send", "ap", "-c", path]), '"ap"', "app");
  assertUsage(await world.run(["send", "app", "-c", path, "--event", "pong"]), "pong", "ping");
});

e2e("serve without git ends and says what to install", async (world) => {
  const config = await configured(world);
  const finished = await world.refused(config, { env: { PATH: world.file("nowhere") } });
  assertEquals(finished.code, 1, finished.stdout);
  assertMatch(finished.stderr, /^hook: error: .*git/m);
  assertMatch(finished.stderr, /^hook: hint: .*install git/mi);
});

e2e("an unreadable secret file is named with the reason", async (world) => {
  const path = world.file("secret");
  Deno.writeTextFileSync(path, world.secret(), { mode: 0o600 });
  const config = await configured(world, { secret: { file: path } });
  const options = Deno.uid() === 0 ? { uid: 65534 } : {};
  if (Deno.uid() === 0) {
    // The other user comes as far as the file, and no further.
    Deno.chmodSync(world.dir, 0o755);
  } else {
    Deno.chmodSync(path, 0);
  }
  const file = world.config(config);
  if (Deno.uid() === 0) Deno.chmodSync(file, 0o644);
  const finished = await world.run(["serve", "-c", file], options);
  assertEquals(finished.code, 2, finished.stdout);
  assertStringIncludes(finished.stderr, path);
  assertMatch(finished.stderr, /permission|not readable|cannot read/i);
}, { skip: Deno.uid() === 0 ? NEEDS_BINARY : undefined });
