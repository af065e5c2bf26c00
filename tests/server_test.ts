import { assertEquals } from "@std/assert";
import { soon, until } from "./patience.ts";
import {
  AFTER,
  BEFORE,
  bytes,
  NO_COMMIT,
  pushOf,
  serviceHook,
  v1,
  v2,
} from "./providers/deliveries.ts";
import { requestOf, Site } from "./server/site.ts";

const DELIVERY = "5f0c2c5e-0000-4000-8000-000000000001";

Deno.test("Door.handle() answers a push with 202 and queued, without waiting for git", async () => {
  const site = await Site.open();
  const { status, headers, json } = await site.post(v2(pushOf()));
  assertEquals(status, 202);
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(json, { outcome: "queued", repository: "app", delivery: DELIVERY });
  assertEquals(site.asked.map(({ name }) => name), ["app"]);
});

Deno.test("Door.handle() takes every generation, in JSON and as a form", async () => {
  const site = await Site.open();
  for (const make of [v1, v2, serviceHook]) {
    for (const form of [false, true]) {
      const posted = make(pushOf(), { form, delivery: `${make.name}-${form}` });
      assertEquals((await site.post(posted)).status, 202, `${make.name}, form: ${form}`);
    }
  }
  assertEquals(site.asked.length, 6);
});

Deno.test("Door.handle() takes POST / where there is one repository, and only there", async () => {
  const alone = await Site.open();
  assertEquals((await alone.post(v2(pushOf()), "/")).json?.repository, "app");
  assertEquals((await alone.post(v2(pushOf()), "/?wait=0s")).status, 200, "a duplicate by now");
  const two = await Site.open({ repositories: [{ name: "app" }, { name: "docs" }] });
  assertEquals((await two.post(v2(pushOf()), "/")).status, 404);
  assertEquals((await two.post(v2(pushOf()), "/hooks/docs")).json?.repository, "docs");
  assertEquals(two.asked.map(({ name }) => name), ["docs"]);
});

Deno.test("Door.handle() knows no other paths", async () => {
  const site = await Site.open();
  const unknown = [
    "/hooks",
    "/hooks/",
    "/hooks/other",
    "/hooks/APP",
    "/hooks/app/",
    "/hooks/app/x",
    "/hooks/%61pp",
    "/hooks/__proto__",
    "/hooks/constructor",
    "/app",
    "//hooks/app",
    "/healthz/",
    "/index.html",
  ];
  for (const path of unknown) {
    const { status, json } = await site.post(v2(pushOf()), path);
    assertEquals([status, json], [404, { reason: "not found" }], path);
  }
  assertEquals(site.asked, []);
});

Deno.test("Door.handle() allows POST alone, and tells strangers nothing by it", async () => {
  const site = await Site.open();
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const request = new Request("http://localhost/hooks/app", { method });
    const { status, headers } = await site.ask(request);
    assertEquals([status, headers.get("allow")], [405, "POST"], method);
    const unknown = new Request("http://localhost/hooks/other", { method });
    assertEquals((await site.ask(unknown)).status, 404, method);
  }
});

Deno.test("Door.handle() answers /healthz to GET and HEAD", async () => {
  const site = await Site.open({ repositories: [{ allowFrom: ["198.51.100.0/24"] }] });
  const ok = await site.ask(new Request("http://localhost/healthz"));
  assertEquals([ok.status, ok.text], [200, "ok\n"]);
  const query = await site.ask(new Request("http://localhost/healthz?x=1", { method: "HEAD" }));
  assertEquals(query.status, 200);
  const post = await site.ask(new Request("http://localhost/healthz", { method: "POST" }));
  assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  assertEquals(site.lines, []);
});

Deno.test("Door.handle() answers a ping with pong", async () => {
  const site = await Site.open();
  const { status, json } = await site.post(v2({ zen: "x" }, { event: "ping" }));
  assertEquals([status, json?.outcome], [200, "pong"]);
  assertEquals(site.asked, []);
});

Deno.test("Door.handle() ignores what is not a push to the deployed branch, with a reason", async () => {
  const site = await Site.open({ branch: "main" });
  const onlyMain = 'the branch "main" is deployed, not this one';
  const ignored = [
    [v2(pushOf("refs/heads/other")), onlyMain],
    [v2(pushOf("refs/heads/main/x")), onlyMain],
    [v2(pushOf("refs/heads/Main")), onlyMain],
    [v2(pushOf("refs/tags/main")), "only branches are deployed"],
    [v2(pushOf("refs/notes/main")), "only branches are deployed"],
    [v2(pushOf("refs/heads/main", { after: NO_COMMIT })), "the branch was deleted"],
    [v2({}, { event: "merge request" }), 'the event "merge request" is not a push'],
    [serviceHook({}, { event: "GIT_MR_CREATED" }), 'the event "GIT_MR_CREATED" is not a push'],
  ] as const;
  for (const [posted, reason] of ignored) {
    const { status, json } = await site.post(posted);
    assertEquals([status, json?.outcome, json?.reason], [200, "ignored", reason]);
  }
  assertEquals(site.asked, []);
});

