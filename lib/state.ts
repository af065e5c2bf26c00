/**
 * The state directory, which belongs to one service at a time.
 *
 * @module
 */

import { Ledger, type LedgerOptions } from "./ledger.ts";

/** A state directory that can't be used. */
export class StateError extends Error {
  override readonly name = "StateError";
  constructor(message: string, readonly hint?: string) {
    super(message);
  }
}

/** A state directory in use. */
export interface State {
  readonly directory: string;
  readonly ledger: Ledger;
  /** Writes what is left and gives the directory up. */
  close(): void;
}

/** For its owner alone: history tells who pushed and what the hooks said. */
const MODE = 0o700;

/**
 * Takes a state directory, and makes it where it is missing.
 *
 * @throws {StateError} where another service has it, or it can't be made
 * @throws {LedgerError} where a newer version of hook wrote the ledger
 */
export function openState(
  directory: string,
  options: Pick<LedgerOptions, "onTrouble" | "wall">,
): State {
  const lock = take(directory);
  try {
    const ledger = Ledger.open({ ...options, file: `${directory}/ledger.db` });
    return {
      directory,
      ledger,
      close() {
        ledger.close();
        lock?.close();
      },
    };
  } catch (error) {
    lock?.close();
    throw error;
  }
}

/** The lock goes with the process, however it ends, so nothing is left to clean up. */
function take(directory: string): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: MODE });
    file = Deno.openSync(`${directory}/lock`, { create: true, write: true, mode: 0o600 });
  } catch (error) {
    // A disk that is full or read-only must not stop deployments; the ledger says that it is off.
    if (!(error instanceof Deno.errors.PermissionDenied)) return undefined;
    throw new StateError(
      `cannot use the state directory "${directory}": permission denied`,
      'give it to the user hook runs as, or name another: "state" in the configuration',
    );
  }
  if (file.tryLockSync(true)) return file;
  file.close();
  throw new StateError(
    `another hook runs with the state directory "${directory}"`,
    'stop it first, or give this one a directory of its own: "state" in the configuration',
  );
}
