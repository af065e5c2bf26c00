/**
 * What happens, told to the log and remembered in the ledger.
 *
 * @module
 */

import type { DeliveryRecord, Deployment, DeploymentRecord } from "./delivery.ts";
import type { Order } from "./deploy/order.ts";
import type { Notice } from "./keeper.ts";
import type { Ledger } from "./ledger.ts";
import type { Logger } from "./log.ts";
import type { RepositoryName } from "./values.ts";

/** What the history takes from outside. */
export interface HistoryOptions {
  readonly log: () => Logger;
  readonly ledger: Ledger;
  /** The time, in milliseconds since 1970. */
  readonly wall: () => number;
}

/** Writes the log's lines and the ledger's rows. */
export class History {
  readonly #options: HistoryOptions;
  /** The rows of the deployments that run. */
  readonly #running = new Map<RepositoryName, DeploymentRecord>();

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** A delivery was answered; the door has written its line. */
  delivered(record: DeliveryRecord): void {
    this.#options.ledger.addDelivery(record);
  }

  /** A deployment begins. */
  began(repository: RepositoryName, order: Order): void {
    const { action, trigger, attempt, pusher, delivery } = order;
    const record: DeploymentRecord = {
      id: this.#options.ledger.nextId(),
      repository,
      action,
      trigger,
      attempt,
      state: "running",
      started: this.#options.wall(),
      ...pusher !== undefined && { pusher },
      ...delivery !== undefined && { delivery },
    };
    this.#running.set(repository, record);
    // The service's own comparisons leave no trace unless they change something.
    if (trigger === "delivery" || trigger === "request") {
      this.#options.ledger.saveDeployment(record);
    }
  }

  /** A deployment has ended. */
  ended(deployment: Deployment): void {
    const { repository, trigger, result } = deployment;
    const begun = this.#running.get(repository);
    this.#running.delete(repository);
    const isQuiet = (trigger === "start" || trigger === "poll") && result === "unchanged";
    if (begun !== undefined && !isQuiet) {
      this.#options.ledger.saveDeployment({
        ...begun,
        ...recordOf(deployment, this.#options.wall()),
      });
    }
    this.#logDeployment(deployment, isQuiet, begun?.id);
  }

  #logDeployment(deployment: Deployment, isQuiet: boolean, id: number | undefined): void {
    const { result, repository, action, trigger, branch, old, new: commit, ms } = deployment;
    const { step, kind, attempt, reason, hint, output, deliveries } = deployment;
    const isFailure = result === "failed";
    const fields = {
      event: "deployment",
      repository,
      result,
      id,
      action: action === "rollback" ? action : undefined,
      trigger,
      branch,
      old,
      new: commit,
      ms,
      deliveries,
      attempt: attempt > 1 ? attempt : undefined,
      step: isFailure ? step : undefined,
      kind,
      reason,
      hint,
      output: isFailure ? output : undefined,
    };
    const log = this.#options.log();
    const what = action === "rollback" ? "rollback" : "deployment";
    if (isFailure) log.error(`${what} failed`, fields);
    else if (isQuiet) log.debug(`${what} ${result}`, fields);
    else log.info(`${what} ${result}`, fields);
  }

  /** A comparison with the remote found something that a person should know. */
  noticed({ repository, kind, reason, hint, failure }: Notice): void {
    const fields = { event: "comparison", repository, result: kind, kind: failure, reason, hint };
    const log = this.#options.log();
    if (kind === "recovered") log.info("the remote is reached again", fields);
    else if (kind === "drifted") log.warn("moved by hand; left alone", fields);
    else log.warn("the remote was not reached", fields);
  }
}

function recordOf(deployment: Deployment, ended: number): Omit<DeploymentRecord, "id" | "started"> {
  const { repository, action, trigger, result: state, attempt, branch, old, step } = deployment;
  const { new: commit, kind, reason, hint, output, pusher, delivery } = deployment;
  return {
    repository,
    action,
    trigger,
    state,
    ended,
    attempt,
    ...branch !== undefined && { branch },
    ...old !== undefined && { old },
    ...commit !== undefined && { new: commit },
    ...step !== undefined && { step },
    ...kind !== undefined && { kind },
    ...reason !== undefined && { reason },
    ...hint !== undefined && { hint },
    ...output !== undefined && { output },
    ...pusher !== undefined && { pusher },
    ...delivery !== undefined && { delivery },
  };
}
