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
  /** How many commits came with it, where the forge tells. */
  readonly commits?: number;
}

/** A delivery that can be told from others. */
export interface IdentifiedDelivery extends Delivery {
  readonly id: string;
  /**
   * Where the id comes from. One derived from the content is the same for the same body, which can
   * come twice without being a repetition: A to B, back to A, and to B again.
   */
  readonly idFrom: "forge" | "content";
}

/** The word that an answer, the log and the history use for what became of a delivery. */
export type Outcome =
  | "queued"
  | "deployed"
  | "unchanged"
  | "failed"
  | "held"
  | "pong"
  | "ignored"
  | "duplicate"
  | "rejected";

/** Why a deployment runs. */
export type Trigger =
  /** A push was delivered. */
  | "delivery"
  /** The service started, or its configuration was reloaded. */
  | "start"
  /** The remote was compared, and differs. */
  | "poll"
  /** A transport failure is tried again. */
  | "retry"
  /** Somebody asked: `hook deploy`, `hook rollback`. */
  | "request";

/** What kind of thing went wrong; the transport's kinds are tried again. */
export type FailureKind =
  | "unreachable"
  | "authentication"
  | "host-key"
  | "no-repository"
  | "no-branch"
  | "unrelated"
  | "diverged"
  | "conflict"
  | "lock"
  | "ownership"
  | "permission"
  | "disk-full"
  | "damaged"
  | "lfs"
  | "shared"
  | "hook"
  | "touch"
  | "timeout"
  | "stopped"
  | "configuration"
  | "other";

/** Failures on the way to the remote; nothing is wrong here, so they are tried again. */
const TRANSPORT: ReadonlySet<FailureKind> = new Set(["unreachable", "authentication", "host-key"]);

/**
 * Failures that the same commit would meet again; only another commit or somebody's wish tries
 * again. All others may be gone at the next comparison.
 */
const SETTLED: ReadonlySet<FailureKind> = new Set([
  "diverged",
  "conflict",
  "hook",
  "lfs",
  "shared",
  "touch",
  "unrelated",
]);

/** Whether a failure was one of the way to the remote. */
export function isTransportFailure(kind: FailureKind | undefined): boolean {
  return kind !== undefined && TRANSPORT.has(kind);
}

/** Whether the same commit would fail again. */
export function isSettledFailure(kind: FailureKind | undefined): boolean {
  return kind !== undefined && SETTLED.has(kind);
}

/** What a deployment came to. */
export interface Deployment {
  readonly repository: RepositoryName;
  readonly action: "deploy" | "rollback";
  readonly trigger: Trigger;
  /**
   * `unchanged` also where there was nothing that this trigger may change; `held` and `drifted` where
   * somebody keeps the repository as it is, knowingly or by hand.
   */
  readonly result: "deployed" | "unchanged" | "failed" | "held" | "drifted";
  /** How often it was tried, this time included. */
  readonly attempt: number;
  /** The branch, or the tag, that was followed; absent where it failed before that was known. */
  readonly branch?: string;
  /** The commit that was live before; absent at the first deployment. */
  readonly old?: Sha;
  /** The commit that is live now, or was about to be. */
  readonly new?: Sha;
  /** What the remote holds, where it was asked. */
  readonly tip?: Sha;
  /** The step that failed. */
  readonly step?: string;
  readonly kind?: FailureKind;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** Why it failed, or why nothing changed, in one line. */
  readonly reason?: string;
  /** What to do about a failure. */
  readonly hint?: string;
  /** What git and the hooks said, without passwords; its first and last part where it was long. */
  readonly output?: string;
  /** Who pushed. */
  readonly pusher?: string;
  /** The newest delivery that asked for it, and how many did. */
  readonly delivery?: string;
  readonly deliveries: number;
}

/** A delivery as the history keeps it. */
export interface DeliveryRecord {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly repository: string;
  readonly provider: string;
  readonly delivery?: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly ref?: string;
  readonly pusher?: string;
  readonly client: string;
}

/** A deployment as the history keeps it. Times are milliseconds since 1970. */
export interface DeploymentRecord {
  readonly id: number;
  readonly repository: string;
  readonly action: Deployment["action"];
  readonly trigger: Trigger;
  /** `interrupted` where the service was killed before it ended. */
  readonly state: Deployment["result"] | "running" | "interrupted";
  readonly started: number;
  readonly ended?: number;
  readonly attempt: number;
  readonly branch?: string;
  readonly old?: string;
  readonly new?: string;
  readonly step?: string;
  readonly kind?: FailureKind;
  readonly reason?: string;
  readonly hint?: string;
  readonly output?: string;
  readonly pusher?: string;
  readonly delivery?: string;
}
