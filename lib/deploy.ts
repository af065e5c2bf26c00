/**
 * One deployment: its deadline, its steps in order, and what it came to. It never throws; whatever
 * goes wrong becomes a failed deployment with a reason.
 *
 * @module
 */

import { type Deployment, type FailureKind, isSettledFailure } from "./delivery.ts";
import { diagnose } from "./deploy/diagnosis.ts";
import { removeLocks } from "./deploy/heal.ts";
import { type HookFacts, hookStep, touchStep } from "./deploy/hooks.ts";
import { InPlace } from "./deploy/in_place.ts";
import {
  DEPLOYED,
  FOUND,
  HOLD,
  Journal,
  type JournalEntry,
  type Mark,
  PREVIOUS,
  setMarks,
  writeHold,
} from "./deploy/marks.ts";
import type { Order } from "./deploy/order.ts";
import { Releases } from "./deploy/release.ts";
import type { Site } from "./deploy/site.ts";
import {
  type Change,
  CheckoutGit,
  type Position,
  type Step,
  StepError,
  type StepName,
  type StepNote,
  type StrategyName,
  type Target,
  Transcript,
} from "./deploy/step.ts";
import type { Git } from "./git.ts";
import { printable, type Sha } from "./values.ts";

/** What a deployment takes from outside. */
export interface DeployOptions {
  readonly git: Git;
  /** Ends the deployment at once, with everything that git started. */
  readonly signal: AbortSignal;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
  /** The time, in milliseconds since 1970. */
  readonly wall: () => number;
}

/** A strategy is a file below `deploy/` and a line here. */
const sites: Readonly<Record<StrategyName, (git: CheckoutGit, target: Target) => Site>> = {
  pull: (git, target) => new InPlace(git, target),
  reset: (git, target) => new InPlace(git, target),
  release: (git, target) => new Releases(git, target),
};

/** A repository in the hands of its strategy. */
export function siteOf(
  target: Target,
  git: Git,
  signal: AbortSignal,
  transcript = new Transcript(),
): Site {
  return sites[target.strategy](new CheckoutGit(git, target.path, signal, transcript), target);
}

/** The longest reason and hint in an answer or a log line, in UTF-16 units. */
const MAX_REASON = 1000;

/** Carries out one order for one repository. */
export async function deploy(
  target: Target,
  order: Order,
  options: DeployOptions,
): Promise<Deployment> {
  const started = options.now();
  const transcript = new Transcript();
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(target.timeout)]);
  const run = new Run(siteOf(target, options.git, signal, transcript), target, order, options);
  const facts = () => ({
    repository: target.name,
    action: order.action,
    trigger: order.trigger,
    attempt: order.attempt,
    deliveries: order.deliveries,
    ...order.delivery !== undefined && { delivery: order.delivery },
    ...order.pusher !== undefined && { pusher: order.pusher },
    ms: Math.round(options.now() - started),
    ...transcript.toString() !== "" && { output: transcript.toString() },
  });
  try {
    const ended = order.action === "rollback" ? await run.rollback() : await run.deploy();
    return { ...facts(), ...ended };
  } catch (error) {
    return { ...facts(), ...await run.fail(error) };
  }
}

/** What one run of an order came to. */
type Ended = Pick<
  Deployment,
  "result" | "branch" | "old" | "new" | "tip" | "kind" | "reason" | "hint"
>;
type Failed = Pick<
  Deployment,
  "result" | "branch" | "old" | "new" | "tip" | "step" | "kind" | "reason" | "hint"
>;

/** The steps in which a killed deployment may have left its commit for readers to see. */
const AFTER_THE_TREE: readonly StepName[] = [
  "update",
  "contents",
  "swap",
  "post-deploy",
  "touch",
  "record",
];

/** Failures that end git wherever it is. */
const CUT_OFF: ReadonlySet<FailureKind> = new Set(["stopped", "timeout"]);
/** Failures that git can meet when some files are written and others are not. */
const HALF_WAY: ReadonlySet<FailureKind> = new Set(["disk-full", "permission"]);

/** The state of one deployment on its way through the steps. */
class Run {
  readonly #site: Site;
  readonly #target: Target;
  readonly #order: Order;
  readonly #wall: () => number;
  #journal: Journal | undefined;
  /** How the deployment before this one ended. */
  #last: JournalEntry | undefined;
  #step: StepName = "open";
  #change: Partial<Change> = {};
  #tip: Sha | undefined;
  #insists: boolean;
  /** While this is true, the journal still tells what is to be mended. */
  #mending = false;

