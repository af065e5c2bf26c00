import { assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { identified } from "../../lib/providers/identity.ts";
import { bytes } from "./deliveries.ts";

const PING = { event: { kind: "ping" } } as const;

Deno.test("identified() keeps the forge's id", async () => {
  const delivery = await identified("github", bytes("{}"), { ...PING, id: "1" });
  assertEquals(delivery, { ...PING, id: "1", idFrom: "forge" });
});

Deno.test("identified() derives an id from provider and body where the forge has none", async () => {
  const delivery = await identified("gitee", bytes('{"ref":"主干"}'), PING);
  const hash = createHash("sha256").update("gitee\0").update('{"ref":"主干"}').digest("hex");
  assertEquals(delivery, { ...PING, id: hash.slice(0, 32), idFrom: "content" });
  const others = [
    await identified("gitee", bytes('{"ref":"主干"} '), PING),
    await identified("codeup", bytes('{"ref":"主干"}'), PING),
  ];
  for (const { id } of others) assertNotEquals(id, delivery.id);
});
