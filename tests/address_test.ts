import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Client,
  clientOf,
  formatListenAddress,
  isAllowed,
  isSameAddress,
  type ListenAddress,
  listenAddress,
  type Network,
  network,
  type TrustedProxies,
} from "../lib/address.ts";
import { textOf } from "./support/texts.ts";

const tcp = (hostname: string, port: number): ListenAddress => ({ kind: "tcp", hostname, port });
const unix = (path: string): ListenAddress => ({ kind: "unix", path });

Deno.test("listenAddress() reads host:port, [v6]:port and unix:/path", () => {
  for (
    const [text, address] of [
      ["0.0.0.0:17838", tcp("0.0.0.0", 17838)],
      ["localhost:0", tcp("localhost", 0)],
      ["hook.example.com:65535", tcp("hook.example.com", 65535)],
      ["[::]:80", tcp("::", 80)],
      ["[2001:db8::1]:80", tcp("2001:db8::1", 80)],
      ["[::ffff:192.0.2.1]:80", tcp("::ffff:192.0.2.1", 80)],
      ["unix:/run/hook.sock", unix("/run/hook.sock")],
      ["unix:/run//hook.sock", unix("/run/hook.sock")],
      ["unix:/run/a b/网.sock", unix("/run/a b/网.sock")],
    ] as const
  ) assertEquals(listenAddress(text), address, text);
});

Deno.test("listenAddress() refuses what cannot be bound", () => {
  const texts = ["", "none", "17838", ":17838", "localhost", "localhost:", "localhost:65536"];
  texts.push("localhost:-1", "localhost:1e3", "localhost:123456", "http://localhost:80", "a b:80");
  texts.push("::1:80", "[::1]", "[localhost]:80", "[1::2::3]:80", "[]:80", "127.0.0.1:80\n");
  texts.push("999.0.0.1:80", "1.2.3:80", "010.0.0.1:80", "unix:", "unix:hook.sock", "unix:/");
  for (const text of [...texts, "unix:/run/../hook.sock", "unix:/run/a\nb"]) {
    assertEquals(listenAddress(text), undefined, JSON.stringify(text));
  }
});

Deno.test("listenAddress() takes socket paths as long as the system does, in bytes", () => {
  const longest = `/${"x".repeat(106)}`;
  assertEquals(listenAddress(`unix:${longest}`), unix(longest));
  assertEquals(listenAddress(`unix:${longest}x`), undefined);
  assertEquals(listenAddress(`unix:/${"网".repeat(36)}`), undefined);
});

Deno.test("formatListenAddress() gives a URL that can be pasted, or the socket", () => {
  assertEquals(formatListenAddress(tcp("0.0.0.0", 80)), "http://0.0.0.0:80");
  assertEquals(formatListenAddress(tcp("::1", 443), true), "https://[::1]:443");
  assertEquals(formatListenAddress(unix("/run/hook.sock")), "unix:/run/hook.sock");
});

Deno.test("listenAddress() reads what formatListenAddress() writes", () => {
  const pieces = ["localhost", "127.0.0.1", "[", "]", "::1", ":", "80", "unix:/", "a", "/"];
  fc.assert(
    fc.property(textOf(...pieces), (text) => {
      const address = listenAddress(text);
      if (address === undefined) return;
      assertEquals(listenAddress(formatListenAddress(address).replace("http://", "")), address);
    }),
    { numRuns: 500 },
  );
});

Deno.test("isSameAddress() compares host and port, or paths", () => {
  assertEquals(isSameAddress(tcp("::1", 80), tcp("::1", 80)), true);
  assertEquals(isSameAddress(tcp("::1", 80), tcp("::1", 81)), false);
  assertEquals(isSameAddress(tcp("::1", 80), tcp("::", 80)), false);
  assertEquals(isSameAddress(unix("/a"), unix("/a")), true);
  assertEquals(isSameAddress(unix("/a"), unix("/b")), false);
});

/** A network as text, with the kind of its addresses. */
function told(text: string): string | undefined {
  const read = network(text);
  return read && `${read[0].kind()} ${read[0]}/${read[1]}`;
}

Deno.test("network() reads CIDR and single addresses of both kinds", () => {
  for (
    const [text, expected] of [
      ["192.0.2.0/24", "ipv4 192.0.2.0/24"],
      ["192.0.2.1", "ipv4 192.0.2.1/32"],
      ["0.0.0.0/0", "ipv4 0.0.0.0/0"],
      ["2001:db8::/32", "ipv6 2001:db8::/32"],
      ["::1", "ipv6 ::1/128"],
      ["::/0", "ipv6 ::/0"],
      ["::ffff:192.0.2.1", "ipv4 192.0.2.1/32"],
      ["::ffff:192.0.2.0/120", "ipv4 192.0.2.0/24"],
    ] as const
  ) assertEquals(told(text), expected, text);
});

Deno.test("network() refuses what could be read in two ways", () => {
  const texts = ["", "unix", "10", "10.0", "10.0.0", "010.0.0.1", "0x0a.0.0.1", "10.0.0.0/33"];
  texts.push("10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/255.0.0.0", "::/129", "::ffff:10.0.0.0/95");
  for (const text of [...texts, "fe80::1%eth0", "example.com", " 10.0.0.1", "10.0.0.1\n"]) {
    assertEquals(told(text), undefined, JSON.stringify(text));
  }
});

const CLIENT: Client = { address: "203.0.113.9" };
const nobody: TrustedProxies = { networks: [], unix: false };

