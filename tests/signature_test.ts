import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import {
  type Bytes,
  hmacKey,
  sign,
  type SignatureHeader,
  signatureReader,
  tokenMatcher,
  verifyMac,
} from "../lib/signature.ts";
import { bytes } from "./providers/deliveries.ts";
import { capture, HAS_FIXTURES, type Vector, vectors } from "./providers/fixtures.ts";

const SHA1_HEX: SignatureHeader = {
  header: "X-Signature",
  hash: "SHA-1",
  prefix: "sha1=",
  encoding: "hex",
};
const SHA256_BASE64: SignatureHeader = {
  header: "X-Signature",
  hash: "SHA-256",
  prefix: "",
  encoding: "base64",
};

function headersWith(value: string): Headers {
  return new Headers({ "X-Signature": value });
}

/** Bytes that are nobody else's, of the type that Web Crypto takes. */
function own(source: Uint8Array): Bytes {
  return new Uint8Array(source);
}

function flipped(source: Uint8Array, bit: number): Bytes {
  const copy = own(source);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

Deno.test("sign() writes what node:crypto writes, in hexadecimal and in base64", async () => {
  const body = bytes('{"ref":"refs/heads/主干"}');
  const sha1 = createHmac("sha1", "密钥").update(body);
  assertEquals(
    await sign(SHA1_HEX, await hmacKey("密钥", "SHA-1"), body),
    `sha1=${sha1.digest("hex")}`,
  );
  const sha256 = createHmac("sha256", "密钥").update(body);
  assertEquals(
    await sign(SHA256_BASE64, await hmacKey("密钥", "SHA-256"), body),
    sha256.digest("base64"),
  );
});

Deno.test("hmacKey() takes a text as UTF-8 and bytes as they are", async () => {
  const body = bytes("x");
  const text = await sign(SHA1_HEX, await hmacKey("密", "SHA-1"), body);
  assertEquals(await sign(SHA1_HEX, await hmacKey(bytes("密"), "SHA-1"), body), text);
});

Deno.test("signatureReader() reads exactly one MAC in exactly the forge's form", () => {
  const read = signatureReader(SHA1_HEX);
  const mac = "0123456789abcdef0123456789abcdef01234567";
  assertEquals(read(headersWith(`sha1=${mac}`)), own(Buffer.from(mac, "hex")));
  assertEquals(read(new Headers()), undefined, "missing");
  const malformed: Record<string, string> = {
    empty: "",
    "prefix alone": "sha1=",
    "no prefix": mac,
    "other prefix": `sha256=${mac}`,
    "prefix in capitals": `SHA1=${mac}`,
    "prefix twice": `sha1=sha1=${mac}`,
    "space after the prefix": `sha1= ${mac}`,
    truncated: `sha1=${mac.slice(0, -2)}`,
    "one digit short": `sha1=${mac.slice(0, -1)}`,
    "one digit long": `sha1=${mac}0`,
    "of another hash's length": `sha1=${mac.padEnd(64, "0")}`,
    "in capitals": `sha1=${mac.toUpperCase()}`,
    "not hexadecimal": `sha1=${mac.slice(0, -1)}g`,
    "not ASCII": `sha1=${mac.slice(0, -1)}é`,
    "two in one": `sha1=${mac},sha1=${mac}`,
    "half empty list": `sha1=${mac},`,
  };
  for (const [what, value] of Object.entries(malformed)) {
    assertEquals(read(headersWith(value)), undefined, what);
  }
});

Deno.test("signatureReader() refuses two headers, even equal ones", () => {
  const headers = headersWith(`sha1=${"0".repeat(40)}`);
  headers.append("X-Signature", `sha1=${"0".repeat(40)}`);
  assertEquals(signatureReader(SHA1_HEX)(headers), undefined);
});

Deno.test("signatureReader() reads base64 with its padding and nothing else", () => {
  const read = signatureReader(SHA256_BASE64);
  const mac = own(new Uint8Array(32).fill(0xfb));
  const text = Buffer.from(mac).toString("base64");
  assertEquals(read(headersWith(text)), mac);
  for (const wrong of [text.replace("=", ""), `${text}=`, text.replaceAll("+", "-"), "", "=="]) {
    assertEquals(read(headersWith(wrong)), undefined, wrong);
  }
  // Twenty bytes end in another number of padding characters than thirty-two.
  const sha1 = { ...SHA256_BASE64, hash: "SHA-1" } as const;
  assertEquals(signatureReader(sha1)(headersWith(`${"A".repeat(27)}=`)), new Uint8Array(20));
});

Deno.test("signatureReader() never throws, whatever stands in the header", () => {
  const readers = [SHA1_HEX, SHA256_BASE64].map(signatureReader);
  const latin1 = fc.uint8Array({ maxLength: 80 }).map((codes) => String.fromCharCode(...codes));
  fc.assert(fc.property(
    fc.oneof(latin1, latin1.map((text) => `sha1=${text}`)),
    (value) => {
      let headers: Headers;
      try {
        headers = headersWith(value);
      } catch {
        return; // Not a header at all: no server could pass it on.
      }
      for (const read of readers) {
        const mac = read(headers);
        assert(mac === undefined || mac.length === 20 || mac.length === 32);
      }
    },
  ));
});

Deno.test("verifyMac() accepts a MAC for its own bytes and key alone", async () => {
  const key = await hmacKey("secret", "SHA-1");
  const body = bytes("body");
  const mac = own(createHmac("sha1", "secret").update(body).digest());
  assertEquals(await verifyMac(key, mac, body), true);
  assertEquals(await verifyMac(await hmacKey("Secret", "SHA-1"), mac, body), false, "key");
  assertEquals(await verifyMac(key, mac, bytes("body\n")), false, "longer body");
  assertEquals(await verifyMac(key, mac.slice(0, 19), body), false, "truncated");
  assertEquals(await verifyMac(key, new Uint8Array(0), body), false, "no MAC");
});

Deno.test("verifyMac() refuses any single flipped bit of body and MAC", async () => {
  const key = await hmacKey("secret", "SHA-1");
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ minLength: 1, maxLength: 512 }),
    fc.nat(),
    fc.integer({ min: 0, max: 159 }),
    async (source, position, macBit) => {
      const body = own(source);
      const mac = own(createHmac("sha1", "secret").update(body).digest());
      assert(await verifyMac(key, mac, body));
      assert(!await verifyMac(key, flipped(mac, macBit), body));
      assert(!await verifyMac(key, mac, flipped(body, position % (body.length * 8))));
    },
  ));
});

