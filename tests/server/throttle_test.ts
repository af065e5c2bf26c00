import { assertEquals } from "@std/assert";
import { Throttle } from "../../lib/server/throttle.ts";

Deno.test("Throttle.pass() lets so many through in a window and reports the rest later", () => {
  let time = 0;
  const throttle = new Throttle(2, 100, () => time);
  const pass = () => throttle.pass();
  assertEquals([pass(), pass(), pass(), pass()], [0, 0, undefined, undefined]);
  time = 99;
  assertEquals(pass(), undefined);
  time = 100;
  assertEquals([pass(), pass(), pass()], [3, 0, undefined]);
  time = 1_000_000;
  assertEquals(pass(), 1);
});

Deno.test("Throttle.pass() begins a window with the first event in it", () => {
  let time = 50;
  const throttle = new Throttle(1, 100, () => time);
  assertEquals(throttle.pass(), 0);
  time = 149;
  assertEquals(throttle.pass(), undefined);
  time = 150;
  assertEquals(throttle.pass(), 1);
  time = 249;
  assertEquals(throttle.pass(), undefined);
});
