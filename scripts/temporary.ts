/**
 * Temporary folders that do not outlive the task, not even by Ctrl-C.
 *
 * @module
 */

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Runs `work` in a new folder and removes it afterwards, whatever happens. */
export async function inTemporaryFolder<T>(
  options: Deno.MakeTempOptions,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir(options);
  // A build leaves 100 MB behind otherwise.
  const onSignal = () => {
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(130);
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  try {
    return await work(folder);
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    await Deno.remove(folder, { recursive: true });
  }
}

/** Resolves at the first SIGINT or SIGTERM; until it is disposed of, none ends the process. */
export function interruptions(): Disposable & { promise: Promise<"interrupted"> } {
  const { promise, resolve } = Promise.withResolvers<"interrupted">();
  const onSignal = () => resolve("interrupted");
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  return {
    promise,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    },
  };
}
