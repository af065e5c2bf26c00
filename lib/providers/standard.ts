/**
 * Standard Webhooks (specification 1.0.0), for whatever else can push: a CI job, a script, a forge
 * that follows it. The specification leaves the events open, so this reads what is usual: a `type`
 * that is or ends in `push` or `ping`, and the change as `ref`, `before` and `after`, at the top or
 * under `data`.
 *
 * @module
 */

import type { Delivery, DeliveryEvent } from "../delivery.ts";
import { bodyOf, postedJson, SENDER } from "./compose.ts";
import { anyText, deliveryOf, has, otherEvent, parsePayload, refChange, text } from "./payload.ts";
import type { Draft, Payload, Posted, Provider } from "./provider.ts";
import {
  STANDARD_SECRET,
  STANDARD_SIGNATURE,
  standardAuthenticator,
  standardHeaders,
  standardId,
} from "./standard_signature.ts";

const UNDER_DATA = { ref: "data.ref", before: "data.before", after: "data.after" };

function readEvent(payload: Payload): DeliveryEvent {
  const type = text(payload, "type");
  // A type is hierarchical, such as `repository.push`.
  switch (type?.split(".").at(-1)) {
    case undefined:
    case "push":
      return {
        kind: "push",
        changes: [refChange(payload, has(payload, "data") ? UNDER_DATA : undefined)],
      };
    case "ping":
    case "test":
      return { kind: "ping" };
    default:
      return otherEvent(type!);
  }
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(payload), {
    id: standardId(posted.headers),
    pusher: anyText(payload, "data.pusher", "data.pusher.name", "pusher", "pusher.name"),
  });
}

function composeBody({ event, ref, before, after, repository, now }: Draft): Payload {
  const timestamp = new Date(now).toISOString();
  return event === "ping"
    ? { type: "ping", timestamp, data: { repository } }
    : { type: "push", timestamp, data: { repository, ref, before, after, pusher: SENDER } };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  return postedJson(draft, body, await standardHeaders(draft, secret, body));
}

/** The provider of Standard Webhooks. */
export const standard: Provider = {
  name: "standard",
  title: "Standard Webhooks",
  marks: (headers) => headers.has(STANDARD_SIGNATURE),
  secretForm: STANDARD_SECRET,
  signsBody: () => true,
  pings: true,
  setup: {
    menu: "the sender's settings",
    fields: [["URL", "{url}"], ["Secret", "{secret}"]],
    note: 'A push is {"type":"push","data":{"ref":"refs/heads/main"}}.',
    secret: "whsec",
  },
  authenticator: (secret) => standardAuthenticator(secret, "the sender"),
  read,
  compose,
};
