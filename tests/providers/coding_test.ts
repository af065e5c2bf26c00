import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { coding } from "../../lib/providers/coding.ts";
import { type Posted, UnreadableDelivery, type Verdict } from "../../lib/providers/provider.ts";
import type { Delivery, RefChange } from "../../lib/delivery.ts";
import type { Bytes } from "../../lib/signature.ts";
import {
  AFTER,
  BEFORE,
  bytes,
  encode,
  FORM_TYPE,
  JSON_TYPE,
  NO_COMMIT,
  pushOf,
  SECRET,
  serviceHook,
  signature,
  v1,
  v2,
} from "./deliveries.ts";
import { capture, HAS_FIXTURES } from "./fixtures.ts";

const check = await coding.authenticator(SECRET);

/** What the door does: verify, then read with what the verdict already parsed. */
async function receive(posted: Posted): Promise<Delivery> {
  const verdict = await check(posted);
  if (!verdict.authentic) throw new Error(`refused: ${verdict.why}`);
  return coding.read(posted, verdict.payload);
}

/** The one change of a push. */
async function receivePush(posted: Posted): Promise<RefChange> {
  const { event } = await receive(posted);
  if (event.kind !== "push") throw new Error(`not a push but ${event.kind}`);
  assertEquals(event.changes.length, 1);
  return event.changes[0]!;
}

async function refused(posted: Posted, why: string, what?: string): Promise<void> {
  const verdict: Verdict = await check(posted);
  assertEquals(verdict, { authentic: false, why }, what);
}

const MALFORMED = "the signature is malformed";
const UNFIT = "the signature does not fit the secret and the body";
const UNSIGNED = "no signature: is the secret set at Coding?";
const NOTHING = "neither a signature nor a token: is the secret set at Coding?";
const OTHER_TOKEN = "the token in the body is another";

const GENERATIONS = { v2, v1, serviceHook } as const;

for (const [name, make] of Object.entries(GENERATIONS)) {
  for (const form of [false, true]) {
    const body = form ? "a form" : "JSON";

    Deno.test(`authenticator() and read() take a push of ${name} in ${body}`, async () => {
      const { event, pusher } = await receive(make(pushOf("refs/heads/功能"), { form }));
      assertEquals<unknown>(event, {
        kind: "push",
        changes: [{ ref: "refs/heads/功能", before: BEFORE, after: AFTER, deleted: false }],
      });
      assertEquals(pusher, "张三");
    });

    Deno.test(`authenticator() refuses ${name} in ${body} with another secret`, async () => {
      const forged = make(pushOf(), { form, secret: `${SECRET}!` });
      await refused(forged, name === "v1" ? OTHER_TOKEN : UNFIT);
    });
  }

  Deno.test(`read() understands the ping, deletion and tag of ${name}`, async () => {
    const { event: ping } = await receive(make({ zen: "Coding" }, { event: "ping" }));
    assertEquals(ping, { kind: "ping" });
    const deletion = await receivePush(make(pushOf("refs/heads/main", { after: NO_COMMIT })));
    assertEquals(deletion.deleted, true);
    const tag = await receivePush(make(pushOf("refs/tags/v1.0", { before: NO_COMMIT })));
    assertEquals([tag.ref, tag.deleted], ["refs/tags/v1.0", false]);
  });

  Deno.test(`read() names any other event of ${name}`, async () => {
    const { event } = await receive(make({ action: "create" }, { event: "merge request" }));
    assertEquals(event, { kind: "other", name: "merge request" });
  });
}

Deno.test("read() completes the bare ref of old deliveries", async () => {
  const { ref } = await receivePush(v1({ ref: "master", before: BEFORE, after: AFTER }));
  assertEquals(ref, "refs/heads/master");
});

Deno.test("read() takes the delivery's id from its header, and v1 has none", async () => {
  assertEquals((await receive(v2(pushOf(), { delivery: "0f-1" }))).id, "0f-1");
  assertEquals((await receive(serviceHook(pushOf(), { delivery: "0f-2" }))).id, "0f-2");
  assertEquals((await receive(v1(pushOf()))).id, undefined);
  assertEquals((await receive(v2(pushOf(), { delivery: "x".repeat(200) }))).id, undefined);
});

