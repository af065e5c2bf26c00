/**
 * Deliveries as Coding sends them, in its three generations, built and signed here and by nobody
 * else: the product's own code for signatures must not vouch for itself.
 *
 * Sources: coding/coding-docs, project-settings/open/webhook.md and service-hook/; for the first
 * generation open.coding.net/webhooks.
 */

import { createHmac, randomUUID } from "node:crypto";
import { exists } from "./paths.ts";
import { ROOT } from "./product.ts";

/** A request to be posted: its headers and the bytes of its body. */
export interface Posting {
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
}

/** Forty zeros: what forges send in place of a commit that does not exist. */
export const NO_COMMIT = "0".repeat(40);

const AGENT = "Coding.net Hook";
const JSON_TYPE = "application/json; charset=UTF-8";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** `sha1=` and the hexadecimal HMAC-SHA1 of the raw body. */
export function signature(secret: string, body: Uint8Array | string): string {
  return "sha1=" + createHmac("sha1", secret).update(body).digest("hex");
}

export interface PushOptions {
  before?: string;
  after?: string;
  /** Put among the payload's keys, over the ones made here. */
  extra?: Record<string, unknown>;
}

/** The payload of a push, with the keys that v2 and Service Hook share. */
export function push(ref: string, options: PushOptions = {}): Record<string, unknown> {
  const after = options.after ?? "a".repeat(40);
  return {
    ref,
    before: options.before ?? "b".repeat(40),
    after,
    created: options.before === NO_COMMIT,
    deleted: after === NO_COMMIT,
    commits: after === NO_COMMIT ? [] : [{
      id: after,
      message: "更新 README\n",
      author: { name: "张三", email: "z@example.test" },
    }],
    head_commit: after === NO_COMMIT ? null : { id: after, message: "更新 README\n" },
    pusher: { name: "张三", username: "zhangsan" },
    sender: { id: 1, login: "zhangsan" },
    repository: {
      full_name: "team/project/app",
      clone_url: "http://127.0.0.1:9/never/asked.git",
      ssh_url: "git@127.0.0.1:never/asked.git",
      default_branch: "master",
    },
    ...options.extra,
  };
}

export interface SignedOptions {
  secret: string;
  event?: string;
  delivery?: string;
  /** `payload=` in a form instead of JSON. */
  form?: boolean;
  /** Replaces or removes headers. */
  headers?: Record<string, string | undefined>;
}

function encode(payload: unknown, form: boolean): Uint8Array<ArrayBuffer> {
  if (payload instanceof Uint8Array) return new Uint8Array(payload);
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return new TextEncoder().encode(form ? new URLSearchParams({ payload: text }).toString() : text);
}

function overlay(
  headers: Record<string, string>,
  changes: Record<string, string | undefined> = {},
): Record<string, string> {
  const merged: Record<string, string | undefined> = { ...headers, ...changes };
  return Object.fromEntries(
    Object.entries(merged).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

/** A delivery of the second generation; `payload` is an object, or text or bytes as they are. */
export function v2(payload: unknown, options: SignedOptions): Posting {
  const body = encode(payload, options.form ?? false);
  const headers = {
    "User-Agent": AGENT,
    "Content-Type": options.form ? FORM_TYPE : JSON_TYPE,
    "X-Coding-Event": options.event ?? "push",
    "X-Coding-Delivery": options.delivery ?? randomUUID(),
    "X-Coding-WebHook-Version": "v2",
    "X-Coding-Signature": signature(options.secret, body),
  };
  return { headers: overlay(headers, options.headers), body };
}

/** A delivery of a Service Hook. */
export function serviceHook(payload: unknown, options: SignedOptions): Posting {
  const body = encode(payload, options.form ?? false);
  const headers = {
    "User-Agent": AGENT,
    "Content-Type": options.form ? FORM_TYPE : JSON_TYPE,
    "X-Coding-Service-Hook-Event": options.event ?? "GIT_PUSHED",
    "X-Coding-Service-Hook-Id": randomUUID(),
    "X-Coding-Service-Hook-Action": "webhook_http_post",
    "X-Coding-Delivery": options.delivery ?? randomUUID(),
    "X-Coding-Signature": signature(options.secret, body),
  };
  return { headers: overlay(headers, options.headers), body };
}

/** What a Service Hook adds to the payload of a push. */
export function serviceHookPush(ref: string, options: PushOptions = {}): Record<string, unknown> {
  return {
    event: "GIT_PUSHED",
    eventName: "推送代码",
    project: { name: "project" },
    team: { name: "team" },
    ...push(ref, options),
  };
}

/** The payload of a push of the first generation, without its token. */
export function v1Push(ref: string, options: PushOptions = {}): Record<string, unknown> {
  const after = options.after ?? "a".repeat(40);
  const commits = [{ sha: after, short_message: "new file\n", committer: { name: "demo" } }];
  return {
    ref,
    before: options.before ?? "b".repeat(40),
    ...(after === NO_COMMIT ? {} : { commits }),
    after,
    event: "push",
    repository: {
      name: "app",
      https_url: "https://git.coding.net/demo/app.git",
      ssh_url: "git@git.coding.net:demo/app.git",
    },
    user: { name: "demo", global_key: "demo" },
    ...options.extra,
  };
}

/** A delivery of the first generation, whose secret is the body's `token`. */
export function v1(
  payload: unknown,
  options: { token?: unknown; event?: string; form?: boolean } = {},
): Posting {
  const whole = typeof payload === "object" && payload !== null && "token" in options
    ? { ...payload, token: options.token }
    : payload;
  return {
    headers: {
      "User-Agent": AGENT,
      "Content-Type": options.form ? FORM_TYPE : JSON_TYPE,
      "X-Coding-Event": options.event ?? "push",
    },
    body: encode(whole, options.form ?? false),
  };
}

const FIXTURES = `${ROOT}/../shared/fixtures`;

/** Why tests of captured deliveries are left out, or `undefined` where the captures are there. */
export const NEEDS_FIXTURES = exists(`${FIXTURES}/coding`)
  ? undefined
  : "no folder ../shared/fixtures with captured deliveries";

/** The bytes of a captured body, such as `v2_push`. */
export function fixture(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(`${FIXTURES}/coding/${name}.json`);
}
