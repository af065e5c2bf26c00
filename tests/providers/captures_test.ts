/** Deliveries that forges have really sent, and their published signatures, for every provider. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { RefChange } from "../../lib/delivery.ts";
import { type ProviderName, providers } from "../../lib/providers/mod.ts";
import type { Posted, Provider } from "../../lib/providers/provider.ts";
import { bytes, JSON_TYPE, NO_COMMIT } from "./deliveries.ts";
import { capture, HAS_FIXTURES, type Vector, vectors } from "./fixtures.ts";
import { FORGES, NOW } from "./forges.ts";

/** What a capture must be read as: ref, the first digits of before and after, and who. */
interface Expected {
  readonly file: string;
  readonly provider: ProviderName;
  /** The secret of a capture whose proof is the original one, and when it was sent. */
  readonly secret?: string;
  readonly sent?: number;
  /** Where no source shows the header, the event. */
  readonly event?: string;
  readonly ref?: string;
  readonly before?: string;
  readonly after?: string;
  readonly pusher?: string;
  readonly commits?: number;
  readonly id?: string;
}

const GONE = NO_COMMIT.slice(0, 7);

const CAPTURES: readonly Expected[] = [
  {
    file: "azure/push",
    provider: "azure",
    ref: "refs/heads/master",
    before: "aad331d",
    after: "33b55f7",
    pusher: "Jamal Hartnett",
    commits: 1,
    id: "03c164c2-8912-4d5e-8009-3707d5f83734",
  },
  {
    file: "bitbucket-server/push_branch_delete",
    provider: "bitbucket-server",
    ref: "refs/heads/develop",
    before: "208b0a5",
    after: GONE,
    pusher: "Jane Citizen",
  },
  {
    file: "bitbucket-server/refs_changed_signed",
    provider: "bitbucket-server",
    secret: "secret",
    ref: "refs/heads/feature/wip",
    before: "32a0b8a",
    after: GONE,
    pusher: "Foo Bar",
  },
  {
    file: "bitbucket/push",
    provider: "bitbucket",
    ref: "refs/heads/master",
    before: "40e7580",
    after: "141977f",
    pusher: "Brad Rydzewski",
    commits: 1,
  },
  {
    file: "bitbucket/push_tag_delete",
    provider: "bitbucket",
    ref: "refs/tags/feature/x",
    before: "141977f",
    after: "",
    pusher: "Brad Rydzewski",
    commits: 0,
  },
  {
    file: "cnb/push",
    provider: "cnb",
    ref: "refs/heads/main",
    before: "bbbbbbb",
    after: "aaaaaaa",
    pusher: "alice",
    id: "pipeline-1",
  },
  {
    file: "codeup/push",
    provider: "codeup",
    secret: "shl123",
    ref: "refs/heads/master",
    before: "cbdae22",
    after: "4fe524d",
    pusher: "dankun_simplemvc",
    commits: 1,
    id: "37790a84-51a4-4ac6-9c52-aa16a93aeb84",
  },
  {
    file: "forgejo/push",
    provider: "forgejo",
    ref: "refs/heads/main",
    before: "4b26262",
    after: "ef98532",
    pusher: "gordon",
    commits: 1,
  },
  {
    file: "forgejo/tag_create",
    provider: "forgejo",
    ref: "refs/tags/v1.0.0",
    after: "ef98532",
    pusher: "gordon",
  },
  {
    file: "gitea/branch_delete",
    provider: "gitea",
    ref: "refs/heads/feature",
    after: "",
    pusher: "unknwon",
  },
  {
    file: "gitea/push_signed",
    provider: "gitea",
    secret: "IsWishesWereHorsesWedAllBeEatingSteak!",
    ref: "refs/heads/master",
    before: GONE,
    after: "67b5658",
    pusher: "example",
    commits: 1,
  },
  {
    file: "gitea/tag_create",
    provider: "gitea",
    ref: "refs/tags/v1.0.0",
    after: "599d25c",
    pusher: "unknwon",
  },
  {
    file: "gitee/push_branch_delete",
    provider: "gitee",
    ref: "refs/heads/feat-3",
    before: "dc8fa2e",
    after: GONE,
    pusher: "kit101",
    commits: 0,
  },
  {
    file: "gitee/push_signed",
    provider: "gitee",
    secret: "shihuali123",
    sent: 1670392695999,
    ref: "refs/heads/master",
    before: "4ce85eb",
    after: "e5ae1e4",
    pusher: "shihuali",
    commits: 1,
  },
  {
    file: "gitee/tag_push",
    provider: "gitee",
    ref: "refs/tags/v0.0.1",
    before: GONE,
    after: "f808ff5",
    pusher: "shihuali",
  },
  { file: "github/ping", provider: "github", pusher: "Codertocat" },
  {
    file: "github/push_new_branch",
    provider: "github",
    ref: "refs/heads/master",
    before: GONE,
    after: "6113728",
    pusher: "Codertocat",
  },
  {
    file: "github/push_signed",
    provider: "github",
    secret: "topsecret",
    ref: "refs/heads/master",
    before: "a10867b",
    after: "199eddf",
    pusher: "Codertocat",
    id: "ee8d97b4-1479-43f1-9cac-fbbd1b80da55",
  },
  {
    file: "github/push_tag_delete",
    provider: "github",
    ref: "refs/tags/v0.0.1",
    before: "d2b75aa",
    after: GONE,
    pusher: "bradrydzewski",
    commits: 0,
  },
  {
    file: "gitlab/push",
    provider: "gitlab",
    secret: "topsecret",
    ref: "refs/heads/master",
    before: "9217710",
    after: "2adc946",
    pusher: "Sid Sijbrandij",
    commits: 1,
  },
  {
    file: "gitlab/push_real_headers",
    provider: "gitlab",
    secret: "serverless-devs",
    ref: "refs/heads/6348-feat",
    before: "1f5f5d6",
    after: "25b702b",
    pusher: "2ni",
    commits: 3,
  },
  {
    file: "gitlab/tag_delete",
    provider: "gitlab",
    ref: "refs/tags/v1.0.0",
    before: "2adc946",
    after: GONE,
    pusher: "Sid Sijbrandij",
    commits: 0,
  },
  {
    file: "gogs/branch_delete",
    provider: "gogs",
    ref: "refs/heads/feature",
    after: "",
    pusher: "unknwon",
  },
  {
    file: "gogs/push_signed",
    provider: "gogs",
    secret: "sampleToken!",
    ref: "refs/heads/develop",
    before: "28e1879",
    after: "bffeb74",
    pusher: "unknwon",
    commits: 1,
    id: "f6266f16-1bf3-46a5-9ea4-602e06ead473",
  },
  {
    file: "tencent-gongfeng/push",
    provider: "gongfeng",
    ref: "refs/heads/mr_test",
    before: "26fe14c",
    after: "9c9f8cc",
    pusher: "mingshewhe",
    commits: 1,
  },
  {
    file: "tencent-gongfeng/tag_push",
    provider: "gongfeng",
    ref: "refs/tags/v1.0.1",
    before: "e81cd21",
    after: "87acd38",
    pusher: "mingshewhe",
    commits: 1,
  },
];