Deno.test("read() lets a Service Hook's own event win over the other header", async () => {
  const posted = serviceHook(pushOf(), { headers: { "X-Coding-Event": "ping" } });
  assertEquals((await receive(posted)).event.kind, "push");
});

Deno.test("read() takes the event from the body where no header has it", async () => {
  const posted = v1({ event: "push", ...pushOf() });
  posted.headers.delete("X-Coding-Event");
  assertEquals((await receive(posted)).event.kind, "push");
  const nameless = v1(pushOf());
  nameless.headers.delete("X-Coding-Event");
  assertThrows(() => coding.read(nameless), UnreadableDelivery, "no header names the event");
});

Deno.test("read() cleans and bounds what it passes on for display", async () => {
  const posted = v1({
    event: `x\n\u001b[2J${"y".repeat(500)}`,
    user: { name: "Eve\r\nfake: line" },
  });
  posted.headers.delete("X-Coding-Event");
  const { event, pusher } = await receive(posted);
  assertEquals<unknown>(event, { kind: "other", name: `x  [2J${"y".repeat(57)}…` });
  assertEquals(pusher, "Eve  fake: line");
});

Deno.test("read() refuses pushes with hostile refs, and says which key", () => {
  const hostile = ["refs/heads/a\nrefs/heads/main", `refs/heads/${"x".repeat(65_536)}`, ""];
  for (const ref of hostile) {
    assertThrows(() => coding.read(v2(pushOf(ref))), UnreadableDelivery, '"ref" is not the name');
  }
  for (const ref of [1, {}, ["main"], true]) {
    const posted = v2({ ...pushOf(), ref });
    assertThrows(() => coding.read(posted), UnreadableDelivery, '"ref" is not a string');
  }
  const posted = v2('{"__proto__":{"ref":"refs/heads/main"}}');
  assertThrows(() => coding.read(posted), UnreadableDelivery, '"ref" is missing');
});

Deno.test("authenticator() tells nothing but malformed of any malformed signature", async () => {
  const good = signature(encode(pushOf()));
  const malformed = {
    empty: "",
    "no prefix": good.slice(5),
    "another hash": good.replace("sha1", "sha256"),
    "prefix in capitals": good.replace("sha1", "SHA1"),
    "digits in capitals": good.replace(/[a-f]/g, (digit) => digit.toUpperCase()),
    truncated: good.slice(0, -1),
    "too long": `${good}00`,
    "not hexadecimal": `${good.slice(0, -1)}z`,
    "not ASCII": `${good.slice(0, -1)}ä`,
    "two in one": `${good}, ${good}`,
    base64: "sha1=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
  };
  for (const [what, value] of Object.entries(malformed)) {
    await refused(v2(pushOf(), { headers: { "X-Coding-Signature": value } }), MALFORMED, what);
  }
  const twice = v2(pushOf());
  twice.headers.append("X-Coding-Signature", good);
  await refused(twice, MALFORMED, "two headers");
  const zeros = { headers: { "X-Coding-Signature": `sha1=${"0".repeat(40)}` } };
  await refused(v2(pushOf(), zeros), UNFIT, "zeros");
});

Deno.test("authenticator() checks the raw bytes, not what they mean", async () => {
  const { headers } = v2('{"ref":"main"}');
  await refused({ headers, body: bytes('{"ref": "main"}'), received: 0 }, UNFIT, "a space");
  await refused(
    { headers, body: bytes('\uFEFF{"ref":"main"}'), received: 0 },
    UNFIT,
    "a byte order mark",
  );
  await refused({ headers, body: new Uint8Array(0), received: 0 }, UNFIT, "nothing");
  const form = v2({ a: 1 }, { form: true });
  const asJson = { ...form, body: encode({ a: 1 }) };
  await refused(asJson, UNFIT, "the field's text instead of the form");
});

