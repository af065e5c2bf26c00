/**
 * What checks find: a line each.
 *
 * @module
 */

/** One line of the result of a check. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly about: string;
  readonly message: string;
}
