/**
 * What the bodies that `hook send` composes have in common. They hold what receivers read, in the
 * forge's own words; what nobody reads is left out.
 *
 * @module
 */

import type { Bytes } from "../signature.ts";
import type { Draft, Payload, Posted } from "./provider.ts";

/** Who pushes in a composed delivery. */
export const SENDER = "hook";

/** Git's name for no commit. */
export const NO_COMMIT = "0".repeat(40);

/** The body as bytes: the one that was given, else the composed one. */
export function bodyOf(draft: Draft, compose: (draft: Draft) => Payload): Bytes {
  return draft.body ?? new TextEncoder().encode(JSON.stringify(compose(draft)));
}

/** A delivery in JSON, as it would arrive now. */
export function postedJson(
  { now }: Draft,
  body: Bytes,
  headers: Readonly<Record<string, string>>,
): Posted {
  return {
    headers: new Headers({ "Content-Type": "application/json", ...headers }),
    body,
    received: now,
  };
}

/** Whether the draft is about a tag. */
export function isTag({ ref }: Draft): boolean {
  return ref.startsWith("refs/tags/");
}

/** The name of the ref without its namespace. */
export function shortRef({ ref }: Draft): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, "");
}

/** The part of a push in which most forges agree. */
export function usualPush({ ref, before, after, now }: Draft) {
  const commit = {
    id: after,
    message: "hook send",
    timestamp: new Date(now).toISOString(),
    author: { name: SENDER, email: `${SENDER}@localhost` },
  };
  return { ref, before, after, commits: [commit] };
}
