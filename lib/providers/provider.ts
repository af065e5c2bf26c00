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
  /** When it arrived, in milliseconds since 1970. */
  readonly received: number;
}

/** A parsed body: the fields of a JSON object. */
export type Payload = Readonly<Record<string, unknown>>;

/** What the check of a delivery's authenticity came to. */
export type Verdict =
  | {
    readonly authentic: true;
    /** The body, where it had to be parsed to find the proof in it. */
    readonly payload?: Payload;
    /** Anybody could have sent it: a test that the forge does not sign, which changes nothing. */
    readonly unproven?: true;
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

/** Tells whether a delivery is authentic. Never throws, whatever arrives. */
export type Authenticator = (posted: Posted) => Promise<Verdict>;

/** What the configuration may say of a forge's proof, besides the secret. */
export interface ProofOptions {
  /** Take SHA-1 where the stronger signature is absent: old GitHub Enterprise. */
  readonly allowSha1?: boolean;
  /** The header with the signature, where people choose its name: CNB. */
  readonly signatureHeader?: string;
}

/** A secret that can't be any text. */
export interface SecretForm {
  /** What is allowed, in words. */
  readonly allowed: string;
  readonly fits: (secret: string) => boolean;
}

/**
 * How people tell the forge about us. `{url}` and `{secret}` stand for the repository's own; names
 * of menus and fields are those that the forge shows.
 */
export interface Setup {
  /** The way to the form, from the repository's page. */
  readonly menu: string;
  /** The form's fields that matter, from top to bottom, and what goes into them. */
  readonly fields: readonly (readonly [field: string, value: string])[];
  /** What else there is to know. */
  readonly note?: string;
  /** What to add to a file in the repository, where the forge is told so. */
  readonly file?: { readonly name: string; readonly text: string };
  /** What a new secret looks like: hexadecimal, or `whsec_` and base64; `hex` by default. */
  readonly secret?: "hex" | "whsec";
}

/** One forge. Knows signatures and the vocabulary; neither files, nor servers, nor git. */
export interface Provider {
  readonly name: string;
  /** The forge, as people know it. */
  readonly title: string;
  /** Whether headers are those of this forge, which may imitate others as well. */
  readonly marks: (headers: Headers) => boolean;
  /** The forges whose headers this one sends beside its own. */
  readonly imitates?: readonly string[];
  /** The options that it has. */
  readonly options?: readonly (keyof ProofOptions)[];
  readonly secretForm?: SecretForm;
  /** Whether the proof covers the body; where it does not, the body is but a hint. */
  readonly signsBody: (secret: string) => boolean;
  /** Whether the forge can send a delivery that only tests the connection. */
  readonly pings: boolean;
  readonly setup: Setup;
  /** Prepares a secret, importing its keys once, for the check of many deliveries. */
  authenticator(secret: string, options?: ProofOptions): Promise<Authenticator>;
  /**
   * Understands an authentic delivery.
   *
   * @param payload the parsed body, where the verdict had it already
   * @throws {UnreadableDelivery} and nothing else
   */
  read(posted: Posted, payload?: Payload): Delivery;
  /** Composes and signs what the forge would post; a ping only where it `pings`. */
  compose(draft: Draft, secret: string, options?: ProofOptions): Promise<Posted>;
}

/** An authentic delivery that does not follow its forge's format. The message says where. */
export class UnreadableDelivery extends Error {
  override readonly name = "UnreadableDelivery";
}
