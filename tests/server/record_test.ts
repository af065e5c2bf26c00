import { assert, assertEquals } from "@std/assert";
import { bytes, pushOf, SECRET, v1, v2 } from "../providers/deliveries.ts";
import { Site, streamed } from "./site.ts";

const DELIVERY = "5f0c2c5e-0000-4000-8000-000000000001";

Deno.test("Door.handle() takes any of several secrets and logs which one matched", async () => {
  const site = await Site.open({ repositories: [{ secrets: ["old", "new"] }] });
  assertEquals((await site.post(v2(pushOf(), { secret: "new", delivery: "1" }))).status, 202);
  assertEquals((await site.post(v2(pushOf(), { secret: "old", delivery: "2" }))).status, 202);
  assertEquals((await site.post(v1(pushOf(), { secret: "new" }))).status, 202);
  assertEquals((await site.post(v2(pushOf(), { secret: "other" }))).status, 403);
  assertEquals(site.lines.map(({ secret }) => secret), [2, 1, 2, undefined]);
});

Deno.test("Door.handle() writes one line a delivery, with what it came to", async () => {
  const site = await Site.open();
  await site.post(v2(pushOf("refs/heads/main")));
  assertEquals(site.lines, [{
    level: "info",
    message: "delivery queued",
    event: "delivery",
    repository: "app",
    delivery: DELIVERY,
    provider: "coding",
    outcome: "queued",
    status: 202,
    reason: undefined,
    hint: undefined,
    ref: "refs/heads/main",
    pusher: "张三",
    commits: undefined,
    ms: 0,
    client: "192.0.2.1",
    secret: undefined,
    suppressed: undefined,
  }]);
  await site.post(v2(pushOf(), { secret: "guess" }));
  assertEquals(site.lines.length, 2);
  const { level, outcome, status, reason, delivery } = site.lines[1]!;
  assertEquals([level, outcome, status, delivery], ["warn", "rejected", 403, undefined]);
  assertEquals(reason, "the signature does not fit the secret and the body");
  await site.post(v2("{"));
  assertEquals([site.lines[2]!.level, site.lines[2]!.status], ["warn", 400]);
});

Deno.test("Door.handle() writes down what it refuses unread, as often as rejections", async () => {
  const site = await Site.open({ bodyLimit: 10, bodyTime: 1 });
  await site.post(v2(pushOf(), { headers: { "Content-Type": "text/plain" } }));
  await site.post(v2(pushOf()));
  await site.ask(streamed(v2(pushOf()), {}));
  assertEquals(site.lines.map(({ level, outcome, status }) => [level, outcome, status]), [
    ["warn", "refused", 415],
    ["warn", "refused", 413],
    ["warn", "refused", 408],
  ]);
  for (let time = 0; time < 100; time++) await site.post(v2(pushOf()));
  assertEquals(site.lines.length, 60);
});

Deno.test("Door.handle() puts no secret, signature or body into the log", async () => {
  const site = await Site.open();
  const hidden = "value-of-a-header-or-a-field";
  const headers = { Authorization: hidden, Cookie: hidden, "X-Anything": hidden };
  const guess = "a-guessed-secret";
  const deliveries = [
    v2(pushOf("refs/heads/main", { message: hidden }), { headers }),
    v2(pushOf(), { headers, secret: guess }),
    v1({ ...pushOf(), message: hidden }),
    v1(pushOf(), { secret: guess }),
    v1(bytes(hidden)),
    v2(hidden),
    v2({ ref: { hidden } }),
    v2(pushOf(), { headers: { "X-Coding-Signature": `sha1=${hidden}` } }),
  ];
  for (const posted of deliveries) await site.post(posted);
  assertEquals(site.lines.length, deliveries.length);
  const written = JSON.stringify(site.lines);
  const macs = deliveries.map(({ headers }) => headers.get("X-Coding-Signature")?.slice(5));
  for (const secret of [SECRET, guess, hidden, ...macs]) {
    if (secret !== undefined) assert(!written.includes(secret), secret);
  }
});

Deno.test("Door.handle() writes at most 60 rejections a minute, and how many it left out", async () => {
  const site = await Site.open();
  const forged = v2(pushOf(), { secret: "guess" });
  for (let time = 0; time < 100; time++) assertEquals((await site.post(forged)).status, 403);
  assertEquals(site.lines.length, 60);
  await site.post(v2(pushOf()));
  assertEquals(site.lines.length, 61, "a true delivery is always written");
  site.time += 60_000;
  await site.post(forged);
  await site.post(forged);
  assertEquals(site.lines.slice(61).map(({ suppressed }) => suppressed), [40, undefined]);
});
