/**
 * Keeps strangers from filling the disk through the log.
 *
 * @module
 */

/** Lets so many events through in each window of time, and counts the rest. */
export class Throttle {
  #windowEnd = -Infinity;
  #passed = 0;
  #suppressed = 0;

  /**
   * @param limit events a window
   * @param window its length in milliseconds
   */
  constructor(
    readonly limit: number,
    readonly window: number,
    readonly now: () => number,
  ) {}

  /**
   * Asks for one event.
   *
   * @returns how many were held back since the last one that passed, or undefined where this one
   *   is held back too
   */
  pass(): number | undefined {
    const time = this.now();
    if (time >= this.#windowEnd) {
      this.#windowEnd = time + this.window;
      this.#passed = 0;
    }
    if (this.#passed >= this.limit) {
      this.#suppressed++;
      return undefined;
    }
    this.#passed++;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
