import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { transportRun } from "../../lib/deploy/transport.ts";
import { absolutePath } from "../../lib/values.ts";
import { snapshot, until, World } from "./world.ts";

Deno.test("transportRun() leaves ssh to the user where nothing is configured", () => {
  assertEquals(transportRun({}, "git@host:app.git"), { args: [], env: {} });
});

Deno.test("transportRun() gives ssh one key and strict host keys, whatever the path", async () => {
  const path = `/etc/it's "here" $HOME/key`;
  const { args, env } = transportRun({
    sshKey: absolutePath(path)!,
    knownHosts: absolutePath("/etc/known hosts")!,
  }, "git@host:app.git");
  assertEquals(args, []);
  // The shell takes it apart again as git does.
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `ssh() { printf '%s\\n' "$@"; }; ${env.GIT_SSH_COMMAND}`],
  }).output();
  const words = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assertEquals(words.slice(0, 2), ["-i", path]);
  for (
    const option of [
      "BatchMode=yes",
      "StrictHostKeyChecking=yes",
      "IdentitiesOnly=yes",
      'UserKnownHostsFile="/etc/known hosts"',
      "GlobalKnownHostsFile=/dev/null",
    ]
  ) {
    assertEquals(words[words.indexOf(option) - 1], "-o", option);
  }
});

Deno.test("transportRun() tells the password in the environment, for its host alone", () => {
  const credentials = { username: "cnb", password: "s3cr$t'\"" };
  const { args, env } = transportRun({ credentials }, "https://cnb.example/team/app.git");
  assertEquals([env.HOOK_USERNAME, env.HOOK_PASSWORD], ["cnb", credentials.password]);
  assert(!args.join(" ").includes("s3cr"), "arguments are for everybody to see");
  assert(args.some((word) => word.startsWith("credential.https://cnb.example.helper=")));
  assert(args.includes("credential.helper="), "the user's own helpers must not keep it");
  for (const url of ["git@cnb.example:app.git", "/srv/app.git", undefined]) {
    assertEquals(transportRun({ credentials }, url), { args: [], env: {} }, url);
  }
});

const SECRET = "Tr0ub4dor-&3";

/** git http-backend behind a password, which notes what it was told. */
function backend(world: World, hold: () => Promise<void>) {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const authorization = request.headers.get("authorization");
    asked.push(`${request.method} ${url.pathname} ${authorization === null ? "" : "password"}`);
    if (authorization !== `Basic ${btoa(`user:${SECRET}`)}`) {
      const headers = { "www-authenticate": 'Basic realm="git"' };
      return new Response("no", { status: 401, headers });
    }
    await hold();
    const child = new Deno.Command("git", {
      args: ["http-backend"],
      env: {
        ...world.env,
        GIT_PROJECT_ROOT: world.root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers.get("content-type") ?? "",
        GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
        HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
      },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new Uint8Array(await request.arrayBuffer()));
    await writer.close();
    const { stdout } = await child.output();
    const end = new TextDecoder("latin1").decode(stdout).indexOf("\r\n\r\n");
    const head = new TextDecoder().decode(stdout.subarray(0, end)).split("\r\n");
    const headers = new Headers();
    let status = 200;
    for (const line of head) {
      const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)];
      if (name === "Status") status = parseInt(value);
      else headers.set(name, value);
    }
    return new Response(stdout.subarray(end + 4), { status, headers });
  });
  return {
    asked,
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test({
  name: "deploy() reaches a remote with its password, which is seen nowhere",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using world = World.open();
    const remote = await world.remote("remote", { "app.py": "one\n" });
    let looks = "";
    await using server = backend(world, () => {
      looks += world.processes().map(({ command }) => `${command}\n`).join("");
      return Promise.resolve();
    });
    const credentials = { username: "user", password: SECRET };
    const hooks = world.scripts("hooks", { "post-deploy": "env; cat /proc/$PPID/environ" });
    const target = {
      path: world.path("app"),
      remote: `${server.url}/remote`,
      more: { transport: { credentials }, hooks },
    };
    const first = await world.deploy(target);
    assertEquals([first.result, first.reason], ["deployed", undefined]);
    await remote.commit({ "app.py": "two\n" });
    const second = await world.deploy(target);
    assertEquals([second.result, second.reason], ["deployed", undefined]);
    assert(server.asked.some((line) => line.endsWith("password")));
    assertStringIncludes(looks, "remote-http", "it was looked while git ran");
    for (
      const [what, text] of [
        ["arguments", looks],
        ["output", `${first.output}${second.output}`],
        ["the checkout", JSON.stringify(snapshot(target.path))],
        ["its configuration", Deno.readTextFileSync(`${target.path}/.git/config`)],
        ["the user's files", JSON.stringify(snapshot(world.path("home")))],
      ]
    ) {
      assert(!text!.includes(SECRET) && !text!.includes(btoa(`user:${SECRET}`)), what);
    }
  },
});

Deno.test("deploy() says that a password is wrong, and asks nobody", async () => {
  await using world = World.open();
  await world.remote("remote", { "app.py": "one\n" });
  await using server = backend(world, () => Promise.resolve());
  const credentials = { username: "user", password: "wrong-one" };
  const { result, kind, output } = await world.deploy({
    path: world.path("app"),
    remote: `${server.url}/remote`,
    more: { transport: { credentials } },
  });
  assertEquals([result, kind], ["failed", "authentication"]);
  assert(!output?.includes("wrong-one"));
  await until(() => world.processes().length === 0, "nothing is left");
});

Deno.test("deploy() gives the password to no other host, not even by way of a redirect", async () => {
  await using world = World.open();
  await world.remote("remote", { "app.py": "one\n" });
  const told: (string | null)[] = [];
  await using other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      told.push(request.headers.get("authorization"));
      const headers = { "www-authenticate": 'Basic realm="git"' };
      return new Response("no", { status: 401, headers });
    },
  );
  await using first = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    return Response.redirect(`http://127.0.0.1:${other.addr.port}${pathname}${search}`, 302);
  });
  const { result } = await world.deploy({
    path: world.path("app"),
    remote: `http://127.0.0.1:${first.addr.port}/remote`,
    more: { transport: { credentials: { username: "user", password: SECRET } } },
  });
  assertEquals(result, "failed");
  assertEquals(told.filter((header) => header !== null), []);
  assert(told.length > 0, "it was redirected");
});
