/** What each forge tells, understood: the same happenings, fourteen ways to say them. */

import { assertEquals, assertThrows } from "@std/assert";
import type { Delivery } from "../../lib/delivery.ts";
import { providers } from "../../lib/providers/mod.ts";
import { type Posted, UnreadableDelivery } from "../../lib/providers/provider.ts";
import { AFTER, BEFORE, bytes } from "./deliveries.ts";
import { type Forge, FORGES, post, postPush } from "./forges.ts";

/** What the door does: verify, then read. */
async function receive(forge: Forge, posted: Posted): Promise<Delivery> {
  const provider = providers[forge.provider];
  const check = await provider.authenticator(forge.secret);
  const verdict = await check(posted);
  if (!verdict.authentic) throw new Error(`refused: ${verdict.why}`);
  return provider.read(posted, verdict.payload);
}

function changesOf({ event }: Delivery) {
  if (event.kind !== "push") throw new Error(`not a push but ${event.kind}`);
  return event.changes;
}

Deno.test("providers has a forge of these tests for each", () => {
  assertEquals(FORGES.map(({ provider }) => provider).sort(), Object.keys(providers).sort());
  for (const [name, provider] of Object.entries(providers)) assertEquals(provider.name, name);
});

for (const forge of FORGES) {
  const { provider } = forge;

  Deno.test(`read() of ${provider} understands a push, with commits and pusher`, async () => {
    const delivery = await receive(forge, post(forge, forge.push("refs/heads/功能/a+b")));
    assertEquals<unknown>(changesOf(delivery), [
      { ref: "refs/heads/功能/a+b", before: BEFORE, after: AFTER, deleted: false },
    ]);
    assertEquals(delivery.pusher, forge.pusher);
  });

  Deno.test(`read() of ${provider} understands a pushed tag`, async () => {
    const [change, ...more] = changesOf(await receive(forge, post(forge, forge.tag)));
    assertEquals([change!.ref, change!.deleted, more], ["refs/tags/v1.0", false, []]);
  });

  Deno.test(`read() of ${provider} understands a deleted branch`, async () => {
    const [change, ...more] = changesOf(await receive(forge, post(forge, forge.deletion)));
    assertEquals([change!.ref, change!.deleted, more], ["refs/heads/main", true, []]);
  });

  Deno.test(`read() of ${provider} names a merge request, which is no push`, async () => {
    const { event } = await receive(forge, post(forge, forge.request));
    assertEquals(event, { kind: "other", name: forge.requestName });
  });

  Deno.test({
    name: `read() of ${provider} understands its test of the connection`,
    ignore: forge.ping === undefined,
    async fn() {
      assertEquals((await receive(forge, post(forge, forge.ping!))).event, { kind: "ping" });
    },
  });

  Deno.test({
    name: `authenticator() and read() of ${provider} take a form`,
    ignore: !forge.forms,
    async fn() {
      const sent = forge.push("refs/heads/主干 & more=%2B");
      const delivery = await receive(forge, post(forge, sent, { form: true }));
      assertEquals(changesOf(delivery)[0]!.ref, "refs/heads/主干 & more=%2B");
    },
  });

  Deno.test(`read() of ${provider} refuses a body that is not the forge's`, async () => {
    for (const text of ["", "{", "[]", "null", '"push"', '{"ref":', "\u0000", "{}x"]) {
      const posted = post(forge, forge.push(""), { body: bytes(text) });
      assertThrows(() => providers[provider].read(posted), UnreadableDelivery);
    }
    const check = await providers[provider].authenticator(forge.secret);
    assertEquals((await check(post(forge, forge.push(""), { body: bytes("{") }))).authentic, true);
  });
}

Deno.test("read() takes the delivery's id where the forge has one, the same when it repeats", async () => {
  const ids: Record<string, string | undefined> = {};
  for (const forge of FORGES) {
    const [one, two] = [postPush(forge), postPush(forge)];
    const { id } = await receive(forge, one);
    assertEquals((await receive(forge, two)).id, id, forge.provider);
    ids[forge.provider] = id;
  }
  assertEquals(ids, {
    coding: "delivery-1",
    github: "delivery-1",
    gitlab: "msg_1",
    gitee: undefined,
    gitea: "delivery-1",
    forgejo: "delivery-1",
    gogs: "delivery-1",
    bitbucket: "delivery-1",
    "bitbucket-server": "delivery-1",
    cnb: "pipeline-1",
    gongfeng: undefined,
    codeup: "delivery-1",
    azure: "03c164c2-8912-4d5e-8009-3707d5f83734",
    standard: "msg_1",
  });
});

Deno.test("read() understands several refs in one delivery", async () => {
  const forges = Object.fromEntries(FORGES.map((forge) => [forge.provider, forge]));
  const several = (provider: string, event: string, payload: unknown) =>
    receive(forges[provider]!, post(forges[provider]!, { event, payload }));
  const refs = async (delivery: Promise<Delivery>) =>
    changesOf(await delivery).map(({ ref, deleted }) => [ref, deleted]);

  const target = { hash: AFTER };
  assertEquals(
    await refs(several("bitbucket", "repo:push", {
      push: {
        changes: [
          { old: null, new: { type: "branch", name: "a", target } },
          { old: { type: "tag", name: "v1", target }, new: null, closed: true },
          { old: null, new: { type: "tag", name: "v2", target } },
        ],
      },
    })),
    [["refs/heads/a", false], ["refs/tags/v1", true], ["refs/tags/v2", false]],
  );
  assertEquals(
    await refs(several("bitbucket-server", "repo:refs_changed", {
      changes: [
        { ref: { id: "refs/heads/a" }, fromHash: BEFORE, toHash: AFTER, type: "UPDATE" },
        { ref: { id: "refs/heads/b" }, fromHash: BEFORE, toHash: AFTER, type: "DELETE" },
      ],
    })),
    [["refs/heads/a", false], ["refs/heads/b", true]],
  );
  assertEquals(
    await refs(several("azure", "git.push", {
      eventType: "git.push",
      resource: {
        refUpdates: [
          { name: "refs/heads/a", oldObjectId: BEFORE, newObjectId: AFTER },
          { name: "refs/heads/b", oldObjectId: BEFORE, newObjectId: "0".repeat(40) },
        ],
      },
    })),
    [["refs/heads/a", false], ["refs/heads/b", true]],
  );
});
