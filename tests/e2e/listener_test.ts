/** Where the service listens and whom it lets in: addresses, sockets, TLS, sources, descriptors. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect } from "node:net";
import {
  e2e,
  exchange,
  exists,
  head,
  push,
  RawConnection,
  selfSigned,
  type Service,
  until,
  v2,
  within,
  type World,
} from "./harness.ts";

const REF = "refs/heads/master";
const PUSH = push(REF);

/** A configuration with one repository and whatever the test adds. */
async function site(
  world: World,
  config: Record<string, unknown>,
  repository: Record<string, unknown> = {},
) {
  const checkout = await world.checkout(await world.remote());
  const secret = world.secret();
  return {
    secret,
    config: { ...config, repositories: { app: { path: checkout.path, secret, ...repository } } },
  };
}

async function accepts(service: Service, secret: string): Promise<number> {
  return (await service.post(v2(PUSH, { secret }))).status;
}

const NEEDS_IPV6 = (() => {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return undefined;
  } catch {
    return "no IPv6 on this machine";
  }
})();

e2e("listen binds what it logs, with the URLs to paste", async (world) => {
  const { secret, config } = await site(world, { listen: "127.0.0.1:0" });
  const service = await world.start(config);
  const line = await service.logged("listening");
  assertMatch(String(line.address), /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  const urls = Array.isArray(line.urls) ? line.urls.map(String) : [];
  assert(urls.some((url) => url.endsWith("/hooks/app")), JSON.stringify(line));
  assertEquals(await accepts(service, secret), 202);
});

e2e("listen on every address says so, not localhost", async (world) => {
  const { secret, config } = await site(world, { listen: "0.0.0.0:0" });
  const service = await world.start(config);
  assertMatch(service.address, /^http:\/\/0\.0\.0\.0:/);
  assertEquals(await accepts(service, secret), 202);
});

e2e("listen on [::1] takes deliveries by IPv6", async (world) => {
  const { secret, config } = await site(world, { listen: "[::1]:0" });
  const service = await world.start(config);
  assertMatch(service.address, /^http:\/\/\[::1\]:\d+$/);
  assertEquals(await accepts(service, secret), 202);
  assertEquals((await service.logged("delivery")).client, "::1");
}, { skip: NEEDS_IPV6 });

e2e("listen on [::] reads mapped addresses as IPv4", async (world) => {
  const allow = { allow_from: ["127.0.0.0/8"] };
  const { secret, config } = await site(world, { listen: "[::]:0" }, allow);
  const service = await world.start(config);
  const port = Number(new URL(service.address).port);
  const { headers, body } = v2(PUSH, { secret });
  const lines = head("/hooks/app", { ...headers, "Content-Length": String(body.length) });
  const four = await exchange({ transport: "tcp", hostname: "127.0.0.1", port }, lines, body);
  assertEquals(four?.status, 202);
  assertEquals((await service.logged("delivery")).client, "127.0.0.1");
  const six = await exchange({ transport: "tcp", hostname: "::1", port }, lines, body);
  assertEquals(six?.status, 403);
}, { skip: NEEDS_IPV6 });

e2e("listen on a unix socket: mode 0660, and gone after the end", async (world) => {
  const path = world.file("hook.sock");
  const { secret, config } = await site(world, { listen: `unix:${path}` });
  const service = await world.start(config);
  assertEquals(service.address, `unix:${path}`);
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o660);
  assertEquals(await accepts(service, secret), 202);
  await service.deployed();
  await service.stop();
  assertEquals(exists(path), false);
});

e2e("listen replaces the socket that a killed service left", async (world) => {
  const path = world.file("hook.sock");
  const { secret, config } = await site(world, { listen: `unix:${path}` });
  const first = await world.start(config);
  await first.kill();
  assert(exists(path), "a stale socket is there");
  const service = await world.start(config);
  assertEquals(await accepts(service, secret), 202);
});

e2e("listen does not take a unix socket from a service that lives", async (world) => {
  const path = world.file("hook.sock");
  const { secret, config } = await site(world, { listen: `unix:${path}` });
  const first = await world.start(config);
  const second = await world.refused({ ...config, state: world.file("second") });
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, "hook: error:");
  assertStringIncludes(second.stderr, path);
  assertEquals(await accepts(first, secret), 202);
});

