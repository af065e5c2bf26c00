/** Every row of the table "HTTP, public listener" of the contract, and how the answers look. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Answer,
  BINARY,
  chunked,
  e2e,
  exchange,
  head,
  NO_COMMIT,
  push,
  RawConnection,
  signature,
  until,
  v2,
} from "./harness.ts";

/** What every JSON answer to a delivery looks like. */
function assertOutcome(answer: Answer, status: number, outcome: string): void {
  const seen = { status: answer.status, outcome: answer.json.outcome };
  assertEquals(seen, { status, outcome }, answer.text);
  assertMatch(answer.headers.get("content-type") ?? "", /^application\/json/);
  assertEquals(answer.json.repository, "app");
}

e2e("POST /hooks/NAME answers a push to the deployed branch with 202 queued", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const tip = await remote.push();
  const answer = await service.post(v2(push(ref), { secret, delivery: "delivery-1" }));
  assertOutcome(answer, 202, "queued");
  assertEquals(answer.json.delivery, "delivery-1");
  await service.deployed();
  assertEquals(await checkout.head(), tip);
});

e2e("POST / is the URL of the only repository", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const tip = await remote.push();
  assertOutcome(await service.post(v2(push(ref), { secret }), { path: "/" }), 202, "queued");
  await service.deployed();
  assertEquals(await checkout.head(), tip);
});

e2e("POST / is nothing where there are two repositories", async (world) => {
  const remote = await world.remote();
  const one = await world.checkout(remote, "srv/one");
  const two = await world.checkout(remote, "srv/two");
  const secret = world.secret();
  const service = await world.start({
    repositories: { one: { path: one.path, secret }, two: { path: two.path, secret } },
  });
  const answer = await service.post(v2(push("refs/heads/master"), { secret }), { path: "/" });
  assertEquals(answer.status, 404);
});

e2e("?wait answers 200 deployed, then 200 unchanged", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const tip = await remote.push();
  assertOutcome(await service.post(v2(push(ref), { secret }), { wait: "60s" }), 200, "deployed");
  assertEquals(await checkout.head(), tip, "the answer came after the deployment");
  assertOutcome(await service.post(v2(push(ref), { secret }), { wait: "60s" }), 200, "unchanged");
});

e2e("?wait answers 500 failed with the tail of git's output", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  await remote.push({ "app.py": "version = 2\n" });
  checkout.write({ "app.py": "version = local\n" });
  const answer = await service.post(v2(push(ref), { secret }), { wait: "60s" });
  assertOutcome(answer, 500, "failed");
  assertStringIncludes(answer.text, "app.py", "names what git complained about");
});

e2e("?wait answers 202 queued when the wait ends first", async (world) => {
  const { service, remote, checkout, secret, backend, ref } = await world.app({ http: true });
  const tip = await remote.push();
  const gate = backend.hold();
  assertOutcome(await service.post(v2(push(ref), { secret }), { wait: "1s" }), 202, "queued");
  await gate.reached();
  assertEquals(service.deployments(), [], "nothing had ended when the answer came");
  gate.open();
  await service.deployed();
  assertEquals(await checkout.head(), tip);
});

e2e("POST without ?wait never waits for git", async (world) => {
  const { service, secret, backend, ref } = await world.app({ http: true });
  const gate = backend.hold();
  for (let count = 0; count < 3; count++) {
    assertOutcome(await service.post(v2(push(ref), { secret })), 202, "queued");
  }
  assertEquals(service.deployments(), []);
  gate.open();
});

e2e("POST answers a ping with 200 pong and deploys nothing", async (world) => {
  const { service, remote, checkout, secret } = await world.app();
  const before = await checkout.head();
  await remote.push();
  const ping = { zen: "Coding！让开发更简单", hook_id: 1, hook: {}, sender: {}, repository: {} };
  assertOutcome(await service.post(v2(ping, { secret, event: "ping" })), 200, "pong");
  await service.logged("delivery");
  assertEquals([service.deployments(), await checkout.head()], [[], before]);
});