Deno.test("Door.handle() deploys a push to any branch where nobody knows the deployed one yet", async () => {
  const site = await Site.open({ branch: null });
  assertEquals((await site.post(v2(pushOf("refs/heads/any")))).status, 202);
  const deleted = v2(pushOf("refs/heads/any", { after: NO_COMMIT }), { delivery: "2" });
  assertEquals((await site.post(deleted)).json?.reason, "the branch was deleted");
});

Deno.test("Door.handle() answers a delivery that it has seen with duplicate", async () => {
  const site = await Site.open({ repositories: [{ name: "app" }, { name: "docs" }] });
  assertEquals((await site.post(v2(pushOf()))).status, 202);
  const again = await site.post(v2(pushOf()));
  assertEquals([again.status, again.json], [
    200,
    { outcome: "duplicate", repository: "app", delivery: DELIVERY },
  ]);
  await site.asked[0]!.end({ result: "deployed" });
  assertEquals((await site.post(v2(pushOf()))).json?.outcome, "duplicate", "deployed by now");
  assertEquals((await site.post(v2(pushOf()), "/hooks/docs")).status, 202, "another repository");
  assertEquals((await site.post(v2(pushOf(), { delivery: "2" }))).status, 202, "another id");
  assertEquals(site.asked.length, 3);
});

Deno.test("Door.handle() takes a delivery again once its deployment has failed", async () => {
  const site = await Site.open();
  const push = v2(pushOf());
  await site.post(push);
  assertEquals((await site.post(push)).json?.outcome, "duplicate");
  await site.asked[0]!.end({ result: "failed", reason: "no network" });
  assertEquals((await site.post(push)).json?.outcome, "queued");
  assertEquals((await site.post(push)).json?.outcome, "duplicate");
});

Deno.test("Door.handle() does not take ignored deliveries for seen", async () => {
  const site = await Site.open();
  const other = v2(pushOf("refs/heads/other"));
  for (let time = 0; time < 2; time++) {
    assertEquals((await site.post(other)).json?.outcome, "ignored");
  }
  assertEquals((await site.post(v2(pushOf()))).json?.outcome, "queued", "the same id as ignored");
});

Deno.test("Door.handle() takes a body without an id for seen only if it was the last one", async () => {
  const site = await Site.open();
  const forth = v1(pushOf("refs/heads/main", { before: BEFORE, after: AFTER }));
  const back = v1(pushOf("refs/heads/main", { before: AFTER, after: BEFORE }));
  const outcomes = [];
  for (const posted of [forth, forth, back, forth, forth]) {
    outcomes.push((await site.post(posted)).json?.outcome);
  }
  assertEquals(outcomes, ["queued", "duplicate", "queued", "queued", "duplicate"]);
  await site.asked.at(-1)!.end({ result: "failed" });
  assertEquals((await site.post(forth)).json?.outcome, "queued", "failed in between");
});

Deno.test("Door.handle() refuses a forged delivery before it can count as seen", async () => {
  const site = await Site.open();
  assertEquals((await site.post(v2(pushOf(), { secret: "guess" }))).status, 403);
  assertEquals((await site.post(v2(pushOf()))).json?.outcome, "queued");
});

Deno.test("Door.handle() waits for the deployment where it is asked to", async () => {
  const site = await Site.open();
  const results = [
    [{ result: "deployed" }, 200, { outcome: "deployed" }],
    [{ result: "unchanged", reason: "it is ahead" }, 200, {
      outcome: "unchanged",
      reason: "it is ahead",
    }],
    [{ result: "failed", reason: "diverged", hint: "reset", output: "a\nb\n" }, 500, {
      outcome: "failed",
      reason: "diverged",
      hint: "reset",
      output: "a\nb",
    }],
  ] as const;
  for (const [index, [deployment, status, expected]] of results.entries()) {
    const delivery = `delivery-${index}`;
    const answer = site.post(v2(pushOf(), { delivery }), "/hooks/app?wait=60s");
    await until(() => site.asked.length > index, "a deployment is asked for");
    await site.asked[index]!.end(deployment);
    const { status: answered, json } = await answer;
    assertEquals([answered, json], [status, { repository: "app", delivery, ...expected }]);
  }
});

