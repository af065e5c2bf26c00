/**
 * Keeps every repository at what its remote holds, whatever happens in between: compares at start and
 * from time to time, tries again what failed on the way to the remote, and leaves alone what is held
 * or was moved by hand.
 *
 * @module
 */

import {
  type Deployment,
  type FailureKind,
  isSettledFailure,
  isTransportFailure,
} from "./delivery.ts";
import { deploy, siteOf } from "./deploy.ts";
import { diagnose } from "./deploy/diagnosis.ts";
import {
  HOLD,
  type Hold,
  Journal,
  type JournalEntry,
  readHold,
  setMarks,
  writeHold,
} from "./deploy/marks.ts";
import { merged, type Order, ownOrder, retryOf } from "./deploy/order.ts";
import type { Site } from "./deploy/site.ts";
import type { Target } from "./deploy/step.ts";
import type { Git } from "./git.ts";
import { Pool } from "./pool.ts";
import { type After, Queue } from "./queue.ts";
import type { RepositoryName, Sha } from "./values.ts";

/** A repository to keep. */
export interface Kept extends Target {
  /** Time between two comparisons, in milliseconds; undefined where they are off. */
  readonly poll?: number;
}

/** What the keeper takes from outside. */
export interface KeeperOptions {
  readonly git: Git;
  readonly concurrency: number;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
  /** The time, in milliseconds since 1970. */
  readonly wall: () => number;
  /** From 0 to less than 1. */
  readonly random: () => number;
  readonly after: After;
  /** Told when a deployment begins and what it came to. */
  readonly onBegin: (name: RepositoryName, order: Order) => void;
  readonly onEnd: (deployment: Deployment) => void;
  /** Told when a comparison finds something that a person should know. */
  readonly onNotice: (notice: Notice) => void;
}

/** Something that a comparison found; told once, not at every comparison. */
export interface Notice {
  readonly repository: RepositoryName;
  readonly kind: "drifted" | "failed" | "recovered";
  readonly reason?: string;
  readonly hint?: string;
  readonly failure?: FailureKind;
}

/** What failed last, until something succeeds. */
export interface Failure {
  readonly kind: FailureKind;
  readonly reason: string;
  readonly hint?: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly attempt: number;
}

/** Where a repository stands, as far as it is known. Times are milliseconds since 1970. */
export interface RepositoryState {
  readonly name: RepositoryName;
  readonly branch?: string;
  readonly deployed?: Sha;
  /** What is there, where it is not what was deployed. */
  readonly drifted?: Sha;
  readonly hold?: Hold;
  /** What the remote held when it was asked last. */
  readonly tip?: string;
  readonly checked?: number;
  readonly running?: { readonly order: Order; readonly since: number };
  readonly waiting: boolean;
  /** What the last deployment failed of. */
  readonly failure?: Failure;
  /** Why the remote could not be compared, the last time. */
  readonly unreachable?: Failure;
  readonly nextCheck?: number;
}

/** The pause before the first and the last of many attempts, in milliseconds. */
const RETRY = { first: 1_000, longest: 300_000 } as const;
/** How long a comparison may take, in milliseconds. */
const PEEK_TIME = 60_000;
/** How many comparisons run at the same time. */
const PEEKS = 8;
/** How often a repository whose remote had nothing new is asked again, in milliseconds. */
const REST = 1_000;

/** What the keeper knows and plans for one repository. */
interface Keep {
  target: Kept;
  known: boolean;
  state: Omit<RepositoryState, "name" | "waiting">;
  /** What the remote held when there was nothing more to do about it. */
  settled?: string;
  /** What the last comparison saw, and what there was nothing more to do about. */
  peeked?: string;
  settledPeek?: string;
  /** Attempts to compare that failed in a row. */
  missed: number;
  callOffCheck?: () => void;
  callOffRetry?: () => void;
  /** The order that waits to be tried again. */
  retry?: Order;
}

