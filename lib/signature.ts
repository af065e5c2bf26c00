/**
 * Proof that a delivery comes from someone who knows the secret: HMAC over the bytes that arrived,
 * computed and compared by Web Crypto, whose comparison takes the same time wherever the first
 * difference is.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "@std/encoding/base64";
import { decodeHex, encodeHex } from "@std/encoding/hex";

/** The bytes of a request's body; never shared memory, so Web Crypto takes them without a copy. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** How a forge writes an HMAC into a header: `Header: prefix` + encoded MAC. */
export interface SignatureHeader {
  readonly header: string;
  readonly hash: "SHA-1" | "SHA-256";
  /** What stands before the MAC, such as `sha1=`; compared exactly. */
  readonly prefix: string;
  readonly encoding: "hex" | "base64";
}

const MAC_BYTES = { "SHA-1": 20, "SHA-256": 32 } as const;
const ENCODED = {
  hex: (bytes: number) => new RegExp(`^[0-9a-f]{${bytes * 2}}$`),
  base64: (bytes: number) => {
    const full = Math.floor(bytes / 3) * 4 + (bytes % 3 === 0 ? 0 : bytes % 3 + 1);
    return new RegExp(`^[A-Za-z0-9+/]{${full}}={${(4 - full % 4) % 4}}$`);
  },
};
const utf8 = new TextEncoder();

/** Imports a secret for HMAC. Done once when the configuration is read, not for each request. */
export function hmacKey(
  secret: string | Bytes,
  hash: SignatureHeader["hash"],
): Promise<CryptoKey> {
  const raw = typeof secret === "string" ? utf8.encode(secret) : secret;
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash }, false, ["sign", "verify"]);
}

/** Makes the reader of one forge's signature header. */
export function signatureReader(format: SignatureHeader): (headers: Headers) => Bytes | undefined {
  const encoded = ENCODED[format.encoding](MAC_BYTES[format.hash]);
  const decode = format.encoding === "hex" ? decodeHex : decodeBase64;
  /**
   * The MAC, or undefined where the header is absent or is anything but exactly one MAC in exactly
   * this form. Two headers arrive joined by a comma and so are refused too.
   */
  return (headers) => {
    const value = headers.get(format.header);
    if (value === null || !value.startsWith(format.prefix)) return undefined;
    const mac = value.slice(format.prefix.length);
    return encoded.test(mac) ? decode(mac) as Bytes : undefined;
  };
}

/** Whether `mac` is the HMAC of `bytes`, in a time that does not depend on where it differs. */
export function verifyMac(key: CryptoKey, mac: Bytes, bytes: Bytes): Promise<boolean> {
  return crypto.subtle.verify("HMAC", key, mac, bytes);
}

/** The header's value for these bytes, as the forge would write it. */
export async function sign(format: SignatureHeader, key: CryptoKey, bytes: Bytes): Promise<string> {
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes));
  return format.prefix + (format.encoding === "hex" ? encodeHex(mac) : encodeBase64(mac));
}

/**
 * Makes a comparison with a secret that forges send in clear. Both sides are hashed with a key
 * of this process first, so that neither the content nor the length of the secret shows in the
 * time that it takes.
 */
export async function tokenMatcher(
  token: string,
): Promise<(candidate: string) => Promise<boolean>> {
  const key = await hmacKey(crypto.getRandomValues(new Uint8Array(32)), "SHA-256");
  const expected = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(token)));
  return (candidate) => verifyMac(key, expected, utf8.encode(candidate));
}
