/**
 * Tencent Gongfeng (工蜂): a token in clear, as `X-Token`, repeated as `X-Gitlab-Token`; bodies after
 * GitLab's, with `operation_kind` to tell a deletion (git.tencent.com/help, git_webhooks;
 * TencentBlueKing/bk-ci).
 *
 * @module
 */

import type { Delivery, DeliveryEvent } from "../delivery.ts";
import { bodyOf, postedJson } from "./compose.ts";
import { gitLabEvent, gitLabHeader, gitLabPush } from "./gitlab_events.ts";
import { anyText, commitCount, deliveryOf, parsePayload, text } from "./payload.ts";
import { TOKEN_FORM, tokenIn } from "./proof.ts";
import type { Draft, Payload, Posted, Provider } from "./provider.ts";

const EVENT = "X-Event";
const TOKENS = ["X-Token", "X-Gitlab-Token"] as const;

function readEvent(payload: Payload, header: string | null): DeliveryEvent {
  const event = gitLabEvent(payload, header);
  if (event.kind !== "push" || text(payload, "operation_kind") !== "delete") return event;
  return { ...event, changes: event.changes.map((change) => ({ ...change, deleted: true })) };
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(payload, posted.headers.get(EVENT)), {
    pusher: anyText(payload, "user_name", "user.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  return { ...gitLabPush(draft), operation_kind: "update", action_kind: "client push" };
}

function compose(draft: Draft, secret: string): Promise<Posted> {
  const event = gitLabHeader(draft);
  return Promise.resolve(postedJson(draft, bodyOf(draft, composeBody), {
    [EVENT]: event,
    "X-Gitlab-Event": event,
    "X-Token": secret,
    "X-Gitlab-Token": secret,
    "X-Send-Timestamp": String(draft.now),
    "X-TRACE-ID": draft.id,
  }));
}

/** Gongfeng's provider. */
export const gongfeng: Provider = {
  name: "gongfeng",
  title: "Tencent Gongfeng (腾讯工蜂)",
  marks: (headers) => headers.has(EVENT),
  imitates: ["gitlab"],
  secretForm: TOKEN_FORM,
  signsBody: () => false,
  pings: false,
  setup: {
    menu: "设置 → 高级设置 → 回调钩子 (Webhooks)",
    fields: [
      ["URL", "{url}"],
      ["令牌 (Token)", "{secret}"],
      ["触发 (Trigger)", "推送事件 (Push events), 标签推送事件 (Tag push events)"],
    ],
  },
  authenticator: (secret) => tokenIn(TOKENS, secret, "Gongfeng"),
  read,
  compose,
};
