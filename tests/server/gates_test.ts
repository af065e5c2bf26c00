import { assertEquals } from "@std/assert";
import { type ProviderName, providers } from "../../lib/providers/mod.ts";
import type { Provider } from "../../lib/providers/provider.ts";
import { type Gate, passGates } from "../../lib/server/gates.ts";
import { type Forge, FORGES, NOW, post, postPush } from "../providers/forges.ts";
import { Site } from "./site.ts";

const forge = (name: ProviderName): Forge => FORGES.find(({ provider }) => provider === name)!;

async function gate(name: ProviderName, ...secrets: string[]): Promise<Gate> {
  const provider: Provider = providers[name];
  const authenticators = secrets.map((secret) => provider.authenticator(secret));
  return { provider, authenticators: await Promise.all(authenticators) };
}

/** Who vouched, and with which secret; or why nobody did. */
async function passed(gates: readonly Gate[], posted: Parameters<typeof passGates>[1]) {
  const outcome = await passGates(gates, posted);
  return "why" in outcome
    ? [outcome.why, outcome.hint]
    : [outcome.provider.name, outcome.secret, outcome.hadChoice];
}

const UNFIT = "the signature does not fit the secret and the body";

Deno.test("passGates() finds the forge and the secret that vouch", async () => {
  const [gitee, github] = [forge("gitee"), forge("github")];
  const gates = [
    await gate("gitee", "old", gitee.secret),
    await gate("github", github.secret),
  ];
  assertEquals(await passed(gates, postPush(gitee)), ["gitee", 2, true]);
  assertEquals(await passed(gates, postPush(github)), ["github", 1, false]);
  assertEquals(await passed(gates.toReversed(), postPush(gitee)), ["gitee", 2, true]);
});

Deno.test("passGates() tells what the likely forge found wrong, whatever its place", async () => {
  const gates = [await gate("github", "x"), await gate("coding", "x"), await gate("gitee", "x")];
  assertEquals(await passed(gates, postPush(forge("coding"))), [UNFIT, undefined]);
  assertEquals(await passed(gates, postPush(forge("github"))), [UNFIT, undefined]);
});

Deno.test("passGates() refuses every forge at every other, and hints at the right one", async () => {
  for (const at of FORGES) {
    for (const from of FORGES) {
      // GitLab's newer signature is the one of Standard Webhooks.
      const isSame = at === from || at.provider === "gitlab" && from.provider === "standard";
      if (isSame) continue;
      // Even where both would sign alike: Gitea's delivery carries the signature of GitHub.
      const same = at.secret.startsWith("whsec_") ? at : from;
      const own = await gate(at.provider, same.secret);
      const [why, hint] = await passed([own], postPush(from, { secret: same.secret }));
      const { title } = providers[from.provider];
      const what = `${from.provider} at ${at.provider}: ${why}`;
      const expected = `it looks like a delivery of ${title}: "provider: ${from.provider}"`;
      assertEquals(hint, expected, what);
    }
  }
});

Deno.test("passGates() refuses Gitea at github by name, though the signature fits", async () => {
  const own = await gate("github", forge("gitea").secret);
  const posted = postPush(forge("gitea"));
  const [why] = await passed([own], posted);
  assertEquals(why, "sent by Gitea, not by GitHub");
  for (const header of ["X-Gitea-Event", "X-Gogs-Event"]) posted.headers.delete(header);
  assertEquals(await passed([own], posted), ["github", 1, false], "without its own headers");
});

Deno.test("passGates() has no hint where the headers tell nothing", async () => {
  const posted = postPush(forge("coding"));
  for (const header of [...posted.headers.keys()]) posted.headers.delete(header);
  assertEquals(await passed([await gate("github", "x")], posted), [
    "no signature: is the secret set at GitHub?",
    undefined,
  ]);
});

Deno.test("Door.handle() takes both forges of a repository that moves, and logs which", async () => {
  const accept = (["coding", "cnb"] as const).map((provider) => ({
    provider,
    secrets: [forge(provider).secret],
    options: {},
  }));
  const site = await Site.open({ repositories: [{ accept }], today: NOW });
  for (const provider of ["coding", "cnb"] as const) {
    assertEquals((await site.post(postPush(forge(provider)))).json?.outcome, "queued");
  }
  assertEquals((await site.post(postPush(forge("cnb"), { secret: "guess" }))).status, 403);
  assertEquals((await site.post(postPush(forge("gitee")))).status, 403);
  assertEquals(site.lines.map(({ provider, outcome, hint }) => [provider, outcome, hint]), [
    ["coding", "queued", undefined],
    ["cnb", "queued", undefined],
    [undefined, "rejected", undefined],
    [undefined, "rejected", 'it looks like a delivery of Gitee (码云): "provider: gitee"'],
  ]);
  assertEquals(site.asked.length, 2);
});

Deno.test("Door.handle() answers an unsigned ping, and logs it no more often than strangers", async () => {
  const server = forge("bitbucket-server");
  const accept = [{ provider: server.provider, secrets: [server.secret], options: {} }];
  const site = await Site.open({ repositories: [{ accept }], today: NOW });
  for (let time = 0; time < 100; time++) {
    const { status, json } = await site.post(post(server, server.ping!));
    assertEquals([status, json?.outcome], [200, "pong"]);
  }
  assertEquals([site.asked, site.lines.length], [[], 60]);
});
