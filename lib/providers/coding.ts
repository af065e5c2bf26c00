/**
 * Coding (coding.net), in its three generations:
 *
 * - WebHook v2: `X-Coding-Signature: sha1=<hex>`, HMAC-SHA1 over the raw body
 *   (coding/coding-docs, project-settings/open/webhook.md);
 * - Service Hook: the same signature, `X-Coding-Service-Hook-Event` names the event
 *   (the same documents, service-hook/);
 * - WebHook v1: no signature; the secret stands in the body as `token` (open.coding.net/webhooks).
 *
 * @module
 */

import type { Delivery, DeliveryEvent } from "../delivery.ts";
import {
  hmacKey,
  sign,
  type SignatureHeader,
  signatureReader,
  tokenMatcher,
  verifyMac,
} from "../signature.ts";
import { printable } from "../values.ts";
import { anyText, deliveryId, parsePayload, refChange, text } from "./payload.ts";
import {
  type Draft,
  type Payload,
  type Posted,
  type Provider,
  UnreadableDelivery,
  type Verdict,
} from "./provider.ts";

const SIGNATURE: SignatureHeader = {
  header: "X-Coding-Signature",
  hash: "SHA-1",
  prefix: "sha1=",
  encoding: "hex",
};

/** Any of these means a generation that signs: the token in the body then proves nothing. */
const SIGNING_GENERATIONS = [
  SIGNATURE.header,
  "X-Coding-Delivery",
  "X-Coding-WebHook-Version",
  "X-Coding-Service-Hook-Event",
] as const;

const readSignature = signatureReader(SIGNATURE);

function isSigningGeneration(headers: Headers): boolean {
  return SIGNING_GENERATIONS.some((header) => headers.has(header));
}

/** Finds the token of a v1 delivery, or says why there is none to compare. */
function readToken(posted: Posted): { token: string; payload: Payload } | { why: string } {
  try {
    const payload = parsePayload(posted);
    const token = text(payload, "token");
    return token === undefined
      ? { why: "neither a signature nor a token: is the secret set at Coding?" }
      : { token, payload };
  } catch (error) {
    if (error instanceof UnreadableDelivery) return { why: `no signature, and ${error.message}` };
    throw error;
  }
}

async function authenticator(secret: string): Promise<(posted: Posted) => Promise<Verdict>> {
  const [key, matchesToken] = await Promise.all([hmacKey(secret, "SHA-1"), tokenMatcher(secret)]);

  const checkToken = async (posted: Posted): Promise<Verdict> => {
    const found = readToken(posted);
    if ("why" in found) return { authentic: false, why: found.why };
    return await matchesToken(found.token)
      ? { authentic: true, payload: found.payload }
      : { authentic: false, why: "the token in the body is another" };
  };

  return async (posted) => {
    if (!isSigningGeneration(posted.headers)) return await checkToken(posted);
    if (!posted.headers.has(SIGNATURE.header)) {
      return { authentic: false, why: "no signature: is the secret set at Coding?" };
    }
    const mac = readSignature(posted.headers);
    if (mac === undefined) return { authentic: false, why: "the signature is malformed" };
    return await verifyMac(key, mac, posted.body)
      ? { authentic: true }
      : { authentic: false, why: "the signature does not fit the secret and the body" };
  };
}

/** The event's name: a Service Hook's own header wins, since it sends the other one as well. */
function eventName(headers: Headers, payload: Payload): string {
  const name = headers.get("X-Coding-Service-Hook-Event") ?? headers.get("X-Coding-Event") ??
    text(payload, "event");
  if (name === undefined) throw new UnreadableDelivery("no header names the event");
  return name;
}

function readEvent(name: string, payload: Payload): DeliveryEvent {
  switch (name) {
    case "push":
    case "GIT_PUSHED":
      return { kind: "push", changes: [refChange(payload)] };
    case "ping":
      return { kind: "ping" };
    default:
      return { kind: "other", name: printable(name, 64) };
  }
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  const event = readEvent(eventName(posted.headers, payload), payload);
  const id = deliveryId(posted.headers, "X-Coding-Delivery");
  // v2 and Service Hook name the pusher, v1 calls the same person the user.
  const pusher = anyText(payload, "pusher.name", "user.name", "sender.name");
  return { event, ...id !== undefined && { id }, ...pusher !== undefined && { pusher } };
}

function composeBody({ event, repository, ref, before, after, id }: Draft): Payload {
  const common = {
    sender: { login: "hook", name: "hook" },
    repository: { name: repository, full_name: repository },
  };
  if (event === "ping") return { zen: "hook send", hook_id: id, ...common };
  return {
    ref,
    before,
    after,
    created: false,
    deleted: false,
    commits: [],
    pusher: { name: "hook", username: "hook" },
    ...common,
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = draft.body ?? new TextEncoder().encode(JSON.stringify(composeBody(draft)));
  const headers = new Headers({
    "Content-Type": "application/json",
    "User-Agent": "Coding.net Hook",
    "X-Coding-Event": draft.event,
    "X-Coding-Delivery": draft.id,
    "X-Coding-WebHook-Version": "v2",
    [SIGNATURE.header]: await sign(SIGNATURE, await hmacKey(secret, SIGNATURE.hash), body),
  });
  return { headers, body };
}

/** Coding's provider. */
export const coding: Provider = { name: "coding", authenticator, read, compose };
