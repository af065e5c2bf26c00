/**
 * What a provider is: how a forge proves that a delivery is its own, and how its deliveries read.
 *
 * @module
 */

import type { Delivery } from "../delivery.ts";
import type { Bytes } from "../signature.ts";

/** A delivery as it arrived. */
export interface Posted {
  readonly headers: Headers;
  readonly body: Bytes;
}

/** A parsed body: the fields of a JSON object. */
export type Payload = Readonly<Record<string, unknown>>;

/** What the check of a delivery's authenticity came to. */
export type Verdict =
  | {
    readonly authentic: true;
    /** The body, where it had to be parsed to find the proof in it. */
    readonly payload?: Payload;
  }
  /** Not authentic; `why` is for the administrator's log alone. */
  | { readonly authentic: false; readonly why: string };

/** A delivery that `hook send` composes: what the forge would post. */
export interface Draft {
  readonly event: "push" | "ping";
  readonly repository: string;
  /** The full name of the ref. */
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  /** A body to sign and send instead of the composed one. */
  readonly body?: Bytes;
  /** The delivery's id and its time, in milliseconds since 1970. */
  readonly id: string;
  readonly now: number;
}

/** One forge. Knows signatures and the vocabulary; neither files, nor servers, nor git. */
export interface Provider {
  readonly name: string;
  /**
   * Prepares a secret, importing its keys once, for the check of many deliveries. The check never
   * throws, whatever arrives.
   */
  authenticator(secret: string): Promise<(posted: Posted) => Promise<Verdict>>;
  /**
   * Understands an authentic delivery.
   *
   * @param payload the parsed body, where the verdict had it already
   * @throws {UnreadableDelivery} and nothing else
   */
  read(posted: Posted, payload?: Payload): Delivery;
  /** Composes and signs what the forge would post. */
  compose(draft: Draft, secret: string): Promise<Posted>;
}

/** An authentic delivery that does not follow its forge's format. The message says where. */
export class UnreadableDelivery extends Error {
  override readonly name = "UnreadableDelivery";
}
