/**
 * Every forge as a sender of deliveries: its headers, its bodies and its proof, written from the
 * forges' documents and signed with node:crypto, so that the product does not vouch for itself.
 */

import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { ProviderName } from "../../lib/providers/mod.ts";
import type { Posted } from "../../lib/providers/provider.ts";
import type { Bytes } from "../../lib/signature.ts";
import { AFTER, BEFORE, bytes, FORM_TYPE, JSON_TYPE, NO_COMMIT } from "./deliveries.ts";

type Fields = Record<string, string>;

/** When the deliveries of these tests are sent, in milliseconds since 1970. */
export const NOW = 1_700_000_000_000;

/** What happened at the forge. */
export type Happening = "push" | "tag" | "deletion" | "request" | "ping";

/** An event as the forge sends it: its word for it, and the body. */
export interface Sent {
  readonly event: string;
  readonly payload: unknown;
}

/** How a delivery is signed. */
export interface Signing {
  readonly secret: string;
  /** In milliseconds since 1970. */
  readonly now: number;
  /** What the signature covers where that is not the body on the wire: a form's JSON. */
  readonly json?: Bytes;
}

/** One forge. */
export interface Forge {
  readonly provider: ProviderName;
  readonly secret: string;
  /** The header that carries the proof. */
  readonly proof: string;
  /** Whether the proof covers the body. */
  readonly signsBody: boolean;
  /** Whether the proof holds for some time only. */
  readonly expires: boolean;
  /** Whether it can send forms. */
  readonly forms: boolean;
  readonly headers: (event: string, id: string) => Fields;
  readonly prove: (body: Bytes, signing: Signing) => Fields;
  /** A push with a value of the test's own in place of the ref, which may be no text. */
  readonly push: (ref: unknown) => Sent;
  readonly tag: Sent;
  readonly deletion: Sent;
  /** A merge or pull request. */
  readonly request: Sent;
  readonly ping?: Sent;
  /** The event's name in what `read()` returns for the request. */
  readonly requestName: string;
  /** Where the body tells the pusher, the name is this. */
  readonly pusher: string;
}

const PUSHER = "张三";

function hmac(hash: string, secret: string | Uint8Array, ...parts: (string | Uint8Array)[]) {
  const mac = createHmac(hash, secret);
  for (const part of parts) mac.update(part);
  return mac;
}

const sha256 = (secret: string, body: Bytes) => hmac("sha256", secret, body).digest("hex");
const sha1 = (secret: string, body: Bytes) => hmac("sha1", secret, body).digest("hex");

/** `ref`, `before`, `after`: the way of most forges. */
const usual = (ref: unknown, before = BEFORE, after = AFTER) => ({
  ref,
  before,
  after,
  commits: after === NO_COMMIT ? [] : [{ id: after, message: "改\n", author: { name: PUSHER } }],
  pusher: { name: PUSHER, login: PUSHER, user_name: PUSHER },
  user_name: PUSHER,
});

/** The four events of a forge that names them in a header and follows `usual`. */
function usualEvents(names: { push: string; tag?: string; request: string }, more: Fields = {}) {
  return {
    push: (ref: unknown) => ({ event: names.push, payload: { ...usual(ref), ...more } }),
    tag: { event: names.tag ?? names.push, payload: usual("refs/tags/v1.0", NO_COMMIT) },
    deletion: { event: names.push, payload: usual("refs/heads/main", BEFORE, NO_COMMIT) },
    request: { event: names.request, payload: { action: "opened" } },
    requestName: names.request,
    pusher: PUSHER,
  };
}

function gitLabEvents(more: (kind: string) => Fields = () => ({})) {
  const of = (kind: string, change: object) => ({ object_kind: kind, ...more(kind), ...change });
  return {
    push: (ref: unknown) => ({ event: "Push Hook", payload: of("push", usual(ref)) }),
    tag: {
      event: "Tag Push Hook",
      payload: of("tag_push", usual("refs/tags/v1.0", NO_COMMIT)),
    },
    deletion: {
      event: "Push Hook",
      payload: of("push", usual("refs/heads/main", BEFORE, NO_COMMIT)),
    },
    request: { event: "Merge Request Hook", payload: of("merge_request", {}) },
    requestName: "Merge Request Hook",
    pusher: PUSHER,
  };
}

