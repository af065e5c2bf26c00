/**
 * Against other people's code from npm: `@octokit/webhooks`, GitHub's own receiver, and
 * `standardwebhooks`, the specification's reference library, as signers and as verifiers.
 */

import { Webhooks } from "@octokit/webhooks";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { gitlab } from "../../lib/providers/gitlab.ts";
import { github } from "../../lib/providers/github.ts";
import type { Posted } from "../../lib/providers/provider.ts";
import { standard } from "../../lib/providers/standard.ts";
import { AFTER, BEFORE, bytes, JSON_TYPE } from "./deliveries.ts";

const NOW = Date.now();
const DRAFT = {
  event: "push",
  repository: "app",
  ref: "refs/heads/主干",
  before: BEFORE,
  after: AFTER,
  id: "5f0c2c5e-0000-4000-8000-000000000001",
  now: NOW,
} as const;
const WHSEC = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
const GITHUB_SECRET = "It's a Secret to Everybody 密";

function textOf({ body }: Posted): string {
  return new TextDecoder().decode(body);
}

Deno.test("github takes what @octokit/webhooks signs, and nothing else of it", async () => {
  const peer = new Webhooks({ secret: GITHUB_SECRET });
  const text = JSON.stringify({ ref: "refs/heads/主干", before: BEFORE, after: AFTER });
  const posted = {
    headers: new Headers({
      "Content-Type": JSON_TYPE,
      "X-GitHub-Event": "push",
      "X-Hub-Signature-256": await peer.sign(text),
    }),
    body: bytes(text),
    received: NOW,
  };
  const check = await github.authenticator(GITHUB_SECRET);
  assertEquals(await check(posted), { authentic: true });
  assertEquals((await check({ ...posted, body: bytes(`${text}\n`) })).authentic, false);
  const other = await github.authenticator(`${GITHUB_SECRET}.`);
  assertEquals((await other(posted)).authentic, false);
});

Deno.test("compose() of github convinces @octokit/webhooks", async () => {
  const peer = new Webhooks({ secret: GITHUB_SECRET });
  const seen: unknown[] = [];
  peer.on("push", ({ id, payload }) => void seen.push([id, payload.ref, payload.after]));
  peer.on("ping", ({ id, payload }) => void seen.push([id, "zen" in payload]));
  for (const event of ["push", "ping"] as const) {
    const posted = await github.compose({ ...DRAFT, event }, GITHUB_SECRET);
    assertEquals(posted.headers.get("X-GitHub-Event"), event);
    await peer.verifyAndReceive({
      id: posted.headers.get("X-GitHub-Delivery")!,
      name: event,
      signature: posted.headers.get("X-Hub-Signature-256")!,
      payload: textOf(posted),
    });
  }
  assertEquals(seen, [[DRAFT.id, DRAFT.ref, AFTER], [DRAFT.id, true]]);
  const forged = await github.compose(DRAFT, "guess");
  const signature = forged.headers.get("X-Hub-Signature-256")!;
  assertEquals(await peer.verify(textOf(forged), signature), false);
  await assertRejects(() =>
    peer.verifyAndReceive({ id: "1", name: "push", signature, payload: textOf(forged) })
  );
});

for (const provider of [standard, gitlab]) {
  Deno.test(`${provider.name} takes what standardwebhooks signs, in its time`, async () => {
    const peer = new Webhook(WHSEC);
    const text = JSON.stringify({ object_kind: "push", ref: "refs/heads/主干" });
    const signed = (date: Date): Posted => ({
      headers: new Headers({
        "Content-Type": JSON_TYPE,
        "webhook-id": "msg_1",
        "webhook-timestamp": String(Math.floor(date.getTime() / 1000)),
        "webhook-signature": peer.sign("msg_1", date, text),
      }),
      body: bytes(text),
      received: NOW,
    });
    const check = await provider.authenticator(WHSEC);
    assertEquals(await check(signed(new Date(NOW))), { authentic: true });
    assertEquals((await check(signed(new Date(NOW - 10 * 60_000)))).authentic, false);
    const stranger = new Webhook(`whsec_${btoa("another key of thirty-two bytes!")}`);
    const forged = signed(new Date(NOW));
    forged.headers.set("webhook-signature", stranger.sign("msg_1", new Date(NOW), text));
    assertEquals((await check(forged)).authentic, false);
  });

  Deno.test(`compose() of ${provider.name} convinces standardwebhooks`, async () => {
    const posted = await provider.compose(DRAFT, WHSEC);
    const peer = new Webhook(WHSEC);
    const headers = Object.fromEntries(posted.headers);
    const payload = peer.verify(textOf(posted), headers);
    assert(JSON.stringify(payload).includes(DRAFT.ref));
    assertThrows(() => peer.verify(`${textOf(posted)} `, headers));
  });
}