Deno.test("authenticator() never lets a signing generation prove itself by a token", async () => {
  const body = encode({ ...pushOf(), token: SECRET });
  const generations = {
    "X-Coding-Delivery": "1",
    "X-Coding-WebHook-Version": "v2",
    "X-Coding-Service-Hook-Event": "GIT_PUSHED",
  };
  for (const [header, value] of Object.entries(generations)) {
    await refused(v1(body, { headers: { [header]: value } }), UNSIGNED, header);
    await refused(v1(body, { headers: { [header]: "" } }), UNSIGNED, `${header}, empty`);
  }
  const forged = { headers: { "X-Coding-Signature": `sha1=${"0".repeat(40)}` } };
  await refused(v1(body, forged), UNFIT);
  await refused(v1(body, { headers: { "X-Coding-Signature": "" } }), MALFORMED);
});

Deno.test("authenticator() finds no token where it is missing, of another type or elsewhere", async () => {
  const json = (value: unknown) => v1(encode(value));
  await refused(json(pushOf()), NOTHING);
  await refused(json({ ...pushOf(), token: null }), NOTHING);
  await refused(json({ ...pushOf(), hook: { token: SECRET } }), NOTHING);
  await refused(v1(bytes(`{"__proto__":{"token":${JSON.stringify(SECRET)}}}`)), NOTHING);
  await refused(json({ token: [SECRET] }), 'no signature, and "token" is not a string');
  await refused(json({ token: "" }), OTHER_TOKEN);
  await refused(json({ token: ` ${SECRET}` }), OTHER_TOKEN);
  await refused(json([{ token: SECRET }]), "no signature, and the body is not a JSON object");
  const field = v1(bytes(`token=${encodeURIComponent(SECRET)}`), { form: true });
  await refused(field, 'no signature, and the form has no field "payload"');
  await refused(v1(new Uint8Array([0xff])), "no signature, and the body is not valid UTF-8");
});

Deno.test("authenticator() does not parse millions of parts for somebody unknown", async () => {
  const size = 5 * 1024 * 1024;
  const tooMany = "no signature, and the body has too many parts";
  await refused(v1(bytes("[".repeat(size))), tooMany);
  await refused(v1(bytes(`{"a":${"[]".repeat(size / 2)}}`)), tooMany);
  await refused(v1(bytes('{"a":'.repeat(size / 5))), tooMany);
  const form = { form: true };
  await refused(v1(bytes("payload=" + "[".repeat(size)), form), tooMany);
  await refused(
    v1(bytes("a&".repeat(size / 2)), form),
    'no signature, and the form has no field "payload"',
  );
});

Deno.test("authenticator() takes a large v1 push and a large signed one", async () => {
  const commits = Array.from({ length: 4000 }, (_, index) => ({
    committer: { name: `developer ${index}`, email: "developer@example.test" },
    short_message: `${index}: [{,"`.repeat(10),
    sha: AFTER,
  }));
  assertEquals((await receive(v1({ ...pushOf(), commits }))).event.kind, "push");
  const signed = v2(`{"ref":"main","a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`);
  assertEquals((await receive(signed)).event.kind, "push");
});

/** Bodies that might be anything: bytes, JSON of any shape, pushes with any values in their keys. */
const anyBody: fc.Arbitrary<Bytes> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((source) => new Uint8Array(source)),
  fc.json().map(bytes),
  fc.record({
    ref: fc.jsonValue(),
    before: fc.jsonValue(),
    after: fc.oneof(fc.jsonValue(), fc.constant(NO_COMMIT)),
    deleted: fc.jsonValue(),
    token: fc.oneof(fc.jsonValue(), fc.constant(SECRET)),
    event: fc.jsonValue(),
    pusher: fc.jsonValue(),
  }, { requiredKeys: [] }).map((value) => encode(value)),
);

const anyHeaders: fc.Arbitrary<Record<string, string>> = fc.record({
  "Content-Type": fc.constantFrom(JSON_TYPE, FORM_TYPE, "text/html", ""),
  "X-Coding-Event": fc.constantFrom("push", "ping", "merge request", "GIT_PUSHED", ""),
  "X-Coding-Service-Hook-Event": fc.constantFrom("GIT_PUSHED", "GIT_MR_CREATED", ""),
  "X-Coding-Delivery": fc.constantFrom("1", "", "ä", "x".repeat(300)),
  "X-Coding-Signature": fc.constantFrom("", "sha1=", `sha1=${"a".repeat(40)}`, "ä"),
}, { requiredKeys: [] });

