/**
 * The events of GitLab, and of the forges that follow it: Tencent Gongfeng and Codeup.
 *
 * @module
 */

import type { DeliveryEvent } from "../delivery.ts";
import { otherEvent, refChange, text } from "./payload.ts";
import { type Draft, type Payload, UnreadableDelivery } from "./provider.ts";
import { isTag, SENDER, usualPush } from "./compose.ts";

/** What the headers call a push. */
const PUSH = "Push Hook";
const TAG_PUSH = "Tag Push Hook";

/**
 * Understands an event by what the body says of itself, which is more reliable than the header:
 * GitLab's system hooks send every event as `System Hook`. The header counts where the body, which
 * can follow a template of the user's, does not tell.
 *
 * @throws {UnreadableDelivery} where the payload does not fit the event
 */
export function gitLabEvent(payload: Payload, header: string | null): DeliveryEvent {
  const kind = text(payload, "object_kind") ?? text(payload, "event_name");
  if (kind === undefined && header === null) {
    throw new UnreadableDelivery('"object_kind" is missing');
  }
  const isPush = kind === undefined
    ? header === PUSH || header === TAG_PUSH
    : kind === "push" || kind === "tag_push";
  if (isPush) return { kind: "push", changes: [refChange(payload)] };
  return otherEvent(header === null || header === "System Hook" ? kind ?? "System Hook" : header);
}

/** The header of a composed push. */
export function gitLabHeader(draft: Draft): string {
  return isTag(draft) ? TAG_PUSH : PUSH;
}

/** The body of a push, as far as the three agree. */
export function gitLabPush(draft: Draft) {
  return {
    object_kind: isTag(draft) ? "tag_push" : "push",
    ...usualPush(draft),
    checkout_sha: draft.after,
    user_name: SENDER,
    total_commits_count: 1,
    repository: { name: draft.repository },
  };
}
