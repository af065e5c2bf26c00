/**
 * The user's own steps: executables `pre-deploy` and `post-deploy`, and files to touch.
 *
 * @module
 */

import { isNothingThere, lstatOrUndefined } from "../files.ts";
import { type AbsolutePath, printable } from "../values.ts";
import type { Order } from "./order.ts";
import { type Change, type CheckoutGit, type Step, StepError, type Target } from "./step.ts";

/** The step that runs a hook; none where no hooks are configured. */
export function hookStep(
  git: CheckoutGit,
  target: Target,
  name: HookName,
  facts: HookFacts,
): Step[] {
  return target.hooks === undefined
    ? []
    : [{ name, run: () => runHook(git, target.hooks!, name, target, facts) }];
}

/** The step that touches the configured files; none where there are none. */
export function touchStep(target: Target): Step[] {
  return target.touch.length === 0 ? [] : [{ name: "touch", run: () => touchFiles(target) }];
}

/** When a hook runs. */
export type HookName = "pre-deploy" | "post-deploy";

/** The longest value that a hook is told, in UTF-8 bytes. */
const MAX_VALUE = 256;

/** What a hook is told; contract with the users' scripts. */
export interface HookFacts {
  readonly order: Pick<Order, "action" | "delivery" | "pusher">;
  readonly change: Change;
  /** The release's directory; undefined in place. */
  readonly release?: AbsolutePath;
}

/**
 * Runs a hook where there is one.
 *
 * @param git bound to the directory that the hook runs in
 * @throws {StepError} where it is there and can't be executed, or fails
 */
async function runHook(
  git: CheckoutGit,
  directory: AbsolutePath,
  name: HookName,
  target: Target,
  facts: HookFacts,
): Promise<void> {
  const file = `${directory}/${name}` as AbsolutePath;
  if (await lstatOrUndefined(file) === undefined) return;
  const { code } = await git.hook(file, environment(target, facts));
  if (code === 0) return;
  // The codes that a shell gives for what it could not execute, and for what it did not find.
  const unusable = code === 126 || code === 127;
  throw new StepError(
    "hook",
    unusable ? `the hook "${file}" cannot be executed` : `the hook "${name}" ended with ${code}`,
    unusable
      ? `is it executable, and does its first line name a program? chmod +x ${file}`
      : `see what it said: hook log ${target.name}`,
  );
}

function environment(
  { name, path, tags }: Target,
  { order, change, release }: HookFacts,
): Record<string, string> {
  const values = {
    HOOK_ACTION: order.action,
    HOOK_REPOSITORY: name,
    HOOK_REF: `refs/${tags === undefined ? "heads" : "tags"}/${change.branch}`,
    HOOK_OLD: change.old ?? "",
    HOOK_NEW: change.new,
    HOOK_PATH: path,
    HOOK_RELEASE: release ?? "",
    HOOK_DELIVERY: clean(order.delivery ?? ""),
    HOOK_PUSHER: clean(order.pusher ?? ""),
  };
  return values;
}

/** Without control characters, and short enough in bytes whatever its script. */
function clean(text: string): string {
  let value = printable(text, MAX_VALUE);
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  while (bytes(value) > MAX_VALUE) value = value.slice(0, -1).toWellFormed();
  return value;
}

/**
 * Sets the times of the configured files to now.
 *
 * @throws {StepError} where one is missing or belongs to another user
 */
async function touchFiles({ touch }: Target): Promise<void> {
  const now = new Date();
  for (const file of touch) {
    try {
      await Deno.utime(file, now, now);
    } catch (error) {
      throw new StepError(
        "touch",
        isNothingThere(error)
          ? `the file "${file}" to touch does not exist`
          : `the file "${file}" cannot be touched: it has to belong to the user hook runs as`,
        isNothingThere(error) ? `create it: touch ${file}` : undefined,
      );
    }
  }
}
