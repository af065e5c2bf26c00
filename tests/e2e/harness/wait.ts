/**
 * Waiting with a deadline. No test sleeps: it polls for what it wants, or waits for a promise, and
 * says what it was waiting for when the time is up.
 */

/** How long a condition may take on a loaded machine before a test gives up, in milliseconds. */
export const PATIENCE = 30_000;

/** Between two looks at a condition, in milliseconds. */
const INTERVAL = 20;

/** Thrown when a deadline has passed; `what` is the condition in words. */
export class Overdue extends Error {
  constructor(what: string, ms: number) {
    super(`Waited ${ms} ms in vain: ${what}`);
    this.name = "Overdue";
  }
}

/** The promise's value, or {@linkcode Overdue} after `ms` milliseconds. */
export async function within<T>(promise: Promise<T>, what: string, ms = PATIENCE): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Overdue(what, ms)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Polls `look` until it gives something other than `undefined` and `false`.
 *
 * @param what the condition in words, for the error
 * @param ms the deadline in milliseconds
 * @throws {Overdue} when the deadline passes; what `look` throws is thrown on at once
 */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string | (() => string),
  ms = PATIENCE,
): Promise<T> {
  const end = Date.now() + ms;
  while (true) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > end) throw new Overdue(typeof what === "string" ? what : what(), ms);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}
