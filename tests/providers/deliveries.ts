/**
 * Deliveries as Coding posts them, built here and signed with node:crypto: the product's own
 * signatures do not vouch for themselves.
 */

import { createHmac } from "node:crypto";
import type { Posted } from "../../lib/providers/provider.ts";
import type { Bytes } from "../../lib/signature.ts";

export const SECRET = "correct horse battery staple";
export const BEFORE = "b".repeat(40);
export const AFTER = "a".repeat(40);
/** What forges send in place of a commit that does not exist. */
export const NO_COMMIT = "0".repeat(40);

export const JSON_TYPE = "application/json; charset=UTF-8";
export const FORM_TYPE = "application/x-www-form-urlencoded";

export type HeaderFields = Record<string, string>;

/** UTF-8, as it goes over the wire. */
export function bytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** `sha1=` and the hexadecimal HMAC-SHA1 of the raw body. */
export function signature(body: Bytes, secret = SECRET): string {
  return `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`;
}

/** A push, with the keys that v2 and Service Hook share. */
export function pushOf(ref = "refs/heads/main", more: Record<string, unknown> = {}) {
  return { ref, before: BEFORE, after: AFTER, pusher: { name: "张三" }, ...more };
}

/** A payload as JSON or as a form's field. */
export function encode(payload: unknown, form = false): Bytes {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return bytes(form ? new URLSearchParams({ payload: text }).toString() : text);
}

/** How a delivery is dressed. */
export interface Dress {
  readonly secret?: string;
  readonly form?: boolean;
  readonly event?: string;
  readonly delivery?: string;
  /** Added to the headers, over the usual ones. */
  readonly headers?: HeaderFields;
}

function typeOf({ form = false }: Dress): HeaderFields {
  return { "Content-Type": form ? FORM_TYPE : JSON_TYPE, "User-Agent": "Coding.net Hook" };
}

function posted(body: Bytes, ...headers: HeaderFields[]): Posted {
  return { headers: new Headers(Object.assign({}, ...headers)), body, received: 0 };
}

/** The second generation: a signature over the raw body. */
export function v2(payload: unknown, dress: Dress = {}): Posted {
  const body = payload instanceof Uint8Array ? payload as Bytes : encode(payload, dress.form);
  return posted(body, typeOf(dress), {
    "X-Coding-Event": dress.event ?? "push",
    "X-Coding-Delivery": dress.delivery ?? "5f0c2c5e-0000-4000-8000-000000000001",
    "X-Coding-WebHook-Version": "v2",
    "X-Coding-Signature": signature(body, dress.secret),
  }, dress.headers ?? {});
}

/** The first generation: the secret stands in the body, and nothing is signed. */
export function v1(payload: Record<string, unknown> | Bytes, dress: Dress = {}): Posted {
  const body = payload instanceof Uint8Array
    ? payload
    : encode({ ...payload, token: dress.secret ?? SECRET }, dress.form);
  return posted(
    body,
    typeOf(dress),
    { "X-Coding-Event": dress.event ?? "push" },
    dress.headers ?? {},
  );
}

/** A Service Hook: the second generation's signature, and an event of another name. */
export function serviceHook(payload: unknown, dress: Dress = {}): Posted {
  const body = encode(payload, dress.form);
  return posted(body, typeOf(dress), {
    "X-Coding-Service-Hook-Event": dress.event ?? "GIT_PUSHED",
    "X-Coding-Service-Hook-Id": "42",
    "X-Coding-Service-Hook-Action": "webhook_http_post",
    "X-Coding-Delivery": dress.delivery ?? "5f0c2c5e-0000-4000-8000-000000000002",
    "X-Coding-Signature": signature(body, dress.secret),
  }, dress.headers ?? {});
}
