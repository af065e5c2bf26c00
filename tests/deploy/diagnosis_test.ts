import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Deployment } from "../../lib/delivery.ts";
import { diagnose } from "../../lib/deploy/diagnosis.ts";
import { StepError } from "../../lib/deploy/step.ts";
import { GitError, GitMissingError } from "../../lib/git.ts";
import { type Case, type Checkout, each, put, targetOf, World } from "./world.ts";

/** A checkout on `main` whose origin is anything. */
function checkoutOf(world: World, origin: string, name = "app"): Checkout {
  const app = world.empty(name);
  app.configure(`[remote "origin"]\n\turl = ${origin}\n`);
  put(app.path, { file: "x" });
  return app;
}

/** Answers every request alike, at a port of its own. */
function answering(status: number, headers: HeadersInit = {}): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  return Deno.serve(options, () => new Response("no\n", { status, headers }));
}

interface HttpCase extends Case {
  readonly status: number;
  readonly headers?: HeadersInit;
  readonly reason: string;
}

const REFUSED = "authentication at the remote failed";

const HTTP: readonly HttpCase[] = [
  { what: "401", status: 401, headers: { "www-authenticate": "Basic" }, reason: REFUSED },
  { what: "403", status: 403, reason: REFUSED },
  {
    what: "404",
    status: 404,
    reason: "there is no repository at the remote's address, or no right to see it",
  },
  { what: "500", status: 500, reason: "the remote is unreachable" },
  { what: "503", status: 503, reason: "the remote is unreachable" },
];

Deno.test("diagnose() understands what git says of a forge's answers", async () => {
  await each(HTTP, async ({ status, headers, reason }) => {
    await using world = World.open();
    await using server = answering(status, headers);
    const origin = `http://user:pa55word@127.0.0.1:${server.addr.port}/app.git`;
    const app = checkoutOf(world, origin);
    const deployment = await world.deploy({ path: app.path });
    assertEquals([deployment.result, deployment.reason], ["failed", reason]);
    assertStringIncludes(deployment.output!, `127.0.0.1:${server.addr.port}/app.git`);
    assertEquals(JSON.stringify(deployment).includes("pa55word"), false);
  });
});

/** A port at which nobody listens. */
function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

interface RealCase extends Case {
  readonly prepare: (world: World) => Promise<string> | string;
  readonly reason: string;
  /** A part of the hint. */
  readonly hint: string;
}

/** Failures that need no network; each makes a checkout and gives back its path. */
const REAL: readonly RealCase[] = [
  {
    what: "a closed port, over http",
    prepare: (world) => checkoutOf(world, `http://127.0.0.1:${closedPort()}/app.git`).path,
    reason: "the remote is unreachable",
    hint: "git ls-remote origin",
  },
  {
    what: "a closed port, over git",
    prepare: (world) => checkoutOf(world, `git://127.0.0.1:${closedPort()}/app.git`).path,
    reason: "the remote is unreachable",
    hint: "git ls-remote origin",
  },
  {
    what: "no repository at the path",
    prepare: (world) => checkoutOf(world, world.path("nowhere")).path,
    reason: "there is no repository at the remote's address, or no right to see it",
    hint: "git remote -v",
  },
  {
    what: "a transport that runs programs",
    prepare: (world) => checkoutOf(world, "ext::sh -c true").path,
    reason: "the remote's transport is not allowed",
    hint: "https, http, ssh",
  },
  {
    what: "no origin",
    prepare(world) {
      const app = world.empty("app");
      put(app.path, { file: "x" });
      return app.path;
    },
    reason: "there is no repository at the remote's address, or no right to see it",
    hint: "git remote -v",
  },
  {
    what: "a lock that was left",
    async prepare(world) {
      const [remote, app] = await world.pair();
      await remote.commit({ "app.py": "two\n" });
      put(app.path, { ".git/index.lock": "" });
      return app.path;
    },
    reason: "another git works in",
    hint: "remove the .lock file",
  },
  {
    what: "a lock of a ref that was left",
    async prepare(world) {
      const [remote, app] = await world.pair();
      await remote.commit({ "app.py": "two\n" });
      put(app.path, { ".git/refs/remotes/origin/main.lock": "" });
      return app.path;
    },
    reason: "another git works in",
    hint: "remove the .lock file",
  },
  {
    what: "a damaged repository",
    async prepare(world) {
      const [, app] = await world.pair();
      put(app.path, { ".git/HEAD": null });
      return app.path;
    },
    reason: "is not a git repository, or a damaged one",
    hint: "fsck",
  },
];

Deno.test("diagnose() understands git's real failures", async () => {
  await each(REAL, async ({ prepare, reason, hint }) => {
    await using world = World.open();
    const path = await prepare(world);
    const deployment: Deployment = await world.deploy({ path });
    assertEquals(deployment.result, "failed");
    assertStringIncludes(deployment.reason!, reason, JSON.stringify(deployment));
    assertStringIncludes(deployment.hint!, hint);
  });
});