e2e("POST answers what is not to be deployed with 200 ignored and a reason", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const before = await checkout.head();
  await remote.push();
  const merge = { action: "merge", mergeRequest: { base: { ref: "master" } } };
  const cases: [string, ReturnType<typeof v2>][] = [
    ["another branch", v2(push("refs/heads/develop"), { secret })],
    ["a branch that ends like it", v2(push("refs/heads/feature/master"), { secret })],
    ["a branch that begins like it", v2(push("refs/heads/master2"), { secret })],
    ["a tag", v2(push("refs/tags/v1.0"), { secret })],
    ["a tag of the branch's name", v2(push("refs/tags/master"), { secret })],
    ["the branch's deletion", v2(push(ref, { after: NO_COMMIT }), { secret })],
    ["another event", v2(merge, { secret, event: "merge request" })],
  ];
  for (const [name, posting] of cases) {
    await world.step(name, async () => {
      const answer = await service.post(posting);
      assertOutcome(answer, 200, "ignored");
      assert(typeof answer.json.reason === "string" && answer.json.reason !== "", answer.text);
    });
  }
  assertEquals([service.deployments(), await checkout.head()], [[], before]);
});

e2e("POST answers a delivery seen before with 200 duplicate", async (world) => {
  const { service, secret, ref } = await world.app();
  const posting = v2(push(ref), { secret, delivery: "seen-twice" });
  assertOutcome(await service.post(posting), 202, "queued");
  await service.deployed();
  assertOutcome(await service.post(posting), 200, "duplicate");
  assertEquals((await service.logged("delivery", 2)).outcome, "duplicate");
  assertEquals(service.deployments().length, 1);
});

e2e("POST deploys a delivery seen before whose deployment failed", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const tip = await remote.push({ "app.py": "version = 2\n" });
  checkout.write({ "app.py": "version = local\n" });
  const posting = v2(push(ref), { secret, delivery: "again" });
  assertOutcome(await service.post(posting, { wait: "60s" }), 500, "failed");
  await checkout.git("checkout", "-q", "--", "app.py");
  assertOutcome(await service.post(posting, { wait: "60s" }), 200, "deployed");
  assertEquals(await checkout.head(), tip);
});

e2e("POST does not take a delivery for seen before whose signature was wrong", async (world) => {
  const { service, secret, ref } = await world.app();
  const forged = v2(push(ref), { secret: world.secret(), delivery: "contested" });
  assertOutcome(await service.post(forged), 403, "rejected");
  const posting = v2(push(ref), { secret, delivery: "contested" });
  assertOutcome(await service.post(posting), 202, "queued");
});

e2e("POST to an unknown name answers 404", async (world) => {
  const { service, secret, ref } = await world.app();
  const paths = ["/hooks/unknown", "/hooks/", "/hooks", "/hooks/app/more", "/hooks/APP", "/other"];
  for (const path of paths) {
    assertEquals((await service.post(v2(push(ref), { secret }), { path })).status, 404, path);
  }
  for (const path of ["/status.json", "/metrics", "/hooks/..%2fapp", "/.git/config"]) {
    assertEquals((await service.request(path)).status, 404, path);
  }
  assertEquals(service.deployments(), []);
});

e2e("another method than POST answers 405 with Allow", async (world) => {
  const { service } = await world.app();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH"]) {
    for (const path of ["/hooks/app", "/"]) {
      const answer = await service.request(path, { method });
      const seen = [method, path, answer.status, answer.headers.get("allow")];
      assertEquals(seen, [method, path, 405, "POST"]);
    }
  }
});

e2e("GET /healthz answers 200 ok", async (world) => {
  const { service } = await world.app();
  const answer = await service.request("/healthz");
  assertEquals([answer.status, answer.text.trim()], [200, "ok"]);
});

