/**
 * Reading a request's body within three bounds: its size, its time, and the memory that all bodies
 * together may take. What Content-Length says changes nothing.
 *
 * @module
 */

import type { Bytes } from "../signature.ts";

/** Why a body was not read to its end. */
export type BodyProblem = "too large" | "too slow" | "too much at once" | "cut off";

/** How long a body may take, in milliseconds. */
const BODY_TIME = 10_000;

/** What one body may hold of memory without asking, in bytes: forges rarely send more. */
const FREE_SHARE = 64 * 1024;

/** The memory that the larger bodies in flight share. */
export class BodyBudget {
  #left: number;

  /** @param bytes what they may hold together */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes a part; false where there is not that much left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /** Gives a part back. */
  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** Where a body stops. */
export interface BodyLimits {
  /** In bytes. */
  readonly limit: number;
  readonly budget: BodyBudget;
  /** In milliseconds; 10 s where it is not given. */
  readonly time?: number;
}

/** Reads a body to its end, or says why not. */
export async function readBody(
  request: Request,
  { limit, budget, time = BODY_TIME }: BodyLimits,
): Promise<Bytes | BodyProblem> {
  if (Number(request.headers.get("content-length")) > limit) return "too large";
  if (request.body === null) return new Uint8Array(0);
  const reader = chunkReader(request.body);
  const declared = Number(request.headers.get("content-length"));
  let slow = false;
  const timer = setTimeout(() => {
    slow = true;
    reader.cancel().catch(() => {});
  }, time);
  const chunks: Bytes[] = [];
  let length = 0;
  let taken = 0;
  const stop = (problem: BodyProblem): BodyProblem => {
    reader.cancel().catch(() => {});
    return problem;
  };
  try {
    for (;;) {
      const { done, value } = await reader.read(sizeOfNext(declared - length));
      if (slow) return "too slow";
      if (done || value === undefined) return joined(chunks, length);
      length += value.length;
      if (length > limit) return stop("too large");
      const share = Math.max(0, length - FREE_SHARE) - taken;
      if (share > 0) {
        if (!budget.take(share)) return stop("too much at once");
        taken += share;
      }
      // A small part of a buffer would keep the whole of it.
      chunks.push(value.length * 2 < value.buffer.byteLength ? value.slice() : value);
    }
  } catch {
    // The client went away, or its framing was wrong.
    return slow ? "too slow" : "cut off";
  } finally {
    clearTimeout(timer);
    budget.give(taken);
  }
}

/** The largest and the smallest chunk that is asked for, in bytes. */
const CHUNK = { most: 64 * 1024, least: 1024 } as const;

/** As much as is said to come; what is said decides no more than the size of a buffer. */
function sizeOfNext(expected: number): number {
  return Math.min(Math.max(expected || 0, CHUNK.least), CHUNK.most);
}

/** Reads a stream chunk by chunk. */
interface ChunkReader {
  read(size: number): Promise<{ done: boolean; value?: Bytes | undefined }>;
  cancel(): Promise<void>;
}

/**
 * A reader that brings its own buffers: Deno's server would clear 64 KiB for every read, which takes
 * more time than all the rest of an answer. A stream that can't fill them gives its own chunks.
 */
function chunkReader(stream: ReadableStream<Bytes>): ChunkReader {
  try {
    const reader = stream.getReader({ mode: "byob" });
    return {
      read: (size) => reader.read(new Uint8Array(size)),
      cancel: () => reader.cancel(),
    };
  } catch {
    const reader = stream.getReader();
    return { read: () => reader.read(), cancel: () => reader.cancel() };
  }
}

function joined(chunks: readonly Bytes[], length: number): Bytes {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
