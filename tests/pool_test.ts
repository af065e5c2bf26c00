import { assertEquals, assertRejects } from "@std/assert";
import { Pool } from "../lib/pool.ts";

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

Deno.test("Pool.run() runs no more than its limit, the others in the order of arrival", async () => {
  const pool = new Pool(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 5 }, (_, number) =>
    pool.run(() => {
      begun.push(number);
      const { promise, resolve } = Promise.withResolvers<number>();
      ends.push(() => resolve(number));
      return promise;
    }));
  await settle();
  assertEquals(begun, [0, 1]);
  ends[1]!();
  await settle();
  assertEquals(begun, [0, 1, 2]);
  for (let index = 0; index < 5; index++) {
    ends[index]!();
    await settle();
  }
  assertEquals(await Promise.all(all), [0, 1, 2, 3, 4]);
  // The places that went from hand to hand are all back, and no more than they.
  const { promise, resolve } = Promise.withResolvers<void>();
  let running = 0;
  const again = Array.from({ length: 5 }, () =>
    pool.run(() => {
      running++;
      return promise;
    }));
  await settle();
  assertEquals(running, 2);
  resolve();
  await Promise.all(again);
});

Deno.test("Pool.run() gives the place on after a failure", async () => {
  const pool = new Pool(1);
  const failing = pool.run(() => Promise.reject(new Error("so it is")));
  const next = pool.run(() => Promise.resolve("next"));
  await assertRejects(() => failing, Error, "so it is");
  assertEquals(await next, "next");
  assertEquals(await pool.run(() => Promise.resolve("later")), "later");
});
