/**
 * Which branch a checkout is on, asked for at every delivery and read from the disk now and then.
 *
 * @module
 */

import { repositoryPath, type Target } from "./deploy/step.ts";
import { checkedOutBranch } from "./git.ts";
import type { BranchName } from "./values.ts";

/** How long an answer counts, in milliseconds: a person who switches branches pushes later. */
const FRESH = 1_000;

interface Known {
  readonly until: number;
  readonly branch: Promise<BranchName | undefined>;
}

/** The branches of checkouts whose configuration names none. */
export class CheckedOutBranches {
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  /** @param now a clock that never goes back, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The branch that a repository's checkout is on; undefined where that is not known yet. */
  of(target: Target): Promise<BranchName | undefined> {
    const path = repositoryPath(target);
    const known = this.#known.get(path);
    if (known !== undefined && known.until > this.#now()) return known.branch;
    const branch = checkedOutBranch(path);
    this.#known.set(path, { until: this.#now() + FRESH, branch });
    return branch;
  }
}
