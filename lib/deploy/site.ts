/**
 * What a strategy is: a way to bring one repository's files from a commit to another.
 *
 * @module
 */

import type { Sha } from "../values.ts";
import type { Refs } from "./fetch.ts";
import type { HookFacts } from "./hooks.ts";
import type { JournalEntry, Mark } from "./marks.ts";
import type { Change, CheckoutGit, Position, Step } from "./step.ts";

/** One repository in the hands of its strategy, for the time of one deployment. */
export interface Site {
  /** Bound to the repository that holds our refs; valid once `open` has ended. */
  readonly git: CheckoutGit;

  /** Whether the repository is there, without making it. */
  exists(): Promise<boolean>;

  /** The repository's own directory, such as `.git`. */
  directory(): Promise<string>;

  /** Makes the repository exist, and its remote what the configuration says. */
  open(): Promise<void>;

  /** What the remote holds, without fetching it; comparable with what it said before. */
  peek(): Promise<string>;

  /** What readers see now, from files alone; undefined where that can't tell. */
  live(): Promise<Sha | undefined>;

  /** Asks the remote, fetches what is new, and tells where the repository stands. */
  fetch(): Promise<Position>;

  /** Where the repository stands, without asking the remote; its tip is what is live. */
  local(): Promise<{ readonly position: Omit<Position, "tip">; readonly refs: Refs }>;

  /** Takes back what a killed deployment had half done, where its steps can't simply go on. */
  recover(entry: JournalEntry): Promise<void>;

  /** The steps to a commit that was fetched. */
  deploySteps(change: Change, facts: HookFacts): Promise<Step[]>;

  /**
   * The steps that complete a tree whose commit is checked out: what git does not check out itself.
   *
   * @param offline without the network
   */
  contentSteps(offline: boolean): Step[];

  /** The steps back to an earlier commit, up to what readers see, without the network. */
  rollbackSteps(change: Change): Step[];

  /** Where a rollback goes that names no commit; undefined where there is nowhere to go. */
  earlier(position: Omit<Position, "tip">, refs: Refs): Promise<Sha | undefined>;

  /** The directory of the release that is live or about to be; undefined in place. */
  readonly release?: HookFacts["release"];

  /** What else is to be remembered once a deployment has ended. */
  marks(): readonly Mark[];

  /** Takes away what a deployment that failed before its swap had built. */
  discard(): Promise<void>;

  /** Tidies up after a deployment that ended well. */
  tidy(): Promise<void>;
}
