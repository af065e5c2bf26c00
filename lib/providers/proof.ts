/**
 * The ways in which forges prove themselves: a signature, a token in clear, or a password. What
 * they say of a refused delivery is for the administrator's log alone.
 *
 * @module
 */

import { encodeBase64 } from "@std/encoding/base64";
import {
  type Bytes,
  hmacKey,
  sign,
  type SignatureHeader,
  signatureVerifier,
  strictBase64,
  tokenMatcher,
} from "../signature.ts";
import type { Authenticator, Posted, SecretForm, Verdict } from "./provider.ts";

const AUTHENTIC: Verdict = { authentic: true };

/** A refusal, with what the log says of it. */
export function refused(why: string): Verdict {
  return { authentic: false, why };
}

/**
 * Makes the check of a signature.
 *
 * @param forge whose settings to look at where there is none
 */
export async function signedBy(
  format: SignatureHeader,
  secret: string | Bytes,
  forge: string,
): Promise<Authenticator> {
  const verify = await signatureVerifier(format, secret);
  const verdicts = {
    genuine: AUTHENTIC,
    absent: refused(`no signature: is the secret set at ${forge}?`),
    malformed: refused("the signature is malformed"),
    unfit: refused(
      format.signed === undefined
        ? "the signature does not fit the secret and the body"
        : "the signature does not fit the secret and what it signs",
    ),
  } as const;
  return async (posted) => verdicts[await verify(posted)];
}

/** The signature that a forge would put into its header, for a message of our own. */
export async function signatureOf(
  format: SignatureHeader,
  secret: string | Bytes,
  bytes: Bytes,
): Promise<string> {
  return await sign(format, await hmacKey(secret, format.hash), bytes);
}

/** What a token must look like to come through a header unchanged. */
export const TOKEN_FORM: SecretForm = {
  allowed: "ASCII characters, without blanks at either end",
  fits: (secret) => /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret),
};

/** Makes the check of a token that the forge sends in clear, in the first of the headers it uses. */
export async function tokenIn(
  headers: readonly string[],
  secret: string,
  forge: string,
): Promise<Authenticator> {
  const matches = await tokenMatcher(secret);
  return async (posted) => {
    const header = headers.find((name) => posted.headers.has(name));
    if (header === undefined) return refused(`no token: is it set at ${forge}?`);
    return await matches(posted.headers.get(header)!)
      ? AUTHENTIC
      : refused(`the token in ${header} is another`);
  };
}

/**
 * Makes the check of a password by Basic authentication (RFC 7617). Any user name does, unless the
 * secret names one as `user:password`.
 */
export async function basicAuthentication(secret: string, forge: string): Promise<Authenticator> {
  const matches = await tokenMatcher(secret);
  const isPair = secret.includes(":");
  return async ({ headers }) => {
    const value = headers.get("Authorization");
    if (value === null) return refused(`no Basic authentication: is it set at ${forge}?`);
    const credentials = basicCredentials(value);
    if (credentials === undefined) return refused("the Basic authentication is malformed");
    const given = isPair ? credentials : credentials.slice(credentials.indexOf(":") + 1);
    return await matches(given) ? AUTHENTIC : refused("the password is another");
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `user:password` from the header's value, or undefined where it is anything else. */
function basicCredentials(value: string): string | undefined {
  if (!value.startsWith("Basic ")) return undefined;
  const bytes = strictBase64(value.slice("Basic ".length));
  if (bytes === undefined) return undefined;
  try {
    const credentials = strictUtf8.decode(bytes);
    return credentials.includes(":") ? credentials : undefined;
  } catch {
    return undefined;
  }
}

/** The header's value for `user:password`. */
export function basicHeader(credentials: string): string {
  return `Basic ${encodeBase64(new TextEncoder().encode(credentials))}`;
}

/** A window of time around a delivery, in which its timestamp must lie. */
export interface Window {
  readonly header: string;
  /** The header's unit, in milliseconds. */
  readonly unit: 1 | 1000;
  /** How far from now, in milliseconds. */
  readonly tolerance: number;
}

/** The timestamp as the forge wrote it, or undefined where it is no number of a sane length. */
export function timestampOf(headers: Headers, header: string): string | undefined {
  const value = headers.get(header);
  return value !== null && /^[0-9]{1,15}$/.test(value) ? value : undefined;
}

/** Refuses what is authentic but was signed long ago: a delivery that somebody kept. */
export function freshOnly(window: Window, check: Authenticator): Authenticator {
  return async (posted) => {
    const verdict = await check(posted);
    if (!verdict.authentic) return verdict;
    const off = distance(posted, window);
    return off <= window.tolerance ? verdict : refused(
      `signed ${Math.round(off / 1000)} s from now: an old delivery, or a clock that is wrong`,
    );
  };
}

function distance({ headers, received }: Posted, { header, unit }: Window): number {
  const timestamp = timestampOf(headers, header);
  return timestamp === undefined ? Infinity : Math.abs(received - Number(timestamp) * unit);
}