const WHSEC = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;

function standardProof(body: Bytes, { secret, now }: Signing, id = "msg_1"): Fields {
  const timestamp = String(Math.floor(now / 1000));
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const mac = hmac("sha256", key, `${id}.${timestamp}.`, body).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
}

function giteaLike(provider: "gitea" | "forgejo" | "gogs", names: string[]): Forge {
  const each = (what: string, value: string) =>
    Object.fromEntries(names.map((name) => [`X-${name}-${what}`, value]));
  return {
    provider,
    secret: "s3cret 密",
    proof: `X-${names[0]}-Signature`,
    signsBody: true,
    expires: false,
    forms: true,
    headers: (event, id) => ({
      ...each("Event", event),
      ...each("Delivery", id),
      "X-GitHub-Event": event,
      "X-GitHub-Delivery": id,
    }),
    prove: (body, { secret, json = body }) => ({
      ...each("Signature", sha256(secret, json)),
      ...provider !== "gogs" && {
        "X-Hub-Signature": `sha1=${sha1(secret, json)}`,
        "X-Hub-Signature-256": `sha256=${sha256(secret, json)}`,
      },
    }),
    ...usualEvents({ push: "push", request: "pull_request" }),
  };
}

const bitbucketState = (type: string, name: unknown, hash = AFTER) => ({
  type,
  name,
  target: { hash },
});
const bitbucketPush = (...changes: object[]) => ({
  event: "repo:push",
  payload: { actor: { display_name: PUSHER }, push: { changes } },
});

const serverChange = (id: unknown, toHash = AFTER, type = "UPDATE") => ({
  ref: { id, type: "BRANCH" },
  refId: id,
  fromHash: BEFORE,
  toHash,
  type,
});
const serverPush = (...changes: object[]) => ({
  event: "repo:refs_changed",
  payload: { actor: { displayName: PUSHER }, changes },
});

const cnbPush = (event: string, branch: unknown, more: object = {}) => ({
  event,
  payload: {
    CNB_EVENT: event,
    CNB_BRANCH: branch,
    CNB_BEFORE_SHA: BEFORE,
    CNB_COMMIT: AFTER,
    CNB_IS_TAG: "false",
    CNB_BUILD_USER: PUSHER,
    CNB_PIPELINE_ID: "pipeline-1",
    ...more,
  },
});

const azurePush = (name: unknown, newObjectId = AFTER) => ({
  event: "git.push",
  payload: {
    id: "03c164c2-8912-4d5e-8009-3707d5f83734",
    eventType: "git.push",
    resource: {
      refUpdates: [{ name, oldObjectId: BEFORE, newObjectId }],
      pushedBy: { displayName: PUSHER },
    },
  },
});

const codeupToken = (_: Bytes, { secret }: Signing) => ({ "X-Codeup-Token": secret });

