/**
 * Gitee: `X-Gitee-Token` holds the password itself, or base64 of HMAC-SHA256 over the timestamp in
 * `X-Gitee-Timestamp` (milliseconds), a line feed and the secret. The documents url-encode that,
 * real deliveries do not; both are read. Either way nothing covers the body, and a signed pair of
 * headers counts for the documented hour (help.gitee.com, WebHook; drone/go-scm;
 * serverless-cd/toolkit).
 *
 * @module
 */

import type { Delivery, DeliveryEvent } from "../delivery.ts";
import type { Bytes, SignatureHeader } from "../signature.ts";
import { bodyOf, isTag, postedJson, SENDER, usualPush } from "./compose.ts";
import {
  anyText,
  commitCount,
  deliveryOf,
  eventIn,
  otherEvent,
  parsePayload,
  refChange,
} from "./payload.ts";
import { freshOnly, signatureOf, signedBy, timestampOf, tokenIn } from "./proof.ts";
import type { Authenticator, Draft, Payload, Posted, Provider } from "./provider.ts";

const TOKEN = "X-Gitee-Token";
const TIMESTAMP = "X-Gitee-Timestamp";
const EVENTS = ["X-Gitee-Event", "X-Git-Oschina-Event"] as const;
const TOLERANCE = 60 * 60_000;

function signatureFormat(secret: string): SignatureHeader {
  return {
    header: TOKEN,
    hash: "SHA-256",
    prefix: "",
    encoding: "percent-base64",
    signed: ({ headers }) => {
      const timestamp = timestampOf(headers, TIMESTAMP);
      return timestamp === undefined ? undefined : signedBytes(timestamp, secret);
    },
  };
}

function signedBytes(timestamp: string, secret: string): Bytes {
  return new TextEncoder().encode(`${timestamp}\n${secret}`);
}

/** The forge's form offers either mode; whoever passes in one knows the secret of both. */
async function authenticator(secret: string): Promise<Authenticator> {
  const [byPassword, bySignature] = await Promise.all([
    tokenIn([TOKEN], secret, "Gitee"),
    signedBy(signatureFormat(secret), secret, "Gitee"),
  ]);
  const byFreshSignature = freshOnly(
    { header: TIMESTAMP, unit: 1, tolerance: TOLERANCE },
    bySignature,
  );
  return async (posted) => {
    const verdict = await byPassword(posted);
    return verdict.authentic ? verdict : await byFreshSignature(posted);
  };
}

function readEvent(headers: Headers, payload: Payload): DeliveryEvent {
  if (headers.get("X-Gitee-Ping") === "true") return { kind: "ping" };
  const name = eventIn(headers, ...EVENTS);
  switch (name) {
    case "Push Hook":
    case "Tag Push Hook":
      return { kind: "push", changes: [refChange(payload)] };
    default:
      return otherEvent(name);
  }
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(posted.headers, payload), {
    pusher: anyText(payload, "pusher.name", "user_name", "sender.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft, sign: string): Payload {
  const project = {
    name: draft.repository,
    full_name: draft.repository,
    path_with_namespace: draft.repository,
  };
  return {
    hook_name: isTag(draft) ? "tag_push_hooks" : "push_hooks",
    password: "",
    timestamp: String(draft.now),
    sign,
    ...usualPush(draft),
    created: false,
    deleted: false,
    project,
    repository: project,
    pusher: { name: SENDER, user_name: SENDER },
    user_name: SENDER,
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const timestamp = String(draft.now);
  const bytes = signedBytes(timestamp, secret);
  const signature = await signatureOf(signatureFormat(secret), secret, bytes);
  const event = isTag(draft) ? "Tag Push Hook" : "Push Hook";
  return postedJson(draft, bodyOf(draft, (it) => composeBody(it, signature)), {
    "User-Agent": "git-oschina-hook",
    "X-Gitee-Event": event,
    "X-Git-Oschina-Event": event,
    "X-Gitee-Ping": String(draft.event === "ping"),
    [TIMESTAMP]: timestamp,
    [TOKEN]: signature,
  });
}

/** Gitee's provider. */
export const gitee: Provider = {
  name: "gitee",
  title: "Gitee (码云)",
  marks: (headers) => EVENTS.some((name) => headers.has(name)),
  signsBody: () => false,
  pings: true,
  setup: {
    menu: "管理 → WebHooks → 添加 WebHook",
    fields: [
      ["URL", "{url}"],
      ["WebHook 密码/签名密钥", "{secret} (choose 签名密钥, the signing key)"],
      ["选择事件 (events)", "Push, Tag Push"],
    ],
  },
  authenticator,
  read,
  compose,
};
