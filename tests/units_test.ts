import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DURATION, duration, SIZE, size } from "../lib/units.ts";

Deno.test("duration() reads a number and a unit, in milliseconds", () => {
  for (
    const [text, ms] of [
      ["0s", 0],
      ["250ms", 250],
      ["90s", 90_000],
      ["10m", 600_000],
      ["1h", 3_600_000],
      ["7d", 604_800_000],
      ["007s", 7_000],
    ] as const
  ) assertEquals(duration(text), ms, text);
});

Deno.test("duration() refuses what has another unit, more than one, a sign or a fraction", () => {
  const texts = ["", "10", "s", "10 m", " 10m", "10m ", "10M", "10min", "1h30m", "-1s", "+1s"];
  for (const text of [...texts, "1.5h", "1e3s", "٣s", "1s\n", "1234567890s"]) {
    assertEquals(duration(text), undefined, JSON.stringify(text));
  }
});

Deno.test("size() reads a number and a binary unit, in bytes", () => {
  for (
    const [text, bytes] of [
      ["0B", 0],
      ["512B", 512],
      ["1KiB", 1024],
      ["5MiB", 5_242_880],
      ["2GiB", 2_147_483_648],
    ] as const
  ) assertEquals(size(text), bytes, text);
});

Deno.test("size() refuses decimal units, which some take for binary ones", () => {
  for (const text of ["", "5", "5MB", "5M", "5mib", "5 MiB", "1.5MiB", "-1B", "5KiBs", "KiB"]) {
    assertEquals(size(text), undefined, JSON.stringify(text));
  }
});

Deno.test("DURATION and SIZE match exactly what duration() and size() read", () => {
  const number = fc.constantFrom("", "0", "1", "10", "123456789", "1234567890", "1.5", "-1", " 1");
  const unit = fc.constantFrom("", "ms", "s", "m", "h", "d", "B", "KiB", "MiB", "GiB", "KB", "S");
  fc.assert(fc.property(fc.tuple(number, unit), ([digits, letters]) => {
    const text = digits + letters;
    assertEquals(DURATION.test(text), duration(text) !== undefined, text);
    assertEquals(SIZE.test(text), size(text) !== undefined, text);
  }));
});
