import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  checkedOutBranch,
  Git,
  GitError,
  GitMissingError,
  isSupportedGit,
  redact,
} from "../lib/git.ts";
import { kill, put, until, World } from "./deploy/world.ts";

/** An alias that runs a shell command: what git does with hooks and transports too. */
function shell(command: string): string[] {
  return ["-c", `alias.try=!${command}`, "try"];
}

async function failure(promise: Promise<unknown>): Promise<GitError> {
  const error = await promise.then(() => undefined, (error) => error);
  if (!(error instanceof GitError)) throw new Error(`not a GitError: ${error}`);
  return error;
}

Deno.test("Git.run() gives back what git printed", async () => {
  await using world = World.open();
  const result = await world.git.run(shell("echo out; echo err >&2"));
  assertEquals(result, { code: 0, stdout: "out\n", stderr: "err\n" });
});

Deno.test("Git.run() puts command, exit code and stderr into its error, without passwords", async () => {
  await using world = World.open();
  const url = "https://user:pa55@127.0.0.1/x";
  const error = await failure(world.git.run(shell(`echo fatal: no ${url} >&2; exit 7`)));
  assertEquals(error.message, "fatal: no https://***@127.0.0.1/x");
  assertEquals(error.result.code, 7);
  assertEquals(error.result.stderr, "fatal: no https://***@127.0.0.1/x\n");
  assert(!error.command.includes("pa55") && error.command.startsWith("git -c alias.try="));
  assertEquals(error.aborted, undefined);
});

Deno.test("GitError speaks with git's own last complaint, or tells the exit code", async () => {
  await using world = World.open();
  const said = async (command: string) => (await failure(world.git.run(shell(command)))).message;
  assertEquals(await said("echo error: a >&2; echo hint: b >&2; exit 1"), "error: a");
  assertEquals(await said("echo one >&2; echo two >&2; exit 1"), "two");
  assertEquals(await said("echo on stdout; exit 1"), "on stdout");
  assertMatch(await said("exit 3"), /^"git .*" ended with exit code 3$/);
});

Deno.test("Git.try() leaves the exit code to its caller", async () => {
  await using world = World.open();
  assertEquals((await world.git.try(shell("exit 5"))).code, 5);
});

Deno.test("Git passes a clean environment on: nothing of git's, of the loader's, no secret", async () => {
  await using world = World.open();
  const hostile: Record<string, string> = {
    GIT_DIR: "/elsewhere",
    GIT_WORK_TREE: "/elsewhere",
    GIT_INDEX_FILE: "/elsewhere",
    GIT_SSH_COMMAND: "touch /elsewhere",
    GIT_ASKPASS: "/elsewhere",
    SSH_ASKPASS: "/elsewhere",
    GIT_CONFIG_COUNT: "1",
    GIT_TERMINAL_PROMPT: "1",
    GIT_ALLOW_PROTOCOL: "ext",
    LD_PRELOAD: "/elsewhere.so",
    HOOK_SECRET_APP: "secret",
    CREDENTIALS_DIRECTORY: "/elsewhere",
    LC_ALL: "zh_CN.UTF-8",
    LANG: "zh_CN.UTF-8",
  };
  const git = new Git((name) => ({ ...hostile, ...world.env })[name]);
  const before = Deno.env.get("GIT_DIR");
  Deno.env.set("GIT_DIR", "/elsewhere");
  let printed: string;
  try {
    printed = (await git.run(shell("env"))).stdout;
  } finally {
    if (before === undefined) Deno.env.delete("GIT_DIR");
    else Deno.env.set("GIT_DIR", before);
  }
  const seen = new Map(
    printed.trimEnd().split("\n").map((line) => {
      const [name = "", ...value] = line.split("=");
      return [name, value.join("=")];
    }),
  );
  for (const [name, value] of Object.entries(hostile)) {
    assert(seen.get(name) !== value, `${name}=${value}`);
  }
  assertEquals(seen.get("HOME"), world.env.HOME);
  assertEquals(seen.get("LC_ALL"), "C.UTF-8");
  assertEquals(seen.get("GIT_TERMINAL_PROMPT"), "0");
  assertEquals(seen.get("GIT_ALLOW_PROTOCOL"), "file:git:http:https:ssh");
});

