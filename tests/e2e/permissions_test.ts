/** What the product cannot do, whatever its code says: the permissions that are baked in. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  BINARY,
  e2e,
  exists,
  interpreterEnvironment,
  kill,
  NEEDS_BINARY,
  push,
  ROOT,
  v2,
  within,
  type World,
} from "./harness.ts";

/** The program that stands in for the product: it tries what the product must not be able to do. */
const PROBE = `
if (Deno.args.length > 0) Deno.exit(0); // Run by itself: once is enough to know that it can.
const results = {};
const attempt = async (name, act) => {
  try {
    results[name] = { done: await act() ?? null };
  } catch (error) {
    results[name] = { refused: error.name };
  }
};
const run = async (program, ...args) => {
  const { stdout } = await new Deno.Command(program, { args }).output();
  return new TextDecoder().decode(stdout).trim();
};
await attempt("run git", () => run("git", "--version"));
await attempt("run sh", () => run("sh", "-c", "echo ran"));
await attempt("run /bin/sh", () => run("/bin/sh", "-c", "echo ran"));
await attempt("run a file called git", () => run(Deno.env.get("TMPDIR") + "/git"));
await attempt("run ssh", () => run("ssh", "-V"));
await attempt("run itself", () => run(Deno.execPath(), "--version"));
await attempt("read HOME", () => Deno.env.get("HOME") !== undefined);
await attempt("read HOOK_SECRET_PROBE", () => Deno.env.get("HOOK_SECRET_PROBE"));
await attempt("read PROBE_PASSWORD", () => Deno.env.get("PROBE_PASSWORD"));
await attempt("read LD_PRELOAD", () => Deno.env.get("LD_PRELOAD"));
await attempt("read all variables", () => Object.keys(Deno.env.toObject()).length);
await attempt("write PROBE_PASSWORD", () => Deno.env.set("PROBE_PASSWORD", "x"));
await attempt("load a library", () => Deno.dlopen("libc.so.6", {}).close());
await attempt("import code", () => import("data:text/javascript,export default 1").then(() => 1));
console.log("PROBE" + JSON.stringify(results));
`;

interface Attempt {
  done?: unknown;
  refused?: string;
}

/** What is allowed, and for everything else the error that Deno refuses with. */
function assertConfined(output: string): void {
  const line = output.split("\n").find((text) => text.startsWith("PROBE"));
  if (line === undefined) throw new Error(`The probe has not run:\n${output}`);
  const results = JSON.parse(line.slice("PROBE".length)) as Record<string, Attempt>;
  assertMatch(String(results["run git"]?.done), /^git version /);
  assertEquals(results["read HOME"], { done: true });
  assertEquals(results["read HOOK_SECRET_PROBE"], { done: "allowed" });
  const forbidden = [
    "run sh",
    "run /bin/sh",
    "run a file called git",
    "run ssh",
    "run itself",
    "read PROBE_PASSWORD",
    "read LD_PRELOAD",
    "read all variables",
    "write PROBE_PASSWORD",
    "load a library",
  ];
  for (const name of forbidden) {
    const { done, refused } = results[name] ?? {};
    assertEquals([name, done, refused], [name, undefined, "NotCapable"]);
  }
}

/** The environment of a probe, with things in it that it must not reach. */
function probeEnvironment(world: World): Record<string, string> {
  const fake = `${world.file("tmp")}/git`;
  Deno.writeTextFileSync(fake, "#!/bin/sh\necho ran\n");
  Deno.chmodSync(fake, 0o755);
  return { ...world.env, HOOK_SECRET_PROBE: "allowed", PROBE_PASSWORD: "must stay unread" };
}

async function output(
  world: World,
  command: string,
  args: string[],
  env: Record<string, string>,
): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    clearEnv: true,
    env,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  world.onEnd(() => kill(child.pid));
  const { stdout, stderr } = await within(child.output(), "the end of the probe");
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

e2e(
  "permissions: the set of deno.json confines a program to git and its variables",
  async (world) => {
    const probe = world.file("probe.js");
    Deno.writeTextFileSync(probe, PROBE);
    const env = { ...probeEnvironment(world), ...interpreterEnvironment() };
    const args = ["run", "--no-prompt", `--config=${ROOT}/deno.json`, "-P=service", probe];
    assertConfined(await output(world, Deno.execPath(), args, env));
  },
);

const TEXT = new TextDecoder("latin1");

