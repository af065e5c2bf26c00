/**
 * GitLab: a signing token is a secret of Standard Webhooks (`whsec_…`, GitLab 19.0 and newer) and
 * signs the body; a secret token comes in clear as `X-Gitlab-Token` and proves nothing about it
 * (gitlabhq app/services/web_hook_service.rb, merge requests 230944 and 231325).
 *
 * @module
 */

import type { Delivery } from "../delivery.ts";
import { bodyOf, postedJson, SENDER } from "./compose.ts";
import { gitLabEvent, gitLabHeader, gitLabPush } from "./gitlab_events.ts";
import { anyText, commitCount, deliveryId, deliveryOf, parsePayload } from "./payload.ts";
import { refused, TOKEN_FORM, tokenIn } from "./proof.ts";
import type { Authenticator, Draft, Payload, Posted, Provider } from "./provider.ts";
import {
  STANDARD_SECRET,
  STANDARD_SIGNATURE,
  standardAuthenticator,
  standardHeaders,
  standardId,
} from "./standard_signature.ts";

const TOKEN = "X-Gitlab-Token";
const EVENT = "X-Gitlab-Event";

function isSigningToken(secret: string): boolean {
  return secret.startsWith("whsec_");
}

async function authenticator(secret: string): Promise<Authenticator> {
  if (isSigningToken(secret)) return await standardAuthenticator(secret, "GitLab");
  const check = await tokenIn([TOKEN], secret, "GitLab");
  // Whoever reads the token could drop the signature, so what can be signed must be.
  return async (posted) =>
    posted.headers.has(STANDARD_SIGNATURE)
      ? refused("signed, but this secret is only a token: use the signing token, whsec_…")
      : await check(posted);
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const { headers } = posted;
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(gitLabEvent(payload, headers.get(EVENT)), {
    id: standardId(headers) ?? deliveryId(headers, "Idempotency-Key"),
    pusher: anyText(payload, "user_name", "user_username", "user.name"),
    commits: commitCount(payload),
  });
}

function composeBody(draft: Draft): Payload {
  const { repository } = draft;
  return {
    ...gitLabPush(draft),
    event_name: gitLabPush(draft).object_kind,
    user_username: SENDER,
    project: { name: repository, path_with_namespace: repository },
  };
}

async function compose(draft: Draft, secret: string): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  return postedJson(draft, body, {
    "User-Agent": "GitLab/19.0.0",
    [EVENT]: gitLabHeader(draft),
    "X-Gitlab-Instance": "https://gitlab.example.com",
    "X-Gitlab-Event-UUID": draft.id,
    "Idempotency-Key": draft.id,
    ...isSigningToken(secret) ? await standardHeaders(draft, secret, body) : { [TOKEN]: secret },
  });
}

/** GitLab's provider. */
export const gitlab: Provider = {
  name: "gitlab",
  title: "GitLab",
  marks: (headers) => headers.has(EVENT),
  imitates: ["standard"],
  secretForm: {
    allowed: `a token (${TOKEN_FORM.allowed}), or a signing token: ${STANDARD_SECRET.allowed}`,
    fits: (secret) => (isSigningToken(secret) ? STANDARD_SECRET : TOKEN_FORM).fits(secret),
  },
  signsBody: isSigningToken,
  pings: false,
  setup: {
    menu: "Settings → Webhooks → Add new webhook",
    fields: [
      ["URL", "{url}"],
      ["Signing token", "{secret}"],
      ["Trigger", "Push events, Tag push events"],
    ],
    note:
      "Before GitLab 19 there is only a secret token, which comes in clear: write one that does " +
      "not begin with whsec_ into the file, and paste the same. The test button sends a push.",
    secret: "whsec",
  },
  authenticator,
  read,
  compose,
};
