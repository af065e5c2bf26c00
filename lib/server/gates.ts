/**
 * The way in: a delivery passes where one of the repository's forges vouches for it.
 *
 * @module
 */

import { foreigner, lookalike } from "../providers/mod.ts";
import type { Authenticator, Posted, Provider, Verdict } from "../providers/provider.ts";

/** A forge from which a repository takes deliveries. */
export interface Gate {
  readonly provider: Provider;
  /** One a secret, in the configuration's order. */
  readonly authenticators: readonly Authenticator[];
}

/** A delivery that came through. */
export interface Passed {
  readonly provider: Provider;
  readonly verdict: Verdict & { authentic: true };
  /** Which secret matched, from 1; absent where the delivery proved none, and needs none. */
  readonly secret?: number;
  /** Whether there was a choice of secrets. */
  readonly hadChoice: boolean;
}

/** A delivery that did not; both are for the log alone. */
export interface Stopped {
  readonly why: string;
  readonly hint?: string;
}

/** Tries the gates in their order. */
export async function passGates(
  gates: readonly Gate[],
  posted: Posted,
): Promise<Passed | Stopped> {
  const reasons = new Map<Provider, string>();
  for (const gate of gates) {
    const outcome = await tryGate(gate, posted);
    if (typeof outcome !== "string") return outcome;
    reasons.set(gate.provider, outcome);
  }
  const likely = lookalike(posted.headers);
  const why = (likely && reasons.get(likely)) ?? [...reasons.values()].at(-1) ?? "no secret";
  if (likely === undefined || reasons.has(likely)) return { why };
  return { why, hint: `it looks like a delivery of ${likely.title}: "provider: ${likely.name}"` };
}

/** What came through one gate, or why it did not. */
async function tryGate(
  { provider, authenticators }: Gate,
  posted: Posted,
): Promise<Passed | string> {
  const other = foreigner(provider, posted.headers);
  if (other !== undefined) return `sent by ${other.title}, not by ${provider.title}`;
  let why = "no secret";
  for (const [index, check] of authenticators.entries()) {
    const verdict = await check(posted);
    if (verdict.authentic) {
      const hadChoice = authenticators.length > 1;
      return { provider, verdict, hadChoice, ...!verdict.unproven && { secret: index + 1 } };
    }
    why = verdict.why;
  }
  return why;
}