  constructor(site: Site, target: Target, order: Order, { wall }: DeployOptions) {
    this.#site = site;
    this.#target = target;
    this.#order = order;
    this.#insists = order.insists;
    this.#wall = wall;
  }

  /** Brings the repository to what its remote holds, as far as the order may. */
  async deploy(): Promise<Ended> {
    const last = await this.#lastTime();
    await this.#site.open();
    this.#journal ??= new Journal(await this.#site.directory());
    const finished = last?.state === "running" ? await this.#resume(last) : undefined;

    // Until the remote has answered, what failed last is what there is to know.
    if (last?.state === "failed") this.#change = changeOf(last);
    await this.#enter("fetch");
    const position = await this.#site.fetch();
    const { branch, tip, live } = position;
    this.#tip = tip;
    this.#change = { branch, new: tip, ...live !== undefined && { old: live } };
    const verdict = await this.#mayDeploy(position, last);
    if (verdict !== undefined) {
      await this.#restoreJournal(last);
      if (finished !== undefined && verdict.result === "unchanged") {
        return { tip, ...finished, result: "deployed", reason: "an interrupted one was finished" };
      }
      return { branch, tip, ...live !== undefined && { old: live, new: live }, ...verdict };
    }
    const change = this.#change as Change;
    const steps = await this.#site.deploySteps(change, this.#facts(change));
    const note = await this.#walk(steps);
    return await this.#record(position, change, note);
  }

  /** Reads how the last deployment ended, where there is a repository already. */
  async #lastTime(): Promise<JournalEntry | undefined> {
    if (!await this.#site.exists()) return undefined;
    this.#journal = new Journal(await this.#site.directory());
    const last = await this.#journal.read();
    this.#last = last;
    if (last?.state === "running") {
      // A deployment that had begun is finished, and a wish that was on its way is not lost.
      this.#insists ||= last.insists === true ||
        (last.new !== undefined && last.step !== "fetch");
      this.#mending = true;
      await removeLocks(await this.#site.directory());
      await this.#site.recover(last);
      this.#mending = false;
    }
    return last;
  }

  /**
   * Runs the steps that a killed deployment had left once readers saw its commit.
   *
   * @returns what was deployed by that
   */
  async #resume(last: JournalEntry): Promise<Change | undefined> {
    const { old, new: commit, branch, step } = last;
    if (commit === undefined || branch === undefined) return undefined;
    if (!AFTER_THE_TREE.includes(step)) return undefined;
    const { position } = await this.#site.local();
    if (position.live !== commit) return undefined;
    // A rollback ends with a hold; without it the tip that was left would be deployed again.
    if (last.action === "rollback") await this.#hold();
    const change: Change = { new: commit, branch, ...old !== undefined && { old } };
    this.#change = change;
    const steps = [
      ...this.#site.contentSteps(last.action === "rollback"),
      ...this.#afterSwap(change, last.action),
    ];
    const left = steps.findIndex(({ name }) => name === step);
    await this.#walk(step === "record" ? [] : steps.slice(Math.max(0, left)));
    await this.#finish(position, commit, last.action);
    this.#change = {};
    return change;
  }