e2e("POST cuts off a body slower than 10 s with 408", async (world) => {
  const { service, secret, ref } = await world.app();
  const { body, headers } = v2(push(ref), { secret });
  const declared = head("/hooks/app", { ...headers, "Content-Length": String(body.length) });
  const open = head("/hooks/app", { ...headers, "Transfer-Encoding": "chunked" });
  const starts = [declared, declared + "{", open, open + "1\r\n{\r\n"];
  const silent = Promise.all(starts.map((start) => exchange(service.place, start)));
  // A client that drips a byte at a time is slow, too: the limit is on the body, not on a pause.
  const drip = await RawConnection.open(service.place);
  world.onEnd(() => drip.close());
  const answer = drip.answer();
  await drip.write(declared);
  let at = 0;
  await until(async () => {
    await drip.write(body.subarray(at, ++at));
    return drip.received.length > 0 || drip.ended;
  }, "an end of the dripping body");
  assertEquals((await answer)?.status, 408);
  assert(at < body.length, `cut off before the end, after ${at} of ${body.length} bytes`);
  assertEquals((await silent).map((answer) => answer?.status), [408, 408, 408, 408]);
  assertEquals((await service.request("/healthz")).status, 200);
});

e2e("POST answers 413 to a body over the limit, whatever its length claims", async (world) => {
  const { service, secret, ref } = await world.app({ config: { body_limit: "64KiB" } });
  const large = JSON.stringify(push(ref, { extra: { filler: "x".repeat(65536) } }));
  const posting = v2(large, { secret });
  const { headers, body } = posting;
  const place = service.place;
  const length = (claim: number | string) =>
    head("/hooks/app", { ...headers, "Content-Length": String(claim) });
  const open = head("/hooks/app", { ...headers, "Transfer-Encoding": "chunked" });
  await world.step("sent by an honest client", async () => {
    assertEquals((await service.post(posting)).status, 413);
  });
  await world.step("declared and never sent", async () => {
    assertEquals((await exchange(place, length(body.length)))?.status, 413);
  });
  await world.step("declared as larger than any memory", async () => {
    assertEquals((await exchange(place, length("9007199254740993")))?.status, 413);
  });
  await world.step("chunked, without a length", async () => {
    assertEquals((await exchange(place, open, ...chunked(body)))?.status, 413);
  });
  await world.step("chunked in pieces of 100 bytes", async () => {
    assertEquals((await exchange(place, open, ...chunked(body, 100)))?.status, 413);
  });
  await world.step("chunked and without an end", async () => {
    const piece = `10000\r\n${"x".repeat(65536)}\r\n`;
    assertEquals((await exchange(place, open, piece, piece))?.status, 413);
  });
  await world.step("chunked beside a small length", async () => {
    const both = { ...headers, "Content-Length": "10", "Transfer-Encoding": "chunked" };
    const answer = await exchange(place, head("/hooks/app", both), ...chunked(body));
    assert(answer === undefined || [400, 413].includes(answer.status), `${answer?.status}`);
  });
  await world.step(
    "declared as smaller: what was declared is judged, and it is forged",
    async () => {
      assertEquals((await exchange(place, length(100), body))?.status, 403);
    },
  );
  await world.step("a small body still passes", async () => {
    assertOutcome(await service.post(v2(push(ref), { secret })), 202, "queued");
  });
});

e2e("POST takes a body of exactly the limit", async (world) => {
  const { service, secret, ref } = await world.app({ config: { body_limit: "64KiB" } });
  const bare = JSON.stringify(push(ref, { extra: { filler: "" } }));
  const room = 65536 - new TextEncoder().encode(bare).length;
  const filled = push(ref, { extra: { filler: "x".repeat(room) } });
  const posting = v2(filled, { secret });
  assertEquals(posting.body.length, 65536);
  assertOutcome(await service.post(posting), 202, "queued");
});