/** The headers of a capture; what the source leaves open, such as `<uuid>`, is left out. */
function capturedHeaders(file: string): Headers {
  const headers = new Headers({ "Content-Type": JSON_TYPE });
  for (const line of new TextDecoder().decode(capture(`${file}.headers`)).split("\n")) {
    const [, name, value] = /^([\w-]+): ([^<]*)$/.exec(line) ?? [];
    if (name !== undefined && !/^(host|content-length)$/i.test(name)) headers.set(name, value!);
  }
  return headers;
}

/** The capture as it arrived; one without its original proof is signed here. */
function arrived({ file, provider, secret, sent = NOW }: Expected): Posted & { secret: string } {
  const body = capture(`${file}.json`);
  const headers = capturedHeaders(file);
  if (secret !== undefined) return { headers, body, received: sent, secret };
  const forge = FORGES.find((each) => each.provider === provider)!;
  const proof = forge.prove(body, { secret: forge.secret, now: sent });
  for (const [name, value] of Object.entries(proof)) headers.set(name, value);
  return { headers, body, received: sent, secret: forge.secret };
}

const short = (sha: string | undefined): string => (sha ?? "").slice(0, 7);

for (const expected of CAPTURES) {
  const { file, ref, before = "", after = "" } = expected;
  const proof = expected.secret === undefined ? "signed here" : "with its own proof";

  Deno.test({
    name: `authenticator() and read() take the captured ${file}, ${proof}`,
    ignore: !HAS_FIXTURES,
    async fn() {
      const provider: Provider = providers[expected.provider];
      const { secret, ...posted } = arrived(expected);
      const check = await provider.authenticator(secret);
      assertEquals((await check(posted)).authentic, true);
      const other = await provider.authenticator(
        secret.startsWith("whsec_") ? `whsec_${"A".repeat(32)}` : `${secret}.`,
      );
      assertEquals((await other(posted)).authentic, false);

      const { event, pusher, commits, id } = provider.read(posted);
      assertEquals(pusher, expected.pusher);
      if (expected.commits !== undefined) assertEquals(commits, expected.commits);
      if (expected.id !== undefined) assertEquals(id, expected.id);
      if (ref === undefined) return assertEquals(event, { kind: "ping" });
      if (event.kind !== "push") throw new Error(`not a push but ${event.kind}`);
      const [change, ...more] = event.changes as [RefChange, ...RefChange[]];
      assertEquals(more, []);
      assertEquals([change.ref, short(change.before), short(change.after)], [ref, before, after]);
      assertEquals(change.deleted, after === GONE || after === "");
    },
  });
}

