/** Every generation of Coding's deliveries, in JSON and as a form, and everything that forgers try. */

import { assert, assertEquals } from "@std/assert";
import { randomUUID } from "node:crypto";
import {
  type Answer,
  chunked,
  e2e,
  exchange,
  fixture,
  head,
  latin1,
  NEEDS_FIXTURES,
  NO_COMMIT,
  type Posting,
  push,
  serviceHook,
  serviceHookPush,
  signature,
  v1,
  v1Push,
  v2,
} from "./harness.ts";

const REF = "refs/heads/master";

function outcome(answer: Answer): [number, unknown] {
  return [answer.status, answer.json.outcome];
}

interface Generation {
  name: string;
  push: (secret: string, form: boolean, ref: string, after?: string) => Posting;
  ping: (secret: string) => Posting;
  other: (secret: string) => Posting;
}

const ZEN = "Coding！让开发更简单";

const GENERATIONS: Generation[] = [
  {
    name: "v2",
    push: (secret, form, ref, after) => v2(push(ref, { after }), { secret, form }),
    ping: (secret) => v2({ zen: ZEN, hook_id: 1 }, { secret, event: "ping" }),
    other: (secret) => v2({ action: "create" }, { secret, event: "merge request" }),
  },
  {
    name: "v1",
    push: (token, form, ref, after) => v1(v1Push(ref, { after }), { token, form }),
    ping: (token) => v1({ zen: ZEN }, { token, event: "ping" }),
    other: (token) => v1({ event: "merge_request" }, { token, event: "merge_request" }),
  },
  {
    name: "Service Hook",
    push: (secret, form, ref, after) =>
      serviceHook(serviceHookPush(ref, { after }), { secret, form }),
    ping: (secret) => serviceHook({ zen: ZEN, hook_id: 1 }, { secret, event: "ping" }),
    other: (secret) =>
      serviceHook({ event: "GIT_MR_CREATED" }, { secret, event: "GIT_MR_CREATED" }),
  },
];

for (const generation of GENERATIONS) {
  for (const form of [false, true]) {
    e2e(
      `coding ${generation.name} deploys a push sent as ${form ? "form" : "JSON"}`,
      async (world) => {
        const { service, remote, checkout, secret } = await world.app();
        const tip = await remote.push();
        const posting = generation.push(secret, form, REF);
        const answer = await service.post(posting);
        assertEquals(outcome(answer), [202, "queued"], answer.text);
        const { delivery } = answer.json;
        assert(typeof delivery === "string" && delivery !== "", answer.text);
        // The first generation has no id to give back: any other that is unique will do.
        assertEquals(delivery, posting.headers["X-Coding-Delivery"] ?? delivery);
        await service.deployed();
        assertEquals(await checkout.head(), tip);
      },
    );
  }

  e2e(
    `coding ${generation.name} tells ping, deletion, tag, other branch and event`,
    async (world) => {
      const { service, secret } = await world.app();
      const send = async (posting: Posting) => outcome(await service.post(posting));
      await world.step("ping", async () => {
        assertEquals(await send(generation.ping(secret)), [200, "pong"]);
      });
      await world.step("deletion", async () => {
        const posting = generation.push(secret, false, REF, NO_COMMIT);
        assertEquals(await send(posting), [200, "ignored"]);
      });
      await world.step("tag", async () => {
        assertEquals(await send(generation.push(secret, false, "refs/tags/v1")), [200, "ignored"]);
      });
      await world.step("other branch", async () => {
        assertEquals(await send(generation.push(secret, false, "refs/heads/dev")), [
          200,
          "ignored",
        ]);
      });
      await world.step("other event", async () => {
        assertEquals(await send(generation.other(secret)), [200, "ignored"]);
      });
      assertEquals(service.deployments(), []);
    },
  );

  e2e(`coding ${generation.name} refuses another secret`, async (world) => {
    const { service } = await world.app();
    const forged = world.secret();
    for (const form of [false, true]) {
      const answer = await service.post(generation.push(forged, form, REF));
      assertEquals(outcome(answer), [403, "rejected"]);
    }
    assertEquals(outcome(await service.post(generation.ping(forged))), [403, "rejected"]);
    assertEquals(service.deployments(), []);
  });
}