/** Finds a text in bytes from the end, or -1. */
function lastIndexOf(bytes: Uint8Array, text: string, before = bytes.length): number {
  const wanted = new TextEncoder().encode(text);
  for (let at = before - wanted.length; at >= 0; at--) {
    let same = 0;
    while (same < wanted.length && bytes[at + same] === wanted[same]) same++;
    if (same === wanted.length) return at;
  }
  return -1;
}

/** The JSON object in bytes that starts at an index. */
function jsonAt(bytes: Uint8Array, start: number): unknown {
  const open = String.fromCharCode(bytes[start] ?? 0);
  const close = open === "[" ? "]" : "}";
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const char = String.fromCharCode(bytes[at] ?? 0);
    if (char === '"') {
      for (at++; bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++;
    } else if (char === open) depth++;
    else if (char === close && --depth === 0) {
      return JSON.parse(new TextDecoder().decode(bytes.subarray(start, at + 1)));
    }
  }
  throw new Error("no end of the JSON");
}

interface Embedded {
  permissions: Record<string, string[] | boolean | null>;
  code_cache_key: unknown;
}

/** What `deno compile` wrote behind the runtime: the metadata, as Deno 2.7 lays it out. */
function metadata(bytes: Uint8Array): { at: number; json: Embedded } {
  const at = lastIndexOf(bytes, '{"argv":');
  assert(at > 0, "the binary carries the metadata of deno compile");
  return { at, json: jsonAt(bytes, at) as Embedded };
}

function binaryBytes(): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(BINARY ?? "");
}

e2e(
  "permissions: the binary carries exactly the set of deno.json, and never asks",
  async (world) => {
    const { json } = metadata(binaryBytes());
    const config = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
    const declared = config.permissions.service as Record<string, string[] | true>;
    const sorted = (value: unknown) => Array.isArray(value) ? [...value].sort() : value;
    assertEquals(json.permissions.allow_run, ["git"]);
    assertEquals(sorted(json.permissions.allow_env), sorted(declared.env));
    assertEquals(sorted(json.permissions.allow_sys), sorted(declared.sys));
    assertEquals(json.permissions.allow_ffi, null);
    assertEquals(json.permissions.prompt, false, "--no-prompt");
    for (const variable of json.permissions.allow_env as string[]) {
      assert(!variable.startsWith("LD_"), `${variable} would load code into git`);
      assert(!variable.includes("*") || variable === "HOOK_SECRET_*", variable);
    }
    const shown = JSON.parse((await world.run(["version", "--json"])).stdout);
    assertEquals(sorted(shown.permissions.env), sorted(declared.env));
  },
  { skip: NEEDS_BINARY },
);

/**
 * A copy of the binary with the probe in place of the product's code: same runtime, same baked-in
 * permissions. The module's place in the file comes from the list of embedded files, which follows
 * the metadata: `"o"` and `"m"` are offset and length of its source and of what runs.
 */
function transplanted(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { at, json: _ } = metadata(bytes);
  const list = lastIndexOf(bytes, '[{"');
  assert(list > at, "the list of embedded files follows the metadata");
  const entry = findFile(jsonAt(bytes, list));
  const text = TEXT.decode(bytes.subarray(list, list + 4_000_000));
  const end = list + JSON.stringify(jsonAt(bytes, list)).length;
  assert(text.length > 0);
  const data = end + 8; // The length of the data, 64 bits, stands before it.
  for (const range of [entry.o, entry.m]) {
    if (range === undefined) continue;
    const [offset, length] = range;
    const code = new TextEncoder().encode(PROBE);
    assert(code.length < length, "the probe fits into the product's place");
    bytes.fill(0x20, data + offset, data + offset + length);
    bytes.set(code, data + offset);
  }
  return bytes;
}

interface EmbeddedFile {
  n: string;
  o: [number, number];
  m?: [number, number];
}

/** The largest JavaScript among the embedded files: the bundle. */
function findFile(list: unknown): EmbeddedFile {
  const files: EmbeddedFile[] = [];
  const walk = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    if ("n" in value && "o" in value) files.push(value as EmbeddedFile);
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(list);
  const scripts = files.filter(({ n }) => /\.[mc]?[jt]s$/.test(n));
  const largest = scripts.sort((a, b) => b.o[1] - a.o[1])[0];
  if (largest === undefined) throw new Error("The binary embeds no script");
  return largest;
}

