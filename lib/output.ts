/**
 * Keeping what a process says within bounds: its first part, where the cause stands, and its
 * last, where the failure stands.
 *
 * @module
 */

/** Collects bytes up to a bound, dropping from the middle. */
export class BoundedOutput {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #dropped = 0;

  /** @param limit bytes kept; a quarter of them from the beginning */
  constructor(limit: number) {
    this.#headLimit = Math.ceil(limit / 4);
    this.#tailLimit = limit - this.#headLimit;
  }

  /** How many bytes were dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a chunk, whose memory is kept as it is. */
  push(chunk: Uint8Array): void {
    const room = this.#headLimit - this.#headBytes;
    if (room > 0) {
      const part = chunk.subarray(0, room);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    const rest = chunk.subarray(Math.max(0, room));
    if (rest.length > 0) this.#pushTail(rest);
  }

  #pushTail(chunk: Uint8Array): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tailBytes > this.#tailLimit) {
      const oldest = this.#tail[0]!;
      const excess = this.#tailBytes - this.#tailLimit;
      const cut = Math.min(excess, oldest.length);
      if (cut === oldest.length) this.#tail.shift();
      else this.#tail[0] = oldest.subarray(cut);
      this.#tailBytes -= cut;
      this.#dropped += cut;
    }
  }

  /** What was kept, with a line that tells how much is missing where something is. */
  toString(): string {
    const decode = (chunks: Uint8Array[], bytes: number) => {
      const whole = new Uint8Array(bytes);
      let offset = 0;
      for (const chunk of chunks) {
        whole.set(chunk, offset);
        offset += chunk.length;
      }
      return whole;
    };
    const head = decode(this.#head, this.#headBytes);
    const tail = decode(this.#tail, this.#tailBytes);
    const utf8 = new TextDecoder();
    if (this.#dropped > 0) {
      return `${utf8.decode(head)}\n… ${this.#dropped} bytes left out …\n${utf8.decode(tail)}`;
    }
    const whole = new Uint8Array(head.length + tail.length);
    whole.set(head);
    whole.set(tail, head.length);
    return utf8.decode(whole);
  }
}

/** The last lines of a text, at most `lines` of them and `characters` UTF-16 units. */
export function tail(text: string, lines = 20, characters = 4000): string {
  const kept = text.trimEnd().split("\n").slice(-lines).join("\n");
  return kept.length <= characters ? kept : kept.slice(-characters).toWellFormed();
}
