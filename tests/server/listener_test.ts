import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatListenAddress, type ListenAddress } from "../../lib/address.ts";
import { Listener, type ListenerOptions, ListenError } from "../../lib/server/listener.ts";
import { lstat, put, until, World } from "../deploy/world.ts";

const LOOPBACK: ListenAddress = { kind: "tcp", hostname: "127.0.0.1", port: 0 };

/** Longer than any test takes. */
const PATIENT = 60_000;

/** A listener that is closed at the end of its test. */
async function open(
  address: ListenAddress,
  options: Partial<ListenerOptions> = {},
  takeover = false,
): Promise<Listener & AsyncDisposable> {
  const handler = () => Promise.resolve(new Response("hello\n"));
  const listener = await Listener.open({ address, handler, ...options }, { takeover });
  return Object.assign(listener, { [Symbol.asyncDispose]: () => listener.close(PATIENT) });
}

/** Why an address can't be bound. */
async function refusal(
  address: ListenAddress,
  options: Partial<ListenerOptions> = {},
): Promise<ListenError> {
  try {
    await using _listener = await open(address, options);
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
  throw new Error("it was bound");
}

/** Asks a listener, over a connection of its own. */
async function ask(address: ListenAddress): Promise<string> {
  const url = address.kind === "tcp" ? formatListenAddress(address) : "http://localhost";
  using client = address.kind === "tcp"
    ? Deno.createHttpClient({ poolMaxIdlePerHost: 0 })
    : Deno.createHttpClient({ proxy: { transport: "unix", path: address.path } });
  const response = await fetch(url, { client });
  return await response.text();
}

function socket(world: World, name = "hook.sock"): ListenAddress & { kind: "unix" } {
  return { kind: "unix", path: world.path(name) };
}

/** What a process leaves that was killed while it listened. */
function leaveStaleSocket(path: string): void {
  const listener = Deno.listen({ transport: "unix", path });
  // Closing removes the path, so the socket gets another one meanwhile.
  Deno.renameSync(path, `${path}.kept`);
  listener.close();
  Deno.renameSync(`${path}.kept`, path);
  assertEquals(lstat(path)?.isSocket, true);
}

Deno.test("Listener.open() tells the port that the system chose", async () => {
  await using listener = await open(LOOPBACK);
  const { address, url } = listener;
  assertMatch(url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assertEquals(url, formatListenAddress(address));
  assertEquals(await ask(address), "hello\n");
});

Deno.test("Listener.open() serves IPv6 and shows it in brackets", async () => {
  await using listener = await open({ ...LOOPBACK, hostname: "::1" } as ListenAddress);
  assertMatch(listener.url, /^http:\/\/\[::1\]:\d+$/);
  assertEquals(await ask(listener.address), "hello\n");
});

Deno.test("Listener.open() explains a port that is taken", async () => {
  await using listener = await open(LOOPBACK);
  const { address } = listener;
  const { message, hint } = await refusal(address);
  const place = listener.url.slice("http://".length);
  assertEquals(message, `cannot listen on "${place}": the port is in use`);
  assertStringIncludes(hint!, `ss -ltnp sport = :${place.split(":")[1]}`);
  assertEquals(await ask(address), "hello\n");
});

Deno.test("Listener.open() explains an address that this machine does not have", async () => {
  const { message } = await refusal({ kind: "tcp", hostname: "192.0.2.1", port: 0 });
  assertEquals(
    message,
    'cannot listen on "192.0.2.1:0": this machine does not have that address',
  );
});

Deno.test("Listener.open() explains a certificate that is none", async () => {
  const { hint } = await refusal(LOOPBACK, { tls: { cert: "x", key: "y" } });
  assertEquals(hint, "are certificate and key a pair, in PEM?");
});

Deno.test("Listener.open() makes a unix socket for its owner and group, and takes it away", async () => {
  await using world = World.open();
  const address = socket(world);
  {
    await using listener = await open(address);
    assertEquals(listener.url, `unix:${address.path}`);
    assertEquals(Deno.lstatSync(address.path).mode! & 0o777, 0o660);
    assertEquals(await ask(address), "hello\n");
  }
  assertEquals(lstat(address.path), undefined);
});

Deno.test("Listener.open() replaces the socket of a process that was killed", async () => {
  await using world = World.open();
  const address = socket(world);
  leaveStaleSocket(address.path);
  await using _listener = await open(address);
  assertEquals(await ask(address), "hello\n");
});

Deno.test("Listener.open() leaves a socket alone at which somebody answers", async () => {
  await using world = World.open();
  const address = socket(world);
  await using _listener = await open(address);
  const { message, hint } = await refusal(address);
  assertEquals(message, `"${address.path}" is in use by another process`);
  assertStringIncludes(hint!, address.path);
  assertEquals(await ask(address), "hello\n");
});

Deno.test("Listener.open() leaves alone what is no socket", async () => {
  await using world = World.open();
  put(world.root, { file: "mine", "folder/file": "mine", link: { link: "nowhere" } });
  for (const name of ["file", "folder", "link"]) {
    const { message } = await refusal(socket(world, name));
    assertEquals(message, `"${world.path(name)}" exists and is not a socket`);
    assert(lstat(world.path(name)) !== undefined);
  }
  const { message } = await refusal(socket(world, "missing/hook.sock"));
  assertStringIncludes(message, "its directory does not exist");
});

Deno.test("Listener.open() does not follow a link to somebody's socket", async () => {
  await using world = World.open();
  leaveStaleSocket(world.path("other.sock"));
  put(world.root, { link: { link: "other.sock" } });
  assertStringIncludes((await refusal(socket(world, "link"))).message, "is not a socket");
  assert(lstat(world.path("other.sock")) !== undefined);
});

Deno.test("Listener answers 500 where its handler throws, and says nothing of why", async () => {
  const errors: unknown[] = [];
  const error = new Error("a detail");
  await using listener = await open(LOOPBACK, {
    handler: () => Promise.reject(error),
    onError: (error) => errors.push(error),
  });
  assertEquals([await ask(listener.address), errors], ["internal error\n", [error]]);
});

Deno.test("Listener.open() waits for a port that this process is about to give up", async () => {
  const old = await open(LOOPBACK);
  const closed = old.close(PATIENT);
  await using listener = await open(old.address, {}, true);
  await closed;
  assertEquals(listener.address, old.address);
  assertEquals(await ask(listener.address), "hello\n");
});

/** Replaces Deno.serve by one whose servers can be made to die, as when descriptors run out. */
function mortalServers(): Disposable & { readonly kill: (error: Error) => Promise<void> } {
  const serve = Deno.serve;
  let kill: (error: Error) => Promise<void> = () => Promise.resolve();
  // deno-lint-ignore no-explicit-any -- one signature stands for all of its overloads
  Deno.serve = ((...args: any[]) => {
    // deno-lint-ignore no-explicit-any
    const server = (serve as any)(...args) as Deno.HttpServer;
    const death = Promise.withResolvers<void>();
    kill = async (error) => {
      await server.shutdown();
      death.reject(error);
    };
    return { addr: server.addr, finished: death.promise, shutdown: () => server.shutdown() };
  }) as typeof Deno.serve;
  return {
    kill: (error) => kill(error),
    [Symbol.dispose]() {
      Deno.serve = serve;
    },
  };
}

for (const kind of ["tcp", "unix"] as const) {
  Deno.test(`Listener serves anew at the same ${kind} address when its server dies`, async () => {
    await using world = World.open();
    using servers = mortalServers();
    const causes: unknown[] = [];
    const listener = await open(kind === "tcp" ? LOOPBACK : socket(world), {
      onRebound: (cause) => causes.push(cause),
    });
    const { address } = listener;
    for (let death = 1; death <= 2; death++) {
      const error = new Error("Too many open files");
      await servers.kill(error);
      await until(() => causes.length === death, "it is bound again");
      assertEquals(causes.at(-1), error);
      assertEquals(listener.address, address);
      assertEquals(await ask(address), "hello\n");
    }
    await listener.close(PATIENT);
  });
}

Deno.test("Listener.close() lets the answers in progress go out", async () => {
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const listener = await open(LOOPBACK, {
    handler() {
      arrived.resolve();
      return answer.promise;
    },
  });
  const asking = ask(listener.address);
  await arrived.promise;
  const closing = listener.close(PATIENT);
  answer.resolve(new Response("late\n"));
  assertEquals(await asking, "late\n");
  await closing;
});

Deno.test("Listener.drain() refuses connections from then on", async () => {
  await using world = World.open();
  for (const address of [LOOPBACK, socket(world)]) {
    const listener = await open(address);
    await listener.drain();
    const refused = await ask(listener.address).then(() => false, () => true);
    assertEquals(refused, true);
    await listener.close(PATIENT);
  }
});

Deno.test("Listener.drain() takes its socket away at once, and never that of a successor", async () => {
  await using world = World.open();
  const address = socket(world);
  const answer = Promise.withResolvers<Response>();
  const arrived = Promise.withResolvers<void>();
  const old = await open(address, {
    handler() {
      arrived.resolve();
      return answer.promise;
    },
  });
  const asking = ask(address);
  await arrived.promise;
  const drained = old.drain();
  await until(() => lstat(address.path) === undefined, "the socket is gone");
  await using _successor = await open(address);
  answer.resolve(new Response("late\n"));
  assertEquals(await asking, "late\n");
  await drained;
  await old.close(PATIENT);
  assertEquals(await ask(address), "hello\n");
});

Deno.test("Listener.close() gives up on a connection with half a header", async () => {
  const listener = await open(LOOPBACK);
  const { address } = listener;
  if (address.kind !== "tcp") throw new Error("not bound to a port");
  const connection = await Deno.connect({ hostname: address.hostname, port: address.port });
  await connection.write(new TextEncoder().encode("POST / HTTP/1.1\r\nHo"));
  // The server has read it once it answers a later one.
  await ask(address);
  await listener.close(10);
  connection.close();
  await listener.drain();
});