e2e(
  "permissions: other code in the binary cannot run sh or read other variables",
  async (world) => {
    const copy = world.file("probe");
    Deno.writeFileSync(copy, transplanted(binaryBytes()), { mode: 0o755 });
    assertConfined(await output(world, copy, [], probeEnvironment(world)));
  },
  { skip: NEEDS_BINARY },
);

e2e(
  "permissions: the binary leaves nothing in TMPDIR and reads no code from there",
  async (world) => {
    const { service, secret } = await world.app();
    await service.post(v2(push("refs/heads/master"), { secret }), { wait: "60s" });
    await service.stop();
    assertEquals([...Deno.readDirSync(world.file("tmp"))], []);
    assertEquals(metadata(binaryBytes()).json.code_cache_key, null, "--no-code-cache");
  },
  { skip: NEEDS_BINARY },
);

e2e("permissions: a tracked file called git is not taken for git", async (world) => {
  // With "." in PATH, what a push brings into the checkout must not become the program that is run.
  const mark = world.file("pwned");
  const { service, remote, checkout, secret } = await world.app({
    start: { env: { PATH: `.:${Deno.env.get("PATH")}` } },
  });
  const script = { text: `#!/bin/sh\ntouch '${mark}'\nexit 1\n`, mode: 0o755 };
  await remote.push({ git: script, "git-fetch": script, sh: script });
  const ref = "refs/heads/master";
  await service.post(v2(push(ref), { secret }), { wait: "60s" });
  assertEquals(exists(`${checkout.path}/git`), true, "the trap has been deployed");
  await remote.push();
  await service.post(v2(push(ref), { secret }), { wait: "60s" });
  assertEquals(exists(mark), false);
});

e2e("permissions: variables that change what git runs do not reach it", async (world) => {
  const mark = world.file("pwned");
  const trap = world.file("trap");
  Deno.writeTextFileSync(trap, `#!/bin/sh\ntouch '${mark}'\nexit 1\n`);
  Deno.chmodSync(trap, 0o755);
  const elsewhere = await world.checkout(await world.remote("elsewhere"), "srv/elsewhere");
  const before = await elsewhere.head();
  const { service, remote, checkout, secret } = await world.app({
    start: {
      env: {
        GIT_SSH_COMMAND: trap,
        GIT_ASKPASS: trap,
        GIT_EXTERNAL_DIFF: trap,
        GIT_EDITOR: trap,
        EDITOR: trap,
        PAGER: trap,
        GIT_EXEC_PATH: world.dir,
        GIT_DIR: `${elsewhere.path}/.git`,
        GIT_WORK_TREE: elsewhere.path,
        GIT_INDEX_FILE: world.file("index"),
        GIT_OBJECT_DIRECTORY: world.file("objects"),
        GIT_TRACE: world.file("trace"),
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "core.fsmonitor",
        GIT_CONFIG_VALUE_0: trap,
      },
    },
  });
  const tip = await remote.push();
  const posting = v2(push("refs/heads/master"), { secret });
  const answer = await service.post(posting, { wait: "60s" });
  assertEquals(answer.json.outcome, "deployed", answer.text);
  assertEquals([await checkout.head(), await elsewhere.head()], [tip, before]);
  assertEquals([exists(mark), exists(world.file("trace"))], [false, false]);
});

e2e(
  "permissions: no secret is in the environment of git and of the checkout's hooks",
  async (world) => {
    const secret = world.secret();
    const { service, remote, checkout } = await world.app({
      repository: { secret: { env: "HOOK_SECRET_APP" } },
      start: { env: { HOOK_SECRET_APP: secret, HOOK_SECRET_OTHER: world.secret() } },
    });
    const seen = world.file("seen");
    const hook = `${checkout.path}/.git/hooks/post-merge`;
    Deno.writeTextFileSync(hook, `#!/bin/sh\nenv > '${seen}'\n`);
    Deno.chmodSync(hook, 0o755);
    await remote.push();
    const posting = v2(push("refs/heads/master"), { secret });
    const answer = await service.post(posting, { wait: "60s" });
    assertEquals(answer.json.outcome, "deployed", answer.text);
    const names = Deno.readTextFileSync(seen).split("\n").map((line) => line.split("=")[0] ?? "");
    assert(names.includes("PATH"), names.join(" "));
    assertEquals(names.filter((name) => name.startsWith("HOOK_SECRET")), []);
  },
);
