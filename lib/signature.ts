/**
 * Proof that a delivery comes from someone who knows the secret: HMAC over the bytes that arrived,
 * computed and compared by Web Crypto, whose comparison takes the same time wherever the first
 * difference is.
 *
 * @module
 */

import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { decodeBase64, encodeBase64 } from "@std/encoding/base64";
import { decodeHex, encodeHex } from "@std/encoding/hex";

/** The bytes of a request's body; never shared memory, so Web Crypto takes them without a copy. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What arrived: as much of a request as can be signed. */
export interface Message {
  readonly headers: Headers;
  readonly body: Bytes;
}

/** How a forge writes an HMAC into a header: `Header: prefix` + encoded MAC. */
export interface SignatureHeader {
  readonly header: string;
  readonly hash: "SHA-1" | "SHA-256";
  /** What stands before the MAC, such as `sha1=`; compared exactly. */
  readonly prefix: string;
  /** `percent-base64` is base64 whose `+`, `/` and `=` may be written as in URLs. */
  readonly encoding: "hex" | "base64" | "percent-base64";
  /** Several signatures may stand in the header, parted by blanks; one that fits is enough. */
  readonly several?: boolean;
  /**
   * What is signed, where it is not the body as it arrived; undefined where a part of it is missing
   * or malformed.
   */
  readonly signed?: (message: Message) => Bytes | undefined;
}

const MAC_BYTES = { "SHA-1": 20, "SHA-256": 32 } as const;
const ENCODED = {
  hex: (bytes: number) => new RegExp(`^[0-9a-f]{${bytes * 2}}$`),
  base64: (bytes: number) => {
    const full = Math.floor(bytes / 3) * 4 + (bytes % 3 === 0 ? 0 : bytes % 3 + 1);
    return new RegExp(`^[A-Za-z0-9+/]{${full}}={${(4 - full % 4) % 4}}$`);
  },
};

/** Signatures that are looked at in one header; more are nobody's rotation of keys. */
const MOST_SIGNATURES = 16;
const utf8 = new TextEncoder();

/** Imports a secret for HMAC. Done once when the configuration is read, not for each request. */
export function hmacKey(
  secret: string | Bytes,
  hash: SignatureHeader["hash"],
): Promise<CryptoKey> {
  const raw = typeof secret === "string" ? utf8.encode(secret) : secret;
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash }, false, ["sign", "verify"]);
}

/** Makes the reader of one MAC, as the forge writes it; undefined for anything else. */
function macReader({ hash, prefix, encoding }: SignatureHeader) {
  const form = encoding === "hex" ? "hex" : "base64";
  const encoded = ENCODED[form](MAC_BYTES[hash]);
  const decode = form === "hex" ? decodeHex : decodeBase64;
  return (value: string): Bytes | undefined => {
    if (!value.startsWith(prefix)) return undefined;
    const rest = value.slice(prefix.length);
    const mac = encoding === "percent-base64" ? withoutPercents(rest) : rest;
    return encoded.test(mac) ? decode(mac) as Bytes : undefined;
  };
}

function withoutPercents(text: string): string {
  return text.replace(/%2B|%2F|%3D/gi, decodeURIComponent);
}

/** Makes the reader of one forge's signature header. */
export function signatureReader(format: SignatureHeader): (headers: Headers) => Bytes | undefined {
  const read = macReader(format);
  /**
   * The MAC, or undefined where the header is absent or is anything but exactly one MAC in exactly
   * this form. Two headers arrive joined by a comma and so are refused too.
   */
  return (headers) => {
    const value = headers.get(format.header);
    return value === null ? undefined : read(value);
  };
}

/** Makes the reader of a header with several signatures: those in this form, up to a bound. */
function signaturesReader(format: SignatureHeader): (headers: Headers) => Bytes[] {
  const read = macReader(format);
  return (headers) => {
    const value = headers.get(format.header) ?? "";
    const values = value.split(" ", MOST_SIGNATURES + 1);
    // Two headers arrive joined by a comma and a blank.
    if (values.length > MOST_SIGNATURES || value.includes(", ")) return [];
    return values.map(read).filter((mac) => mac !== undefined);
  };
}

/** What a signature proved. */
export type Proof = "genuine" | "absent" | "malformed" | "unfit";

/** Makes the check of one forge's signatures with one secret, whose key is imported once. */
export async function signatureVerifier(
  format: SignatureHeader,
  secret: string | Bytes,
): Promise<(message: Message) => Promise<Proof>> {
  const key = await hmacKey(secret, format.hash);
  const readOne = signatureReader(format);
  const read = format.several
    ? signaturesReader(format)
    : (headers: Headers) => [readOne(headers)].filter((mac) => mac !== undefined);
  return async (message) => {
    if (!message.headers.has(format.header)) return "absent";
    const macs = read(message.headers);
    const bytes = format.signed ? format.signed(message) : message.body;
    if (macs.length === 0 || bytes === undefined) return "malformed";
    return await fits(key, macs, bytes) ? "genuine" : "unfit";
  };
}

/** Whether one of the MACs is that of `bytes`, of which there may be megabytes: hashed only once. */
async function fits(key: CryptoKey, macs: readonly Bytes[], bytes: Bytes): Promise<boolean> {
  if (macs.length === 1) return await verifyMac(key, macs[0]!, bytes);
  const expected = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes));
  // All of them are compared, so that the time does not tell which one it was.
  return macs.filter((mac) => timingSafeEqual(mac, expected)).length > 0;
}

/** Decodes base64 with its padding, or returns undefined for anything else. */
export function strictBase64(text: string): Bytes | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? decodeBase64(text) as Bytes : undefined;
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
