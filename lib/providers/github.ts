/**
 * GitHub: `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 over the raw body, also where that is a
 * form; `X-Hub-Signature: sha1=<hex>` beside it is the legacy of old GitHub Enterprise
 * (docs.github.com, validating webhook deliveries, and the payloads of octokit/webhooks).
 *
 * @module
 */

import type { Delivery } from "../delivery.ts";
import type { SignatureHeader } from "../signature.ts";
import { bodyOf, postedJson, SENDER, usualPush } from "./compose.ts";
import { gitHubEvent } from "./github_events.ts";
import { anyText, commitCount, deliveryId, deliveryOf, eventIn, parsePayload } from "./payload.ts";
import { refused, signatureOf, signedBy } from "./proof.ts";
import type { Authenticator, Draft, Payload, Posted, ProofOptions, Provider } from "./provider.ts";

const SHA256: SignatureHeader = {
  header: "X-Hub-Signature-256",
  hash: "SHA-256",
  prefix: "sha256=",
  encoding: "hex",
};

const SHA1: SignatureHeader = {
  header: "X-Hub-Signature",
  hash: "SHA-1",
  prefix: "sha1=",
  encoding: "hex",
};

async function authenticator(
  secret: string,
  { allowSha1 = false }: ProofOptions = {},
): Promise<Authenticator> {
  const [bySha256, bySha1] = await Promise.all([
    signedBy(SHA256, secret, "GitHub"),
    signedBy(SHA1, secret, "GitHub"),
  ]);
  return async (posted) => {
    const isWeak = !posted.headers.has(SHA256.header) && posted.headers.has(SHA1.header);
    if (!isWeak) return await bySha256(posted);
    return allowSha1
      ? await bySha1(posted)
      : refused('only a SHA-1 signature: an old GitHub Enterprise needs "allow_sha1: true"');
  };
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const { headers } = posted;
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(gitHubEvent(eventIn(headers, "X-GitHub-Event"), payload), {
    id: deliveryId(headers, "X-GitHub-Delivery"),
    pusher: anyText(payload, "pusher.name", "sender.login"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  const common = {
    repository: { name: draft.repository, full_name: draft.repository },
    sender: { login: SENDER },
  };
  if (draft.event === "ping") return { zen: "hook send", hook_id: 1, ...common };
  return {
    ...usualPush(draft),
    created: false,
    deleted: false,
    forced: false,
    pusher: { name: SENDER },
    ...common,
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  return postedJson(draft, body, {
    "User-Agent": "GitHub-Hookshot/hook",
    "X-GitHub-Event": draft.event,
    "X-GitHub-Delivery": draft.id,
    "X-GitHub-Hook-ID": "1",
    [SHA1.header]: await signatureOf(SHA1, secret, body),
    [SHA256.header]: await signatureOf(SHA256, secret, body),
  });
}

/** GitHub's provider. */
export const github: Provider = {
  name: "github",
  title: "GitHub",
  marks: (headers) => headers.has("X-GitHub-Event"),
  options: ["allowSha1"],
  signsBody: () => true,
  pings: true,
  setup: {
    menu: "Settings → Webhooks → Add webhook",
    fields: [
      ["Payload URL", "{url}"],
      ["Content type", "application/json"],
      ["Secret", "{secret}"],
      ["Which events", "Just the push event"],
    ],
  },
  authenticator,
  read,
  compose,
};
