/**
 * Formats whose proof does not cover the body: whoever has read one delivery on its way can post
 * bodies of their own. What they gain is that `hook` looks at the remote once more.
 */

import { assertEquals } from "@std/assert";
import type { Deployment } from "../../lib/delivery.ts";
import type { ProviderName } from "../../lib/providers/mod.ts";
import type { Posted } from "../../lib/providers/provider.ts";
import { deliveryOrder, merged, type Order } from "../../lib/deploy/order.ts";
import { Queue } from "../../lib/queue.ts";
import type { RepositoryName } from "../../lib/values.ts";
import { bytes, pushOf, v1 } from "../providers/deliveries.ts";
import { FORGES, NOW, postPush } from "../providers/forges.ts";
import { Site } from "./site.ts";

/** A genuine delivery of a format, and the secret. */
interface Observed {
  readonly what: string;
  readonly provider: ProviderName;
  readonly secret: string;
  readonly posted: Posted;
}

const gitlab = FORGES.find(({ provider }) => provider === "gitlab")!;
const OBSERVED: readonly Observed[] = [
  ...FORGES.filter(({ signsBody }) => !signsBody).map((forge) => ({
    what: forge.provider,
    provider: forge.provider,
    secret: forge.secret,
    posted: postPush(forge),
  })),
  {
    what: "gitlab's token",
    provider: "gitlab",
    secret: "t0ken",
    posted: {
      ...postPush(gitlab),
      headers: new Headers({
        "Content-Type": "application/json",
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Token": "t0ken",
      }),
    },
  },
  { what: "coding's v1", provider: "coding", secret: "s3cret", posted: v1Push() },
];

function v1Push(): Posted {
  return v1(pushOf(), { secret: "s3cret" });
}

/** The delivery with whatever an attacker would like to have deployed. */
function forge(posted: Posted, number: number): Posted {
  const evil = "https://evil.example/app.git";
  const text = new TextDecoder().decode(posted.body)
    .replaceAll("a".repeat(40), number.toString(16).padStart(40, "e"))
    .replace("{", `{"repository":{"clone_url":"${evil}","git_http_url":"${evil}"},"n":${number},`);
  const headers = new Headers(posted.headers);
  for (const name of ["X-Codeup-Delivery"]) if (headers.has(name)) headers.set(name, `${number}`);
  return { ...posted, headers, body: bytes(text.replace(/"id":"[^"]*"/, `"id":"${number}"`)) };
}

function unchanged(repository: RepositoryName): Deployment {
  const what = { action: "deploy", trigger: "delivery", result: "unchanged" } as const;
  return { ...what, repository, attempt: 1, deliveries: 1, ms: 1 };
}

for (const { what, provider, secret, posted } of OBSERVED) {
  const repositories = [{ accept: [{ provider, secrets: [secret], options: {} }] }];

  Deno.test(`a forged body of ${what} chooses nothing of what is deployed`, async () => {
    const submitted: string[] = [];
    const told = new Set<string>();
    const site = await Site.open({
      repositories,
      today: NOW,
      submit: (name, asker) => {
        submitted.push(name);
        for (const key of Object.keys(asker)) told.add(key);
        return Promise.resolve(unchanged(name));
      },
    });
    const { status } = await site.post(forge(posted, 1));
    assertEquals([status, submitted], [202, ["app"]]);
    assertEquals(told.difference(new Set(["id", "pusher"])).size, 0);
  });

  Deno.test(`a hundred forged bodies of ${what} cost two comparisons with the remote`, async () => {
    let runs = 0;
    const { promise: first, resolve: end } = Promise.withResolvers<void>();
    const queue = new Queue<RepositoryName, Order, Deployment>({
      concurrency: 4,
      merge: merged,
      abandon: unchanged,
      rest: () => 0,
      after: () => () => {},
      run: async (repository) => {
        if (++runs === 1) await first;
        return unchanged(repository);
      },
    });
    const deployments: (Promise<Deployment> | undefined)[] = [];
    const submit = (name: RepositoryName) => {
      deployments.push(queue.submit(name, deliveryOrder()));
      return deployments.at(-1);
    };
    const site = await Site.open({ repositories, today: NOW, submit });
    for (let number = 0; number < 100; number++) {
      assertEquals((await site.post(forge(posted, number))).status, 202);
    }
    end();
    await Promise.all(deployments);
    assertEquals(runs, 2);
  });

  Deno.test(`a delivery of ${what} that is sent again is a duplicate`, async () => {
    const site = await Site.open({ repositories, today: NOW });
    const outcomes = [];
    for (let time = 0; time < 3; time++) outcomes.push((await site.post(posted)).json?.outcome);
    assertEquals(outcomes, ["queued", "duplicate", "duplicate"]);
    assertEquals(site.asked.length, 1);
  });
}