e2e("POST without a body or a length is refused like any forged delivery", async (world) => {
  const { service, secret } = await world.app();
  const { headers } = v2("", { secret: world.secret() });
  const answer = await exchange(service.place, head("/hooks/app", headers));
  assertEquals(answer?.status, 403);
  const empty = v2("", { secret });
  const authentic = await exchange(service.place, head("/hooks/app", empty.headers));
  assertEquals(authentic?.status, 400, "signed, but nothing to read");
});

e2e("POST answers 415 to what is neither JSON nor form", async (world) => {
  const { service, secret, ref } = await world.app();
  const types = [
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "json",
    undefined,
  ];
  for (const type of types) {
    const posting = v2(push(ref), { secret, headers: { "Content-Type": type } });
    const lines = { ...posting.headers, "Content-Length": String(posting.body.length) };
    const answer = await exchange(service.place, head("/hooks/app", lines), posting.body);
    assertEquals([type, answer?.status], [type, 415]);
  }
});

e2e("POST reads JSON whatever the case and the parameters of its type", async (world) => {
  const { service, secret, ref } = await world.app();
  for (
    const type of ["application/json", "Application/JSON;charset=utf-8", "application/json ; x=y"]
  ) {
    const posting = v2(push(ref), { secret, headers: { "Content-Type": type } });
    assertEquals([type, (await service.post(posting)).status], [type, 202]);
  }
});

e2e("POST answers 400 to what is authentic but unreadable", async (world) => {
  const { service, secret } = await world.app();
  const form = { secret, form: true };
  const formHeader = { "Content-Type": "application/x-www-form-urlencoded" };
  const cases: [string, ReturnType<typeof v2>][] = [
    ["no JSON", v2("{not json", { secret })],
    ["a list", v2("[]", { secret })],
    ["a string", v2('"refs/heads/master"', { secret })],
    ["null", v2("null", { secret })],
    ["a push without a ref", v2({ after: "a".repeat(40) }, { secret })],
    ["a ref that is no text", v2({ ref: ["refs/heads/master"] }, { secret })],
    ["no UTF-8", v2(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d), { secret })],
    ["a form without payload", v2("other=1", { secret, headers: formHeader })],
    ["a form whose payload is no JSON", v2("{not json", form)],
    ["nested deeper than any payload", v2("[".repeat(200_000), { secret })],
  ];
  for (const [name, posting] of cases) {
    await world.step(name, async () => {
      const answer = await service.post(posting);
      assertEquals(answer.status, 400, answer.text);
    });
  }
  assertEquals(service.deployments(), []);
});

