/**
 * Addresses: where a listener binds, who a client is, and which networks a client belongs to.
 *
 * @module
 */

import ipaddr from "ipaddr.js";
import { absolutePath } from "./values.ts";

/** Where a listener binds. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** The longest path of a unix socket, in bytes: `sun_path` has 108 with the closing zero. */
const MAX_UNIX_PATH = 107;

/** Reads `host:port`, `[v6]:port` or `unix:/path`; undefined where it is none of them. */
export function listenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith("unix:")) {
    const path = absolutePath(text.slice("unix:".length));
    if (path === undefined || new TextEncoder().encode(path).length > MAX_UNIX_PATH) {
      return undefined;
    }
    return { kind: "unix", path };
  }
  const [, v6, host, digits] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port <= 65535)) return undefined;
  if (v6 !== undefined) {
    return ipaddr.IPv6.isValid(v6) ? { kind: "tcp", hostname: v6, port } : undefined;
  }
  // All digits and dots is an address or a slip, never a name.
  if (/^[\d.]+$/.test(host!) && !ipaddr.IPv4.isValidFourPartDecimal(host!)) return undefined;
  return { kind: "tcp", hostname: host!, port };
}

/** A URL of a listener's root, or `unix:/path`: as bound, never a made-up name. */
export function formatListenAddress(address: ListenAddress, secure = false): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `${secure ? "https" : "http"}://${host}:${address.port}`;
}

/** Whether two listeners would bind the same, or neither would bind at all. */
export function isSameAddress(a: ListenAddress | undefined, b: ListenAddress | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return formatListenAddress(a) === formatListenAddress(b);
}

/** Whether only this machine can reach the listener: a unix socket, or a loopback address. */
export function isLocal(address: ListenAddress): boolean {
  if (address.kind === "unix" || address.hostname === "localhost") return true;
  return ip(address.hostname)?.range() === "loopback";
}

/** A range of addresses, as CIDR writes it. */
export type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a single address; undefined where it is neither. */
export function network(text: string): Network | undefined {
  const [, address = "", bits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const parsed = ip(address);
  if (parsed === undefined) return undefined;
  const whole = parsed.kind() === "ipv4" ? 32 : 128;
  // `::ffff:192.0.2.0/120` counts the bits of the dress too.
  const dress = address.includes(":") ? 128 - whole : 0;
  const prefix = bits === undefined ? whole : Number(bits) - dress;
  return prefix >= 0 && prefix <= whole ? [parsed, prefix] : undefined;
}

/** Reads one address; IPv4 in the dress of IPv6 (`::ffff:192.0.2.1`) counts as IPv4. */
function ip(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Short and octal forms of IPv4 mean different hosts to different programs, so they mean none.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.process(text);
}

function isIn(networks: readonly Network[], address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return networks.some(([base, bits]) =>
    base.kind() === address.kind() && address.match([base, bits] as [ipaddr.IPv4, number])
  );
}

/** Who stands at the other end: an address, or a unix socket, which has none. */
export type Client = { readonly address: string } | "unix";

/** Which peers may say on whose behalf they ask. */
export interface TrustedProxies {
  readonly networks: readonly Network[];
  /** Whoever can connect to our unix socket. */
  readonly unix: boolean;
}

/** The longest `X-Forwarded-For` that is read, in addresses: a chain of proxies is short. */
const MAX_HOPS = 32;

/**
 * Finds who sent a request: the peer, or, where the peer is a trusted proxy, the address that it
 * names in `X-Forwarded-For`. The list is read from the right, where our own proxies wrote, up to
 * the first address that is not trusted; what stands left of it may be anyone's invention.
 */
export function clientOf(
  peer: Deno.NetAddr | Deno.UnixAddr,
  forwardedFor: string | null,
  trusted: TrustedProxies,
): Client {
  const own = peer.transport === "tcp" ? ip(peer.hostname) : undefined;
  const client: Client = peer.transport === "tcp"
    ? { address: own?.toString() ?? peer.hostname }
    : "unix";
  const believed = client === "unix"
    ? trusted.unix
    : own !== undefined && isIn(trusted.networks, own);
  if (!believed || forwardedFor === null) return client;
  let found = client;
  for (const hop of forwardedFor.split(",").slice(-MAX_HOPS).reverse()) {
    const address = ip(hop.trim());
    if (address === undefined) return found;
    found = { address: address.toString() };
    if (!isIn(trusted.networks, address)) return found;
  }
  return found;
}

/** Whether the client's address is in one of the networks. A unix socket is in none. */
export function isAllowed(client: Client, networks: readonly Network[]): boolean {
  const address = client === "unix" ? undefined : ip(client.address);
  return address !== undefined && isIn(networks, address);
}
