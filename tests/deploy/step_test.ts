import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CheckoutGit, Transcript } from "../../lib/deploy/step.ts";
import { GitError } from "../../lib/git.ts";
import { World } from "./world.ts";

function open(world: World): CheckoutGit {
  return new CheckoutGit(
    world.git,
    world.path("home"),
    new AbortController().signal,
    new Transcript(),
  );
}

function shell(command: string): string[] {
  return ["-c", `alias.try=!${command}`, "try"];
}

Deno.test("CheckoutGit.run() writes down what git says, without passwords", async () => {
  await using world = World.open();
  const git = open(world);
  await git.run(...shell("echo one; echo https://user:pa55@host/ >&2"));
  await git.run(...shell("true"));
  await git.run(...shell("echo two"));
  assertEquals(`${git.transcript}`, "https://***@host/\none\ntwo");
});

Deno.test("CheckoutGit.run() keeps the beginning and the end of a long transcript", async () => {
  await using world = World.open();
  const git = open(world);
  await git.run(...shell("echo first"));
  for (let run = 0; run < 3; run++) {
    await git.run(...shell("for n in $(seq 500); do echo a rather long line $n; done"));
  }
  await git.run(...shell("echo last"));
  const lines = `${git.transcript}`.split("\n");
  assertEquals([lines[0], lines.at(-2), lines.at(-1)], [
    "first",
    "a rather long line 500",
    "last",
  ]);
  assertEquals(lines.filter((line) => line === "…").length, 1, "what is missing is marked, once");
  await git.run(...shell("head -c 100000 /dev/zero | tr '\\\\0' x"));
  assertEquals(`${git.transcript}`.length <= 2 * 16_384 + 2, true);
});

Deno.test("CheckoutGit.run() writes a failure down as well, and throws it", async () => {
  await using world = World.open();
  const git = open(world);
  const failing = shell("echo before; echo fatal: after >&2; exit 2");
  await assertRejects(() => git.run(...failing), GitError, "fatal: after");
  assertEquals(`${git.transcript}`, "before\nfatal: after");
});

Deno.test("CheckoutGit.query() gives back data, or throws where there is none", async () => {
  await using world = World.open();
  const git = open(world);
  assertEquals(
    (await git.query(...shell("echo https://user@host/"))).stdout,
    "https://user@host/\n",
  );
  await assertRejects(() => git.query(...shell("exit 2")), GitError, "exit code 2");
  assertEquals(`${git.transcript}`, "");
});

Deno.test("CheckoutGit.ask() gives back data as it is, and leaves the exit code to its caller", async () => {
  await using world = World.open();
  const git = open(world);
  const { code, stdout } = await git.ask(...shell("echo https://user@host/; exit 3"));
  assertEquals([code, stdout, `${git.transcript}`], [3, "https://user@host/\n", ""]);
});

Deno.test("CheckoutGit works in its checkout", async () => {
  await using world = World.open();
  const { stdout } = await open(world).ask(...shell("pwd"));
  assertStringIncludes(stdout, world.path("home"));
});
