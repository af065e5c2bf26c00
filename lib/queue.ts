/**
 * At most one deployment of a repository at a time and at most one waiting behind it, whatever
 * arrives: a deployment brings what the remote holds when it runs, so one that has not begun serves
 * everybody who asked before.
 *
 * @module
 */

/** Calls a function after a time, in milliseconds; what it returns calls it off. */
export type After = (ms: number, callback: () => void) => () => void;

/** What a queue takes from outside. */
export interface QueueOptions<Name, Order, Result> {
  /** How many run at the same time, over all names. */
  readonly concurrency: number;
  /** Makes one order of two that wait for the same name. */
  readonly merge: (older: Order, newer: Order) => Order;
  /** Does the work for one name; never rejects. */
  readonly run: (name: Name, order: Order) => Promise<Result>;
  /** What becomes of an order that was waiting when the queue was closed. */
  readonly abandon: (name: Name, order: Order) => Result;
  /** How long a name rests after such a result before its next order begins, in milliseconds. */
  readonly rest: (result: Result) => number;
  readonly after: After;
}

interface Waiting<Order, Result> {
  order: Order;
  readonly settled: PromiseWithResolvers<Result>;
}

/** Work by name: coalesced, bounded, first come first served. */
export class Queue<Name, Order, Result> {
  readonly #options: QueueOptions<Name, Order, Result>;
  #concurrency: number;
  readonly #running = new Map<Name, Promise<void>>();
  /** In the order of arrival, which a Map keeps. */
  readonly #waiting = new Map<Name, Waiting<Order, Result>>();
  readonly #resting = new Map<Name, () => void>();
  #closed = false;

  constructor(options: QueueOptions<Name, Order, Result>) {
    this.#options = options;
    this.#concurrency = options.concurrency;
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

  /** Whether an order for the name waits to begin. */
  isWaiting(name: Name): boolean {
    return this.#waiting.has(name);
  }

  /**
   * Asks for work that begins after this call.
   *
   * @returns the result of that work, or undefined where the queue is closed
   */
  submit(name: Name, order: Order): Promise<Result> | undefined {
    if (this.#closed) return undefined;
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.order = this.#options.merge(waiting.order, order);
      return waiting.settled.promise;
    }
    const settled = Promise.withResolvers<Result>();
    this.#waiting.set(name, { order, settled });
    this.#startWhatCan();
    return settled.promise;
  }

  /** Takes and begins nothing more, and waits until what runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const callOff of this.#resting.values()) callOff();
    this.#resting.clear();
    for (const [name, { order, settled }] of this.#waiting) {
      settled.resolve(this.#options.abandon(name, order));
    }
    this.#waiting.clear();
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #startWhatCan(): void {
    for (const [name, waiting] of this.#waiting) {
      if (this.#running.size >= this.#concurrency) return;
      if (this.#running.has(name) || this.#resting.has(name)) continue;
      this.#waiting.delete(name);
      this.#running.set(name, this.#work(name, waiting));
    }
  }

  async #work(name: Name, { order, settled }: Waiting<Order, Result>): Promise<void> {
    const result = await this.#options.run(name, order);
    settled.resolve(result);
    this.#running.delete(name);
    this.#restAfter(name, result);
    this.#startWhatCan();
  }

  #restAfter(name: Name, result: Result): void {
    const ms = this.#closed ? 0 : this.#options.rest(result);
    if (ms <= 0) return;
    this.#resting.set(
      name,
      this.#options.after(ms, () => {
        this.#resting.delete(name);
        this.#startWhatCan();
      }),
    );
  }
}
