/**
 * Reading what forges post: JSON, or a form whose field `payload` is JSON. Everything in it is
 * hostile until shown otherwise: own properties alone are read, and only where their type is right.
 *
 * @module
 */

import type { RefChange } from "../delivery.ts";
import { isNullSha, isPlausibleRef, printable, type Sha, sha } from "../values.ts";
import { type Payload, type Posted, UnreadableDelivery } from "./provider.ts";

/** The two ways in which forges write a body. */
export type BodyFormat = "json" | "form";

/** The format that a Content-Type announces, or undefined where it is neither. */
export function bodyFormat(contentType: string | null): BodyFormat | undefined {
  const [type = ""] = (contentType ?? "").split(";", 1);
  const mediaType = type.trim().toLowerCase();
  if (mediaType === "application/json" || mediaType.endsWith("+json")) return "json";
  return mediaType === "application/x-www-form-urlencoded" ? "form" : undefined;
}

// A byte order mark is dropped by the decoder; other editors' habits are not repaired.
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses a body.
 *
 * @throws {UnreadableDelivery} where it is not UTF-8, not JSON, or no object
 */
export function parsePayload({ headers, body }: Posted): Payload {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new UnreadableDelivery("the body is not valid UTF-8");
  }
  if (bodyFormat(headers.get("content-type")) === "form") {
    const field = new URLSearchParams(text).get("payload");
    if (field === null) throw new UnreadableDelivery('the form has no field "payload"');
    text = field;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableDelivery("the body is not valid JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UnreadableDelivery("the body is not a JSON object");
  }
  return value as Payload;
}

/** The value at a path of keys, or undefined where any step of it is missing. */
function at(payload: Payload, path: string): unknown {
  let value: unknown = payload;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/**
 * The text at `path`, or undefined where there is none or it is null.
 *
 * @throws {UnreadableDelivery} where something else stands there
 */
export function text(payload: Payload, path: string): string | undefined {
  const value = at(payload, path);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new UnreadableDelivery(`"${path}" is not a string`);
  return value;
}

/** The first text among several paths that is neither empty nor of another type, for display. */
export function anyText(payload: Payload, ...paths: string[]): string | undefined {
  for (const path of paths) {
    const value = at(payload, path);
    if (typeof value === "string" && value !== "") return printable(value);
  }
  return undefined;
}

/** Whether the value at `path` is `true`. */
export function flag(payload: Payload, path: string): boolean {
  return at(payload, path) === true;
}

/**
 * The commit at `path`, or undefined where there is none.
 *
 * @throws {UnreadableDelivery} where it is not an object name
 */
function commit(payload: Payload, path: string): Sha | undefined {
  const name = text(payload, path);
  if (name === undefined || name === "") return undefined;
  const known = sha(name);
  if (known === undefined) throw new UnreadableDelivery(`"${path}" is not a commit`);
  return known;
}

/**
 * The change that most forges write as `ref`, `before`, `after` and sometimes `deleted` at the top
 * of a push. A bare branch name, as in old documents, is completed.
 *
 * @throws {UnreadableDelivery} where one of them is missing or malformed
 */
export function refChange(payload: Payload): RefChange {
  const ref = text(payload, "ref");
  if (ref === undefined) throw new UnreadableDelivery('"ref" is missing');
  if (!isPlausibleRef(ref)) throw new UnreadableDelivery('"ref" is not the name of a ref');
  const before = commit(payload, "before");
  const after = commit(payload, "after");
  return {
    ref: ref.startsWith("refs/") ? ref : `refs/heads/${ref}`,
    ...before !== undefined && { before },
    ...after !== undefined && { after },
    deleted: flag(payload, "deleted") || (after !== undefined && isNullSha(after)),
  };
}

/** An id from a header: visible ASCII of a bounded length, else as if there were none. */
export function deliveryId(headers: Headers, header: string): string | undefined {
  const id = headers.get(header);
  return id !== null && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined;
}
