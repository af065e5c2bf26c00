/**
 * Which deliveries were taken already, so that a forge that delivers twice is answered twice and
 * deployed once.
 *
 * @module
 */

/** The ids of recent deliveries; the oldest are forgotten first. */
export class SeenDeliveries {
  readonly #ids = new Set<string>();
  readonly #capacity: number;

  /** @param capacity how many are remembered, over all repositories */
  constructor(capacity = 10_000) {
    this.#capacity = capacity;
  }

  /** Notes a delivery; false where it was noted before. */
  add(repository: string, delivery: string): boolean {
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
  }
}
