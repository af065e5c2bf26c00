/**
 * Durations and sizes as people write them.
 *
 * @module
 */

/** How a duration is written: a number and a unit. */
export const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;
/** How a size is written: a number and a unit of powers of 1024. */
export const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB)$/;

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
const BYTES: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Reads a duration such as `90s` or `10m`, in milliseconds; undefined where it is none. */
export function duration(text: string): number | undefined {
  return scaled(DURATION.exec(text), MILLISECONDS);
}

/** Reads a size such as `5MiB`, in bytes; undefined where it is none. */
export function size(text: string): number | undefined {
  return scaled(SIZE.exec(text), BYTES);
}

function scaled(match: RegExpExecArray | null, units: Record<string, number>): number | undefined {
  if (match === null) return undefined;
  return Number(match[1]) * units[match[2]!]!;
}
