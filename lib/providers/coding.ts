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
import { type SignatureHeader, tokenMatcher } from "../signature.ts";
import { bodyOf, postedJson, SENDER, usualPush } from "./compose.ts";
import {
  anyText,
  commitCount,
  deliveryId,
  deliveryOf,
  otherEvent,
  parsePayload,
  refChange,
  text,
} from "./payload.ts";
import { refused, signatureOf, signedBy } from "./proof.ts";
import {
  type Authenticator,
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

function isSigningGeneration(headers: Headers): boolean {
  return SIGNING_GENERATIONS.some((header) => headers.has(header));
}

/** What is parsed of a body without a signature; a push of 5 MiB has half of it. */
const UNPROVEN_PARTS = 100_000;

/** Finds the token of a v1 delivery, or says why there is none to compare. */
function readToken(posted: Posted): { token: string; payload: Payload } | { why: string } {
  try {
    const payload = parsePayload(posted, UNPROVEN_PARTS);
    const token = text(payload, "token");
    return token === undefined
      ? { why: "neither a signature nor a token: is the secret set at Coding?" }
      : { token, payload };
  } catch (error) {
    if (error instanceof UnreadableDelivery) return { why: `no signature, and ${error.message}` };
    throw error;
  }
}

async function authenticator(secret: string): Promise<Authenticator> {
  const [checkSignature, matchesToken] = await Promise.all([
    signedBy(SIGNATURE, secret, "Coding"),
    tokenMatcher(secret),
  ]);

  const checkToken = async (posted: Posted): Promise<Verdict> => {
    const found = readToken(posted);
    if ("why" in found) return refused(found.why);
    return await matchesToken(found.token)
      ? { authentic: true, payload: found.payload }
      : refused("the token in the body is another");
  };

  return (posted) =>
    isSigningGeneration(posted.headers) ? checkSignature(posted) : checkToken(posted);
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
      return otherEvent(name);
  }
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(eventName(posted.headers, payload), payload), {
    id: deliveryId(posted.headers, "X-Coding-Delivery"),
    // v2 and Service Hook name the pusher, v1 calls the same person the user.
    pusher: anyText(payload, "pusher.name", "user.name", "sender.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  const common = {
    sender: { login: SENDER, name: SENDER },
    repository: { name: draft.repository, full_name: draft.repository },
  };
  if (draft.event === "ping") return { zen: "hook send", hook_id: draft.id, ...common };
  return {
    ...usualPush(draft),
    created: false,
    deleted: false,
    pusher: { name: SENDER, username: SENDER },
    ...common,
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  return postedJson(draft, body, {
    "User-Agent": "Coding.net Hook",
    "X-Coding-Event": draft.event,
    "X-Coding-Delivery": draft.id,
    "X-Coding-WebHook-Version": "v2",
    [SIGNATURE.header]: await signatureOf(SIGNATURE, secret, body),
  });
}

/** Coding's provider. */
export const coding: Provider = {
  name: "coding",
  title: "Coding (腾讯云 CODING)",
  marks: (headers) => headers.has("X-Coding-Event") || headers.has("X-Coding-Service-Hook-Event"),
  // WebHook v1 does not, but which generation delivers is not known before it does.
  signsBody: () => true,
  pings: true,
  setup: {
    menu: "项目设置 → 开发者选项 → WebHook (or Service Hook) → 新建",
    fields: [
      ["URL", "{url}"],
      ["内容类型 (content type)", "application/json"],
      ["令牌 (token)", "{secret}"],
      ["事件 (events)", "推送 (push)"],
    ],
  },
  authenticator,
  read,
  compose,
};
