/** The world outside for a verb under test: what it wrote can be read, and nothing else is there. */

import { run } from "../../lib/cli.ts";
import type { Io } from "../../lib/cli/io.ts";

/** What a run of the command line came to. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An `Io` of the test's own, with what was written to it. */
export function fakeIo(env: Readonly<Record<string, string>> = {}) {
  const written = { stdout: "", stderr: "" };
  const io: Io = {
    stdout: (text) => void (written.stdout += text),
    stderr: (text) => void (written.stderr += text),
    stdoutIsTerminal: false,
    stdinIsTerminal: false,
    env: (name) => env[name],
    onSignal: () => {},
    now: () => 0,
  };
  return { io, written };
}

/** Runs the command line as the binary would; nothing of the environment but `env` is seen. */
export async function runCli(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const { io, written } = fakeIo(env);
  return { code: await run(argv, io), ...written };
}