e2e("POST answers 503 with Retry-After to too much at once, and recovers", async (world) => {
  const { service, secret, backend, ref } = await world.app({ http: true });
  const gate = backend.hold();
  const open: RawConnection[] = [];
  world.onEnd(async () => {
    for (const connection of open) await connection.close();
  });
  // Whoever waits for a deployment is there for as long as the remote lets it hang.
  const more = async () => {
    const { headers, body } = v2(push(ref), { secret });
    const connection = await RawConnection.open(service.place);
    open.push(connection);
    const lines = { ...headers, "Content-Length": String(body.length) };
    await connection.write(head("/hooks/app?wait=60s", lines));
    await connection.write(body);
  };
  const answered = () => open.find(({ received }) => received.length > 0);
  let first: RawConnection | undefined;
  while (first === undefined) {
    assert(open.length < 5_000, "5,000 wait at once, and no 503");
    await Promise.all(Array.from({ length: 100 }, more));
    // A connection is open before the service knows of it; its delivery is logged when it does.
    await until(
      () => answered() !== undefined || service.events("delivery").length >= open.length,
      "the last hundred, known to the service or refused by it",
    );
    first = answered();
  }
  const answer = await first.answer();
  assertEquals(answer?.status, 503);
  assertMatch(answer?.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
  assertEquals((await service.request("/healthz")).status, 200);
  gate.open();
  await until(
    async () => (await service.post(v2(push(ref), { secret }))).status === 202,
    "a delivery that is taken again after the flood",
  );
});

e2e("POST answers one line of text where Accept prefers it", async (world) => {
  const { service, secret, ref } = await world.app();
  const cases: [string, boolean][] = [
    ["text/plain", true],
    ["text/plain, application/json;q=0.5", true],
    ["application/json;q=0.1, text/plain;q=0.2", true],
    ["application/json, text/plain;q=0.5", false],
    ["application/json", false],
    ["*/*", false],
    ["text/html, */*", false],
  ];
  for (const [accept, plain] of cases) {
    await world.step(accept, async () => {
      const answer = await service.post(v2(push(ref), { secret }), { accept });
      assertEquals(answer.status, 202);
      if (!plain) return assertEquals(answer.json.outcome, "queued");
      assertMatch(answer.headers.get("content-type") ?? "", /^text\/plain/);
      assertMatch(answer.text, /^[^\n]*queued[^\n]*\n?$/);
    });
  }
  await world.step("of a refusal, too", async () => {
    const forged = v2(push(ref), { secret: world.secret() });
    const answer = await service.post(forged, { accept: "text/plain" });
    assertEquals(answer.status, 403);
    assertMatch(answer.text, /^[^\n]*rejected[^\n]*\n?$/);
  });
});

e2e("every refusal is JSON, too", async (world) => {
  const { service, secret, ref } = await world.app({ config: { body_limit: "1KiB" } });
  const posting = v2(push(ref), { secret });
  const large = v2("x".repeat(2000), { secret });
  const answers = [
    await service.post(posting, { path: "/hooks/unknown" }),
    await service.request("/hooks/app"),
    await service.post(large),
    await service.post(v2("{", { secret })),
    await service.post(v2(push(ref), { secret, headers: { "Content-Type": "text/plain" } })),
  ];
  assertEquals(answers.map(({ status }) => status), [404, 405, 413, 400, 415]);
  for (const { text, status } of answers) {
    const json = JSON.parse(text) as unknown;
    assert(typeof json === "object" && json !== null, `${status}: ${text}`);
  }
});

e2e("POST keeps a connection open for the next delivery", async (world) => {
  const { service, secret, ref } = await world.app();
  const connection = await RawConnection.open(service.place);
  world.onEnd(() => connection.close());
  const { headers, body } = v2(push(ref), { secret });
  const request = head("/hooks/app", { ...headers, "Content-Length": String(body.length) });
  for (let count = 1; count <= 3; count++) {
    await connection.write(request);
    await connection.write(body);
    await until(() => {
      const text = new TextDecoder().decode(connection.received);
      return text.split("HTTP/1.1 ").length - 1 === count;
    }, `answer ${count} on one connection`);
  }
  assertEquals(connection.ended, false);
});

e2e("POST sends 100 Continue to who waits for it before the body", async (world) => {
  const { service, secret, ref } = await world.app({ config: { body_limit: "64KiB" } });
  const { headers, body } = v2(push(ref), { secret });
  const lines = (length: number) =>
    head("/hooks/app", { ...headers, "Content-Length": `${length}`, "Expect": "100-continue" });
  const text = (connection: RawConnection) => new TextDecoder().decode(connection.received);
  const patient = await RawConnection.open(service.place);
  world.onEnd(() => patient.close());
  await patient.write(lines(body.length));
  await until(() => text(patient).startsWith("HTTP/1.1 100 "), "100 Continue");
  await patient.write(body);
  await until(() => text(patient).includes("HTTP/1.1 202 "), "the answer after the body");
});

/**
 * A server that touches no body, to see what the runtime does by itself: Deno 2.9.6 asks for the
 * body all the same, and keeps the answer back until it has come.
 */
async function asksForUnwantedBodies(): Promise<boolean> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    return new Response(null, { status: 413, headers: { connection: "close" } });
  });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const lines = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
  await connection.write(new TextEncoder().encode(lines));
  const buffer = new Uint8Array(32);
  const read = await connection.read(buffer);
  connection.close();
  await server.shutdown();
  return new TextDecoder().decode(buffer.subarray(0, read ?? 0)).startsWith("HTTP/1.1 100 ");
}

