/**
 * Gitea, Forgejo and Gogs: `X-NAME-Signature: <hex>`, HMAC-SHA256 without a prefix over the JSON,
 * which in a form is the decoded field `payload`. Without a secret the header is there and empty
 * (go-gitea/gitea services/webhook/deliver.go, forgejo services/webhook/shared/payloader.go,
 * gogs/gogs internal/database/webhook.go).
 *
 * @module
 */

import type { Delivery } from "../delivery.ts";
import type { SignatureHeader } from "../signature.ts";
import { bodyOf, postedJson, SENDER, usualPush } from "./compose.ts";
import { gitHubEvent } from "./github_events.ts";
import {
  anyText,
  carriedJson,
  commitCount,
  deliveryId,
  deliveryOf,
  eventIn,
  parsePayload,
} from "./payload.ts";
import { signatureOf, signedBy } from "./proof.ts";
import type { Draft, Payload, Posted, Provider, Setup } from "./provider.ts";

/** What tells one of the family from the others. */
export interface FamilyMember {
  readonly name: string;
  readonly title: string;
  /** The headers' first part, such as `X-Gitea`. */
  readonly prefix: string;
  readonly imitates: readonly string[];
  readonly setup: Setup;
  /** The headers that it sends beside its own. */
  readonly others: (draft: Draft, signatures: Signatures) => Readonly<Record<string, string>>;
}

/** The HMACs of a body, in hexadecimal. */
export interface Signatures {
  readonly sha1: string;
  readonly sha256: string;
}

type MutableHeaders = Record<string, string>;

function composeBody(draft: Draft): Payload {
  const person = { login: SENDER, username: SENDER };
  return {
    ...usualPush(draft),
    compare_url: "",
    total_commits: 1,
    repository: { name: draft.repository, full_name: draft.repository },
    pusher: person,
    sender: person,
  };
}

/** The headers that each of the family sends under a name. */
export function familyHeaders(
  prefix: string,
  { event, id }: Draft,
  signature: string,
): MutableHeaders {
  return {
    [`${prefix}-Delivery`]: id,
    [`${prefix}-Event`]: event,
    [`${prefix}-Signature`]: signature,
  };
}

/** Makes the provider of one of the family. */
export function familyProvider(member: FamilyMember): Provider {
  const { prefix, title } = member;
  const format: SignatureHeader = {
    header: `${prefix}-Signature`,
    hash: "SHA-256",
    prefix: "",
    encoding: "hex",
    signed: carriedJson,
  };

  const read = (posted: Posted, parsed?: Payload): Delivery => {
    const { headers } = posted;
    const payload = parsed ?? parsePayload(posted);
    return deliveryOf(gitHubEvent(eventIn(headers, `${prefix}-Event`), payload), {
      id: deliveryId(headers, `${prefix}-Delivery`),
      pusher: anyText(payload, "pusher.login", "pusher.username", "sender.login"),
      commits: commitCount(payload),
    });
  };

  const compose = async (draft: Draft, secret: string): Promise<Posted> => {
    const body = bodyOf(draft, composeBody);
    const [sha1, sha256] = await Promise.all([
      signatureOf({ ...format, hash: "SHA-1" }, secret, body),
      signatureOf(format, secret, body),
    ]);
    return postedJson(draft, body, {
      ...member.others(draft, { sha1, sha256 }),
      ...familyHeaders(prefix, draft, sha256),
    });
  };

  return {
    name: member.name,
    title,
    marks: (headers) => headers.has(`${prefix}-Event`),
    imitates: member.imitates,
    signsBody: () => true,
    pings: false,
    setup: member.setup,
    authenticator: (secret) => signedBy(format, secret, title),
    read,
    compose,
  };
}

/** The headers of Gitea and Forgejo in which they appear as Gogs and GitHub, and kinds of events. */
export function giteaOthers(draft: Draft, { sha1, sha256 }: Signatures): MutableHeaders {
  const { event, id } = draft;
  return {
    "User-Agent": "Go-http-client/1.1",
    "X-Gitea-Event-Type": event,
    ...familyHeaders("X-Gogs", draft, sha256),
    "X-Gogs-Event-Type": event,
    "X-GitHub-Delivery": id,
    "X-GitHub-Event": event,
    "X-GitHub-Event-Type": event,
    "X-Hub-Signature": `sha1=${sha1}`,
    "X-Hub-Signature-256": `sha256=${sha256}`,
  };
}

/** The form, which is the same in all three. */
export const familySetup = (kind: string): Setup => ({
  menu: `Settings → Webhooks → Add webhook → ${kind}`,
  fields: [
    ["Target URL", "{url}"],
    ["HTTP method", "POST"],
    ["POST content type", "application/json"],
    ["Secret", "{secret}"],
    ["Trigger on", "Push events"],
  ],
  note: "The test button sends a push of the last commit.",
});