/** Keeps the repositories of a configuration. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #queue: Queue<RepositoryName, Order, Deployment>;
  readonly #peeks = new Pool(PEEKS);
  readonly #keeps = new Map<RepositoryName, Keep>();
  /** What runs in each directory. */
  readonly #paths = new Map<string, Promise<Deployment>>();
  readonly #abort = new AbortController();
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#queue = new Queue({
      concurrency: options.concurrency,
      merge: merged,
      run: (name, order) => this.#deploy(name, order),
      rest: ({ result, trigger }) => result === "unchanged" && trigger === "delivery" ? REST : 0,
      abandon: (name, order) => unbegun(name, order, "stopped", "hook is stopping"),
      after: options.after,
    });
  }

  /** Takes the repositories of a configuration, at start and at each reload, and compares them all. */
  keep(targets: Iterable<Kept>, concurrency: number): void {
    this.#queue.concurrency = concurrency;
    const gone = new Set(this.#keeps.keys());
    for (const target of targets) {
      gone.delete(target.name);
      const keep = this.#keeps.get(target.name) ?? { target, known: false, state: {}, missed: 0 };
      keep.target = target;
      keep.known = false;
      delete keep.settled;
      delete keep.settledPeek;
      this.#keeps.set(target.name, keep);
      void this.#check(keep, "start");
    }
    for (const name of gone) {
      this.#callOff(this.#keeps.get(name)!);
      this.#keeps.delete(name);
    }
  }

  /** How many deployments run and wait. */
  get size(): { readonly running: number; readonly waiting: number } {
    return this.#queue.size;
  }

  /** Asks for a deployment; undefined where the keeper is closed or does not know the name. */
  submit(name: RepositoryName, order: Order): Promise<Deployment> | undefined {
    return this.#keeps.has(name) ? this.#queue.submit(name, order) : undefined;
  }

  /** Whether somebody holds the repository, as far as is known. */
  isHeld(name: RepositoryName): boolean {
    return this.#keeps.get(name)?.state.hold !== undefined;
  }

  /** Where every repository stands. */
  states(): RepositoryState[] {
    return [...this.#keeps].map(([name, { state }]) => ({
      name,
      ...state,
      waiting: this.#queue.isWaiting(name),
    }));
  }

  /**
   * Stops deploying a repository.
   *
   * @throws {GitError} where the repository can't be written to
   */
  async hold(name: RepositoryName, reason?: string): Promise<Hold> {
    const keep = this.#keepOf(name);
    const hold: Hold = { since: this.#options.wall(), ...reason !== undefined && { reason } };
    await writeHold(this.#site(keep).git, hold);
    keep.state = { ...keep.state, hold };
    return hold;
  }

  /** Goes on with a repository, and compares it at once. */
  async resume(name: RepositoryName): Promise<void> {
    const keep = this.#keepOf(name);
    if (await readHold(this.#site(keep).git) !== undefined) {
      await setMarks(this.#site(keep).git, [[HOLD, undefined]]);
    }
    const { hold: _hold, ...state } = keep.state;
    keep.state = state;
    delete keep.settled;
    delete keep.settledPeek;
    void this.#check(keep, "poll");
  }

  #keepOf(name: RepositoryName): Keep {
    const keep = this.#keeps.get(name);
    if (keep === undefined) throw new Error(`no repository "${name}"`);
    return keep;
  }

  /** Starts nothing more, and waits until what runs and what waits has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const keep of this.#keeps.values()) this.#callOff(keep);
    await this.#queue.close();
    // Comparisons have nothing to end with.
    this.#abort.abort(new Error("stopped"));
  }

  /** Ends running deployments at once, with everything that git started. */
  abort(): void {
    this.#abort.abort(new Error("stopped"));
  }

  #callOff({ callOffCheck, callOffRetry }: Keep): void {
    callOffCheck?.();
    callOffRetry?.();
  }

  #site({ target }: Keep, signal = this.#abort.signal): Site {
    return siteOf(target, this.#options.git, signal);
  }

  /** One after the other in one directory, which a reload may have given another name. */
  async #deploy(name: RepositoryName, order: Order): Promise<Deployment> {
    const path = this.#keeps.get(name)?.target.path;
    if (path === undefined) return await this.#deployNow(name, order);
    const deployment = (this.#paths.get(path) ?? Promise.resolve())
      .then(() => this.#deployNow(name, order));
    this.#paths.set(path, deployment);
    try {
      return await deployment;
    } finally {
      if (this.#paths.get(path) === deployment) this.#paths.delete(path);
    }
  }

  async #deployNow(name: RepositoryName, asked: Order): Promise<Deployment> {
    const { git, now, wall, onBegin, onEnd } = this.#options;
    const keep = this.#keeps.get(name);
    if (keep === undefined) {
      const deployment = unbegun(name, asked, "configuration", "no longer in the configuration");
      // Whoever asked should find it in the log; the service's own comparisons are of no interest.
      if (asked.insists) onEnd(deployment);
      return deployment;
    }
    keep.callOffRetry?.();
    // What waited to be tried again is served by this one.
    const order = keep.retry === undefined ? asked : merged(keep.retry, asked);
    delete keep.retry;
    keep.state = { ...keep.state, running: { order, since: wall() } };
    onBegin(name, order);
    const options = { git, signal: this.#abort.signal, now, wall };
    const deployment = await deploy(keep.target, order, options);
    this.#learn(keep, deployment);
    const isRolledBack = order.action === "rollback";
    // The last is news where it was held by hand, or by a rollback that was interrupted.
    if (isRolledBack || order.endsHold || deployment.result === "held") await this.#relearn(keep);
    onEnd(deployment);
    if (isTransport(deployment)) this.#retryLater(keep, order);
    return deployment;
  }

  /** Takes over what a deployment came to. */
  #learn(keep: Keep, deployment: Deployment): void {
    const { result, branch, tip, kind, reason = "", hint, attempt, action, step } = deployment;
    // A rollback that could not begin says nothing about what is deployed.
    if (result === "failed" && action === "rollback" && step === "open") {
      const { running: _, ...state } = keep.state;
      keep.state = state;
      return;
    }
    // A commit that failed before, and is left alone for that, has failed still.
    const failed = (result === "failed" || result === "unchanged") && kind !== undefined &&
      kind !== "stopped";
    const ok = !failed && (result === "deployed" || result === "unchanged");
    const isEnd = !failed || isSettledFailure(kind);
    if (tip !== undefined && isEnd) keep.settled = tip;
    if (keep.peeked !== undefined && (isEnd || kind === "no-branch")) {
      keep.settledPeek = keep.peeked;
    }
    if (!failed) this.#recovered(keep);
    const { running: _running, failure: _failure, drifted: _drifted, ...state } = keep.state;
    const { hold, ...held } = state;
    keep.state = {
      ...held,
      // `hook deploy` ends a hold.
      ...hold !== undefined && !(ok && deployment.trigger === "request") && { hold },
      ...branch !== undefined && { branch },
      ...tip !== undefined && { tip, checked: this.#options.wall() },
      ...ok && deployment.new !== undefined && { deployed: deployment.new },
      ...result === "drifted" && deployment.new !== undefined && { drifted: deployment.new },
      ...failed && {
        failure: {
          kind,
          reason,
          ...hint !== undefined && { hint },
          at: this.#options.wall(),
          attempt,
        },
      },
    };
  }

  #retryLater(keep: Keep, order: Order): void {
    if (this.#closed) return;
    keep.callOffRetry?.();
    const retry = retryOf(order);
    keep.retry = retry;
    keep.callOffRetry = this.#options.after(this.#backOff(order.attempt), () => {
      delete keep.retry;
      void this.submit(keep.target.name, retry);
    });
  }

  /** Doubles from attempt to attempt, with jitter so that many do not come back at once. */
  #backOff(attempt: number): number {
    const whole = Math.min(RETRY.first * 2 ** (attempt - 1), RETRY.longest);
    return whole * (0.5 + this.#options.random() / 2);
  }

  /** Compares a repository with its remote, asks for a deployment where that is due, and plans the next. */
  async #check(keep: Keep, trigger: "start" | "poll"): Promise<void> {
    keep.callOffCheck?.();
    const wait = await this.#peeks.run(() => this.#compare(keep, trigger));
    const isKept = this.#keeps.get(keep.target.name) === keep;
    if (this.#closed || !isKept || wait === undefined) return;
    keep.state = { ...keep.state, nextCheck: this.#options.wall() + wait };
    // Another comparison, begun meanwhile, may have planned its own next.
    keep.callOffCheck?.();
    keep.callOffCheck = this.#options.after(wait, () => void this.#check(keep, "poll"));
  }

  /** @returns the time until the next comparison, in milliseconds; undefined where there is none */
  async #compare(keep: Keep, trigger: "start" | "poll"): Promise<number | undefined> {
    const { name } = keep.target;
    if (this.#closed) return undefined;
    if (keep.state.running !== undefined) return this.#untilNext(keep, trigger);
    try {
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(PEEK_TIME)]);
      if (await this.#isDue(keep, this.#site(keep, signal))) {
        void this.submit(name, ownOrder(trigger));
      }
      this.#recovered(keep);
      return this.#untilNext(keep, trigger);
    } catch (error) {
      const isMendable = keep.target.strategy === "release" &&
        diagnose(error, keep.target).kind === "damaged";
      if (!isMendable) return this.#missed(keep, error, trigger);
      // A deployment makes the repository anew, from the remote.
      void this.submit(name, ownOrder(trigger));
      return this.#untilNext(keep, trigger);
    }
  }

  /** Whether the comparison asks for a deployment. */
  async #isDue(keep: Keep, site: Site): Promise<boolean> {
    // What the configuration lacks, another comparison will not find.
    if (!await site.exists()) return keep.state.failure?.kind !== "configuration";
    if (!keep.known && await this.#meet(keep, site)) return true;
    const tip = await site.peek();
    keep.state = { ...keep.state, tip, checked: this.#options.wall() };
    if (keep.state.hold !== undefined) return false;
    if (await this.#noticeDrift(keep, site)) return false;
    keep.peeked = tip;
    return tip !== keep.state.deployed && tip !== keep.settled && tip !== keep.settledPeek;
  }

  /** Reads what the repository says about itself; true where there is something to finish first. */
  async #meet(keep: Keep, site: Site): Promise<boolean> {
    const { position } = await site.local();
    const hold = position.held ? await readHold(site.git) : undefined;
    const { hold: _hold, ...state } = keep.state;
    keep.state = {
      ...state,
      branch: position.branch,
      ...position.deployed !== undefined && { deployed: position.deployed },
      ...hold !== undefined && { hold },
    };
    keep.known = true;
    const last = await new Journal(await site.directory()).read();
    if (last?.state === "failed") this.#recall(keep, last);
    const { deployed, live } = position;
    // Readers see nothing where somebody removed what was live.
    return deployed === undefined || live === undefined || last?.state === "running";
  }

  /** Takes over what a service before this one had failed with. */
  #recall(keep: Keep, { kind = "other", reason = "", hint, at = 0, new: commit }: JournalEntry) {
    if (commit !== undefined && isSettledFailure(kind)) keep.settled = commit;
    keep.state = {
      ...keep.state,
      failure: { kind, reason, ...hint !== undefined && { hint }, at, attempt: 1 },
    };
  }

  async #relearn(keep: Keep): Promise<void> {
    await this.#meet(keep, this.#site(keep)).catch(() => {});
  }

  /** Says once that somebody moved the repository by hand. */
  async #noticeDrift(keep: Keep, site: Site): Promise<boolean> {
    const live = await site.live();
    const { deployed, drifted, failure, ...state } = keep.state;
    const last = live === deployed ? undefined : await new Journal(await site.directory()).read();
    const isDrift = live !== undefined && deployed !== undefined && live !== deployed &&
      last?.new !== live;
    keep.state = {
      ...state,
      ...deployed !== undefined && { deployed },
      ...failure !== undefined && { failure },
      ...isDrift && { drifted: live },
    };
    if (isDrift && drifted !== live) {
      this.#options.onNotice({
        repository: keep.target.name,
        kind: "drifted",
        reason: `somebody moved it by hand from ${deployed.slice(0, 8)} to ${live.slice(0, 8)}`,
        hint: `a push, or "hook deploy ${keep.target.name}", deploys again`,
      });
    }
    return isDrift;
  }

  #untilNext({ target: { poll } }: Keep, trigger: "start" | "poll"): number | undefined {
    if (poll === undefined) return undefined;
    // The first round is spread over the whole time, so that the later ones are not bunched.
    const spread = trigger === "start" ? this.#options.random() : 0.9 + this.#options.random() / 5;
    return Math.max(1_000, poll * spread);
  }

  /** A comparison did not reach the remote: try again, and say so the first time. */
  #missed(keep: Keep, error: unknown, trigger: "start" | "poll"): number | undefined {
    const { kind, reason, hint } = diagnose(error, keep.target);
    if (kind === "stopped") return undefined;
    keep.missed++;
    if (keep.missed === 1) {
      const { name: repository } = keep.target;
      const notice = { repository, kind: "failed" as const, reason, failure: kind };
      this.#options.onNotice({ ...notice, ...hint !== undefined && { hint } });
    }
    keep.state = {
      ...keep.state,
      unreachable: {
        kind,
        reason,
        ...hint !== undefined && { hint },
        at: this.#options.wall(),
        attempt: keep.missed,
      },
    };
    const next = this.#untilNext(keep, "poll");
    const soon = this.#backOff(keep.missed);
    return next === undefined ? trigger === "start" ? soon : undefined : Math.min(next, soon);
  }

  #recovered(keep: Keep): void {
    if (keep.missed === 0) return;
    keep.missed = 0;
    const { unreachable: _unreachable, ...state } = keep.state;
    keep.state = state;
    this.#options.onNotice({ repository: keep.target.name, kind: "recovered" });
  }
}

/** Whether a deployment failed on the way to the remote. */
function isTransport({ result, kind, step }: Deployment): boolean {
  if (result !== "failed" || kind === undefined) return false;
  return isTransportFailure(kind) || (kind === "timeout" && step === "fetch");
}

/** An order that was not begun. */
function unbegun(
  repository: RepositoryName,
  { action, trigger, attempt, deliveries }: Order,
  kind: FailureKind,
  reason: string,
): Deployment {
  const asked = { repository, action, trigger, attempt, deliveries };
  return { ...asked, result: "failed", kind, ms: 0, reason };
}
