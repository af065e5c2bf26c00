/**
 * The end-to-end harness: a test in a world of its own, against the real product.
 *
 * The product is the binary that the environment variable HOOK_BINARY names; without it, the
 * harness runs `deno run --no-prompt -P=service main.ts`, with the words of HOOK_DENO_ARGS after
 * `run` (an import map, a lock file). HOOK_E2E_KEEP=1 leaves the folders of the tests.
 *
 * @module
 */

import { World } from "./harness/world.ts";

export * from "./harness/coding.ts";
export * from "./harness/paths.ts";
export * from "./harness/processes.ts";
export * from "./harness/product.ts";
export * from "./harness/raw.ts";
export * from "./harness/wait.ts";
export { selfSigned } from "./harness/certificate.ts";
export { Gate, GitBackend } from "./harness/backend.ts";
export { Checkout, Remote } from "./harness/repository.ts";
export { type Answer, type LogLine, Service } from "./harness/service.ts";
export { type App, type Config, type Finished, World } from "./harness/world.ts";

export interface Options {
  /** Why the test cannot run here; `undefined` when it can. */
  skip?: string | undefined;
}

/** Why a test that needs another user's files is left out. */
export const NEEDS_ROOT = Deno.uid() === 0 ? undefined : "only root can change owners";

/** Defines a test; the reason of one that is left out is printed. */
export function e2e(
  name: string,
  body: (world: World) => Promise<void>,
  options: Options = {},
): void {
  if (options.skip !== undefined) console.log(`skipped: ${name} (${options.skip})`);
  Deno.test({
    name,
    ignore: options.skip !== undefined,
    fn: async (context) => {
      const world = new World(context);
      try {
        await body(world);
        if (!world.failed) await world.finish();
      } catch (error) {
        world.failed = true;
        throw error;
      } finally {
        if (world.failed) {
          console.error(world.report());
          await world.abandon();
        }
        world.remove();
      }
    },
  });
}
