/**
 * Reading what forges post: JSON, or a form whose field `payload` is JSON. Everything in it is
 * hostile until shown otherwise: own properties alone are read, and only where their type is right.
 *
 * @module
 */

import type { Delivery, DeliveryEvent, RefChange } from "../delivery.ts";
import type { Bytes, Message } from "../signature.ts";
import { isNullSha, isPlausibleRef, printable, type Sha, sha } from "../values.ts";
import { type Payload, UnreadableDelivery } from "./provider.ts";

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

/** What is parsed of any body: a push of 64 MiB has fewer parts, and more would take seconds. */
const MOST_PARTS = 1_000_000;

/**
 * Parses a body.
 *
 * @param maxParts how many brackets and commas it may have; fewer, where its sender is not known yet
 * @throws {UnreadableDelivery} where it is not UTF-8, not JSON, no object, or has too many parts
 */
export function parsePayload({ headers, body }: Message, maxParts = MOST_PARTS): Payload {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new UnreadableDelivery("the body is not valid UTF-8");
  }
  if (bodyFormat(headers.get("content-type")) === "form") {
    text = payloadField(text);
  }
  if (hasMoreParts(text, maxParts)) throw new UnreadableDelivery("the body has too many parts");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableDelivery("the body is not valid JSON");
  }
  if (!isObject(value)) throw new UnreadableDelivery("the body is not a JSON object");
  return value;
}

/**
 * The JSON that a body carries, as it is or in a form's field: what some forges sign.
 *
 * @returns undefined where there is none
 */
export function carriedJson({ headers, body }: Message): Bytes | undefined {
  if (bodyFormat(headers.get("content-type")) !== "form") return body;
  try {
    return new TextEncoder().encode(payloadField(utf8.decode(body)));
  } catch {
    return undefined;
  }
}

/** The field `payload` of a form; the others, of which there may be millions, are not looked at. */
function payloadField(form: string): string {
  const [field] = /(?<![^&])payload=[^&]*/.exec(form) ?? [];
  if (field === undefined) throw new UnreadableDelivery('the form has no field "payload"');
  return new URLSearchParams(field).get("payload")!;
}

/**
 * Whether JSON has more brackets and commas than `max`, strings aside. It is the number of parts
 * that makes parsing slow: five megabytes of brackets take seconds.
 */
function hasMoreParts(json: string, max: number): boolean {
  let parts = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') inString = !inString;
    else if (inString) at += character === "\\" ? 1 : 0;
    else if (character === "{" || character === "[" || character === ",") parts++;
    if (parts > max) return true;
  }
  return false;
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

/**
 * How many commits a push brings, for display: the forge's own count, since many send only the first
 * commits, else the length of the list.
 */
export function commitCount(payload: Payload, list = "commits"): number | undefined {
  const counts = [at(payload, "total_commits_count"), at(payload, "total_commits")];
  const count = counts.find((value) => Number.isSafeInteger(value) && value as number >= 0);
  if (count !== undefined) return count as number;
  const commits = at(payload, list);
  return Array.isArray(commits) ? commits.length : undefined;
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

/** Where a change's parts stand. */
export interface ChangePaths {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
}

/** Where most forges write them: at the top of a push. */
const USUAL_PATHS: ChangePaths = { ref: "ref", before: "before", after: "after" };

/** Where a ref lives. */
export type Namespace = "refs/heads/" | "refs/tags/";

/**
 * The change of a ref. It was deleted where the flag `deleted` says so or `after` is all zeros.
 *
 * @param namespace what to put before the name, where the forge sends it bare; else only a name
 *   without `refs/`, as in old documents, is completed to a branch
 * @throws {UnreadableDelivery} where a part is malformed, or there is no ref
 */
export function refChange(
  payload: Payload,
  paths: ChangePaths = USUAL_PATHS,
  namespace?: Namespace,
): RefChange {
  const name = text(payload, paths.ref);
  if (name === undefined) throw new UnreadableDelivery(`"${paths.ref}" is missing`);
  if (!isPlausibleRef(name)) {
    throw new UnreadableDelivery(`"${paths.ref}" is not the name of a ref`);
  }
  const before = commit(payload, paths.before);
  const after = commit(payload, paths.after);
  const isWhole = namespace === undefined && name.startsWith("refs/");
  return {
    ref: isWhole ? name : `${namespace ?? "refs/heads/"}${name}`,
    ...before !== undefined && { before },
    ...after !== undefined && { after },
    deleted: flag(payload, "deleted") || (after !== undefined && isNullSha(after)),
  };
}

/**
 * The objects in the list at `path`.
 *
 * @throws {UnreadableDelivery} where there is no list, or something else in it
 */
export function objects(payload: Payload, path: string): readonly Payload[] {
  const value = at(payload, path);
  if (!Array.isArray(value)) throw new UnreadableDelivery(`"${path}" is not a list`);
  if (!value.every(isObject)) {
    throw new UnreadableDelivery(`"${path}" has an item that is no object`);
  }
  return value;
}

function isObject(value: unknown): value is Payload {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether there is something other than null at `path`. */
export function has(payload: Payload, path: string): boolean {
  return (at(payload, path) ?? null) !== null;
}

/** An id from a header: visible ASCII of a bounded length, else as if there were none. */
export function deliveryId(headers: Headers, header: string): string | undefined {
  return usableId(headers.get(header));
}

/** An id from the body, in the same bounds. */
export function idAt(payload: Payload, path: string): string | undefined {
  return usableId(at(payload, path));
}

function usableId(id: unknown): string | undefined {
  return typeof id === "string" && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined;
}

/** A delivery without the parts that it does not have. */
export function deliveryOf(
  event: DeliveryEvent,
  { id, pusher, commits }: Partial<Record<"id" | "pusher", string>> & { commits?: number },
): Delivery {
  return {
    event,
    ...id !== undefined && { id },
    ...pusher !== undefined && { pusher },
    ...commits !== undefined && { commits },
  };
}

/** An event that is no push, by the forge's own word for it. */
export function otherEvent(name: string): DeliveryEvent {
  return { kind: "other", name: printable(name, 64) };
}

/**
 * The event that a header names.
 *
 * @throws {UnreadableDelivery} where none of the headers is there
 */
export function eventIn(headers: Headers, ...names: string[]): string {
  const name = names.map((header) => headers.get(header)).find((value) => value !== null);
  if (name === undefined || name === null) {
    throw new UnreadableDelivery("no header names the event");
  }
  return name;
}