e2e("listen removes nothing but sockets", async (world) => {
  const path = world.file("precious");
  Deno.writeTextFileSync(path, "mine\n");
  const { config } = await site(world, { listen: `unix:${path}` });
  const finished = await world.refused(config);
  assert(finished.code !== 0);
  assertStringIncludes(finished.stderr, path);
  assertEquals(Deno.readTextFileSync(path), "mine\n");
  const link = world.file("link");
  Deno.symlinkSync(path, link);
  const linked = await world.refused((await site2(world, link)).config);
  assert(linked.code !== 0);
  assertEquals(Deno.readTextFileSync(path), "mine\n");
  assert(exists(link));
});

function site2(world: World, path: string) {
  const secret = world.secret();
  const app = { path: world.file("srv/app"), secret };
  return Promise.resolve({ config: { listen: `unix:${path}`, repositories: { app } } });
}

e2e("listen on a taken port ends with an error that names it", async (world) => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  world.onEnd(() => taken.close());
  const listen = `127.0.0.1:${taken.addr.port}`;
  const { config } = await site(world, { listen });
  const finished = await world.refused(config);
  assertEquals(finished.code, 1);
  assertMatch(finished.stderr, /^hook: error: /m);
  assertMatch(finished.stderr, /^hook: hint: /m);
  assertStringIncludes(finished.stderr, listen);
});

e2e("tls serves https, and SIGHUP reads the certificate anew", async (world) => {
  const write = async () => {
    const made = await selfSigned();
    Deno.writeTextFileSync(world.file("cert.pem"), made.cert);
    Deno.writeTextFileSync(world.file("key.pem"), made.key);
    return made.cert;
  };
  const old = await write();
  const { secret, config } = await site(world, {
    tls: { cert: world.file("cert.pem"), key: world.file("key.pem") },
  });
  const service = await world.start(config);
  assertMatch(service.address, /^https:\/\/127\.0\.0\.1:/);
  service.trust = [old];
  assertEquals(await accepts(service, secret), 202);
  const fresh = await write();
  service.signal("SIGHUP");
  assertEquals((await service.logged("reload")).result, "ok");
  service.trust = [fresh];
  const status = await until(
    () => accepts(service, secret).catch(() => undefined),
    "an answer under the new certificate",
  );
  assertEquals(status, 202);
});

e2e("tls with a file that is missing or no certificate is refused at the start", async (world) => {
  Deno.writeTextFileSync(world.file("rubbish.pem"), "rubbish\n");
  for (const name of ["missing.pem", "rubbish.pem"]) {
    await world.step(name, async () => {
      const path = world.file(name);
      const secret = world.secret();
      const finished = await world.refused({
        tls: { cert: path, key: path },
        repositories: { app: { path: world.file("srv/app"), secret } },
      });
      assert(finished.code === 1 || finished.code === 2, `exit code ${finished.code}`);
      assertMatch(finished.stderr, /^hook: error: /m);
      assertStringIncludes(finished.stderr, name);
    });
  }
});

interface Source {
  name: string;
  trusted?: string[];
  allow: string[];
  forwarded: string[];
  expected: number;
  client?: string;
}

const SOURCES: Source[] = [
  { name: "the peer is allowed", allow: ["127.0.0.1/32"], forwarded: [], expected: 202 },
  { name: "the peer is not allowed", allow: ["10.0.0.0/8"], forwarded: [], expected: 403 },
  {
    name: "X-Forwarded-For of a peer that is not trusted counts for nothing",
    allow: ["10.0.0.0/8"],
    forwarded: ["10.1.2.3"],
    expected: 403,
    client: "127.0.0.1",
  },
  {
    name: "X-Forwarded-For of a trusted peer is believed",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: ["10.1.2.3"],
    expected: 202,
    client: "10.1.2.3",
  },
  {
    name: "right to left: what the client itself claimed is not believed",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: ["10.1.2.3, 192.0.2.1"],
    expected: 403,
    client: "192.0.2.1",
  },
  {
    name: "right to left, over trusted proxies",
    trusted: ["127.0.0.0/8", "172.16.0.0/12"],
    allow: ["10.0.0.0/8"],
    forwarded: ["192.0.2.1, 10.1.2.3, 172.16.0.9, 172.16.0.8"],
    expected: 202,
    client: "10.1.2.3",
  },
  {
    name: "several headers are one list",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: ["10.1.2.3", "192.0.2.1"],
    expected: 403,
    client: "192.0.2.1",
  },
  {
    name: "what is no address ends the list",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: ["10.1.2.3, unknown"],
    expected: 403,
  },
  {
    name: "an IPv6 client behind an IPv4 proxy",
    trusted: ["127.0.0.0/8"],
    allow: ["2001:db8::/32"],
    forwarded: ["2001:db8::17"],
    expected: 202,
    client: "2001:db8::17",
  },
  {
    name: "a mapped address is IPv4",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: ["::ffff:10.1.2.3"],
    expected: 202,
    client: "10.1.2.3",
  },
  {
    name: "no X-Forwarded-For from a trusted peer: the peer itself counts",
    trusted: ["127.0.0.0/8"],
    allow: ["10.0.0.0/8"],
    forwarded: [],
    expected: 403,
    client: "127.0.0.1",
  },
];