  /**
   * Why nothing is to be done, or may be done, by this order; undefined where the steps are due.
   * A repository that is new to us is recorded as it was found.
   */
  async #mayDeploy(
    position: Position,
    last: JournalEntry | undefined,
  ): Promise<Pick<Ended, "result" | "kind" | "reason" | "hint"> | undefined> {
    const { held, live, deployed, found, tip } = position;
    const { endsHold } = this.#order;
    if (held && !endsHold) return { result: "held", reason: "the repository is held" };
    if (held) await setMarks(this.#site.git, [[HOLD, undefined]]);
    if (deployed === undefined && live !== undefined) {
      if (live === tip) {
        await setMarks(this.#site.git, [[DEPLOYED, live]]);
        return { result: "unchanged" };
      }
      if (!this.#insists) {
        await setMarks(this.#site.git, [[DEPLOYED, live], [FOUND, tip]]);
        return { result: "unchanged", reason: "recorded as it was found" };
      }
    }
    if (live === tip && deployed === tip && last?.state !== "failed") {
      return { result: "unchanged" };
    }
    if (this.#insists) return undefined;
    if (live !== undefined && deployed !== undefined && live !== deployed && !isOurs(last, live)) {
      return {
        result: "drifted",
        reason: `somebody moved it by hand from ${short(deployed)} to ${short(live)}`,
      };
    }
    if (tip === found) return { result: "unchanged", reason: "as it was found" };
    if (last?.state === "failed" && last.new === tip && isSettledFailure(last.kind)) {
      const { kind, reason, hint } = last;
      return {
        result: "unchanged",
        ...kind !== undefined && { kind },
        reason: `this commit failed: ${reason}`,
        ...hint !== undefined && { hint },
      };
    }
    return undefined;
  }

  /** Goes back to an earlier commit without the network, and holds the repository there. */
  async rollback(): Promise<Ended> {
    if (!await this.#site.exists()) throw new StepError("configuration", "nothing is deployed yet");
    const last = await this.#lastTime();
    const { position, refs } = await this.#site.local();
    const { live, deployed } = position;
    // Where the last deployment failed after its swap, the one before it still counts as deployed.
    const isFailed = live !== deployed && live !== undefined && isOurs(last, live);
    const to = this.#order.to ??
      (isFailed ? deployed : await this.#site.earlier(position, refs));
    if (to === undefined) {
      throw new StepError("configuration", "there is no earlier deployment to go back to");
    }
    const { branch } = position;
    const change: Change = { branch, new: to, ...live !== undefined && { old: live } };
    this.#change = change;
    if (last?.state === "running") await this.#enter("open");
    // The hold comes first: a hook that fails now must not let the next comparison deploy again.
    await this.#hold();
    try {
      await this.#walk(this.#site.rollbackSteps(change));
    } catch (error) {
      if (!position.held) await setMarks(this.#site.git, [[HOLD, undefined]]);
      throw error;
    }
    await this.#walk(this.#afterSwap(change, "rollback"));
    return await this.#record(position, change, undefined);
  }

  async #hold(): Promise<void> {
    await writeHold(this.#site.git, { reason: "rolled back", since: this.#wall() });
  }

  /** The steps that follow once readers see the commit. */
  #afterSwap(change: Change, action: Order["action"]): Step[] {
    const { git, release } = this.#site;
    const facts = { ...this.#facts(change, action), ...release !== undefined && { release } };
    return [
      ...hookStep(
        release === undefined ? git : git.at(release),
        this.#target,
        "post-deploy",
        facts,
      ),
      ...touchStep(this.#target),
    ];
  }

  #facts(change: Change, action = this.#order.action): HookFacts {
    const { delivery, pusher } = this.#order;
    return {
      order: {
        action,
        ...delivery !== undefined && { delivery },
        ...pusher !== undefined && { pusher },
      },
      change,
    };
  }

  /** Goes through the steps in their order. */
  async #walk(steps: readonly Step[]): Promise<StepNote | undefined> {
    let noted: StepNote | undefined;
    for (const step of steps) {
      await this.#enter(step.name);
      const note = await step.run();
      if (note === undefined) continue;
      noted = note;
      // Nothing was changed, so there is nothing that the later steps could react to.
      if (note.live === this.#change.old) break;
    }
    return noted;
  }

  /** Notes which step begins, so that the next start knows where a killed one was. */
  async #enter(step: StepName): Promise<void> {
    this.#step = step;
    await this.#journal?.write({
      state: "running",
      action: this.#order.action,
      step,
      insists: this.#insists,
      ...this.#change,
      ...this.#site.release !== undefined && { release: this.#site.release.split("/").at(-1)! },
    });
  }

  /** The end of the last step: from here on the commit counts as deployed. */
  async #record(
    position: Omit<Position, "tip">,
    change: Change,
    note: StepNote | undefined,
  ): Promise<Ended> {
    await this.#enter("record");
    const commit = note?.live ?? change.new;
    const untidy = await this.#finish(position, commit, this.#order.action);
    const reason = note?.reason ?? untidy;
    return {
      result: change.old === commit && (note !== undefined || position.deployed === commit)
        ? "unchanged"
        : "deployed",
      branch: change.branch,
      new: commit,
      ...this.#tip !== undefined && { tip: this.#tip },
      ...change.old !== undefined && { old: change.old },
      ...reason !== undefined && { reason },
    };
  }

  /** What is left over is no reason to call a deployment failed. */
  async #tidy(): Promise<string | undefined> {
    try {
      await this.#site.tidy();
      return undefined;
    } catch (error) {
      return `deployed, but old files could not be removed: ${
        diagnose(error, this.#target).reason
      }`;
    }
  }

  async #finish(
    position: Omit<Position, "tip">,
    commit: Sha,
    action: Order["action"],
  ): Promise<string | undefined> {
    const { deployed, found } = position;
    const marks: Mark[] = [...this.#site.marks()];
    if (deployed !== commit) {
      marks.push([DEPLOYED, commit]);
      const before = deployed ?? this.#change.old;
      // Going back twice must not go forward again.
      if (before !== undefined && action === "deploy") {
        marks.push([PREVIOUS, before]);
      }
    }
    if (found !== undefined && action === "deploy") marks.push([FOUND, undefined]);
    await setMarks(this.#site.git, marks);
    // Before the journal ends, so that what a kill leaves is tidied up with the next start.
    const untidy = await this.#tidy();
    await this.#journal?.clear();
    return untidy;
  }

  /** Leaves what the last failure wrote, where this order was not to do anything about it. */
  async #restoreJournal(last: JournalEntry | undefined): Promise<void> {
    if (last?.state === "failed") await this.#journal?.write(last);
    else await this.#journal?.clear();
  }

  /** Says what failed, and leaves it written in the repository. */
  async fail(error: unknown): Promise<Failed> {
    const { reason, hint, ...diagnosis } = diagnose(error, this.#target);
    const isHook = this.#step === "pre-deploy" || this.#step === "post-deploy";
    const kind = diagnosis.kind === "timeout" && isHook ? "hook" : diagnosis.kind;
    const { branch, old, new: commit } = this.#change;
    await this.#site.discard().catch(() => {});
    if (!this.#leavesHalf(kind)) await this.#noteFailure(kind, reason, hint).catch(() => {});
    return {
      result: "failed",
      step: this.#step,
      kind,
      reason: printable(reason, MAX_REASON),
      ...hint !== undefined && { hint: printable(hint, MAX_REASON) },
      ...branch !== undefined && { branch },
      ...old !== undefined && { old },
      ...commit !== undefined && { new: commit },
      ...this.#tip !== undefined && { tip: this.#tip },
    };
  }

  /** Whether git ended in the middle of its work: it leaves what a kill leaves, and is mended like one. */
  #leavesHalf(kind: FailureKind): boolean {
    return this.#mending || CUT_OFF.has(kind) || (this.#step === "update" && HALF_WAY.has(kind));
  }

  /**
   * The remote was not reached, so there is no commit to blame. A wish that somebody has stays written
   * down, for the case of a restart; without one, what failed before has failed still.
   */
  async #keepWish(): Promise<void> {
    if (!this.#insists) await this.#restoreJournal(this.#last);
  }

  #isRefusedRollback(): boolean {
    return this.#order.action === "rollback" && this.#step === "open";
  }

  async #noteFailure(
    kind: FailureKind,
    reason: string,
    hint: string | undefined,
  ): Promise<void> {
    // A rollback that found nowhere to go has changed nothing that there would be to know.
    if (this.#journal === undefined || this.#isRefusedRollback()) return;
    if (this.#order.action === "deploy" && this.#tip === undefined) {
      return await this.#keepWish();
    }
    await this.#journal.write({
      state: "failed",
      action: this.#order.action,
      step: this.#step,
      ...this.#change,
      kind,
      reason,
      ...hint !== undefined && { hint },
      at: this.#wall(),
    });
  }
}

function changeOf({ old, new: commit, branch }: JournalEntry): Partial<Change> {
  return {
    ...old !== undefined && { old },
    ...commit !== undefined && { new: commit },
    ...branch !== undefined && { branch },
  };
}

/** Whether what is live is what a failed deployment left, and not the work of a hand. */
function isOurs(last: JournalEntry | undefined, live: Sha): boolean {
  return last !== undefined && last.new === live;
}

function short(commit: Sha): string {
  return commit.slice(0, 8);
}
