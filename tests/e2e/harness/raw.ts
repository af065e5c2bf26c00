/** HTTP written by hand over a socket, for requests that no well-behaved client can be brought to send. */

import { PATIENCE, within } from "./wait.ts";

/** Where a listener is reached. */
export type Place = { transport: "tcp"; hostname: string; port: number } | {
  transport: "unix";
  path: string;
};

export interface RawAnswer {
  status: number;
  headers: Headers;
  body: string;
}

/** One connection of our own; bytes in, bytes out, nothing added. */
export class RawConnection {
  #conn: Deno.Conn;
  #received: Uint8Array[] = [];
  #ended = false;
  #reading: Promise<void>;
  #wake: () => void = () => {};

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
    // Reading goes on while we write: a server that answers early and closes resets the connection
    // under unread bytes, and its answer would be lost to a client that reads only afterwards.
    this.#reading = this.#read();
  }

  static async open(place: Place): Promise<RawConnection> {
    return new RawConnection(
      place.transport === "tcp"
        ? await Deno.connect({ hostname: place.hostname, port: place.port })
        : await Deno.connect({ transport: "unix", path: place.path }),
    );
  }

  static wrap(conn: Deno.Conn): RawConnection {
    return new RawConnection(conn);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(8192); // Thousands of connections are open in some tests.
    try {
      while (true) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        this.#received.push(buffer.slice(0, count));
        this.#wake();
      }
    } catch {
      // Reset by the server, or closed by us: what came before it counts.
    }
    this.#ended = true;
    this.#wake();
  }

  /** Writes everything; false when the server has closed the connection before that. */
  async write(data: Uint8Array | string): Promise<boolean> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.#conn.write(bytes.subarray(done));
      }
      return true;
    } catch {
      return false;
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  get received(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#received.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#received) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** The next complete answer; `undefined` when the connection ends without one. */
  async answer(ms = PATIENCE): Promise<RawAnswer | undefined> {
    const whole = async (): Promise<RawAnswer | undefined> => {
      while (true) {
        const found = parse(this.received, this.#ended);
        if (found !== undefined) return found;
        if (this.#ended) return undefined;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    return await within(whole(), "an answer on a raw connection", ms);
  }

  async close(): Promise<void> {
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
    await this.#reading;
  }
}

function parse(bytes: Uint8Array<ArrayBuffer>, ended: boolean): RawAnswer | undefined {
  // Latin-1, so that an index into the text is an index into the bytes.
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const split = text.indexOf("\r\n\r\n");
  if (split < 0) return undefined;
  const [first, ...lines] = text.slice(0, split).split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const rest = bytes.subarray(split + 4);
  const length = headers.get("content-length");
  let body: Uint8Array = rest;
  if (headers.get("transfer-encoding") === "chunked") {
    const end = text.indexOf("0\r\n\r\n", split);
    if (end < 0 && !ended) return undefined;
    body = unchunk(text.slice(split + 4));
  } else if (length !== null) {
    if (rest.length < Number(length)) return undefined;
    body = rest.subarray(0, Number(length));
  } else if (!ended) {
    return undefined;
  }
  return {
    status: Number((first ?? "").split(" ")[1]),
    headers,
    body: new TextDecoder().decode(body),
  };
}

function unchunk(text: string): Uint8Array {
  let out = "";
  while (true) {
    const line = text.indexOf("\r\n");
    if (line < 0) break;
    const size = parseInt(text.slice(0, line), 16);
    if (!(size > 0)) break;
    out += text.slice(line + 2, line + 2 + size);
    text = text.slice(line + 2 + size + 2);
  }
  return Uint8Array.from(out, (char) => char.charCodeAt(0));
}

/** Sends the parts on a connection of their own and gives back the answer, if one came. */
export async function exchange(
  place: Place,
  ...parts: (Uint8Array | string)[]
): Promise<RawAnswer | undefined> {
  const connection = await RawConnection.open(place);
  try {
    const answer = connection.answer();
    answer.catch(() => {}); // Read below; a failed write must not leave it unhandled.
    for (const part of parts) {
      if (!(await connection.write(part))) break;
    }
    return await answer;
  } finally {
    await connection.close();
  }
}

/** A request's first line and headers, without Content-Length unless it is among them. */
export function head(
  path: string,
  headers: [string, string][] | Record<string, string>,
  method = "POST",
): string {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const lines = [["Host", "localhost"], ...pairs].map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Characters 0 to 255 as the bytes of the same value: header bytes that are no ASCII. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Data in chunked transfer coding, a chunk of `size` bytes at a time, the last chunk included. */
export function chunked(data: Uint8Array, size = 65536): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += size) {
    const piece = data.subarray(at, at + size);
    parts.push(latin1(`${piece.length.toString(16)}\r\n`), piece, latin1("\r\n"));
  }
  parts.push(latin1("0\r\n\r\n"));
  return parts;
}
