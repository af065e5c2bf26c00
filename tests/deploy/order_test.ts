import { assertEquals } from "@std/assert";
import {
  deliveryOrder,
  deployOrder,
  merged,
  ownOrder,
  retryOf,
  rollbackOrder,
} from "../../lib/deploy/order.ts";
import { sha } from "../../lib/values.ts";

const COMMIT = sha("0123456789abcdef0123456789abcdef01234567")!;

Deno.test("merged() counts the deliveries of both, and keeps the newest id and pusher", () => {
  const both = merged(deliveryOrder("1", "ann"), deliveryOrder("2"));
  assertEquals([both.deliveries, both.delivery, both.pusher], [2, "2", "ann"]);
  const three = merged(both, deliveryOrder("3", "bob"));
  assertEquals([three.deliveries, three.delivery, three.pusher], [3, "3", "bob"]);
});

Deno.test("merged() lets what somebody wants win over the service's own comparisons", () => {
  for (const own of [ownOrder("start"), ownOrder("poll")]) {
    for (const [a, b] of [[own, deliveryOrder("1")], [deliveryOrder("1"), own]] as const) {
      const { trigger, insists, deliveries, delivery } = merged(a, b);
      assertEquals([trigger, insists, deliveries, delivery], ["delivery", true, 1, "1"]);
    }
  }
});

Deno.test("merged() lets a request win over deliveries, before and after it", () => {
  for (
    const [a, b] of [
      [deployOrder(), deliveryOrder("1")],
      [deliveryOrder("1"), deployOrder()],
    ] as const
  ) {
    const { trigger, endsHold, deliveries } = merged(a, b);
    assertEquals([trigger, endsHold, deliveries], ["request", true, 1]);
  }
});

Deno.test("merged() takes the newer of two requests", () => {
  const back = merged(deployOrder(), rollbackOrder(COMMIT));
  assertEquals([back.action, back.to, back.endsHold], ["rollback", COMMIT, false]);
  const on = merged(rollbackOrder(COMMIT), deployOrder());
  assertEquals([on.action, on.to, on.endsHold], ["deploy", undefined, true]);
});

Deno.test("merged() keeps a rollback that a push follows", () => {
  const { action, to, deliveries } = merged(rollbackOrder(COMMIT), deliveryOrder("1"));
  assertEquals([action, to, deliveries], ["rollback", COMMIT, 1]);
});

Deno.test("retryOf() counts the attempt and insists no less than before", () => {
  const again = retryOf(retryOf(deliveryOrder("1", "ann")));
  assertEquals([again.trigger, again.attempt, again.insists], ["retry", 3, true]);
  assertEquals([again.delivery, again.deliveries], ["1", 1]);
  assertEquals(retryOf(ownOrder("poll")).insists, false);
  assertEquals(retryOf(deployOrder()).endsHold, true);
});

Deno.test("merged() begins to count attempts anew where a push replaces a retry", () => {
  const { trigger, attempt } = merged(retryOf(retryOf(deliveryOrder("1"))), deliveryOrder("2"));
  assertEquals([trigger, attempt], ["delivery", 1]);
});
