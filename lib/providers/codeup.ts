/**
 * Codeup of Alibaba Cloud (云效): a token in clear, as `X-Codeup-Token`; bodies after GitLab's. The
 * documents name `Codeup-Event`, real deliveries `X-Codeup-Event`; both are read (help.aliyun.com,
 * webhooks-settings; captures of serverless-cd/toolkit).
 *
 * @module
 */

import type { Delivery, DeliveryEvent } from "../delivery.ts";
import { bodyOf, postedJson } from "./compose.ts";
import { gitLabEvent, gitLabHeader, gitLabPush } from "./gitlab_events.ts";
import { anyText, commitCount, deliveryId, deliveryOf, has, parsePayload } from "./payload.ts";
import { TOKEN_FORM, tokenIn } from "./proof.ts";
import type { Draft, Payload, Posted, Provider } from "./provider.ts";

const EVENTS = ["X-Codeup-Event", "Codeup-Event"] as const;
const TOKENS = ["X-Codeup-Token", "Codeup-Token"] as const;

function readEvent(headers: Headers, payload: Payload): DeliveryEvent {
  // The test button has been seen to send two commits and nothing else.
  if (!has(payload, "object_kind") && !has(payload, "ref")) return { kind: "ping" };
  const header = EVENTS.map((name) => headers.get(name)).find((value) => value !== null) ?? null;
  return gitLabEvent(payload, header);
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const { headers } = posted;
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(headers, payload), {
    id: deliveryId(headers, "X-Codeup-Delivery") ?? deliveryId(headers, "Codeup-Delivery"),
    pusher: anyText(payload, "user_name", "user.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  const { before, after } = draft;
  return draft.event === "ping" ? { before, after } : gitLabPush(draft);
}

function compose(draft: Draft, secret: string): Promise<Posted> {
  return Promise.resolve(postedJson(draft, bodyOf(draft, composeBody), {
    "User-Agent": "okhttp/3.6.0",
    "X-Codeup-Event": gitLabHeader(draft),
    "X-Codeup-Token": secret,
    "X-Codeup-Delivery": draft.id,
  }));
}

/** Codeup's provider. */
export const codeup: Provider = {
  name: "codeup",
  title: "Codeup (阿里云云效)",
  marks: (headers) => EVENTS.some((name) => headers.has(name)),
  secretForm: TOKEN_FORM,
  signsBody: () => false,
  pings: true,
  setup: {
    menu: "设置 → WebHooks → 新建 WebHook",
    fields: [
      ["URL", "{url}"],
      ["Secret Token", "{secret}"],
      ["触发器 (triggers)", "推送事件 (push), 标签推送事件 (tag push)"],
    ],
  },
  authenticator: (secret) => tokenIn(TOKENS, secret, "Codeup"),
  read,
  compose,
};