Deno.test({
  name: "diagnose() explains a checkout that belongs to somebody else, and does not silence git",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using world = World.open();
    const [, app] = await world.pair();
    await Deno.chown(app.path, 65534, 65534);
    await Deno.chown(`${app.path}/.git`, 65534, 65534);
    const { result, reason, hint } = await world.deploy({ path: app.path });
    assertEquals(result, "failed");
    assertStringIncludes(reason!, "it belongs to another user");
    assertStringIncludes(hint!, `git config --global --add safe.directory ${app.path}`);
  },
});

/** What git and ssh print where a test cannot make them. */
const SAID: readonly [text: string, reason: string][] = [
  [
    "Host key verification failed.\nfatal: Could not read from remote repository.",
    "ssh does not know the remote's host key, or it has changed",
  ],
  [
    "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nfatal: Could not read from remote",
    "ssh does not know the remote's host key, or it has changed",
  ],
  [
    "git@forge: Permission denied (publickey).\nfatal: Could not read from remote repository.",
    REFUSED,
  ],
  ["fatal: could not read Username for 'https://forge': terminal prompts disabled", REFUSED],
  ["fatal: Authentication failed for 'https://forge/app.git/'", REFUSED],
  ["remote: Repository not found.\nfatal: repository 'https://forge/' not found", REAL[2]!.reason],
  [
    "fatal: unable to access 'https://forge/': Could not resolve host: forge",
    "the remote is unreachable",
  ],
  ["ssh: connect to host forge port 22: Connection timed out", "the remote is unreachable"],
  [
    "error: RPC failed; curl 28 Operation too slow.\nfatal: early EOF",
    "the remote is unreachable",
  ],
  [
    "error: cannot run ssh: No such file or directory\nfatal: unable to fork",
    "the remote is reached by ssh, which is not installed",
  ],
  ["fatal: write error: No space left on device", "the disk is full"],
  [
    "error: cannot open .git/FETCH_HEAD: Permission denied",
    '"/srv/app" is not writable for the user hook runs as',
  ],
  [
    "fatal: Unable to create '/srv/app/.git/index.lock': Read-only file system",
    '"/srv/app" is not writable for the user hook runs as',
  ],
  [
    "error: could not lock config file .git/config: File exists",
    'another git works in "/srv/app", or one died there and left its lock',
  ],
];

const TARGET = targetOf({ path: "/srv/app", timeout: 90_000 });

function gitError(stderr: string, aborted?: unknown): GitError {
  return new GitError("git fetch", { code: 128, stdout: "", stderr }, aborted);
}

Deno.test("diagnose() reads the messages of git and ssh", () => {
  for (const [text, reason] of SAID) {
    const diagnosis = diagnose(gitError(text), TARGET);
    assertEquals(diagnosis.reason, reason, text);
    assertEquals(typeof diagnosis.hint, "string", text);
  }
});

Deno.test("diagnose() passes on git's own words where it does not know them", () => {
  const { reason, hint } = diagnose(gitError("warning: x\nfatal: something new\n"), TARGET);
  assertEquals([reason, hint], ["fatal: something new", undefined]);
});

Deno.test("diagnose() names the configured remote in what to try", () => {
  const target = targetOf({ path: "/srv/app", remote: "https://forge/app.git" });
  const { hint } = diagnose(gitError("fatal: unable to access 'x'"), target);
  assertStringIncludes(hint!, "git ls-remote https://forge/app.git");
});

Deno.test("diagnose() tells a timeout from a stop", () => {
  const timeout = new DOMException("Signal timed out.", "TimeoutError");
  assertEquals(
    diagnose(gitError("fatal: early EOF", timeout), TARGET).reason,
    "the deployment took longer than its timeout of 90 s and was ended",
  );
  const stop = diagnose(gitError("", new Error("stopped")), TARGET);
  assertEquals(stop.reason, "hook was told to stop at once");
});

Deno.test("diagnose() takes any error", () => {
  const step = diagnose(new StepError("conflict", "so it is", "do that"), TARGET);
  assertEquals(step, { kind: "conflict", reason: "so it is", hint: "do that" });
  assertEquals(diagnose(new StepError("conflict", "so it is"), TARGET), {
    kind: "conflict",
    reason: "so it is",
  });
  assertStringIncludes(diagnose(new GitMissingError("gone"), TARGET).hint!, "install git");
  const denied = diagnose(new Deno.errors.PermissionDenied("mkdir"), TARGET);
  assertStringIncludes(denied.reason, '"/srv/app" is not writable');
  assertEquals(diagnose(new TypeError("odd"), TARGET), { kind: "other", reason: "odd" });
  assertEquals(diagnose("text", TARGET), { kind: "other", reason: "text" });
});
