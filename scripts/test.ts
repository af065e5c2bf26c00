/**
 * `deno task test`: the one gate, the same for people and for CI.
 *
 * @module
 */
import { join } from "node:path";
import { check } from "./check.ts";
import { exportProgram, prepareProgram } from "./program.ts";
import { registryFlags, type RegistryName } from "./registry.ts";
import { ROOT, runDeno, TaskError } from "./toolchain.ts";

/** The end-to-end tests, which need the binary. */
const END_TO_END = "tests/e2e";
/** The loops that take minutes; they need it, too. */
const LONG = "tests/long";

export interface TestPlan {
  /** Format, lint and types first: whenever the suite is run as a whole. */
  check: boolean;
  /** The binary is needed. */
  binary: boolean;
  /** What goes to `deno test`. */
  args: string[];
}

/**
 * Plans a run from its arguments. Naming files is for working on them, so it skips the checks, and the
 * build too unless one of them is an end-to-end test.
 *
 * @param exists Whether a path is there: tells `queue_test.ts` from the `x` in `--filter x`.
 */
export function planTests(args: string[], exists: (path: string) => boolean): TestPlan {
  const paths = args.filter((arg) => !arg.startsWith("-") && exists(arg));
  if (paths.length === 0) {
    return { check: true, binary: true, args: [...args, `--ignore=${LONG}`, "tests/"] };
  }
  const driven = [join(ROOT, END_TO_END), join(ROOT, LONG)];
  const binary = paths.some((path) => {
    const absolute = join(path.startsWith("/") ? "/" : ROOT, path);
    return driven.some((folder) => contains(absolute, folder) || contains(folder, absolute));
  });
  return { check: false, binary, args };
}

function contains(folder: string, path: string): boolean {
  return (path + "/").startsWith(folder.endsWith("/") ? folder : folder + "/");
}

/**
 * Runs the tests; returns the exit code.
 *
 * @throws {TaskError} where the checks or the build fail.
 */
export async function test(args: string[], registry: RegistryName): Promise<number> {
  const plan = planTests(args, isThere);
  if (plan.check) {
    const failed = await check(registry);
    if (failed.length > 0) throw new TaskError(`These checks failed: ${failed.join(", ")}`);
  }
  if (plan.binary) exportProgram(await prepareProgram(registry));
  // Every test has a world of its own, so their files may run side by side.
  return await runDeno(["test", "-A", "--parallel", ...registryFlags(registry), ...plan.args]);
}

/** Runs the loops that take minutes; returns the exit code. */
export async function testLong(args: string[], registry: RegistryName): Promise<number> {
  exportProgram(await prepareProgram(registry));
  return await runDeno(["test", "-A", ...registryFlags(registry), ...args, `${LONG}/`]);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(join(path.startsWith("/") ? "/" : ROOT, path));
    return true;
  } catch {
    return false;
  }
}