/** The forges that have a provider. */
export const FORGES: readonly Forge[] = [
  {
    provider: "coding",
    secret: "correct horse",
    proof: "X-Coding-Signature",
    signsBody: true,
    expires: false,
    forms: true,
    headers: (event, id) => ({
      "X-Coding-Event": event,
      "X-Coding-Delivery": id,
      "X-Coding-WebHook-Version": "v2",
    }),
    prove: (body, { secret }) => ({ "X-Coding-Signature": `sha1=${sha1(secret, body)}` }),
    ...usualEvents({ push: "push", request: "merge request" }),
    ping: { event: "ping", payload: { zen: "Coding!" } },
  },
  {
    provider: "github",
    secret: "It's a Secret to Everybody",
    proof: "X-Hub-Signature-256",
    signsBody: true,
    expires: false,
    forms: true,
    headers: (event, id) => ({ "X-GitHub-Event": event, "X-GitHub-Delivery": id }),
    prove: (body, { secret }) => ({
      "X-Hub-Signature": `sha1=${sha1(secret, body)}`,
      "X-Hub-Signature-256": `sha256=${sha256(secret, body)}`,
    }),
    ...usualEvents({ push: "push", request: "pull_request" }),
    ping: { event: "ping", payload: { zen: "Design for failure.", hook_id: 1 } },
  },
  {
    provider: "gitlab",
    secret: WHSEC,
    proof: "webhook-signature",
    signsBody: true,
    expires: true,
    forms: false,
    headers: (event) => ({ "X-Gitlab-Event": event }),
    prove: (body, signing) => ({
      ...standardProof(body, signing),
      "Idempotency-Key": "msg_1",
      "X-Gitlab-Token": "beside the signature",
    }),
    ...gitLabEvents(),
  },
  {
    provider: "gitee",
    secret: "shihuali123",
    proof: "X-Gitee-Token",
    signsBody: false,
    expires: true,
    forms: true,
    headers: (event) => ({
      "X-Gitee-Event": event,
      "X-Git-Oschina-Event": event,
      "X-Gitee-Ping": "false",
    }),
    prove: (_, { secret, now }) => ({
      "X-Gitee-Timestamp": String(now),
      "X-Gitee-Token": hmac("sha256", secret, `${now}\n${secret}`).digest("base64"),
    }),
    ...usualEvents({ push: "Push Hook", tag: "Tag Push Hook", request: "Merge Request Hook" }),
    // The test button sends a whole push and marks it; see `post()`.
    ping: { event: "Push Hook", payload: usual("refs/heads/main") },
  },
  giteaLike("gitea", ["Gitea", "Gogs"]),
  giteaLike("forgejo", ["Forgejo", "Gitea", "Gogs"]),
  giteaLike("gogs", ["Gogs"]),
  {
    provider: "bitbucket",
    secret: "It's a Secret to Everybody",
    proof: "X-Hub-Signature",
    signsBody: true,
    expires: false,
    forms: false,
    headers: (event, id) => ({
      "X-Event-Key": event,
      "X-Hook-UUID": "{5b1fa0e4}",
      "X-Request-UUID": id,
      "X-Attempt-Number": "1",
    }),
    prove: (body, { secret }) => ({ "X-Hub-Signature": `sha256=${sha256(secret, body)}` }),
    push: (ref) =>
      bitbucketPush({
        old: bitbucketState("branch", "main", BEFORE),
        new: bitbucketState(
          "branch",
          typeof ref === "string" ? ref.replace(/^refs\/heads\//, "") : ref,
        ),
        closed: false,
      }),
    tag: bitbucketPush({ old: null, new: bitbucketState("tag", "v1.0"), created: true }),
    deletion: bitbucketPush({
      old: bitbucketState("branch", "main", BEFORE),
      new: null,
      closed: true,
    }),
    request: { event: "pullrequest:created", payload: { pullrequest: {} } },
    requestName: "pullrequest:created",
    pusher: PUSHER,
  },
  {
    provider: "bitbucket-server",
    secret: "secret",
    proof: "X-Hub-Signature",
    signsBody: true,
    expires: false,
    forms: false,
    headers: (event, id) => ({ "X-Event-Key": event, "X-Request-Id": id }),
    prove: (body, { secret }) => ({ "X-Hub-Signature": `sha256=${sha256(secret, body)}` }),
    push: (ref) => serverPush(serverChange(ref)),
    tag: serverPush(serverChange("refs/tags/v1.0", AFTER, "ADD")),
    deletion: serverPush(serverChange("refs/heads/main", NO_COMMIT, "DELETE")),
    request: { event: "pr:opened", payload: {} },
    ping: { event: "diagnostics:ping", payload: { test: true } },
    requestName: "pr:opened",
    pusher: PUSHER,
  },
  {
    provider: "cnb",
    secret: "密钥-jenkins-🔐",
    proof: "X-CNB-Signature",
    signsBody: true,
    expires: false,
    forms: false,
    headers: () => ({}),
    prove: (body, { secret }) => ({ "X-CNB-Signature": `sha256=${sha256(secret, body)}` }),
    push: (ref) =>
      cnbPush("push", typeof ref === "string" ? ref.replace(/^refs\/heads\//, "") : ref),
    tag: cnbPush("tag_push", "v1.0", { CNB_IS_TAG: "true" }),
    deletion: cnbPush("branch.delete", "main"),
    request: cnbPush("pull_request", "main"),
    requestName: "pull_request",
    pusher: PUSHER,
  },
  {
    provider: "gongfeng",
    secret: "t0ken",
    proof: "X-Token",
    signsBody: false,
    expires: false,
    forms: false,
    headers: (event, id) => ({
      "X-Event": event,
      "X-Gitlab-Event": event,
      "X-TRACE-ID": id,
    }),
    prove: (_, { secret }) => ({ "X-Token": secret, "X-Gitlab-Token": secret }),
    ...gitLabEvents((kind) => ({ operation_kind: kind === "tag_push" ? "create" : "update" })),
    deletion: {
      event: "Push Hook",
      payload: { object_kind: "push", operation_kind: "delete", ...usual("refs/heads/main") },
    },
  },
  {
    provider: "codeup",
    secret: "shl123",
    proof: "X-Codeup-Token",
    signsBody: false,
    expires: false,
    forms: false,
    headers: (event, id) => ({ "X-Codeup-Event": event, "X-Codeup-Delivery": id }),
    prove: codeupToken,
    ...gitLabEvents(),
    ping: { event: "Push Hook", payload: { before: BEFORE, after: AFTER } },
  },
  {
    provider: "azure",
    secret: "pa55word",
    proof: "Authorization",
    signsBody: false,
    expires: false,
    forms: false,
    headers: () => ({ "User-Agent": "VSServices/19.240" }),
    prove: (_, { secret }) => {
      const credentials = secret.includes(":") ? secret : `anyone:${secret}`;
      return { "Authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
    },
    push: (ref) => azurePush(ref),
    tag: azurePush("refs/tags/v1.0"),
    deletion: azurePush("refs/heads/main", NO_COMMIT),
    request: {
      event: "git.pullrequest.created",
      payload: { id: "1", eventType: "git.pullrequest.created" },
    },
    requestName: "git.pullrequest.created",
    pusher: PUSHER,
  },
  {
    provider: "standard",
    secret: WHSEC,
    proof: "webhook-signature",
    signsBody: true,
    expires: true,
    forms: false,
    headers: () => ({}),
    prove: standardProof,
    push: (ref) => ({
      event: "push",
      payload: { type: "push", data: { ...usual(ref), pusher: PUSHER } },
    }),
    tag: { event: "push", payload: { type: "repository.push", ...usual("refs/tags/v1.0") } },
    deletion: {
      event: "push",
      payload: { type: "push", data: usual("refs/heads/main", BEFORE, NO_COMMIT) },
    },
    request: { event: "x", payload: { type: "pull_request.opened", data: {} } },
    ping: { event: "ping", payload: { type: "ping", data: {} } },
    requestName: "pull_request.opened",
    pusher: PUSHER,
  },
];

/** How a test changes a delivery. */
export interface Change {
  readonly secret?: string;
  readonly now?: number;
  readonly form?: boolean;
  readonly id?: string;
  /** Bytes in place of the payload, signed as they are. */
  readonly body?: Bytes;
}

/** Posts what happened as the forge does, or with a change, as it would arrive at `NOW`. */
export function post(forge: Forge, { event, payload }: Sent, change: Change = {}): Posted {
  const { secret = forge.secret, now = NOW, form = false, id = "delivery-1" } = change;
  const json = change.body ?? bytes(JSON.stringify(payload));
  const body = form ? bytes(`payload=${encodeURIComponent(new TextDecoder().decode(json))}`) : json;
  const isPing = forge.ping?.payload === payload;
  const headers = {
    "Content-Type": form ? FORM_TYPE : JSON_TYPE,
    ...forge.headers(event, id),
    // Of the pings, Gitee's is marked by a header and Bitbucket Server's is not signed.
    ...isPing && forge.provider === "gitee" && { "X-Gitee-Ping": "true" },
    ...!(isPing && forge.provider === "bitbucket-server") &&
      forge.prove(body, { secret, now, json }),
  };
  return { headers: new Headers(headers), body, received: NOW };
}

/** A push to `main`, posted. */
export function postPush(forge: Forge, change: Change = {}): Posted {
  return post(forge, forge.push("refs/heads/main"), change);
}