function networks(...texts: string[]): Network[] {
  return texts.map((text) => network(text)!);
}

function peer(hostname: string): Deno.NetAddr {
  return { transport: "tcp", hostname, port: 50000 };
}

const socket: Deno.UnixAddr = { transport: "unix", path: "/run/hook.sock" };

Deno.test("clientOf() is the peer where no proxy is trusted, whatever the header says", () => {
  assertEquals(clientOf(peer("203.0.113.9"), "192.0.2.1", nobody), CLIENT);
  assertEquals(clientOf(peer("203.0.113.9"), null, nobody), CLIENT);
  assertEquals(clientOf(socket, "192.0.2.1", nobody), "unix");
});

Deno.test("clientOf() reads IPv4 in the dress of IPv6 as IPv4", () => {
  assertEquals(clientOf(peer("::ffff:203.0.113.9"), null, nobody), CLIENT);
  const trusted = { networks: networks("10.0.0.0/8"), unix: false };
  assertEquals(clientOf(peer("::ffff:10.0.0.1"), "203.0.113.9", trusted), CLIENT);
});

Deno.test("clientOf() believes a trusted proxy, and reads the header from its right end", () => {
  const trusted = { networks: networks("10.0.0.0/8", "::1"), unix: false };
  for (
    const header of [
      "203.0.113.9",
      "1.2.3.4, 203.0.113.9",
      "10.9.9.9,203.0.113.9 , 10.0.0.2",
      "invented, 203.0.113.9",
      "203.0.113.9, 10.0.0.3, ::ffff:10.0.0.2",
    ]
  ) {
    assertEquals(clientOf(peer("10.0.0.1"), header, trusted), CLIENT, header);
    assertEquals(clientOf(peer("::1"), header, trusted), CLIENT, header);
  }
});

Deno.test("clientOf() is the last hop that can be read", () => {
  const trusted = { networks: networks("10.0.0.0/8"), unix: false };
  const from = (header: string) => clientOf(peer("10.0.0.1"), header, trusted);
  for (const header of ["", ",", "invented", "203.0.113.9:1234", "203.0.113.9, 010.0.0.2"]) {
    assertEquals(from(header), { address: "10.0.0.1" }, header);
  }
  assertEquals(from("invented, 10.0.0.7"), { address: "10.0.0.7" });
  assertEquals(from("10.0.0.8, 10.0.0.7"), { address: "10.0.0.8" });
});

Deno.test("clientOf() believes whoever connects to the socket only where unix is trusted", () => {
  assertEquals(clientOf(socket, "203.0.113.9", { networks: [], unix: true }), CLIENT);
  assertEquals(clientOf(socket, null, { networks: [], unix: true }), "unix");
  assertEquals(clientOf(peer("203.0.113.9"), "192.0.2.1", { networks: [], unix: true }), CLIENT);
});

Deno.test("clientOf() never takes a TCP peer for one of the socket", () => {
  const client = clientOf(peer("no address"), "192.0.2.1", { networks: [], unix: true });
  assertEquals(client, { address: "no address" });
});

Deno.test("clientOf() reads a bounded number of hops, from the right", () => {
  const trusted = { networks: networks("10.0.0.0/8"), unix: false };
  const hops = Array.from({ length: 100 }, () => "10.0.0.2").join(",");
  assertEquals(clientOf(peer("10.0.0.1"), `192.0.2.1,${hops}`, trusted), { address: "10.0.0.2" });
});

Deno.test("clientOf() takes no long nonsense for an address", () => {
  const trusted = { networks: networks("10.0.0.0/8"), unix: false };
  for (const piece of [":", "1.", "f:", "0", "::ffff:"]) {
    assertEquals(clientOf(peer("10.0.0.1"), piece.repeat(1e5), trusted), { address: "10.0.0.1" });
  }
});

Deno.test("clientOf() names an address that is untrusted, a hop or the peer", () => {
  const trusted = { networks: networks("10.0.0.0/8"), unix: false };
  const pieces = ["10.0.0.2", "203.0.113.9", ",", " ", "::1", "::ffff:10.0.0.3", "x"];
  fc.assert(fc.property(textOf(...pieces), (header) => {
    const client = clientOf(peer("10.0.0.1"), header, trusted);
    const address = client === "unix" ? "unix" : client.address;
    const hops = header.split(",").map((hop) => hop.trim().replace("::ffff:10", "10"));
    assert(["10.0.0.1", ...hops].some((hop) => network(hop)?.[0].toString() === address));
  }));
});

Deno.test("isAllowed() finds the client in a network of its own kind", () => {
  const list = networks("192.0.2.0/24", "2001:db8::/32");
  const cases: [string, boolean][] = [
    ["192.0.2.255", true],
    ["192.0.3.0", false],
    ["2001:db8:ffff::1", true],
    ["2001:db9::1", false],
    ["::ffff:192.0.2.7", true],
    ["::c000:207", false],
    ["no address", false],
  ];
  for (const [address, allowed] of cases) {
    assertEquals(isAllowed({ address }, list), allowed, address);
  }
  assertEquals(isAllowed({ address: "192.0.2.1" }, []), false);
  assertEquals(isAllowed({ address: "::1" }, networks("0.0.0.0/0")), false);
});

Deno.test("isAllowed() finds a unix socket in no network", () => {
  assertEquals(isAllowed("unix", networks("0.0.0.0/0", "::/0")), false);
});