for (const { name, trusted, allow, forwarded, expected, client } of SOURCES) {
  e2e(`allow_from: ${name}`, async (world) => {
    const proxies = trusted === undefined ? {} : { trusted_proxies: trusted };
    const { secret, config } = await site(world, proxies, { allow_from: allow });
    const service = await world.start(config);
    const { headers, body } = v2(PUSH, { secret });
    const lines = head("/hooks/app", [
      ...Object.entries(headers),
      ["Content-Length", String(body.length)],
      ...forwarded.map((value): [string, string] => ["X-Forwarded-For", value]),
    ]);
    const answer = await exchange(service.place, lines, body);
    assertEquals(answer?.status, expected, answer?.body);
    const line = await service.logged("delivery");
    if (client !== undefined) assertEquals(line.client, client);
    if (expected === 403) {
      assertEquals([line.outcome, JSON.parse(answer?.body ?? "").outcome], [
        "rejected",
        "rejected",
      ]);
    }
  });
}

e2e("allow_from tells apart peers by the address that they come from", async (world) => {
  const { secret, config } = await site(world, {}, { allow_from: ["127.0.0.7/32"] });
  const service = await world.start(config);
  const { headers, body } = v2(PUSH, { secret });
  const lines = head("/hooks/app", {
    ...headers,
    "Content-Length": String(body.length),
    "Connection": "close",
  });
  assertEquals((await exchange(service.place, lines, body))?.status, 403);
  const port = Number(new URL(service.address).port);
  const answer = await within(
    new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.7" });
      socket.on("connect", () => {
        socket.write(lines);
        socket.write(body);
      });
      socket.on("data", (data) => text += String(data));
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
    }),
    "an answer to 127.0.0.7",
  );
  assertMatch(answer, /^HTTP\/1\.1 202 /);
  assertEquals((await service.logged("delivery", 2)).client, "127.0.0.7");
}, { skip: Deno.build.os === "linux" ? undefined : "only Linux answers on all of 127.0.0.0/8" });

e2e("allow_from behind a unix socket believes the trusted proxy", async (world) => {
  const { secret, config } = await site(
    world,
    { listen: `unix:${world.file("hook.sock")}`, trusted_proxies: ["unix"] },
    { allow_from: ["10.0.0.0/8"] },
  );
  const service = await world.start(config);
  const from = async (address: string) =>
    (await service.post(v2(PUSH, { secret }), { headers: { "X-Forwarded-For": address } })).status;
  assertEquals([await from("10.1.2.3"), await from("192.0.2.1")], [202, 403]);
  assertEquals(await accepts(service, secret), 403, "without an address nobody is let in");
});

e2e("listen goes on after the descriptors ran out", async (world) => {
  const { secret, config } = await site(world, {});
  const service = await world.start(config, { files: 80 });
  const open: RawConnection[] = [];
  world.onEnd(async () => {
    for (const connection of open) await connection.close();
  });
  // More connections than descriptors. The backlog takes what the service cannot, until the listener
  // breaks; a new one needs a descriptor, so it is there only when connections have gone.
  await until(
    () => RawConnection.open(service.place).then((one) => open.push(one) > 1_000, () => true),
    "a listener that is out of descriptors",
  );
  for (const connection of open.splice(0)) await connection.close();
  await service.logged("started-again");
  const status = await until(
    () => accepts(service, secret).catch(() => undefined),
    "a delivery after the flood",
  );
  assertEquals(status, 202);
  assertEquals((await service.deployed()).repository, "app");
}, { skip: Deno.build.os === "linux" ? undefined : "counts on Linux's limits" });
