/**
 * Bitbucket Cloud: `X-Hub-Signature: sha256=<hex>`, HMAC-SHA256 over the raw body, sent where a
 * secret is set; one delivery can hold several changes (support.atlassian.com, event payloads and
 * webhook security).
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
  flag,
  has,
  objects,
  otherEvent,
  parsePayload,
  refChange,
  text,
} from "./payload.ts";
import { signatureOf, signedBy } from "./proof.ts";
import {
  type Draft,
  type Payload,
  type Posted,
  type Provider,
  UnreadableDelivery,
} from "./provider.ts";

const EVENT = "X-Event-Key";
const ID = "X-Request-UUID";

const SIGNATURE: SignatureHeader = {
  header: "X-Hub-Signature",
  hash: "SHA-256",
  prefix: "sha256=",
  encoding: "hex",
};

/** One of the changes: the ref stands in its new state, or in the old one where it is gone. */
function readChange(change: Payload): RefChange {
  const isGone = !has(change, "new");
  const side = isGone ? "old" : "new";
  if (isGone && !has(change, "old")) {
    throw new UnreadableDelivery("a change has neither an old nor a new state");
  }
  const read = refChange(
    change,
    { ref: `${side}.name`, before: "old.target.hash", after: "new.target.hash" },
    text(change, `${side}.type`) === "tag" ? "refs/tags/" : "refs/heads/",
  );
  return { ...read, deleted: isGone || flag(change, "closed") };
}

function readEvent(name: string, payload: Payload): DeliveryEvent {
  if (name !== "repo:push") return otherEvent(name);
  return { kind: "push", changes: objects(payload, "push.changes").map(readChange) };
}

/** The commits of all changes; unknown where a list holds only the first five. */
function countedCommits(payload: Payload): number | undefined {
  if (!has(payload, "push.changes")) return undefined;
  const changes = objects(payload, "push.changes");
  if (changes.some((change) => flag(change, "truncated"))) return undefined;
  return changes.reduce((sum, change) => sum + (commitCount(change) ?? 0), 0);
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const { headers } = posted;
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(eventIn(headers, EVENT), payload), {
    id: deliveryId(headers, ID),
    pusher: anyText(payload, "actor.display_name", "actor.nickname", "actor.username"),
    commits: countedCommits(payload),
  });
}

function composeBody(draft: Draft): Payload {
  const state = (hash: string) => ({
    type: isTag(draft) ? "tag" : "branch",
    name: shortRef(draft),
    target: { type: "commit", hash },
  });
  const change = {
    old: state(draft.before),
    new: state(draft.after),
    created: false,
    closed: false,
    forced: false,
    truncated: false,
    commits: [{ hash: draft.after, message: "hook send" }],
  };
  return {
    push: { changes: [change] },
    repository: { name: draft.repository, full_name: draft.repository },
    actor: { display_name: SENDER },
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  return postedJson(draft, body, {
    "User-Agent": "Bitbucket-Webhooks/2.0",
    [EVENT]: "repo:push",
    "X-Hook-UUID": "00000000-0000-0000-0000-000000000000",
    [ID]: draft.id,
    "X-Attempt-Number": "1",
    [SIGNATURE.header]: await signatureOf(SIGNATURE, secret, body),
  });
}

/** Bitbucket Cloud's provider. */
export const bitbucket: Provider = {
  name: "bitbucket",
  title: "Bitbucket Cloud",
  marks: (headers) => headers.has(EVENT) && headers.has("X-Hook-UUID"),
  signsBody: () => true,
  pings: false,
  setup: {
    menu: "Repository settings → Webhooks → Add webhook",
    fields: [
      ["URL", "{url}"],
      ["Secret", "{secret}"],
      ["Triggers", "Repository push"],
    ],
  },
  authenticator: (secret) => signedBy(SIGNATURE, secret, "Bitbucket"),
  read,
  compose,
};