// The binary has the pinned runtime; from source it is the one that runs the tests.
const ASKS = BINARY === undefined && await asksForUnwantedBodies()
  ? "this Deno asks for every body, wanted or not"
  : undefined;

e2e("POST answers 413 without asking for a body that is too large", async (world) => {
  const { service, secret, ref } = await world.app({ config: { body_limit: "64KiB" } });
  const { headers } = v2(push(ref), { secret });
  const large = await RawConnection.open(service.place);
  world.onEnd(() => large.close());
  const length = { "Content-Length": "1000000", "Expect": "100-continue" };
  await large.write(head("/hooks/app", { ...headers, ...length }));
  const text = () => new TextDecoder().decode(large.received);
  await until(() => text().startsWith("HTTP/1.1 413 "), "413 without asking for the body");
}, { skip: ASKS });

e2e("POST answers a client of HTTP/1.0", async (world) => {
  const { service, secret, ref } = await world.app();
  const { headers, body } = v2(push(ref), { secret });
  const lines = head("/hooks/app", { ...headers, "Content-Length": String(body.length) })
    .replace("HTTP/1.1", "HTTP/1.0");
  assertEquals((await exchange(service.place, lines, body))?.status, 202);
});

e2e("delivery log lines tell outcome, status, provider and client", async (world) => {
  const { service, secret, ref } = await world.app();
  await service.post(v2(push(ref), { secret, delivery: "logged-1" }));
  const queued = await service.logged("delivery");
  assertEquals(
    [queued.repository, queued.delivery, queued.provider, queued.outcome, queued.status],
    ["app", "logged-1", "coding", "queued", 202],
  );
  assertEquals([queued.ref, queued.client], [ref, "127.0.0.1"]);
  assertEquals(typeof queued.ms, "number");
  await service.post(v2(push(ref), { secret: world.secret(), delivery: "logged-2" }));
  const rejected = await service.logged("delivery", 2);
  assertEquals([rejected.outcome, rejected.status], ["rejected", 403]);
  assertEquals(typeof rejected.reason, "string", "the operator, not the client, learns why");
});

e2e("deployment log lines tell result, commits, duration and deliveries", async (world) => {
  const { service, remote, checkout, secret, ref } = await world.app();
  const before = await checkout.head();
  const tip = await remote.push();
  await service.post(v2(push(ref), { secret }));
  const line = await service.deployed();
  const seen = [line.repository, line.result, line.old, line.new, line.deliveries];
  assertEquals(seen, ["app", "deployed", before, tip, 1]);
  assertEquals(typeof line.ms, "number");
});

e2e("a delivery's id and ref cannot forge a log line", async (world) => {
  const { service, secret } = await world.app();
  const forged = 'refs/heads/x\n{"time":"","level":"info","event":"forged","message":""}\x1b[31m';
  await service.post(v2(push(forged), { secret }));
  await service.post(v2(push("refs/heads/x"), { secret, delivery: "x".repeat(5_000) }));
  await service.logged("delivery", 2);
  assertEquals(service.events("forged"), []);
  assert(!service.stdout.includes("\x1b"), "no escape sequence reaches a terminal");
  for (const line of service.stdout.split("\n")) assert(line.length < 4_000, "bounded lines");
});

e2e("signature() of the tests agrees with a published HMAC-SHA1 vector", () => {
  // RFC 2202, test case 2: the tests' own signing must not be wrong in the product's way.
  const expected = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
  assertEquals(signature("Jefe", "what do ya want for nothing?"), expected);
  return Promise.resolve();
});
