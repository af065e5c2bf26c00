import { assertEquals, assertRejects } from "@std/assert";
import { createFile, lstatOrUndefined, replaceFile } from "../lib/files.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o7777;
}

function filesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name);
}

Deno.test("createFile() makes a file for its owner alone, and never overwrites one", async () => {
  await inTemporaryDirectory(async (dir) => {
    await createFile(`${dir}/a`, "text");
    assertEquals([await Deno.readTextFile(`${dir}/a`), await modeOf(`${dir}/a`)], ["text", 0o600]);
    await assertRejects(() => createFile(`${dir}/a`, "other"), Deno.errors.AlreadyExists);
    await Deno.symlink(`${dir}/elsewhere`, `${dir}/link`);
    await assertRejects(() => createFile(`${dir}/link`, "other"), Deno.errors.AlreadyExists);
    assertEquals(await Deno.readTextFile(`${dir}/a`), "text");
    assertEquals(await lstatOrUndefined(`${dir}/elsewhere`), undefined);
  });
});

Deno.test("replaceFile() keeps the mode, and leaves nothing beside the file", async () => {
  await inTemporaryDirectory(async (dir) => {
    for (const mode of [0o600, 0o640, 0o644]) {
      await Deno.writeTextFile(`${dir}/a`, "before");
      await Deno.chmod(`${dir}/a`, mode);
      await replaceFile(`${dir}/a`, "before", "after");
      assertEquals([await Deno.readTextFile(`${dir}/a`), await modeOf(`${dir}/a`)], [
        "after",
        mode,
      ]);
    }
    assertEquals(filesIn(dir), ["a"]);
  });
});

Deno.test("replaceFile() keeps a file that somebody else has changed", async () => {
  await inTemporaryDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/a`, "theirs");
    await assertRejects(
      () => replaceFile(`${dir}/a`, "before", "after"),
      Error,
      "changed meanwhile",
    );
    assertEquals(await Deno.readTextFile(`${dir}/a`), "theirs");
    assertEquals(filesIn(dir), ["a"]);
  });
});
