/**
 * What is asked of a deployment. Orders that wait for the same repository become one.
 *
 * @module
 */

import type { Trigger } from "../delivery.ts";
import type { Sha } from "../values.ts";

/** One wish to bring a repository somewhere. */
export interface Order {
  readonly action: "deploy" | "rollback";
  readonly trigger: Trigger;
  /**
   * Somebody wants it: a checkout that was found, moved by hand, or that failed with this very
   * commit is deployed all the same.
   */
  readonly insists: boolean;
  /** Ends a hold. */
  readonly endsHold: boolean;
  /** Where a rollback goes. */
  readonly to?: Sha;
  /** How often it was tried before, and this time. */
  readonly attempt: number;
  readonly pusher?: string;
  readonly delivery?: string;
  /** How many deliveries it serves. */
  readonly deliveries: number;
}

const PLAIN = {
  action: "deploy",
  insists: false,
  endsHold: false,
  attempt: 1,
  deliveries: 0,
} as const;

/** A push was delivered. */
export function deliveryOrder(delivery?: string, pusher?: string): Order {
  return {
    ...PLAIN,
    trigger: "delivery",
    insists: true,
    deliveries: 1,
    ...delivery !== undefined && { delivery },
    ...pusher !== undefined && { pusher },
  };
}

/** The service compares by itself. */
export function ownOrder(trigger: "start" | "poll"): Order {
  return { ...PLAIN, trigger };
}

/** `hook deploy`. */
export function deployOrder(): Order {
  return { ...PLAIN, trigger: "request", insists: true, endsHold: true };
}

/** `hook rollback`. */
export function rollbackOrder(to?: Sha): Order {
  return {
    ...PLAIN,
    action: "rollback",
    trigger: "request",
    insists: true,
    ...to !== undefined && { to },
  };
}

/** The same once more, after a transport failure. */
export function retryOf(order: Order): Order {
  return { ...order, trigger: "retry", attempt: order.attempt + 1 };
}

/**
 * One order for two that wait: what somebody asked for by hand wins over what came by itself, and of
 * two of the same kind the newer. It serves the deliveries of both.
 */
export function merged(older: Order, newer: Order): Order {
  const winner = older.trigger === "request" && newer.trigger !== "request"
    ? older
    : newer.insists || !older.insists
    ? newer
    : older;
  const delivery = newer.delivery ?? older.delivery;
  const pusher = newer.pusher ?? older.pusher;
  return {
    ...winner,
    deliveries: older.deliveries + newer.deliveries,
    ...delivery !== undefined && { delivery },
    ...pusher !== undefined && { pusher },
  };
}
