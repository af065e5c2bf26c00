/** Runs a test in a directory of its own, which is gone afterwards. */
export async function inTemporaryDirectory(test: (dir: string) => Promise<void>): Promise<void> {
  // macOS has its temporary directory behind a symbolic link.
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "hook-test-" }));
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
