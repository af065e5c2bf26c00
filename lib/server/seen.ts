/**
 * Which deliveries were taken already, so that a forge that delivers twice is answered twice and
 * deployed once.
 *
 * @module
 */

/** The ids of recent deliveries; the oldest are forgotten first. */
export class SeenDeliveries {
  readonly #ids = new Set<string>();
  /** The last one of each repository. */
  readonly #latest = new Map<string, string>();
  readonly #capacity: number;

  /** @param capacity how many are remembered, over all repositories */
  constructor(capacity = 10_000) {
    this.#capacity = capacity;
  }

  /**
   * Notes a delivery; false where it was noted before.
   *
   * @param from an id derived from the content is a repetition only of the delivery just before it
   */
  add(repository: string, delivery: string, from: "forge" | "content" = "forge"): boolean {
    const isLatest = this.#latest.get(repository) === delivery;
    this.#latest.set(repository, delivery);
    if (from === "content") return !isLatest;
    const id = `${repository} ${delivery}`;
    if (this.#ids.has(id)) return false;
    if (this.#ids.size >= this.#capacity) {
      const [oldest] = this.#ids;
      this.#ids.delete(oldest!);
    }
    this.#ids.add(id);
    return true;
  }

  /** Forgets a delivery whose deployment failed: delivered again, it deploys again. */
  forget(repository: string, delivery: string): void {
    this.#ids.delete(`${repository} ${delivery}`);
    if (this.#latest.get(repository) === delivery) this.#latest.delete(repository);
  }
}
