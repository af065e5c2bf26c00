import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BoundedOutput, tail } from "../lib/output.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function outputOf(limit: number, ...chunks: string[]): BoundedOutput {
  const output = new BoundedOutput(limit);
  for (const chunk of chunks) output.push(bytes(chunk));
  return output;
}

Deno.test("BoundedOutput keeps everything up to its limit", () => {
  assertEquals(outputOf(8).toString(), "");
  const output = outputOf(8, "ab", "", "cdef", "gh");
  assertEquals(output.toString(), "abcdefgh");
  assertEquals(output.dropped, 0);
});

Deno.test("BoundedOutput drops from the middle and says how much", () => {
  const output = outputOf(8, "abcdefgh", "ijkl");
  assertEquals(output.dropped, 4);
  assertEquals(output.toString(), "ab\n… 4 bytes left out …\nghijkl");
});

Deno.test("BoundedOutput puts a character together that two chunks share", () => {
  const output = new BoundedOutput(64);
  // The second byte of "é" is the first of the tail, and the end of "分" comes in a chunk of its own.
  const text = `${"x".repeat(15)}é 分`;
  const encoded = bytes(text);
  output.push(encoded.subarray(0, 20));
  output.push(encoded.subarray(20));
  assertEquals(output.toString(), text);
});

Deno.test("BoundedOutput keeps the first quarter and the last part, however it arrives", () => {
  const chunks = fc.array(fc.stringMatching(/^[a-z]{0,30}$/), { maxLength: 12 });
  fc.assert(fc.property(chunks, fc.integer({ min: 1, max: 60 }), (parts, limit) => {
    const [output, whole] = [outputOf(limit, ...parts), parts.join("")];
    const dropped = Math.max(0, whole.length - limit);
    assertEquals(output.dropped, dropped);
    if (dropped === 0) return assertEquals(output.toString(), whole);
    const head = Math.ceil(limit / 4);
    const expected = [
      whole.slice(0, head),
      `… ${dropped} bytes left out …`,
      whole.slice(whole.length - (limit - head)),
    ];
    assertEquals(output.toString(), expected.join("\n"));
  }));
});

Deno.test("tail() keeps the last lines without the empty end", () => {
  assertEquals(tail("a\nb\nc\n\n", 2), "b\nc");
  assertEquals(tail("a\nb", 5), "a\nb");
  assertEquals(tail(""), "");
  assertEquals(tail("x\n".repeat(50)).split("\n").length, 20);
});

Deno.test("tail() cuts a long line at its beginning, and no character in two", () => {
  assertEquals(tail("abcdef", 20, 3), "def");
  assertEquals(tail("x".repeat(9_000)).length, 4_000);
  const cut = tail("a😀bc", 20, 3);
  assert(cut.isWellFormed() && cut.endsWith("bc"));
});
