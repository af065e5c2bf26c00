/**
 * The vocabulary: what a forge tells, what is answered, and what a deployment came to.
 *
 * @module
 */

import type { RepositoryName, Sha } from "./values.ts";

/** One ref that a push moved. */
export interface RefChange {
  /** The full name, such as `refs/heads/main`; compared, never used with git. */
  readonly ref: string;
  readonly before?: Sha;
  readonly after?: Sha;
  /** The ref is gone at the forge. */
  readonly deleted: boolean;
}

/** What a delivery is about. */
export type DeliveryEvent =
  | { readonly kind: "push"; readonly changes: readonly RefChange[] }
  | { readonly kind: "ping" }
  /** Something else that the forge sends: `name` is its own word for it. */
  | { readonly kind: "other"; readonly name: string };

/** An authentic delivery, understood. */
export interface Delivery {
  /** The forge's id of this delivery, the same when it delivers again; absent where it has none. */
  readonly id?: string;
  readonly event: DeliveryEvent;
  /** Who pushed, in the forge's words. */
  readonly pusher?: string;
}

/** The word that an answer, the log and the history use for what became of a delivery. */
export type Outcome =
  | "queued"
  | "deployed"
  | "unchanged"
  | "failed"
  | "pong"
  | "ignored"
  | "duplicate"
  | "rejected";

/** What a deployment came to. */
export interface Deployment {
  readonly repository: RepositoryName;
  readonly result: "deployed" | "unchanged" | "failed";
  /** The branch that was followed; absent where the deployment failed before it was known. */
  readonly branch?: string;
  /** The commit that was checked out before; absent in a new clone. */
  readonly old?: Sha;
  /** The commit that is checked out now. */
  readonly new?: Sha;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** Why it failed, or why nothing changed, in one line. */
  readonly reason?: string;
  /** What to do about a failure. */
  readonly hint?: string;
  /** What git said, without passwords; its first and last part where it was long. */
  readonly output?: string;
}