Deno.test("tokenMatcher() matches the same token alone", async () => {
  const matches = await tokenMatcher("s3cret-密");
  assertEquals(await matches("s3cret-密"), true);
  for (const other of ["", "s3cret", "s3cret-密 ", "S3cret-密", "s3cret-密\0", "x".repeat(1e6)]) {
    assertEquals(await matches(other), false, other.slice(0, 20));
  }
});

function keyOf({ secret }: Vector): string | Bytes {
  const [, base64] = /^base64:(.*)$/.exec(secret) ?? [];
  return base64 === undefined ? secret : own(Buffer.from(base64, "base64"));
}

Deno.test({
  name: "sign() and signatureReader() agree with the published signatures",
  ignore: !HAS_FIXTURES,
  async fn() {
    const published = HAS_FIXTURES ? vectors() : [];
    assertNotEquals(published.length, 0);
    for (const vector of published) {
      const [, hash, encoding] = /^hmac-sha(1|256)-(hex|base64)$/.exec(vector.algorithm)!;
      const format = {
        header: "X-Signature",
        hash: `SHA-${hash}`,
        prefix: "",
        encoding,
      } as SignatureHeader;
      const body = vector.signed_file === undefined
        ? bytes(vector.signed!)
        : capture(vector.signed_file);
      const key = await hmacKey(keyOf(vector), format.hash);
      assertEquals(await sign(format, key, body), vector.expected, vector.provider);
      const mac = signatureReader(format)(headersWith(vector.expected));
      assert(mac !== undefined && await verifyMac(key, mac, body), vector.provider);
    }
  },
});