Deno.test("Git starts nothing by a remote helper", async () => {
  await using world = World.open();
  const mark = world.path("mark");
  const result = await world.git.try(["ls-remote", "--", `ext::touch ${mark}`]);
  assertStringIncludes(result.stderr, "transport 'ext' not allowed");
  assertEquals([...Deno.readDirSync(world.root)].some(({ name }) => name === "mark"), false);
});

Deno.test("Git has no input, and a session of its own where a terminal could be in the way", async () => {
  await using world = World.open();
  assertEquals((await world.git.run(shell("cat"))).stdout, "");
  if (Deno.build.os !== "linux") return;
  const git = new Git((name) => Deno.env.get(name), { ownSession: true });
  const { stdout } = await git.run(shell("cut -d' ' -f5,6 /proc/self/stat"));
  const [group, session] = stdout.trim().split(" ");
  assertEquals(group, session);
  const own = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  assert(session !== own[3], "the session is another than ours");
});

Deno.test("Git keeps the first and the last part of an output without end", async () => {
  await using world = World.open();
  const lines = "echo first; yes 'a line in the middle' | head -n 300000; echo last";
  const { stdout } = await world.git.run(shell(lines));
  assert(stdout.startsWith("first\n") && stdout.endsWith("\nlast\n"));
  assertMatch(stdout, /\n… \d+ bytes left out …\n/);
  assert(stdout.length < 300 * 1024, `${stdout.length}`);
});

Deno.test("Git.try() keeps data whole and as git wrote it", async () => {
  await using world = World.open();
  const lines = "echo https://user@host/; yes 'a line in the middle' | head -n 100000";
  const { stdout } = await world.git.try(shell(lines), { data: true });
  assertEquals(stdout.split("\n").length, 100_002);
  assert(stdout.startsWith("https://user@host/\n"));
});

Deno.test("Git.try() refuses data that is too much to be kept whole", async () => {
  await using world = World.open();
  const command = shell("head -c 20000000 /dev/zero");
  const error = await failure(world.git.try(command, { data: true }));
  assertStringIncludes(error.message, "more than 16 MiB");
});

Deno.test("Git.run() ends git and what it started when the signal aborts", async () => {
  await using world = World.open();
  const abort = new AbortController();
  const started = world.path("started");
  const running = failure(world.git.run(
    shell(`sleep 1000 & touch ${started}; wait`),
    { signal: abort.signal },
  ));
  await until(() => exists(started), "the command has started");
  const reason = new Error("enough");
  abort.abort(reason);
  const error = await running;
  assertEquals(error.aborted, reason);
  if (Deno.build.os === "linux") assertEquals(world.processes(), []);
});

Deno.test({
  name: "Git.run() ends a hook and an alias that ignore SIGTERM, and leaves no process behind",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using world = World.open();
    const [, app] = await world.pair();
    const stubborn = (mark: string) => `trap '' TERM; sleep 1000 & touch ${mark}; wait`;
    const hook = `${app.path}/.git/hooks/post-checkout`;
    put(app.path, {
      ".git/hooks/post-checkout": `#!/bin/sh\n${stubborn(world.path("hook"))}\n`,
    });
    Deno.chmodSync(hook, 0o755);
    const abort = new AbortController();
    const options = { signal: abort.signal, cwd: world.path("app") };
    // Git itself dies of SIGTERM while its hook lives on; for an alias git waits.
    const runs = [
      failure(world.git.run(["switch", "--quiet", "--create", "other"], options)),
      failure(world.git.run(shell(stubborn(world.path("alias"))), options)),
    ];
    await until(() => exists(world.path("hook")) && exists(world.path("alias")), "both run");
    abort.abort(new Error("enough"));
    await Promise.all(runs);
    assertEquals(world.processes(), []);
  },
});

Deno.test("Git.run() starts nothing where the signal has aborted already", async () => {
  await using world = World.open();
  const mark = world.path("mark");
  const options = { signal: AbortSignal.abort(new Error("over")) };
  const error = await failure(world.git.run(shell(`touch ${mark}`), options));
  assertEquals(error.aborted, options.signal.reason);
  assertEquals(exists(mark), false);
});

Deno.test("Git.run() does not wait for a child in the background that holds its output", async () => {
  await using world = World.open();
  const { stdout } = await world.git.run(shell("sleep 1000 & echo $!"));
  const pid = Number(stdout);
  assert(pid > 1, "it came back, with what had been said");
  kill(pid);
});

