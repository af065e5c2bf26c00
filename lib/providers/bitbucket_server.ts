/**
 * Bitbucket Server and Data Center: `X-Hub-Signature: sha256=<hex>`, HMAC-SHA256 over the raw body.
 * The button "Test connection" sends `diagnostics:ping` without a signature even where a secret is
 * set, so that is answered, and changes nothing (confluence.atlassian.com, event payload).
 *
 * @module
 */

import type { Delivery, DeliveryEvent, RefChange } from "../delivery.ts";
import type { SignatureHeader } from "../signature.ts";
import { bodyOf, isTag, postedJson, SENDER, shortRef } from "./compose.ts";
import {
  anyText,
  commitCount,
  deliveryId,
  deliveryOf,
  eventIn,
  objects,
  otherEvent,
  parsePayload,
  refChange,
  text,
} from "./payload.ts";
import { signatureOf, signedBy } from "./proof.ts";
import type { Authenticator, Draft, Payload, Posted, Provider } from "./provider.ts";

const EVENT = "X-Event-Key";
const ID = "X-Request-Id";
const PING = "diagnostics:ping";

const SIGNATURE: SignatureHeader = {
  header: "X-Hub-Signature",
  hash: "SHA-256",
  prefix: "sha256=",
  encoding: "hex",
};

async function authenticator(secret: string): Promise<Authenticator> {
  const check = await signedBy(SIGNATURE, secret, "Bitbucket");
  return async (posted) => {
    const { headers } = posted;
    return headers.get(EVENT) === PING && !headers.has(SIGNATURE.header)
      ? { authentic: true, unproven: true }
      : await check(posted);
  };
}

function readChange(change: Payload): RefChange {
  const paths = { ref: "ref.id", before: "fromHash", after: "toHash" };
  const read = refChange(change, paths);
  return { ...read, deleted: read.deleted || text(change, "type") === "DELETE" };
}

function readEvent(name: string, payload: Payload): DeliveryEvent {
  if (name !== "repo:refs_changed") return otherEvent(name);
  return { kind: "push", changes: objects(payload, "changes").map(readChange) };
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const { headers } = posted;
  const id = deliveryId(headers, ID);
  const name = eventIn(headers, EVENT);
  // Nobody vouches for the body of a ping, so it is left alone.
  if (name === PING) return deliveryOf({ kind: "ping" }, { id });
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(name, payload), {
    id,
    pusher: anyText(payload, "actor.displayName", "actor.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  if (draft.event === "ping") return { test: true };
  const { ref: id, before: fromHash, after: toHash } = draft;
  const ref = { id, displayId: shortRef(draft), type: isTag(draft) ? "TAG" : "BRANCH" };
  return {
    eventKey: "repo:refs_changed",
    date: new Date(draft.now).toISOString(),
    actor: { name: SENDER, displayName: SENDER },
    repository: { slug: draft.repository, name: draft.repository },
    changes: [{ ref, refId: id, fromHash, toHash, type: "UPDATE" }],
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  const isPing = draft.event === "ping";
  return postedJson(draft, body, {
    "User-Agent": "Atlassian HttpClient 4.2.0 / Bitbucket-8.19.0 / Default",
    [EVENT]: isPing ? PING : "repo:refs_changed",
    [ID]: draft.id,
    ...!isPing && { [SIGNATURE.header]: await signatureOf(SIGNATURE, secret, body) },
  });
}

/** The provider of Bitbucket Server and Data Center. */
export const bitbucketServer: Provider = {
  name: "bitbucket-server",
  title: "Bitbucket Server and Data Center",
  marks: (headers) => headers.has(EVENT) && !headers.has("X-Hook-UUID"),
  signsBody: () => true,
  pings: true,
  setup: {
    menu: "Repository settings → Webhooks → Create webhook",
    fields: [
      ["URL", "{url}"],
      ["Secret", "{secret}"],
      ["Events", "Repository: Push"],
    ],
  },
  authenticator,
  read,
  compose,
};
