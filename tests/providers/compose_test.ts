/** What `hook send` composes: the forge's own form, taken by its reader and signed independently. */

import { assert, assertEquals } from "@std/assert";
import { providers } from "../../lib/providers/mod.ts";
import type { Draft, Posted, Provider } from "../../lib/providers/provider.ts";
import { requestOf, Site } from "../server/site.ts";
import { AFTER, BEFORE, bytes } from "./deliveries.ts";
import { type Forge, FORGES, NOW } from "./forges.ts";

const DRAFT: Draft = {
  event: "push",
  repository: "app",
  ref: "refs/heads/主干",
  before: BEFORE,
  after: AFTER,
  id: "5f0c2c5e-0000-4000-8000-000000000001",
  now: NOW,
};

/** The proof that the forge of these tests would put on the same body. */
function independently(forge: Forge, { body, headers }: Posted): Record<string, string> {
  const proof = forge.prove(body, { secret: forge.secret, now: NOW });
  // The test's Standard Webhooks have an id of their own, and its Azure another user.
  if ("webhook-id" in proof || forge.provider === "azure") return {};
  return Object.fromEntries(
    Object.entries(proof).filter(([name]) => headers.has(name) || name === forge.proof),
  );
}

for (const forge of FORGES) {
  const provider: Provider = providers[forge.provider];

  Deno.test(`compose() of ${provider.name} makes a push that its own reader takes`, async () => {
    for (const ref of ["refs/heads/主干", "refs/tags/v1.0"]) {
      const posted = await provider.compose({ ...DRAFT, ref }, forge.secret);
      const check = await provider.authenticator(forge.secret);
      assertEquals(await check(posted), { authentic: true });
      const { event, pusher } = provider.read(posted);
      assertEquals<unknown>(event, {
        kind: "push",
        changes: [{ ref, before: BEFORE, after: AFTER, deleted: false }],
      });
      assertEquals(pusher, "hook");
      for (const [name, value] of Object.entries(independently(forge, posted))) {
        assertEquals(posted.headers.get(name), value, name);
      }
      assert(provider.marks(posted.headers));
    }
  });

  Deno.test({
    name: `compose() of ${provider.name} makes a ping that its own reader takes`,
    ignore: !provider.pings,
    async fn() {
      const posted = await provider.compose({ ...DRAFT, event: "ping" }, forge.secret);
      const check = await provider.authenticator(forge.secret);
      assertEquals((await check(posted)).authentic, true);
      assertEquals(provider.read(posted).event, { kind: "ping" });
    },
  });

  Deno.test(`compose() of ${provider.name} sends the headers that the forge sends`, async () => {
    const posted = await provider.compose(DRAFT, forge.secret);
    const own = forge.headers("x", "x");
    for (const name of Object.keys(own)) assert(posted.headers.has(name), name);
  });

  Deno.test(`compose() of ${provider.name} signs a given body as it is`, async () => {
    const body = bytes('{"x": 1}\n');
    const posted = await provider.compose({ ...DRAFT, body }, forge.secret);
    assertEquals(posted.body, body);
    const check = await provider.authenticator(forge.secret);
    assertEquals(await check(posted), { authentic: true });
  });

  Deno.test(`Door.handle() deploys what compose() of ${provider.name} makes`, async () => {
    const accept = [{ provider: forge.provider, secrets: [forge.secret], options: {} }];
    const site = await Site.open({ repositories: [{ accept }], today: NOW });
    const posted = await provider.compose({ ...DRAFT, ref: "refs/heads/main" }, forge.secret);
    assertEquals((await site.ask(requestOf(posted))).json?.outcome, "queued");
    const again = await site.ask(requestOf(posted));
    assertEquals(again.json?.outcome, "duplicate", "delivered again");
    assertEquals(site.asked.length, 1);
  });

  Deno.test(`setup of ${provider.name} says where URL and secret go`, () => {
    const { menu, fields, file } = provider.setup;
    const all = JSON.stringify([menu, fields, file]);
    for (const part of ["{url}", "{secret}"]) assertEquals(all.split(part).length, 2, part);
    assertEquals(file !== undefined, forge.provider === "cnb");
  });
}

Deno.test("pings tells which forges can test the connection by a delivery of its own", () => {
  for (const forge of FORGES) {
    assertEquals(providers[forge.provider].pings, forge.ping !== undefined, forge.provider);
  }
});

Deno.test("compose() of gitlab sends a token in clear where the secret is one", async () => {
  const posted = await providers.gitlab.compose(DRAFT, "t0ken");
  assertEquals(posted.headers.get("X-Gitlab-Token"), "t0ken");
  assertEquals(posted.headers.has("webhook-signature"), false);
});

Deno.test("compose() of cnb signs in the header that is configured", async () => {
  const options = { signatureHeader: "X-My-Signature" };
  const posted = await providers.cnb.compose(DRAFT, "s3cret", options);
  assertEquals(posted.headers.has("X-CNB-Signature"), false);
  const check = await providers.cnb.authenticator("s3cret", options);
  assertEquals(await check(posted), { authentic: true });
});

Deno.test("compose() of azure sends the user that the secret names", async () => {
  const posted = await providers.azure.compose(DRAFT, "me:pa55");
  assertEquals(posted.headers.get("Authorization"), `Basic ${btoa("me:pa55")}`);
});
