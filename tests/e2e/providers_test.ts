/**
 * Every forge, from `hook init` to the deployed commit, over a real socket: deliveries signed by the
 * tests' own senders, and those of `hook send`.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { providers } from "../../lib/providers/mod.ts";
import { type Forge, FORGES, post, postPush } from "../providers/forges.ts";
import { type Checkout, e2e, type Remote, type Service, type World } from "./harness.ts";

interface Site {
  readonly service: Service;
  readonly remote: Remote;
  readonly checkouts: ReadonlyMap<string, Checkout>;
  readonly secrets: ReadonlyMap<string, string>;
}

/** One remote, and a checkout of it for each forge, put into the configuration by `hook init`. */
async function initialised(world: World): Promise<Site> {
  const remote = await world.remote("app", "main");
  const config = world.config('listen: "127.0.0.1:0"\n');
  const checkouts = new Map<string, Checkout>();
  const secrets = new Map<string, string>();
  for (const { provider } of FORGES) {
    const checkout = await world.checkout(remote, `srv/${provider}`);
    const args = ["init", provider, "--path", checkout.path, "--provider", provider];
    const { code, stdout, stderr } = await world.run([...args, "-c", config]);
    assertEquals([code, stderr], [0, ""]);
    const secret = Deno.readTextFileSync(world.file(`${provider}.secret`)).trimEnd();
    assertStringIncludes(stdout, secret);
    checkouts.set(provider, checkout);
    secrets.set(provider, secret);
  }
  const service = await world.start(Deno.readTextFileSync(config));
  return { service, remote, checkouts, secrets };
}

/** The forge's delivery as a posting of the harness, sent now. */
function posting(forge: Forge, secret: string, id: string) {
  const { headers, body } = postPush(forge, { secret, id, now: Date.now() });
  return { headers: Object.fromEntries(headers), body };
}

e2e("providers: each forge's delivery deploys, and a forged one does not", async (world) => {
  const { service, remote, checkouts, secrets } = await initialised(world);
  const tip = await remote.push({ "app.py": "version = 2\n" });
  for (const forge of FORGES) {
    const { provider } = forge;
    await world.step(provider, async () => {
      const options = { path: `/hooks/${provider}`, wait: "60s" };
      const secret = secrets.get(provider)!;
      const other = secret.startsWith("whsec_")
        ? `whsec_${"A".repeat(43)}=`
        : `x${secret.slice(1)}`;
      const forged = await service.post(posting(forge, other, "forged"), options);
      assertEquals([forged.status, forged.json.outcome], [403, "rejected"]);
      assert(await checkouts.get(provider)!.head() !== tip);

      const answer = await service.post(posting(forge, secret, "1"), options);
      assertEquals([answer.status, answer.json.outcome], [200, "deployed"], answer.text);
      assertEquals(await checkouts.get(provider)!.head(), tip);
      const line = service.events("delivery", provider).at(-1)!;
      assertEquals([line.provider, line.pusher, line.ref], [
        provider,
        forge.pusher,
        "refs/heads/main",
      ]);
    });
  }
});

e2e("providers: hook send posts what each forge would, and is answered", async (world) => {
  const remote = await world.remote("app", "main");
  const { path } = await world.checkout(remote);
  const tip = await remote.push();
  for (const { provider, secret } of FORGES) {
    const repositories = { app: { path, provider, secret } };
    await world.step(provider, async () => {
      const service = await world.start({ repositories });
      const { config, address } = service;
      const send = (...args: string[]) =>
        world.run(["send", "app", "-c", config, "--url", `${address}/hooks/app`, ...args]);
      const push = await send("--wait");
      assertEquals([push.code, push.stderr], [0, ""]);
      assertMatch(push.stdout, /^200 \{"outcome":"(deployed|unchanged)"/);
      assertEquals(await world.at("srv/app").head(), tip);
      const ping = await send("--event", "ping");
      if (providers[provider].pings) {
        assertStringIncludes(ping.stdout, '200 {"outcome":"pong"');
      } else {
        assertEquals(ping.code, 2);
        assertStringIncludes(ping.stderr, "sends no ping");
      }
      await service.stop();
    });
  }
});

e2e("providers: a repository that moves takes both forges, and says who came", async (world) => {
  const [coding, gitea] = ["coding", "gitea"].map((name) =>
    FORGES.find(({ provider }) => provider === name)!
  ) as [Forge, Forge];
  const accept = [coding, gitea].map(({ provider, secret }) => ({ provider, secret }));
  const { service, remote, checkout } = await world.app({
    branch: "main",
    repository: { secret: undefined, accept },
  });
  for (const forge of [coding, gitea]) {
    const tip = await remote.push();
    const delivery = posting(forge, forge.secret, `${forge.provider}-1`);
    const answer = await service.post(delivery, { wait: "60s" });
    assertEquals([answer.json.outcome, await checkout.head()], ["deployed", tip]);
  }
  assertEquals(service.events("delivery").map(({ provider }) => provider), ["coding", "gitea"]);
});

e2e(
  "providers: a delivery of another forge is refused, and the log names that one",
  async (world) => {
    const forge = FORGES.find(({ provider }) => provider === "gitea")!;
    const { service } = await world.app({
      branch: "main",
      repository: { provider: "github", secret: forge.secret },
    });
    const { status, json } = await service.post(posting(forge, forge.secret, "1"));
    assertEquals([status, json], [403, { outcome: "rejected", repository: "app", delivery: null }]);
    const line = await service.logged("delivery");
    assertEquals([line.outcome, line.hint], [
      "rejected",
      'it looks like a delivery of Gitea: "provider: gitea"',
    ]);
  },
);

e2e(
  "providers: an unsigned ping of Bitbucket Server is answered and does nothing",
  async (world) => {
    const forge = FORGES.find(({ provider }) => provider === "bitbucket-server")!;
    const { service } = await world.app({ repository: { provider: forge.provider } });
    const { headers, body } = post(forge, forge.ping!);
    const ping = { headers: Object.fromEntries(headers), body };
    const { status, json } = await service.post(ping);
    assertEquals([status, json.outcome], [200, "pong"]);
    await service.stop();
    assertEquals(service.deployments(), []);
  },
);
