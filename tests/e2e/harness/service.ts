/** A running `hook serve`: its process, its log lines, and a client that posts to it. */

import { assertEquals } from "@std/assert";
import type { Posting } from "./coding.ts";
import { kill } from "./processes.ts";
import type { Place } from "./raw.ts";
import { Overdue, PATIENCE, within } from "./wait.ts";

/** One line of the log, as it came. */
export interface LogLine {
  time: string;
  level: string;
  event: string;
  message: string;
  [field: string]: unknown;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body, where it is JSON. */
  json: Record<string, unknown>;
}

export interface PostOptions {
  path?: string;
  method?: string;
  /** The value of `?wait=`. */
  wait?: string;
  accept?: string;
  headers?: Record<string, string>;
}

export interface Spawned {
  /** The command line, for a failure's report. */
  command: string;
  child: Deno.ChildProcess;
  config: string;
  /** Called with every signature and token that is posted, to be looked for in the output. */
  keepPrivate: (value: string) => void;
}

export class Service {
  readonly command: string;
  readonly config: string;
  readonly pid: number;
  readonly lines: LogLine[] = [];
  /** Lines on standard output that are no log lines. */
  readonly stray: string[] = [];
  stdout = "";
  stderr = "";
  /** Set when the process has ended. */
  ended: Deno.CommandStatus | undefined;
  readonly status: Promise<Deno.CommandStatus>;
  #keepPrivate: (value: string) => void;
  #streams: Promise<unknown>;
  #watchers = new Set<() => void>();
  #client: Deno.HttpClient | undefined;
  #clientPlace = "";
  /** Certificates to trust when posting by https, PEM. */
  trust: string[] = [];

