/**
 * A self-signed certificate for localhost and 127.0.0.1, made for one test: no key lies in the
 * repository, and no openssl is needed. X.509 v3 in DER (RFC 5280), ECDSA P-256 with SHA-256.
 */

type Bytes = Uint8Array<ArrayBuffer>;

function concat(parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Tag, length, value. */
function der(tag: number, ...parts: Bytes[]): Bytes {
  const value = concat(parts);
  const length = value.length < 128
    ? [value.length]
    : value.length < 256
    ? [0x81, value.length]
    : [0x82, value.length >> 8, value.length & 255];
  return concat([Uint8Array.from([tag, ...length]), value]);
}

const SEQUENCE = 0x30;
const SET = 0x31;
const text = (value: string): Bytes => new TextEncoder().encode(value);
const oid = (...bytes: number[]): Bytes => der(0x06, Uint8Array.from(bytes));

const ECDSA_WITH_SHA256 = der(SEQUENCE, oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const COMMON_NAME = oid(0x55, 0x04, 0x03);
const SUBJECT_ALT_NAME = oid(0x55, 0x1d, 0x11);

/** A non-negative integer, big-endian, with the sign bit kept clear and no leading zeros. */
function integer(bytes: Bytes): Bytes {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const value = bytes.subarray(start);
  return (value[0] ?? 0) > 127 ? der(0x02, Uint8Array.of(0), value) : der(0x02, value);
}

function name(common: string): Bytes {
  return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(0x0c, text(common)))));
}

function bits(bytes: Bytes): Bytes {
  return der(0x03, Uint8Array.of(0), bytes);
}

function pem(label: string, bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes)).replace(/(.{64})/g, "$1\n").trimEnd();
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}

export interface Certificate {
  /** PEM, also good as the one certificate authority that a client trusts. */
  cert: string;
  /** PEM, PKCS #8. */
  key: string;
}

export async function selfSigned(common = "hook test"): Promise<Certificate> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const serial = crypto.getRandomValues(new Uint8Array(8));
  const validity = der(
    SEQUENCE,
    der(0x17, text("200101000000Z")),
    der(0x17, text("491231235959Z")),
  );
  const alternatives = der(
    SEQUENCE,
    der(0x82, text("localhost")),
    der(0x87, Uint8Array.of(127, 0, 0, 1)),
  );
  const extensions = der(
    0xa3,
    der(SEQUENCE, der(SEQUENCE, SUBJECT_ALT_NAME, der(0x04, alternatives))),
  );
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    integer(serial),
    ECDSA_WITH_SHA256,
    name(common),
    validity,
    name(common),
    publicKey,
    extensions,
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, body),
  );
  const signature = der(SEQUENCE, integer(raw.slice(0, 32)), integer(raw.slice(32)));
  return {
    cert: pem("CERTIFICATE", der(SEQUENCE, body, ECDSA_WITH_SHA256, bits(signature))),
    key: pem("PRIVATE KEY", privateKey),
  };
}
