/**
 * The signature of Standard Webhooks (specification 1.0.0), which GitLab uses too: HMAC-SHA256 over
 * `id.timestamp.body`, base64, in a list such as `v1,… v1,…` that holds one a secret while they are
 * rotated. `v1a`, the asymmetric kind, is passed over.
 *
 * @module
 */

import { type Bytes, type Message, type SignatureHeader, strictBase64 } from "../signature.ts";
import { deliveryId } from "./payload.ts";
import { freshOnly, signatureOf, signedBy, timestampOf } from "./proof.ts";
import type { Authenticator, Draft, SecretForm } from "./provider.ts";

const ID = "webhook-id";
const TIMESTAMP = "webhook-timestamp";
export const STANDARD_SIGNATURE = "webhook-signature";

/** How far a timestamp may be from now; that of the reference libraries. */
const TOLERANCE = 5 * 60_000;

/** The shortest and the longest key that the specification knows, in bytes. */
const KEY_BYTES = { least: 24, most: 64 } as const;

const utf8 = new TextEncoder();

const FORMAT: SignatureHeader = {
  header: STANDARD_SIGNATURE,
  hash: "SHA-256",
  prefix: "v1,",
  encoding: "base64",
  several: true,
  signed: ({ headers, body }: Message) => {
    const id = deliveryId(headers, ID);
    const timestamp = timestampOf(headers, TIMESTAMP);
    return id === undefined || timestamp === undefined
      ? undefined
      : signedBytes(id, timestamp, body);
  },
};

function signedBytes(id: string, timestamp: string, body: Bytes): Bytes {
  const head = utf8.encode(`${id}.${timestamp}.`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** The key behind a secret: what follows `whsec_`, decoded; undefined where it is none. */
function keyOf(secret: string): Bytes | undefined {
  const key = strictBase64(secret.replace(/^whsec_/, ""));
  if (key === undefined) return undefined;
  return key.length >= KEY_BYTES.least && key.length <= KEY_BYTES.most ? key : undefined;
}

/** What a secret must look like. */
export const STANDARD_SECRET: SecretForm = {
  allowed: `"whsec_" and the base64 of ${KEY_BYTES.least} to ${KEY_BYTES.most} bytes`,
  fits: (secret) => keyOf(secret) !== undefined,
};

function requiredKey(secret: string): Bytes {
  const key = keyOf(secret);
  if (key === undefined) throw new TypeError(`the secret must be ${STANDARD_SECRET.allowed}`);
  return key;
}

/** Makes the check of such a signature and of its time. */
export async function standardAuthenticator(secret: string, forge: string): Promise<Authenticator> {
  const check = await signedBy(FORMAT, requiredKey(secret), forge);
  return freshOnly({ header: TIMESTAMP, unit: 1000, tolerance: TOLERANCE }, check);
}

/** The id that such a delivery carries, the same when it is sent again. */
export function standardId(headers: Headers): string | undefined {
  return deliveryId(headers, ID);
}

/** The three headers for a body of our own. */
export async function standardHeaders(
  { id, now }: Draft,
  secret: string,
  body: Bytes,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000));
  return {
    [ID]: id,
    [TIMESTAMP]: timestamp,
    [STANDARD_SIGNATURE]: await signatureOf(
      FORMAT,
      requiredKey(secret),
      signedBytes(id, timestamp, body),
    ),
  };
}
