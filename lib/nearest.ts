/**
 * Suggestions for misspelt words.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** The nearest of the candidates by any case, where it is near enough to be a slip of the finger. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  // The distance grows with the product of the lengths, and nobody misspells a kilobyte.
  const short = word.slice(0, 64).toLowerCase();
  const best: string = closestString(short, [...candidates]);
  const slips = Math.max(2, Math.floor(short.length / 3));
  return levenshteinDistance(short, best.toLowerCase()) <= slips ? best : undefined;
}