Deno.test("Git.run() says that a directory is missing, not that git is", async () => {
  await using world = World.open();
  put(world.root, { file: "" });
  for (const name of ["missing", "file"]) {
    const error = await failure(world.git.run(["status"], { cwd: world.path(name) }));
    assertEquals(error.message, `"${world.path(name)}" is not a directory`);
  }
});

Deno.test("Git.run() tells a missing git apart", async () => {
  await using world = World.open();
  const git = new Git((name) => name === "PATH" ? `${world.root}/home` : undefined);
  await assertRejects(() => git.run(["version"]), GitMissingError, "git cannot be started");
  await assertRejects(() => git.version(), GitMissingError);
});

Deno.test("Git.run() does not take a directory inside a repository for that repository", async () => {
  await using world = World.open();
  put(world.empty("outer").path, { "inner/file": "" });
  const error = await failure(
    world.git.run(["rev-parse", "HEAD"], { cwd: world.path("outer/inner") }),
  );
  assertStringIncludes(error.message, "not a git repository");
});

Deno.test("Git.version() is a number", async () => {
  await using world = World.open();
  assertMatch(await world.git.version(), /^\d+\.\d+(\.\d+)*$/);
});

Deno.test("isSupportedGit() draws the line at 2.30", () => {
  const versions = ["2.30.0", "2.30", "2.39.5", "2.100.1", "3.0", "2.45.1.windows.1"];
  assertEquals(versions.filter((version) => !isSupportedGit(version)), []);
  assertEquals(["2.29.9", "2.3", "1.99.0", "", "x"].filter(isSupportedGit), []);
});

Deno.test("redact() removes what stands before the host of a URL", () => {
  const cases = {
    "https://user:secret@host/x": "https://***@host/x",
    "https://token@host/x": "https://***@host/x",
    "http://a:b@c http://d:e@f": "http://***@c http://***@f",
    "'https://user:p@ss@host/x'": "'https://***@host/x'",
    "https://user:pa:ss@host:8443/x?y=a@b": "https://***@host:8443/x?y=a@b",
    "https://host/path and me@example.test": "https://host/path and me@example.test",
    "https://host/a@b": "https://host/a@b",
    "git@host:path ssh://git@host/path": "git@host:path ssh://git@host/path",
    "HTTPS://user:secret@host/": "HTTPS://***@host/",
  };
  for (const [text, expected] of Object.entries(cases)) assertEquals(redact(text), expected);
});

Deno.test("checkedOutBranch() reads the branch of a checkout, also before its first commit", async () => {
  await using world = World.open();
  const app = world.empty("app", "feature/登录");
  assertEquals(await checkedOutBranch(world.path("app")), "feature/登录");
  await app.commit({ a: "1" });
  await app.git("pack-refs", "--all");
  assertEquals(await checkedOutBranch(world.path("app")), "feature/登录");
});

Deno.test("checkedOutBranch() follows the file .git of a worktree, absolute or relative", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await app.git("worktree", "add", "--quiet", "-b", "side", world.path("tree"));
  assertEquals(await checkedOutBranch(world.path("tree")), "side");
  assertEquals(await checkedOutBranch(world.path("app")), "main");
  put(world.root, { "tree/.git": "gitdir: ../app/.git/worktrees/tree\n" });
  assertEquals(await checkedOutBranch(world.path("tree")), "side");
});

Deno.test("checkedOutBranch() knows none where the checkout is detached", async () => {
  await using world = World.open();
  const [, app] = await world.pair();
  await app.git("switch", "--quiet", "--detach");
  assertEquals(await checkedOutBranch(world.path("app")), undefined);
});

Deno.test("checkedOutBranch() knows none where there is no checkout, whatever is there", async () => {
  await using world = World.open();
  put(world.root, {
    file: "",
    "empty/x": "",
    "gitfile/.git": "nonsense\n",
    "dangling/.git": "gitdir: ../nowhere\n",
    "directory/.git/HEAD/x": "",
    "odd/.git/HEAD": "ref: refs/heads/../../evil\n",
    "option/.git/HEAD": "ref: refs/heads/--upload-pack=x\n",
    "tag/.git/HEAD": "ref: refs/tags/v1\n",
    "loop": { link: "loop" },
  });
  const paths = ["missing", "file", "file/below", "empty", "gitfile", "dangling", "directory"];
  for (const name of [...paths, "odd", "option", "tag", "loop"]) {
    assertEquals(await checkedOutBranch(world.path(name)), undefined, name);
  }
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