e2e("coding v2 deploys the captured push, over its raw bytes", async (world) => {
  const { service, remote, checkout, secret } = await world.app();
  const tip = await remote.push();
  const answer = await service.post(v2(fixture("v2_push"), { secret }), { wait: "60s" });
  assertEquals(outcome(answer), [200, "deployed"], answer.text);
  assertEquals(await checkout.head(), tip, "the remote's tip, not the payload's commit");
  const text = new TextDecoder().decode(fixture("v2_push"));
  assertEquals(outcome(await service.post(v2(text, { secret, form: true }))), [202, "queued"]);
}, { skip: NEEDS_FIXTURES });

e2e(
  "coding v2 does not deploy the captured push as another rendering of its JSON",
  async (world) => {
    const { service, secret } = await world.app();
    const raw = fixture("v2_push");
    const compact = JSON.stringify(JSON.parse(new TextDecoder().decode(raw)));
    const posting = v2(compact, {
      secret,
      headers: { "X-Coding-Signature": signature(secret, raw) },
    });
    assertEquals(outcome(await service.post(posting)), [403, "rejected"]);
  },
  { skip: NEEDS_FIXTURES },
);

e2e("coding v1 deploys the captured push by its token", async (world) => {
  const { service, remote, checkout } = await world.app({ repository: { secret: "123" } });
  const tip = await remote.push();
  const posting = v1(fixture("v1_push_token.derived"));
  const answer = await service.post(posting, { wait: "60s" });
  assertEquals(outcome(answer), [200, "deployed"], answer.text);
  assertEquals(await checkout.head(), tip);
}, { skip: NEEDS_FIXTURES });

e2e(
  "coding v1 refuses the captured push without a token, ignores a deletion with one",
  async (world) => {
    const { service, secret } = await world.app();
    const bare = await service.post(v1(fixture("v1_push")));
    assertEquals(outcome(bare), [403, "rejected"]);
    const deletion = JSON.parse(new TextDecoder().decode(fixture("v1_push_delete_branch")));
    const answer = await service.post(v1(deletion, { token: secret }));
    assertEquals(outcome(answer), [200, "ignored"], answer.text);
  },
  { skip: NEEDS_FIXTURES },
);

e2e("coding v1 deploys a push again that came before, byte for byte", async (world) => {
  // Its payload has neither id nor time: after a branch was moved back, the same push comes again.
  const app = await world.app({ repository: { strategy: "reset" } });
  const { service, remote, checkout, secret } = app;
  const old = await remote.head();
  const tip = await remote.push({ "app.py": "version = 2\n" });
  const send = async (before: string, after: string) => {
    const posting = v1(v1Push(REF, { before, after }), { token: secret });
    return await service.post(posting, { wait: "60s" });
  };
  assertEquals(outcome(await send(old, tip)), [200, "deployed"]);
  await remote.git("push", "-q", "-f", "origin", `${old}:${REF}`);
  assertEquals(outcome(await send(tip, old)), [200, "deployed"]);
  await remote.git("push", "-q", "-f", "origin", `${tip}:${REF}`);
  assertEquals(outcome(await send(old, tip)), [200, "deployed"]);
  assertEquals(await checkout.head(), tip);
});

e2e("coding v1 deploys a ref without refs/heads/, as old documents show it", async (world) => {
  const { service, secret } = await world.app();
  const answer = await service.post(v1(v1Push("master"), { token: secret }));
  assertEquals(outcome(answer), [202, "queued"], answer.text);
});

e2e("coding v1 refuses every token that is not the secret's text", async (world) => {
  const { service, secret } = await world.app();
  const tokens: [string, unknown][] = [
    ["absent", undefined],
    ["null", null],
    ["empty", ""],
    ["a number", 0],
    ["true", true],
    ["a list of the secret", [secret]],
    ["a map with the secret", { token: secret }],
    ["one character short", secret.slice(0, -1)],
    ["one character long", secret + "0"],
    ["in capitals", secret.toUpperCase()],
    ["behind a space", ` ${secret}`],
    ["before a NUL", `${secret}\u0000`],
  ];
  for (const [name, token] of tokens) {
    await world.step(name, async () => {
      const answer = await service.post(v1(v1Push(REF), { token }));
      assertEquals(outcome(answer), [403, "rejected"], answer.text);
    });
  }
});