  constructor(spawned: Spawned) {
    this.command = spawned.command;
    this.config = spawned.config;
    this.pid = spawned.child.pid;
    this.#keepPrivate = spawned.keepPrivate;
    this.#streams = Promise.all([
      this.#collect(spawned.child.stdout, (text) => this.#onStdout(text)),
      this.#collect(spawned.child.stderr, (text) => this.stderr += text),
    ]);
    this.status = spawned.child.status.then(async (status) => {
      // A grandchild may hold the pipes; what the product itself wrote is there long before.
      await within(this.#streams, "the end of the streams", 2_000).catch(() => {});
      this.ended = status;
      this.#tell();
      return status;
    });
  }

  async #collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
  }

  #rest = "";
  #onStdout(text: string): void {
    this.stdout += text;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      try {
        const record = JSON.parse(line) as LogLine;
        for (const field of ["time", "level", "event", "message"]) {
          if (typeof record[field] !== "string") throw new Error(`no ${field}`);
        }
        this.lines.push(record);
      } catch {
        this.stray.push(line);
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Waits until `look` finds something in the log; fails at once when the process has ended. */
  async see<T>(
    look: () => T | undefined | false,
    what: string,
    ms = PATIENCE,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      try {
        const found = look();
        if (found !== undefined && found !== false) resolve(found);
        else if (this.ended) {
          reject(new Error(`The service ended with code ${this.ended.code} before: ${what}`));
        }
      } catch (error) {
        reject(error);
      }
    };
    this.#watchers.add(check);
    check();
    try {
      return await within(promise, what, ms);
    } finally {
      this.#watchers.delete(check);
    }
  }

  /** The log lines of one event, all or of one repository. */
  events(event: string, repository?: string): LogLine[] {
    return this.lines.filter((line) =>
      line.event === event && (repository === undefined || line.repository === repository)
    );
  }

  deployments(repository?: string): LogLine[] {
    return this.events("deployment", repository);
  }

  /** Waits for the `count`th log line of an event and gives it back. */
  async logged(event: string, count = 1, repository?: string): Promise<LogLine> {
    return await this.see(
      () => this.events(event, repository)[count - 1],
      `log line ${count} of event "${event}"`,
    );
  }

  /** Waits until `count` deployments have ended and gives back the last one's log line. */
  async deployed(count = 1, repository?: string): Promise<LogLine> {
    return await this.logged("deployment", count, repository);
  }

  /** What the service says that it is bound to, from the latest `listening` line. */
  get address(): string {
    const line = this.events("listening").at(-1);
    return typeof line?.address === "string" ? line.address : "";
  }

  /** Where the public listener is. */
  get place(): Place {
    if (this.address.startsWith("unix:")) {
      return { transport: "unix", path: this.address.slice("unix:".length) };
    }
    const url = new URL(this.address);
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    // What is bound to every address is asked on loopback.
    const asked = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
    return { transport: "tcp", hostname: asked, port: Number(url.port) };
  }

  #origin(): string {
    const place = this.place;
    if (place.transport === "unix") return "http://localhost";
    const secure = this.address.startsWith("https:");
    const host = place.hostname.includes(":") ? `[${place.hostname}]` : place.hostname;
    return `${secure ? "https" : "http"}://${host}:${place.port}`;
  }

  #clientFor(): Deno.HttpClient {
    const key = JSON.stringify([this.place, this.trust]);
    if (this.#client !== undefined && this.#clientPlace === key) return this.#client;
    this.#client?.close();
    const place = this.place;
    this.#client = Deno.createHttpClient({
      ...(place.transport === "unix" ? { proxy: { transport: "unix", path: place.path } } : {}),
      ...(this.trust.length > 0 ? { caCerts: this.trust } : {}),
    });
    this.#clientPlace = key;
    return this.#client;
  }

  /** Any request; `path` with its query. */
  async request(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await within(
      fetch(this.#origin() + path, { redirect: "manual", ...init, client: this.#clientFor() }),
      `an answer to ${init.method ?? "GET"} ${path}`,
      PATIENCE * 3,
    );
    const text = await response.text();
    let json: Record<string, unknown> = {};
    try {
      json = JSON.parse(text);
    } catch {
      // Not JSON: the test that wants JSON finds nothing in it.
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  /** Posts a delivery to `/hooks/app`, or where `path` says. */
  async post(posting: Posting, options: PostOptions = {}): Promise<Answer> {
    this.#notePrivate(posting);
    const query = options.wait === undefined ? "" : `?wait=${options.wait}`;
    const headers: Record<string, string> = { ...posting.headers, ...options.headers };
    if (options.accept !== undefined) headers["Accept"] = options.accept;
    return await this.request((options.path ?? "/hooks/app") + query, {
      method: options.method ?? "POST",
      headers,
      body: posting.body,
    });
  }

  #notePrivate(posting: Posting): void {
    for (const [name, value] of Object.entries(posting.headers)) {
      if (name.toLowerCase().includes("signature")) {
        this.#keepPrivate(value.replace(/^sha1=/i, ""));
      }
    }
  }

  signal(signal: Deno.Signal): void {
    Deno.kill(this.pid, signal);
  }

  /** Waits for the process to end by itself, or after a signal that the test has sent. */
  async exit(ms = PATIENCE): Promise<Deno.CommandStatus> {
    return await within(this.status, `the end of ${this.command}`, ms);
  }

  /** Ends the service with SIGTERM; it must exit 0, with its output whole. */
  async stop(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    if (this.ended === undefined) {
      kill(this.pid, "SIGTERM");
      let status: Deno.CommandStatus;
      try {
        status = await this.exit();
      } catch (error) {
        await this.kill();
        throw error instanceof Overdue
          ? new Error("The service did not end after SIGTERM", { cause: error })
          : error;
      }
      assertEquals(status.code, 0, "exit code after SIGTERM");
    }
    assertEquals(this.stray, [], "lines on standard output that are no JSON log lines");
  }

  /** Makes sure that the process is gone; for the end of a test that has failed. */
  async kill(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    if (this.ended === undefined) kill(this.pid);
    await this.status;
  }
}
