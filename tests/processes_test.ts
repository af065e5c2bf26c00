import { assert, assertEquals } from "@std/assert";
import { descendantsOf, type Look, withVariable } from "../lib/processes.ts";

const IGNORE = Deno.build.os !== "linux";

const look: Look = async (script, env = {}) => {
  const shell = new Deno.Command("sh", { args: ["-c", script], env, stderr: "null" });
  return new TextDecoder().decode((await shell.output()).stdout);
};

/** A shell whose child sleeps, once the child is there. */
async function family(env: Record<string, string>) {
  const shell = new Deno.Command("sh", {
    args: ["-c", "sleep 300 & echo $!; wait"],
    env,
    stdout: "piped",
    stderr: "null",
    stdin: "null",
  }).spawn();
  const reader = shell.stdout.getReader();
  const { value } = await reader.read();
  const child = Number(new TextDecoder().decode(value));
  return {
    shell: shell.pid,
    child,
    async [Symbol.asyncDispose]() {
      Deno.kill(child, "SIGKILL");
      await shell.status;
      await reader.cancel();
    },
  };
}

Deno.test({
  name: "descendantsOf() finds children, theirs, and not the process itself",
  ignore: IGNORE,
  async fn() {
    await using one = await family({});
    await using two = await family({});
    assertEquals(await descendantsOf([one.shell], look), [one.child]);
    const ours = await descendantsOf([Deno.pid], look);
    assert(ours.includes(one.shell) && ours.includes(one.child));
    assert(!ours.includes(Deno.pid));
    const both = await descendantsOf([one.shell, two.shell], look);
    assertEquals(both.toSorted(), [one.child, two.child].toSorted());
    assertEquals(await descendantsOf([one.child], look), []);
  },
});

Deno.test({
  name: "withVariable() finds who has exactly this variable",
  ignore: IGNORE,
  async fn() {
    const value = crypto.randomUUID();
    await using one = await family({ HOOK_OWNER: value });
    await using _other = await family({ HOOK_OWNER: `${value}x`, X_HOOK_OWNER: value });
    const found = await withVariable("HOOK_OWNER", value, look);
    assertEquals(found.toSorted(), [one.shell, one.child].toSorted());
    assertEquals(await withVariable("HOOK_OWNER", value.slice(1), look), []);
  },
});

Deno.test({
  name: "descendantsOf() is not led astray by a program's name",
  ignore: IGNORE,
  async fn() {
    const stats = "7 (a) S 1 (b) R 2 3) S 5 7 7 0\n8 (c d) R 7 8\n\nnot a line\n9 (e) Z 6 9\n";
    assertEquals(await descendantsOf([5], () => Promise.resolve(stats)), [7, 8]);
  },
});