Deno.test({
  name: "authenticator() of standard takes the published example in its time",
  ignore: !HAS_FIXTURES,
  async fn() {
    const posted = {
      headers: capturedHeaders("standard-webhooks/vector"),
      body: capture("standard-webhooks/vector.json"),
    };
    const check = await providers.standard.authenticator("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    const sent = Number(posted.headers.get("webhook-timestamp")) * 1000;
    assertEquals(await check({ ...posted, received: sent }), { authentic: true });
    assertEquals((await check({ ...posted, received: sent + 301_000 })).authentic, false);
  },
});

/** A published signature in the delivery that would carry it, and when it was sent. */
function carrying(vector: Vector): Posted {
  const { provider, algorithm, expected } = vector;
  const body = vector.signed_file === undefined
    ? bytes(vector.signed!)
    : capture(vector.signed_file);
  const at = (headers: Record<string, string>, received = NOW, signed = body): Posted => ({
    headers: new Headers({ "Content-Type": JSON_TYPE, ...headers }),
    body: signed,
    received,
  });
  const sha256 = `sha256=${expected}`;
  switch (provider) {
    case "github":
      return algorithm === "hmac-sha1-hex"
        ? at({ "X-Hub-Signature": `sha1=${expected}` })
        : at({ "X-Hub-Signature-256": sha256 });
    case "gitee": {
      // The body is not signed, so any will do.
      const [timestamp] = vector.signed!.split("\n") as [string];
      const headers = { "X-Gitee-Token": expected, "X-Gitee-Timestamp": timestamp };
      return at(headers, Number(timestamp), bytes("{}"));
    }
    case "gitea":
      return at({ "X-Gitea-Signature": expected });
    case "gogs":
      return at({ "X-Gogs-Signature": expected });
    case "bitbucket-server":
      return at({ "X-Hub-Signature": sha256 });
    case "cnb":
      return at({ "X-CNB-Signature": sha256 });
    case "standard-webhooks": {
      const [, id, timestamp, signed] = /^([^.]+)\.(\d+)\.(.*)$/s.exec(vector.signed!)!;
      return at(
        {
          "webhook-id": id!,
          "webhook-timestamp": timestamp!,
          "webhook-signature": `v1,${expected}`,
        },
        Number(timestamp) * 1000,
        bytes(signed!),
      );
    }
    default:
      throw new Error(`a vector of an unknown provider: ${provider}`);
  }
}

Deno.test({
  name: "authenticator() takes every published signature with its secret alone",
  ignore: !HAS_FIXTURES,
  async fn() {
    const published = HAS_FIXTURES ? vectors() : [];
    assertNotEquals(published.length, 0);
    const taken: Record<string, number> = {};
    for (const vector of published) {
      const name = vector.provider === "standard-webhooks" ? "standard" : vector.provider;
      const provider: Provider = providers[name as ProviderName];
      const secret = vector.secret.replace(/^base64:/, "whsec_");
      const check = await provider.authenticator(secret, { allowSha1: true });
      const posted = carrying(vector);
      assertEquals(await check(posted), { authentic: true }, JSON.stringify(vector));
      const another = name === "standard"
        ? `whsec_${Buffer.alloc(24).toString("base64")}`
        : `${secret} `;
      const stranger = await provider.authenticator(another, { allowSha1: true });
      assertEquals((await stranger(posted)).authentic, false, name);
      taken[name] = (taken[name] ?? 0) + 1;
    }
    assertEquals(taken, {
      github: 3,
      gitee: 9,
      gitea: 1,
      gogs: 1,
      "bitbucket-server": 1,
      standard: 1,
      cnb: 2,
    });
  },
});
