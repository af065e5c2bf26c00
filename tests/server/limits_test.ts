import { assertEquals } from "@std/assert";
import { bytes, pushOf, v2 } from "../providers/deliveries.ts";
import { requestOf, Site, streamed } from "./site.ts";

Deno.test("Door.handle() answers 415 where the body is neither JSON nor a form", async () => {
  const site = await Site.open();
  for (const type of ["text/plain", "multipart/form-data; boundary=x", "application/xml", ""]) {
    const posted = v2(pushOf(), { headers: { "Content-Type": type } });
    assertEquals((await site.post(posted)).status, 415, type);
  }
  const untyped = v2(pushOf());
  untyped.headers.delete("content-type");
  assertEquals((await site.post(untyped)).status, 415);
});

Deno.test("Door.handle() answers 413 to more than the limit, whatever Content-Length says", async () => {
  const posted = v2(pushOf());
  const size = posted.body.length;
  const exact = await Site.open({ bodyLimit: size });
  assertEquals((await exact.post(posted)).status, 202);
  const site = await Site.open({ bodyLimit: size - 1 });
  const large = await site.post(posted);
  assertEquals([large.status, large.headers.get("connection")], [413, "close"]);
  const source = () => ({
    start(controller: ReadableStreamDefaultController<Uint8Array>) {
      for (const byte of posted.body) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  assertEquals((await site.ask(streamed(posted, source()))).status, 413, "no length");
  const lie = { "content-length": "1" };
  assertEquals((await site.ask(streamed(posted, source(), lie))).status, 413, "a small lie");
  const huge = { "content-length": "999999999999" };
  assertEquals((await site.ask(streamed(posted, source(), huge))).status, 413, "a large lie");
  assertEquals(site.asked, []);
});

Deno.test("Door.handle() answers 408 where the body takes too long", async () => {
  const site = await Site.open({ bodyTime: 5 });
  const silent = await site.ask(streamed(v2(pushOf()), {}));
  assertEquals([silent.status, silent.headers.get("connection")], [408, "close"]);
  let cancelled = false;
  let sent = 0;
  const stalling = streamed(v2(pushOf()), {
    pull(controller) {
      if (sent++ === 3) return new Promise(() => {});
      controller.enqueue(new Uint8Array([0x20]));
    },
    cancel() {
      cancelled = true;
    },
  });
  assertEquals((await site.ask(stalling)).status, 408);
  assertEquals([cancelled, sent], [true, 4]);
});

Deno.test("Door.handle() answers 400 where the body is cut off", async () => {
  const site = await Site.open();
  const request = streamed(v2(pushOf()), {
    pull(controller) {
      controller.enqueue(bytes("{"));
      controller.error(new Error("connection reset"));
    },
  });
  assertEquals((await site.ask(request)).status, 400);
});

Deno.test("Door.handle() answers 503 with Retry-After while it stops, and does not remember the delivery", async () => {
  const site = await Site.open();
  site.stopping = true;
  const { status, headers } = await site.post(v2(pushOf()));
  assertEquals([status, headers.get("retry-after")], [503, "5"]);
  site.stopping = false;
  assertEquals((await site.post(v2(pushOf()))).json?.outcome, "queued");
});

Deno.test("Door.handle() answers 503 where large bodies would take too much memory together", async () => {
  const site = await Site.open({ bodyLimit: 100 * 1024 ** 2 });
  const half = new Uint8Array(40 * 1024 ** 2);
  const held: ReadableStreamDefaultController<Uint8Array>[] = [];
  const holding = streamed(v2(pushOf()), {
    start(controller) {
      controller.enqueue(half);
      held.push(controller);
    },
  });
  const first = site.ask(holding);
  const whole = {
    start: (controller: ReadableStreamDefaultController<Uint8Array>) => {
      controller.enqueue(half);
      controller.close();
    },
  };
  // The first one has its share once the stream has been asked for more.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const second = await site.ask(streamed(v2(pushOf()), whole));
  assertEquals([second.status, second.headers.get("retry-after")], [503, "5"]);
  held[0]!.close();
  assertEquals((await first).status, 403);
  assertEquals((await site.ask(streamed(v2(pushOf()), whole))).status, 403, "the share is back");
});

Deno.test("Door.handle() answers 503 to the 2,049th request in the house", async () => {
  const site = await Site.open();
  const held: ReadableStreamDefaultController<Uint8Array>[] = [];
  const visits = Array.from(
    { length: 2048 },
    () => site.ask(streamed(v2(pushOf()), { start: (controller) => void held.push(controller) })),
  );
  assertEquals((await site.post(v2(pushOf()))).status, 503);
  assertEquals((await site.ask(new Request("http://localhost/healthz"))).status, 200);
  held[0]!.error(new Error("gone"));
  await visits[0];
  assertEquals((await site.post(v2(pushOf()))).status, 202);
  for (const controller of held.slice(1)) controller.error(new Error("gone"));
  assertEquals(new Set((await Promise.all(visits)).map(({ status }) => status)), new Set([400]));
});

Deno.test("Door.handle() believes X-Forwarded-For from trusted proxies alone, from the right", async () => {
  const site = await Site.open({
    repositories: [{ allowFrom: ["198.51.100.0/24", "2001:db8::/32"] }],
    trustedProxies: ["10.0.0.0/8", "fd00::/8"],
  });
  const cases: [from: string, forwarded: string | undefined, allowed: boolean][] = [
    ["198.51.100.7", undefined, true],
    ["::ffff:198.51.100.7", undefined, true],
    ["2001:db8::1", undefined, true],
    ["192.0.2.1", undefined, false],
    ["192.0.2.1", "198.51.100.7", false],
    ["10.0.0.1", "198.51.100.7", true],
    ["::ffff:10.0.0.1", "::ffff:198.51.100.7", true],
    ["fd00::1", "2001:db8::1", true],
    ["10.0.0.1", undefined, false],
    ["10.0.0.1", "198.51.100.7, 192.0.2.1", false],
    ["10.0.0.1", "192.0.2.1, 198.51.100.7", true],
    ["10.0.0.1", "192.0.2.1, 198.51.100.7, 10.9.9.9", true],
    ["10.0.0.1", "198.51.100.7, garbage", false],
    ["10.0.0.1", "198.51.100.7:443", false],
    ["10.0.0.1", "", false],
    ["10.0.0.1", `198.51.100.7${", 10.0.0.1".repeat(1000)}`, false],
    ["198.51.100.7", "192.0.2.1", true],
    ["unix", "198.51.100.7", false],
  ];
  for (const [index, [from, forwarded, allowed]] of cases.entries()) {
    const headers: Record<string, string> = forwarded === undefined
      ? {}
      : { "X-Forwarded-For": forwarded };
    const request = requestOf(v2(pushOf(), { delivery: `${index}` }), "/hooks/app", headers);
    const { status } = await site.ask(request, from);
    assertEquals(status, allowed ? 202 : 403, `${from} for ${forwarded?.slice(0, 60)}`);
  }
});

Deno.test("Door.handle() believes whoever connects to its unix socket where that is configured", async () => {
  const site = await Site.open({
    repositories: [{ allowFrom: ["198.51.100.0/24"] }],
    trustedProxies: ["unix"],
  });
  const from = (address: string) =>
    requestOf(v2(pushOf()), "/hooks/app", { "X-Forwarded-For": address });
  assertEquals((await site.ask(from("198.51.100.7"), "unix")).status, 202);
  assertEquals((await site.ask(from("192.0.2.1"), "unix")).status, 403);
  assertEquals((await site.ask(from("198.51.100.7"), "192.0.2.1")).status, 403, "not the socket");
  assertEquals((await site.ask(requestOf(v2(pushOf())), "unix")).status, 403, "no address");
  assertEquals(site.lines.at(-1)?.client, "unix");
});