Deno.test("Door.handle() answers a failure with the end of a long output", async () => {
  const site = await Site.open();
  const answer = site.post(v2(pushOf()), "/hooks/app?wait=60s");
  await until(() => site.asked.length > 0, "a deployment is asked for");
  const output = Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n");
  await site.asked[0]!.end({ result: "failed", output });
  const lines = String((await answer).json?.output).split("\n");
  assertEquals([lines[0], lines.at(-1), lines.length], ["line 80", "line 99", 20]);
});

Deno.test("Door.handle() answers 202 where the wait ends before the deployment", async () => {
  const site = await Site.open();
  for (const wait of ["0s", "1ms"]) {
    const posted = v2(pushOf(), { delivery: wait });
    const answer = site.post(posted, `/hooks/app?wait=${wait}`);
    const { status, json } = await soon(answer, "it is answered");
    assertEquals([status, json?.outcome], [202, "queued"], wait);
  }
});

Deno.test("Door.handle() refuses a wait that is no duration", async () => {
  const site = await Site.open();
  for (const wait of ["", "60", "s", "-1s", "1e3s", "forever", "1s;"]) {
    const { status } = await site.post(v2(pushOf()), `/hooks/app?wait=${wait}`);
    assertEquals(status, 400, wait);
  }
  assertEquals((await site.post(v2(pushOf()), "/hooks/app?other=1")).status, 202);
  assertEquals(site.asked.length, 1);
});

Deno.test("Door.handle() does not wait for pings, ignored pushes and duplicates", async () => {
  const site = await Site.open();
  await site.post(v2(pushOf()));
  for (const posted of [v2(pushOf()), v2({}, { event: "ping" }), v2(pushOf("refs/heads/x"))]) {
    assertEquals((await site.post(posted, "/hooks/app?wait=1h")).status, 200);
  }
});

Deno.test("Door.handle() rejects every forgery with the same words", async () => {
  const site = await Site.open({ repositories: [{ allowFrom: ["192.0.2.0/24"] }] });
  const malformed = { headers: { "X-Coding-Signature": "sha1=xyz" } };
  const unsigned = v2(pushOf());
  unsigned.headers.delete("X-Coding-Signature");
  const forgeries = [
    v2(pushOf(), { secret: "guess" }),
    v2(pushOf(), malformed),
    unsigned,
    v1(pushOf(), { secret: "guess" }),
    v1(bytes("{}")),
    v1(bytes("not JSON")),
    { ...v2(pushOf()), body: bytes("{}") },
  ];
  const answers = await Promise.all([
    ...forgeries.map((posted) => site.post(posted)),
    site.ask(requestOf(v2(pushOf())), "198.51.100.7"),
  ]);
  const expected = { outcome: "rejected", repository: "app", delivery: null };
  for (const { status, json } of answers) assertEquals([status, json], [403, expected]);
  assertEquals(site.asked, []);
});

Deno.test("Door.handle() answers 400 where an authentic delivery is unreadable", async () => {
  const site = await Site.open();
  const unreadable = [
    [v2("{"), "unreadable: the body is not valid JSON"],
    [v2("[]"), "unreadable: the body is not a JSON object"],
    [v2(new Uint8Array([0xff])), "unreadable: the body is not valid UTF-8"],
    [v2({}), 'unreadable: "ref" is missing'],
    [v2({ ref: 1 }), 'unreadable: "ref" is not a string'],
    [v2(pushOf("a\nb")), 'unreadable: "ref" is not the name of a ref'],
  ] as const;
  for (const [posted, reason] of unreadable) {
    const { status, json } = await site.post(posted);
    assertEquals([status, json], [400, { reason }]);
  }
});

Deno.test("Door.handle() answers in one line of text where Accept prefers it", async () => {
  const site = await Site.open();
  const text = { accept: "text/plain" };
  const queued = await site.post(v2(pushOf()), "/hooks/app", text);
  assertEquals([queued.text, queued.headers.get("content-type")], [
    "queued app\n",
    "text/plain; charset=utf-8",
  ]);
  const other = await site.post(v2(pushOf("refs/heads/x")), "/hooks/app", text);
  assertEquals(other.text, 'ignored app: the branch "main" is deployed, not this one\n');
  const missing = await site.post(v2(pushOf()), "/hooks/x", text);
  assertEquals([missing.status, missing.text], [404, "not found\n"]);
  const forged = await site.post(v2(pushOf(), { secret: "guess" }), "/hooks/app", text);
  assertEquals(forged.text, "rejected app\n");
});
