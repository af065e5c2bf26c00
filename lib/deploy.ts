/**
 * One deployment: its deadline, its steps, and what it came to. It never throws; whatever goes
 * wrong becomes a failed deployment with a reason.
 *
 * @module
 */

import type { Deployment } from "./delivery.ts";
import { diagnose } from "./deploy/diagnosis.ts";
import { deployInPlace } from "./deploy/in_place.ts";
import { CheckoutGit, type Target } from "./deploy/step.ts";
import { type Git, GitError } from "./git.ts";
import { printable } from "./values.ts";

/** What a deployment takes from outside. */
export interface DeployOptions {
  readonly git: Git;
  /** Ends the deployment at once, with git's whole process group. */
  readonly signal: AbortSignal;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** The longest reason and hint in an answer or a log line, in UTF-16 units. */
const MAX_REASON = 1000;

/** Brings one repository to what its remote holds now. */
export async function deploy(target: Target, options: DeployOptions): Promise<Deployment> {
  const started = options.now();
  const deadline = AbortSignal.timeout(target.timeout);
  const git = new CheckoutGit(
    options.git,
    target.path,
    AbortSignal.any([options.signal, deadline]),
  );
  const end = () => ({ repository: target.name, ms: Math.round(options.now() - started) });
  try {
    const { branch, old, commit, reason } = await deployInPlace(git, target);
    return {
      ...end(),
      result: old === commit ? "unchanged" : "deployed",
      branch,
      ...old !== undefined && { old },
      new: commit,
      ...reason !== undefined && { reason },
      ...git.transcript !== "" && { output: git.transcript },
    };
  } catch (error) {
    const { reason, hint } = diagnose(error, target);
    const said = error instanceof GitError ? error.result.stderr.trim() : "";
    const output = [git.transcript, said].filter((text) => text !== "").join("\n");
    return {
      ...end(),
      result: "failed",
      reason: printable(reason, MAX_REASON),
      ...hint !== undefined && { hint: printable(hint, MAX_REASON) },
      ...output !== "" && { output },
    };
  }
}
