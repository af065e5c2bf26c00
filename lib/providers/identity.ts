/**
 * Telling deliveries apart, where the forge numbers them and where it does not.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import type { Delivery, IdentifiedDelivery } from "../delivery.ts";
import type { Bytes } from "../signature.ts";

/** The digits of an id that is derived from the content. */
const DIGITS = 32;

/**
 * Gives a delivery an id: the forge's, or else the first digits of the SHA-256 over the provider's
 * name and the body, which are the same when the forge delivers again.
 */
export async function identified(
  provider: string,
  body: Bytes,
  delivery: Delivery,
): Promise<IdentifiedDelivery> {
  const { id } = delivery;
  return id === undefined
    ? { ...delivery, id: await contentId(provider, body), idFrom: "content" }
    : { ...delivery, id, idFrom: "forge" };
}

async function contentId(provider: string, body: Bytes): Promise<string> {
  const head = new TextEncoder().encode(`${provider}\0`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return encodeHex(new Uint8Array(digest)).slice(0, DIGITS);
}
