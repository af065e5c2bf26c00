/**
 * At most one deployment of a repository at a time and at most one waiting behind it, whatever
 * arrives: a deployment brings what the remote holds when it runs, so one that has not begun serves
 * everybody who asked before.
 *
 * @module
 */

/** What a queue takes from outside. */
export interface QueueOptions<Name, Result> {
  /** How many run at the same time, over all names. */
  concurrency: number;
  /** Does the work for one name; never rejects. `count` says how many asked for it. */
  readonly run: (name: Name, count: number) => Promise<Result>;
}

interface Waiting<Result> {
  count: number;
  readonly settled: PromiseWithResolvers<Result>;
}

/** Work by name: coalesced, bounded, first come first served. */
export class Queue<Name, Result> {
  readonly #run: QueueOptions<Name, Result>["run"];
  #concurrency: number;
  readonly #running = new Map<Name, Promise<void>>();
  /** In the order of arrival, which a Map keeps. */
  readonly #waiting = new Map<Name, Waiting<Result>>();
  #closed = false;

  constructor({ concurrency, run }: QueueOptions<Name, Result>) {
    this.#concurrency = concurrency;
    this.#run = run;
  }

  /** Changes how many run at the same time; those that run are not disturbed. */
  set concurrency(value: number) {
    this.#concurrency = value;
    this.#startWhatCan();
  }

  /** How many run, and how many names wait. */
  get size(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running.size, waiting: this.#waiting.size };
  }

  /**
   * Asks for work that begins after this call.
   *
   * @returns the result of that work, or undefined where the queue is closed
   */
  submit(name: Name): Promise<Result> | undefined {
    if (this.#closed) return undefined;
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.count++;
      return waiting.settled.promise;
    }
    const settled = Promise.withResolvers<Result>();
    this.#waiting.set(name, { count: 1, settled });
    this.#startWhatCan();
    return settled.promise;
  }

  /** Takes nothing more, and waits until what runs and what waits has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #startWhatCan(): void {
    for (const [name, waiting] of this.#waiting) {
      if (this.#running.size >= this.#concurrency) return;
      if (this.#running.has(name)) continue;
      this.#waiting.delete(name);
      this.#running.set(name, this.#work(name, waiting));
    }
  }

  async #work(name: Name, { count, settled }: Waiting<Result>): Promise<void> {
    settled.resolve(await this.#run(name, count));
    this.#running.delete(name);
    this.#startWhatCan();
  }
}
