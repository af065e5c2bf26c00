/**
 * Azure DevOps: a password by Basic authentication and nothing else; the event and the delivery's id
 * stand in the body, which can hold several changes (learn.microsoft.com, service hooks).
 *
 * @module
 */

import type { Delivery, DeliveryEvent, RefChange } from "../delivery.ts";
import { bodyOf, postedJson, SENDER } from "./compose.ts";
import {
  anyText,
  commitCount,
  deliveryOf,
  idAt,
  objects,
  otherEvent,
  parsePayload,
  refChange,
  text,
} from "./payload.ts";
import { basicAuthentication, basicHeader } from "./proof.ts";
import {
  type Draft,
  type Payload,
  type Posted,
  type Provider,
  UnreadableDelivery,
} from "./provider.ts";

const PATHS = { ref: "name", before: "oldObjectId", after: "newObjectId" } as const;

function readChange(change: Payload): RefChange {
  return refChange(change, PATHS);
}

function readEvent(payload: Payload): DeliveryEvent {
  const name = text(payload, "eventType");
  if (name === undefined) throw new UnreadableDelivery('"eventType" is missing');
  if (name !== "git.push") return otherEvent(name);
  return { kind: "push", changes: objects(payload, "resource.refUpdates").map(readChange) };
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(payload), {
    id: idAt(payload, "id"),
    pusher: anyText(payload, "resource.pushedBy.displayName", "resource.pushedBy.uniqueName"),
    commits: commitCount(payload, "resource.commits"),
  });
}

function composeBody({ id, ref, before, after, repository, now }: Draft): Payload {
  return {
    id,
    eventType: "git.push",
    publisherId: "tfs",
    resource: {
      refUpdates: [{ name: ref, oldObjectId: before, newObjectId: after }],
      repository: { name: repository },
      pushedBy: { displayName: SENDER },
      date: new Date(now).toISOString(),
    },
    createdDate: new Date(now).toISOString(),
  };
}

function compose(draft: Draft, secret: string): Promise<Posted> {
  const credentials = secret.includes(":") ? secret : `${SENDER}:${secret}`;
  return Promise.resolve(postedJson(draft, bodyOf(draft, composeBody), {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "VSServices/19.0 (hook)",
    "Authorization": basicHeader(credentials),
  }));
}

/** Azure DevOps's provider. */
export const azure: Provider = {
  name: "azure",
  title: "Azure DevOps",
  marks: (headers) => headers.get("User-Agent")?.startsWith("VSServices/") ?? false,
  signsBody: () => false,
  pings: false,
  setup: {
    menu: "Project settings → Service hooks → Create subscription → Web Hooks",
    fields: [
      ["Trigger on this type of event", "Code pushed"],
      ["URL", "{url}"],
      ["Basic authentication username", "hook"],
      ["Basic authentication password", "{secret}"],
      ["Resource details to send", "All"],
    ],
    note: "The test button sends a made-up push of a branch master.",
  },
  authenticator: (secret) => basicAuthentication(secret, "Azure DevOps"),
  read,
  compose,
};
