/** Texts for property tests. */

import fc from "fast-check";

/** Any text, halves of surrogate pairs included. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
  maxLength: 12,
});

/** Texts of pieces that matter to the reader under test, mixed with any others. */
export function textOf(...pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...pieces) },
    { weight: 1, arbitrary: anyText },
  );
  return fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(""));
}
