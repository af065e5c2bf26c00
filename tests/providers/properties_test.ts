/** What must hold for every forge, whatever the bytes. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { providers } from "../../lib/providers/mod.ts";
import { type Posted, type Provider, UnreadableDelivery } from "../../lib/providers/provider.ts";
import type { Bytes } from "../../lib/signature.ts";
import { isPlausibleRef } from "../../lib/values.ts";
import { FORM_TYPE, JSON_TYPE } from "./deliveries.ts";
import { type Forge, FORGES, NOW, post, postPush } from "./forges.ts";

/** The body with one bit flipped. */
function flipped(body: Bytes, bit: number): Bytes {
  const copy = new Uint8Array(body);
  const at = bit % (copy.length * 8);
  copy[at >> 3]! ^= 1 << (at & 7);
  return copy;
}

/** The proof with one bit of one character flipped; undefined where no header can hold it. */
function flippedProof(posted: Posted, { proof }: Forge, bit: number): Posted | undefined {
  const value = posted.headers.get(proof)!;
  const at = bit % (value.length * 7);
  const index = Math.floor(at / 7);
  const code = value.charCodeAt(index) ^ (1 << at % 7);
  const headers = new Headers(posted.headers);
  // Gongfeng repeats its token; the first header counts.
  try {
    headers.set(proof, value.slice(0, index) + String.fromCharCode(code) + value.slice(index + 1));
  } catch {
    return undefined;
  }
  // White space at the ends is not part of a header's value.
  return headers.get(proof) === value ? undefined : { ...posted, headers };
}

/** The bits of a proof that mean nothing: the last of base64, and the user of a password. */
function isMeaningless({ provider }: Forge, before: Posted, after: Posted): boolean {
  const values = [before, after].map(({ headers }) => {
    if (provider === "gitee") return atobOf(headers.get("X-Gitee-Token")!);
    if (provider === "azure") return atobOf(headers.get("Authorization")!.slice(6))?.split(":")[1];
    const signature = headers.get("webhook-signature");
    return signature === null ? undefined : atobOf(signature.slice(3));
  });
  return values[0] !== undefined && values[0] === values[1];
}

function atobOf(text: string): string | undefined {
  try {
    return atob(text.replaceAll("%", "!"));
  } catch {
    return undefined;
  }
}

for (const forge of FORGES) {
  const provider: Provider = providers[forge.provider];

  Deno.test(`authenticator() of ${provider.name} refuses any flipped bit of its proof`, async () => {
    const check = await provider.authenticator(forge.secret);
    const good = postPush(forge);
    assertEquals((await check(good)).authentic, true);
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (bit) => {
        const bad = flippedProof(good, forge, bit);
        if (bad === undefined || isMeaningless(forge, good, bad)) return;
        assertEquals((await check(bad)).authentic, false, bad.headers.get(forge.proof)!);
      }),
      { numRuns: 300 },
    );
  });

  Deno.test({
    name: `authenticator() of ${provider.name} refuses any flipped bit of the body`,
    ignore: !forge.signsBody,
    async fn() {
      const check = await provider.authenticator(forge.secret);
      const good = postPush(forge);
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (bit) => {
          const bad = { ...good, body: flipped(good.body, bit) };
          assertEquals((await check(bad)).authentic, false);
        }),
        { numRuns: 300 },
      );
    },
  });

  Deno.test(`${provider.name} throws nothing but UnreadableDelivery, whatever arrives`, async () => {
    const check = await provider.authenticator(forge.secret);
    const value = fc.oneof(
      fc.constantFrom("", "push", "Push Hook", "repo:push", "repo:refs_changed", "x".repeat(999)),
      fc.string(),
    );
    const names = [...new Headers(postPush(forge).headers).keys()];
    const anyHeaders = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: names.length });
    const keys = Object.keys(forge.push("x").payload as object);
    const anyPayload = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { maxKeys: 8 });
    const anyBody = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      anyPayload.map((payload) => new TextEncoder().encode(JSON.stringify(payload))),
    );
    await fc.assert(
      fc.asyncProperty(
        anyHeaders,
        anyBody,
        fc.constantFrom(JSON_TYPE, FORM_TYPE),
        async (fields, bytes, type) => {
          const body = new Uint8Array(bytes);
          // Once with the forge's own headers, so that the body is what is wrong.
          const own = post(forge, forge.push(""), { body });
          const odd = { headers: headersOf(fields, type), body, received: NOW };
          for (const posted of [own, odd]) {
            const verdict = await check(posted);
            const payload = verdict.authentic ? verdict.payload : undefined;
            try {
              const { event } = provider.read(posted, payload);
              if (event.kind !== "push") continue;
              for (const { ref } of event.changes) assert(isPlausibleRef(ref.slice(0, 1024)));
            } catch (error) {
              assertInstanceOf(error, UnreadableDelivery);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
}

function headersOf(fields: Record<string, string>, type: string): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    try {
      headers.set(name, value);
    } catch {
      // Not a header at all: no server could pass it on.
    }
  }
  headers.set("Content-Type", type);
  return headers;
}
