/**
 * A listening socket that survives: it takes the place of a dead one, comes back when the
 * descriptors had run out, and can be closed though a client holds a half-sent header open.
 *
 * @module
 */

import { formatListenAddress, type ListenAddress } from "../address.ts";
import { lstatOrUndefined } from "../files.ts";
import { pause, within } from "../time.ts";

/** Answers a request; the peer's address has the transport of the listener. */
export type Handler = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr | Deno.UnixAddr>,
) => Promise<Response>;

/** What a listener needs. */
export interface ListenerOptions {
  readonly address: ListenAddress;
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly handler: Handler;
  /** Told each time that the socket died and was bound again. */
  readonly onRebound?: (cause: unknown) => void;
  /** Told what a handler threw; the client gets a 500 without details. */
  readonly onError?: (error: unknown) => void;
}

/** An address that can't be bound. The message says which and why. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  constructor(message: string, readonly hint?: string) {
    super(message);
  }
}

type Server = Deno.HttpServer<Deno.NetAddr | Deno.UnixAddr>;

/** Between two attempts to bind again, in milliseconds. */
const REBIND_PAUSE = 100;
/** Attempts to take over an address that this process has just given up. */
const TAKEOVER_ATTEMPTS = 30;
/** Read and written by the owner and the group, such as that of a reverse proxy. */
const SOCKET_MODE = 0o660;

/** One bound address and what serves it. */
export class Listener {
  readonly #options: ListenerOptions;
  #server: Server;
  #bound: ListenAddress;
  #closing = false;
  #drained: Promise<void> | undefined;

  private constructor(options: ListenerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#bound = boundAddress(options.address, server);
    void this.#keepAlive();
  }

  /**
   * Binds an address and begins to serve.
   *
   * @param takeover the address may still be held by a listener of this process that is closing
   * @throws {ListenError} where it can't be bound
   */
  static async open(options: ListenerOptions, { takeover = false } = {}): Promise<Listener> {
    for (let attempt = 1;; attempt++) {
      try {
        return new Listener(options, await serve(options, options.address));
      } catch (error) {
        const retry = takeover && error instanceof Deno.errors.AddrInUse &&
          attempt < TAKEOVER_ATTEMPTS;
        if (!retry) throw listenError(options, error);
        await pause(REBIND_PAUSE);
      }
    }
  }

  /** What is bound: with the port that the system chose, where it was 0. */
  get address(): ListenAddress {
    return this.#bound;
  }

  /** What is bound, as a URL. */
  get url(): string {
    return formatListenAddress(this.#bound, this.#options.tls !== undefined);
  }

  /** Serves anew when the server ends by itself: `accept` fails where descriptors have run out. */
  async #keepAlive(): Promise<void> {
    while (!this.#closing) {
      let cause: unknown;
      try {
        await this.#server.finished;
      } catch (error) {
        cause = error;
      }
      if (this.#closing || !await this.#rebind()) return;
      this.#options.onRebound?.(cause);
    }
  }

  /** Binds until it works; false where the listener was closed in the meantime. */
  async #rebind(): Promise<boolean> {
    while (!this.#closing) {
      try {
        this.#server = await serve(this.#options, this.#bound);
        if (this.#closing) await this.#shutDown();
      } catch {
        await pause(REBIND_PAUSE);
        continue;
      }
      return !this.#closing;
    }
    return false;
  }

  /** Stops accepting; answers in progress still go out. */
  drain(): Promise<void> {
    this.#closing = true;
    return this.#drained ??= this.#shutDown();
  }

  /** Deno takes the socket's path away at once; from then on it may be somebody else's. */
  #shutDown(): Promise<void> {
    return this.#server.shutdown().catch(() => {});
  }

  /**
   * Drains, and gives up on what is left after `grace` milliseconds: a half-sent header would hold
   * a graceful shutdown for ever.
   */
  async close(grace: number): Promise<void> {
    await within(grace, this.drain());
  }
}

async function serve(options: ListenerOptions, address: ListenAddress): Promise<Server> {
  const { tls, handler, onError } = options;
  const common = {
    onListen: () => {},
    onError: (error: unknown) => {
      onError?.(error);
      return new Response("internal error\n", { status: 500 });
    },
  };
  if (address.kind === "tcp") {
    const { hostname, port } = address;
    return Deno.serve({ hostname, port, ...tls, ...common }, handler) as Server;
  }
  const { path } = address;
  await removeStaleSocket(path);
  const server = Deno.serve({ path, ...common }, handler) as Server;
  await Deno.chmod(path, SOCKET_MODE);
  return server;
}

/** Removes a socket that nobody answers at: the remains of a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstatOrUndefined(path);
  if (found === undefined) return;
  if (!found.isSocket) throw new ListenError(`"${path}" exists and is not a socket`);
  try {
    const connection = await Deno.connect({ transport: "unix", path });
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    await Deno.remove(path);
    return;
  }
  throw new ListenError(`"${path}" is in use by another process`, `see who: ss -lxp src ${path}`);
}

function boundAddress(wanted: ListenAddress, { addr }: Server): ListenAddress {
  // Deno 2.7 tells no transport of a listener with TLS, so the port has to do.
  return wanted.kind === "tcp" && "port" in addr ? { ...wanted, port: addr.port } : wanted;
}

function listenError({ address, tls }: ListenerOptions, error: unknown): ListenError {
  if (error instanceof ListenError) return error;
  const where = address.kind === "unix" ? address.path : `${address.hostname}:${address.port}`;
  const cannot = `cannot listen on "${where}": `;
  if (error instanceof Deno.errors.AddrInUse && address.kind === "tcp") {
    return new ListenError(
      `${cannot}the port is in use`,
      `see who has it: ss -ltnp sport = :${address.port}`,
    );
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new ListenError(`${cannot}this machine does not have that address`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new ListenError(
      `${cannot}permission denied`,
      address.kind === "tcp" ? "ports below 1024 need a proxy in front or a capability" : undefined,
    );
  }
  if (error instanceof Deno.errors.NotFound && address.kind === "unix") {
    return new ListenError(`${cannot}its directory does not exist`);
  }
  const why = error instanceof Error ? error.message : String(error);
  return new ListenError(`${cannot}${why}`, tls && "are certificate and key a pair, in PEM?");
}
