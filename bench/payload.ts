/** The push that every peer gets: the shape of a Coding v2 delivery, signed as Coding signs it. */
import { createHmac } from "node:crypto";

/** The ref that every repository of the bench deploys. */
export const REF = "refs/heads/main";

/** Size that a push of a few commits has on the wire, in bytes; the body is at least this long. */
const BODY_BYTES = 6_000;

/**
 * The JSON body of a push with as many commits as it takes to reach about 6 KB.
 *
 * @param after commit id that the push claims to have brought; peers may not trust it
 */
export function pushBody(after: string): string {
  const person = { name: "Bench", email: "bench@example.com", username: "bench" };
  const web = "https://bench.coding.net/p/site/d/site/git";
  const commits: unknown[] = [];
  const body = () =>
    JSON.stringify({
      ref: REF,
      before: "0123456789abcdef0123456789abcdef01234567",
      after,
      created: false,
      deleted: false,
      compare: `${web}/compare/0123456789abc...${after.slice(0, 13)}`,
      commits,
      head_commit: commits.at(-1) ?? null,
      pusher: person,
      sender: {
        id: 1,
        login: "bench",
        name: "Bench",
        html_url: "https://bench.coding.net/u/bench",
      },
      repository: {
        id: 1,
        name: "site",
        full_name: "bench/site/site",
        private: true,
        clone_url: "https://e.coding.net/bench/site.git",
        ssh_url: "git@e.coding.net:bench/site.git",
        html_url: web,
        default_branch: "main",
      },
    });
  while (body().length < BODY_BYTES) {
    const id = commits.length.toString(16).padStart(2, "0").repeat(20);
    commits.push({
      id,
      distinct: true,
      message:
        `site: change number ${commits.length} of this push\n\nWhy it was needed, in a line.`,
      timestamp: 1_700_000_000_000 + commits.length * 60_000,
      url: `${web}/commit/${id}`,
      author: person,
      committer: person,
      added: [],
      removed: [],
      modified: [`pages/page-${commits.length}.html`],
    });
  }
  return body();
}

/** Value of `X-Coding-Signature`: `sha1=` and the hex HMAC-SHA1 of the body under the secret. */
export function sign(body: string, secret: string): string {
  return "sha1=" + createHmac("sha1", secret).update(body).digest("hex");
}

/** All headers of one delivery but those of the transport (`Host`, `Content-Length`). */
export function deliveryHeaders(
  body: string,
  secret: string,
  delivery: string,
): Record<string, string> {
  return {
    "Content-Type": "application/json",
    "User-Agent": "Coding.net Hook",
    "X-Coding-Event": "push",
    "X-Coding-Delivery": delivery,
    "X-Coding-WebHook-Version": "v2",
    "X-Coding-Signature": sign(body, secret),
  };
}

/** Posts one delivery and reads the whole answer; the status is all that the bench looks at. */
export async function deliver(
  url: string,
  body: string,
  secret: string,
  signal?: AbortSignal,
): Promise<number> {
  const headers = deliveryHeaders(body, secret, crypto.randomUUID());
  const response = await fetch(url, { method: "POST", headers, body, signal: signal ?? null });
  await response.arrayBuffer();
  return response.status;
}