Deno.test("authenticator() and read() throw nothing but UnreadableDelivery", async () => {
  await fc.assert(
    fc.asyncProperty(anyHeaders, anyBody, async (headers, body) => {
      const posted = { headers: new Headers(headers), body, received: 0 };
      const verdict = await check(posted);
      try {
        coding.read(posted, verdict.authentic ? verdict.payload : undefined);
      } catch (error) {
        assertInstanceOf(error, UnreadableDelivery);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("authenticator() refuses a delivery with any one bit flipped", async () => {
  const posted = v2(pushOf());
  const sent = posted.headers.get("X-Coding-Signature")!;
  assert((await check(posted)).authentic);
  await fc.assert(fc.asyncProperty(
    fc.nat({ max: posted.body.length * 8 - 1 }),
    fc.nat({ max: sent.length * 7 - 1 }),
    async (bodyBit, signatureBit) => {
      const body = new Uint8Array(posted.body);
      body[bodyBit >> 3]! ^= 1 << (bodyBit & 7);
      await refused({ ...posted, body }, UNFIT);

      const at = Math.floor(signatureBit / 7);
      const code = sent.charCodeAt(at) ^ (1 << signatureBit % 7);
      const changed = sent.slice(0, at) + String.fromCharCode(code) + sent.slice(at + 1);
      // A line end or NUL cannot stand in a header.
      if (code === 0 || code === 10 || code === 13) return;
      const headers = new Headers(posted.headers);
      headers.set("X-Coding-Signature", changed);
      assertEquals((await check({ ...posted, headers })).authentic, false, changed);
    },
  ));
});

for (const event of ["push", "ping"] as const) {
  Deno.test(`compose() makes a ${event} that its own reader takes, signed as Coding signs`, async () => {
    const posted = await coding.compose({
      event,
      repository: "app",
      ref: "refs/heads/main",
      before: BEFORE,
      after: AFTER,
      id: "5f0c2c5e",
      now: 0,
    }, SECRET);
    assertEquals(posted.headers.get("X-Coding-Signature"), signature(posted.body));
    const delivery = await receive(posted);
    assertEquals(delivery.event.kind, event);
    assertEquals(delivery.id, "5f0c2c5e");
  });
}

Deno.test("compose() signs a given body as it is", async () => {
  const body = bytes('{ "ref" : "main" }\n');
  const draft = {
    event: "push",
    repository: "app",
    ref: "x",
    before: BEFORE,
    after: AFTER,
  } as const;
  const posted = await coding.compose({ ...draft, id: "1", now: 0, body }, SECRET);
  assertEquals(posted.body, body);
  assertEquals((await check(posted)).authentic, true);
});

interface Capture {
  readonly name: string;
  readonly pusher: string;
  readonly deleted: boolean;
}

const CAPTURES: readonly Capture[] = [
  { name: "v1_push", pusher: "demo1", deleted: false },
  { name: "v1_push_delete_branch", pusher: "demo1", deleted: true },
  { name: "v2_push", pusher: "张亮", deleted: false },
];

for (const { name, pusher, deleted } of CAPTURES) {
  Deno.test({
    name: `read() understands the captured ${name}`,
    ignore: !HAS_FIXTURES,
    async fn() {
      const body = capture(`coding/${name}.json`);
      // The captures came without a secret, so they are signed here.
      const change = await receivePush(v2(body));
      assertEquals([change.ref, change.deleted], ["refs/heads/master", deleted]);
      assertEquals((await receive(v2(body))).pusher, pusher);
    },
  });
}

Deno.test({
  name: "authenticator() takes the captured v1_push_token by its token alone",
  ignore: !HAS_FIXTURES,
  async fn() {
    const posted = v1(capture("coding/v1_push_token.derived.json"));
    assertEquals((await (await coding.authenticator("123"))(posted)).authentic, true);
    await refused(posted, OTHER_TOKEN);
  },
});
