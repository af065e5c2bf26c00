/**
 * What a verb sees of the world outside: streams, environment, signals and time.
 *
 * @module
 */

/** The signals that the service knows. */
export type SignalName = "SIGTERM" | "SIGINT" | "SIGHUP";

/** The world outside; tests have their own. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdoutIsTerminal: boolean;
  readonly stdinIsTerminal: boolean;
  /** One of our own environment variables. */
  readonly env: (name: string) => string | undefined;
  /** Calls `handler` at each such signal from now on. */
  readonly onSignal: (name: SignalName, handler: () => void) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** The real one. */
export function denoIo(): Io {
  return {
    stdout: (text) => writeAll(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
    stdoutIsTerminal: Deno.stdout.isTerminal(),
    stdinIsTerminal: Deno.stdin.isTerminal(),
    env: (name) => Deno.env.get(name),
    onSignal: (name, handler) => Deno.addSignalListener(name, handler),
    now: () => performance.now(),
  };
}

/** Writes the whole text; a reader that went away is not our failure. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let rest = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