e2e("coding v1 refuses what cannot be read with 403: it is not authentic", async (world) => {
  const { service, secret } = await world.app();
  for (const body of ["", "{", "[]", `"${secret}"`, `{"token":"${secret}"`, "null"]) {
    const answer = await service.post(v1(body));
    assertEquals([body.replace(secret, "<secret>"), answer.status], [
      body.replace(secret, "<secret>"),
      403,
    ]);
  }
});

e2e("coding v1's token opens no door to the generations that sign", async (world) => {
  const { service, secret } = await world.app();
  const marks: Record<string, string>[] = [
    { "X-Coding-WebHook-Version": "v2" },
    { "X-Coding-Delivery": randomUUID() },
    { "X-Coding-Service-Hook-Event": "GIT_PUSHED" },
    { "X-Coding-Signature": "sha1=" + "0".repeat(40) },
  ];
  for (const headers of marks) {
    const name = Object.keys(headers)[0] ?? "";
    await world.step(name, async () => {
      const posting = v1(v1Push(REF), { token: secret });
      const answer = await service.post(posting, { headers });
      assertEquals(outcome(answer), [403, "rejected"], answer.text);
    });
  }
});

/** Answers to malformed signatures must not differ in anything that depends on what was wrong. */
function withoutDelivery(text: string): unknown {
  const { delivery: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
  return rest;
}

e2e("coding v2 refuses every malformed signature with one and the same 403", async (world) => {
  const { service, secret } = await world.app();
  const { headers, body } = v2(push(REF), { secret });
  const good = signature(secret, body);
  const hex = good.slice("sha1=".length);
  const flip = (at: number) => {
    const digit = hex[at] === "0" ? "1" : "0";
    return `sha1=${hex.slice(0, at)}${digit}${hex.slice(at + 1)}`;
  };
  const name = "X-Coding-Signature";
  const cases: [string, [string, string][]][] = [
    ["missing", []],
    ["empty", [[name, ""]]],
    ["prefix alone", [[name, "sha1="]]],
    ["no prefix", [[name, hex]]],
    ["another prefix", [[name, `sha256=${hex}`]]],
    ["prefix in capitals", [[name, `SHA1=${hex}`]]],
    ["prefix twice", [[name, `sha1=${good}`]]],
    ["one digit short", [[name, good.slice(0, -1)]]],
    ["two digits short", [[name, good.slice(0, -2)]]],
    ["two digits long", [[name, good + "00"]]],
    ["first digit differs", [[name, flip(0)]]],
    ["last digit differs", [[name, flip(39)]]],
    ["not hex", [[name, "sha1=" + "g".repeat(40)]]],
    ["hex with 0x", [[name, `sha1=0x${hex.slice(2)}`]]],
    ["signs of numbers", [[name, "sha1=" + "+1".repeat(20)]]],
    ["spaces inside", [[name, `sha1= ${hex.slice(1)}`]]],
    ["two headers, both right", [[name, good], [name, good]]],
    ["two headers, one right", [[name, "sha1=" + "0".repeat(40)], [name, good]]],
    ["two values in one header", [[name, `${good}, ${good}`]]],
    ["64 digits", [[name, "sha1=" + "ab".repeat(32)]]],
    ["10,000 digits", [[name, "sha1=" + "ab".repeat(5_000)]]],
    ["of another body", [[name, signature(secret, "other")]]],
    ["of an empty body", [[name, signature(secret, "")]]],
    ["with an empty secret", [[name, signature("", body)]]],
    ["under another name", [["X-Hub-Signature", good]]],
  ];
  const rest = Object.entries(headers).filter(([key]) => key !== name);
  const length: [string, string] = ["Content-Length", String(body.length)];
  const expected = withoutDelivery(
    (await service.post(v2(push(REF), { secret: world.secret() }))).text,
  );
  for (const [what, signatures] of cases) {
    await world.step(what, async () => {
      const lines = head("/hooks/app", [...rest, length, ...signatures]);
      const answer = await exchange(service.place, lines, body);
      assertEquals(answer?.status, 403);
      assertEquals(withoutDelivery(answer?.body ?? ""), expected);
    });
  }
  await world.step("bytes that are no ASCII", async () => {
    for (const value of [`sha1=${hex.slice(0, 38)}\xe9\xff`, "sha1=\xf0\x9f\x98\x80", "\xff\xfe"]) {
      const lines = latin1(head("/hooks/app", [...rest, length, [name, value]]));
      const answer = await exchange(service.place, lines, body);
      assertEquals(answer?.status, 403);
      assertEquals(withoutDelivery(answer?.body ?? ""), expected);
    }
  });
  await world.step("and takes the right one, on the same wire", async () => {
    const lines = head("/hooks/app", [...rest, length, [name, good]]);
    assertEquals((await exchange(service.place, lines, body))?.status, 202);
  });
});

e2e("coding v2 takes hexadecimal digits in capitals", async (world) => {
  const { service, secret } = await world.app();
  const { headers, body } = v2(push(REF), { secret });
  const upper = "sha1=" + signature(secret, body).slice("sha1=".length).toUpperCase();
  const answer = await service.post({ headers: { ...headers, "X-Coding-Signature": upper }, body });
  // Either is safe; what must not happen is a third thing.
  assert([202, 403].includes(answer.status), answer.text);
});

e2e("coding v2 takes a chunked delivery", async (world) => {
  const { service, secret } = await world.app();
  const { headers, body } = v2(push(REF), { secret });
  const lines = head("/hooks/app", { ...headers, "Transfer-Encoding": "chunked" });
  assertEquals((await exchange(service.place, lines, ...chunked(body, 7)))?.status, 202);
});

e2e("coding v2 refuses a body of which one bit differs", async (world) => {
  const { service, secret } = await world.app();
  const { headers, body } = v2(push(REF), { secret });
  for (const at of [0, Math.floor(body.length / 2), body.length - 1]) {
    const changed = body.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assertEquals(outcome(await service.post({ headers, body: changed })), [403, "rejected"]);
  }
});

e2e("coding takes each of a list of secrets and logs which one matched", async (world) => {
  const old = world.secret();
  const fresh = world.secret();
  const { service } = await world.app({ repository: { secret: [old, fresh] } });
  assertEquals((await service.post(v2(push(REF), { secret: old }))).status, 202);
  assertEquals((await service.post(v1(v1Push(REF), { token: fresh }))).status, 202);
  assertEquals((await service.post(v2(push(REF), { secret: world.secret() }))).status, 403);
  await service.logged("delivery", 3);
  const matched = service.events("delivery").map(({ secret }) => secret ?? "none");
  assertEquals(matched.map(String), ["1", "2", "none"]);
});

e2e("coding takes a secret from a file, the environment or a credential", async (world) => {
  const fromFile = world.secret();
  const fromEnv = world.secret();
  const fromCredential = world.secret();
  Deno.writeTextFileSync(world.file("secret"), `${fromFile}\n`, { mode: 0o600 });
  Deno.mkdirSync(world.file("credentials"));
  Deno.writeTextFileSync(world.file("credentials/app"), fromCredential, { mode: 0o600 });
  const { service } = await world.app({
    repository: {
      secret: [
        { file: world.file("secret") },
        { env: "HOOK_SECRET_APP" },
        { credential: "app" },
      ],
    },
    start: {
      env: { HOOK_SECRET_APP: fromEnv, CREDENTIALS_DIRECTORY: world.file("credentials") },
    },
  });
  for (const secret of [fromFile, fromEnv, fromCredential]) {
    assertEquals((await service.post(v2(push(REF), { secret }))).status, 202);
  }
});

e2e("coding takes a secret that is neither ASCII nor short", async (world) => {
  const secret = world.keepPrivate('密码🔑 with spaces: # and "quotes" ' + "x".repeat(200));
  const { service } = await world.app({ repository: { secret } });
  assertEquals((await service.post(v2(push(REF), { secret }))).status, 202);
  assertEquals((await service.post(v1(v1Push(REF), { token: secret }))).status, 202);
});

e2e("the payload chooses neither URL, nor branch, nor commit", async (world) => {
  const { service, remote, checkout, secret, backend } = await world.app({ http: true });
  await world.remote("evil");
  const tip = await remote.push();
  const evil = backend.url("evil.git");
  const repository = { clone_url: evil, ssh_url: evil, url: evil, https_url: evil };
  const payload = push(REF, {
    before: NO_COMMIT,
    after: "c".repeat(40),
    extra: { repository, branch: "other", remote: evil, path: "/" },
  });
  const answer = await service.post(v2(payload, { secret }), { wait: "60s" });
  assertEquals(outcome(answer), [200, "deployed"], answer.text);
  assertEquals(await checkout.head(), tip);
  assertEquals(backend.requests.filter(({ path }) => path.startsWith("/evil.git")), []);
});
