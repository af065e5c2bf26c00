/**
 * A running `hook serve`, as the demo sees it: a process that writes one JSON object a line.
 *
 * @module
 */
export interface LogLine {
  event?: string;
  address?: string;
  repository?: string;
  result?: string;
  new?: string;
  [field: string]: unknown;
}

/** How long a stop may take before it becomes a kill, in milliseconds. */
const STOP_PATIENCE = 10_000;

/** Starts a program, remembers what it writes and answers questions about it. */
export class Service {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #lines: string[] = [];
  #wake = Promise.withResolvers<void>();
  #ended: number | undefined;

  constructor([program, ...args]: [string, ...string[]], env: Record<string, string>, cwd: string) {
    // A session of its own: Ctrl-C at the demo's terminal is the demo's affair.
    this.#child = new Deno.Command(program, {
      args,
      env,
      clearEnv: true,
      cwd,
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    Promise.all([this.#child.status, this.#reading]).then(([{ code }]) => {
      this.#ended = code;
      this.#wake.resolve();
    });
  }

  /** Everything that it has written. */
  get log(): string {
    return this.#lines.join("\n");
  }

  /**
   * The first log line that fits, be it written already or yet to come.
   *
   * @param patience In milliseconds.
   * @throws where the program ends or the time is over.
   */
  async line(what: string, fits: (line: LogLine) => boolean, patience = 20_000): Promise<LogLine> {
    const deadline = Promise.withResolvers<"late">();
    const timer = setTimeout(() => deadline.resolve("late"), patience);
    try {
      while (true) {
        const found = this.#lines.map(parse).find((line) => line && fits(line));
        if (found) return found;
        if (this.#ended !== undefined) {
          throw new Error(`Cannot see ${what}: the service ended with ${this.#ended}`);
        }
        if (await Promise.race([this.#wake.promise, deadline.promise]) === "late") {
          throw new Error(`Cannot see ${what}: nothing in the log for ${patience / 1000} s`);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGTERM, and SIGKILL for what does not end; returns the exit code. */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_PATIENCE);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
    return code;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It had ended already.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    }
    if (rest) this.#lines.push(rest);
  }
}

function parse(line: string): LogLine | undefined {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}
