/**
 * The events of GitHub, and of the forges that follow it: Gitea, Forgejo and Gogs.
 *
 * @module
 */

import type { DeliveryEvent, RefChange } from "../delivery.ts";
import { type Namespace, otherEvent, refChange, text } from "./payload.ts";
import { type Payload, UnreadableDelivery } from "./provider.ts";

/**
 * Understands an event by its name.
 *
 * A branch or tag that is created or deleted has an event of its own. GitHub and Gitea send a push
 * as well; Gogs sends no push for a tag, and Gitea none for a deleted branch, so all count.
 *
 * @throws {UnreadableDelivery} where the payload does not fit the event
 */
export function gitHubEvent(name: string, payload: Payload): DeliveryEvent {
  switch (name) {
    case "push":
      return { kind: "push", changes: [refChange(payload)] };
    case "create":
    case "delete":
      return { kind: "push", changes: [bareRefChange(payload, name === "delete")] };
    case "ping":
      return { kind: "ping" };
    default:
      return otherEvent(name);
  }
}

const NAMESPACES: Readonly<Record<string, Namespace>> = {
  branch: "refs/heads/",
  tag: "refs/tags/",
};

/** The change of a ref that has a bare name and its kind beside it; Gitea adds the commit. */
function bareRefChange(payload: Payload, deleted: boolean): RefChange {
  const kind = text(payload, "ref_type") ?? "";
  if (!Object.hasOwn(NAMESPACES, kind)) {
    throw new UnreadableDelivery('"ref_type" is neither "branch" nor "tag"');
  }
  const paths = { ref: "ref", before: "before", after: "sha" };
  return { ...refChange(payload, paths, NAMESPACES[kind]), deleted };
}
