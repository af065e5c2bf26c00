import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { BodyBudget, type BodyLimits, readBody } from "../../lib/server/body.ts";
import { bytes } from "../providers/deliveries.ts";

/** What one body may hold without asking for a share of the budget. */
const FREE = 64 * 1024;

function request(source: UnderlyingDefaultSource<Uint8Array> | null, length?: string): Request {
  return new Request("http://localhost/", {
    method: "POST",
    ...source && { body: new ReadableStream(source) },
    ...length !== undefined && { headers: { "content-length": length } },
  });
}

function chunks(...parts: (string | Uint8Array)[]): UnderlyingDefaultSource<Uint8Array> {
  return {
    start(controller) {
      for (const part of parts) controller.enqueue(typeof part === "string" ? bytes(part) : part);
      controller.close();
    },
  };
}

function limits(more: Partial<BodyLimits> = {}): BodyLimits {
  return { limit: 1024 * 1024, budget: new BodyBudget(0), ...more };
}

Deno.test("readBody() joins the chunks of a body", async () => {
  assertEquals(await readBody(request(chunks("one", "", " two")), limits()), bytes("one two"));
  assertEquals(await readBody(request(chunks("one")), limits()), bytes("one"));
  assertEquals(await readBody(request(chunks()), limits()), new Uint8Array(0));
  assertEquals(await readBody(request(null), limits()), new Uint8Array(0));
});

Deno.test("readBody() reads any chunks up to the limit, and none beyond", async () => {
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 });
  await fc.assert(fc.asyncProperty(parts, fc.nat({ max: 300 }), async (parts, limit) => {
    const whole = new Uint8Array(parts.flatMap((part) => [...part]));
    const read = await readBody(request(chunks(...parts)), limits({ limit }));
    assertEquals<unknown>(read, whole.length <= limit ? whole : "too large");
  }));
});

Deno.test("readBody() refuses by Content-Length alone what would be too large", async () => {
  let read = false;
  const source: UnderlyingDefaultSource<Uint8Array> = {
    pull(controller) {
      read = true;
      controller.close();
    },
  };
  // A queue of size zero, so that only a reader pulls.
  const body = new ReadableStream(source, { highWaterMark: 0 });
  const headers = { "content-length": "11" };
  const large = new Request("http://localhost/", { method: "POST", body, headers });
  assertEquals(await readBody(large, limits({ limit: 10 })), "too large");
  assertEquals(read, false);
  for (const length of ["1", "-1", "x", "", "1e1", "0x1"]) {
    const lying = request(chunks("twelve bytes"), length);
    assertEquals(await readBody(lying, limits({ limit: 11 })), "too large", length);
  }
});

Deno.test("readBody() stops reading at the limit and tells the sender", async () => {
  let cancelled = false;
  const endless: UnderlyingDefaultSource<Uint8Array> = {
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => void (cancelled = true),
  };
  assertEquals(await readBody(request(endless), limits({ limit: 5000 })), "too large");
  assertEquals(cancelled, true);
});

Deno.test("readBody() gives up on a body that takes too long, however it stalls", async () => {
  let cancelled = false;
  const silent = request({ cancel: () => void (cancelled = true) });
  assertEquals(await readBody(silent, limits({ time: 1 })), "too slow");
  assertEquals(cancelled, true);
  const stuck = request({ cancel: () => Promise.reject(new Error("cannot be cancelled")) });
  assertEquals(await readBody(stuck, limits({ time: 1 })), "too slow");
});

Deno.test("readBody() tells a body that was cut off", async () => {
  const broken = request({
    pull(controller) {
      controller.enqueue(bytes("half"));
      controller.error(new TypeError("connection reset"));
    },
  });
  assertEquals(await readBody(broken, limits()), "cut off");
});

Deno.test("readBody() takes the part beyond 64 KiB from the budget, and gives it back", async () => {
  const budget = new BodyBudget(1000);
  const read = (size: number) =>
    readBody(request(chunks(new Uint8Array(size))), limits({ budget }));
  assertEquals((await read(FREE)).length, FREE);
  for (let time = 0; time < 3; time++) {
    assertEquals((await read(FREE + 1000)).length, FREE + 1000, "the whole budget, again");
    assertEquals(await read(FREE + 1001), "too much at once");
  }
  assertEquals(budget.take(1000), true);
  assertEquals((await read(FREE)).length, FREE, "small ones need none");
  assertEquals(await read(FREE + 1), "too much at once");
});

Deno.test("readBody() gives its share back whichever way it ends", async () => {
  const budget = new BodyBudget(1000);
  const large = new Uint8Array(FREE + 1000);
  const start = (controller: ReadableStreamDefaultController<Uint8Array>) =>
    controller.enqueue(large);
  const slow = request({ start });
  assertEquals(await readBody(slow, limits({ budget, time: 1 })), "too slow");
  let pulls = 0;
  const broken = request({
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(large);
      else controller.error(new Error("gone"));
    },
  });
  assertEquals(await readBody(broken, limits({ budget })), "cut off");
  const over = request(chunks(large, "x"));
  assertEquals(await readBody(over, limits({ budget, limit: large.length })), "too large");
  assertEquals(budget.take(1000), true);
});

Deno.test("BodyBudget.take() takes what is left and no more", () => {
  const budget = new BodyBudget(10);
  assertEquals([budget.take(7), budget.take(4), budget.take(3), budget.take(1)], [
    true,
    false,
    true,
    false,
  ]);
  budget.give(7);
  assertEquals([budget.take(8), budget.take(7)], [false, true]);
});
