/**
 * A git remote over http: `git http-backend` behind a small server that can hold requests, refuse
 * them, ask for a password, and that counts them.
 */

import { until, within } from "./wait.ts";

export interface GitRequest {
  method: string;
  path: string;
  query: string;
  authorization: string | null;
}

type Matcher = (request: GitRequest) => boolean;

/** Requests that wait for `open()`. */
export class Gate {
  #opened = Promise.withResolvers<void>();
  #waiting = 0;
  readonly matches: Matcher;

  constructor(matches: Matcher) {
    this.matches = matches;
  }

  /** How many requests have come to the gate so far. */
  get waiting(): number {
    return this.#waiting;
  }

  async pass(): Promise<void> {
    this.#waiting++;
    await this.#opened.promise;
  }

  /** Waits until `count` requests have come to the gate. */
  async reached(count = 1): Promise<void> {
    await until(
      () => this.#waiting >= count,
      () => `${count} requests at the remote's gate, seen ${this.#waiting}`,
    );
  }

  open(): void {
    this.#opened.resolve();
  }
}

export class GitBackend {
  readonly requests: GitRequest[] = [];
  /** Answer everything with this status instead of asking git. */
  refuseWith: number | undefined;
  /** `user:password` that requests must carry. */
  credentials: string | undefined;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #gates: Gate[] = [];
  #folder: string;
  #env: Record<string, string>;

  constructor(folder: string, env: Record<string, string>) {
    this.#folder = folder;
    this.#env = env;
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      onError: () => new Response("broken", { status: 500 }),
    }, (request) => this.#handle(request));
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** The URL of a repository in the folder, such as `app.git`. */
  url(name: string, userinfo = ""): string {
    const at = userinfo === "" ? "" : `${userinfo}@`;
    return `http://${at}127.0.0.1:${this.port}/${name}`;
  }

  /** From now on requests that match wait until the gate is opened; without `matches`, all. */
  hold(matches: Matcher = () => true): Gate {
    const gate = new Gate(matches);
    this.#gates.push(gate);
    return gate;
  }

  async close(): Promise<void> {
    for (const gate of this.#gates) gate.open();
    await within(this.#server.shutdown(), "the end of the git server");
  }

  async #handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const seen: GitRequest = {
      method: request.method,
      path: url.pathname,
      query: url.search.slice(1),
      authorization: request.headers.get("authorization"),
    };
    this.requests.push(seen);
    // The body is read before a gate is passed, so that the client has nothing left to do but wait.
    const body = new Uint8Array(await request.arrayBuffer());
    for (const gate of this.#gates) {
      if (gate.matches(seen)) await gate.pass();
    }
    if (this.refuseWith !== undefined) {
      return new Response("refused\n", { status: this.refuseWith });
    }
    if (this.credentials !== undefined) {
      if (seen.authorization !== `Basic ${btoa(this.credentials)}`) {
        return new Response("who?\n", {
          status: 401,
          headers: { "WWW-Authenticate": 'Basic realm="git"' },
        });
      }
    }
    return await this.#backend(request, seen, body);
  }

  async #backend(request: Request, seen: GitRequest, body: Uint8Array): Promise<Response> {
    const child = new Deno.Command("git", {
      args: ["http-backend"],
      clearEnv: true,
      env: {
        ...this.#env,
        GIT_PROJECT_ROOT: this.#folder,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
        REQUEST_METHOD: seen.method,
        PATH_INFO: decodeURIComponent(seen.path),
        QUERY_STRING: seen.query,
        CONTENT_TYPE: request.headers.get("content-type") ?? "",
        CONTENT_LENGTH: String(body.length),
        HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
        REMOTE_ADDR: "127.0.0.1",
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const writer = child.stdin.getWriter();
    const written = writer.write(body).then(() => writer.close()).catch(() => {});
    const { stdout } = await child.output();
    await written;
    return cgiResponse(stdout);
  }
}

function cgiResponse(output: Uint8Array<ArrayBuffer>): Response {
  let split = 0;
  while (split < output.length - 3) {
    if (output[split] === 13 && output[split + 2] === 13) break;
    split++;
  }
  const headers = new Headers();
  let status = 200;
  for (const line of new TextDecoder().decode(output.subarray(0, split)).split("\r\n")) {
    const [name, value] = line.split(/:\s*/, 2);
    if (name === undefined || value === undefined) continue;
    if (name.toLowerCase() === "status") status = Number(value.split(" ")[0]);
    else headers.set(name, value);
  }
  return new Response(output.subarray(split + 4), { status, headers });
}
