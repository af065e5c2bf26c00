import { assertEquals } from "@std/assert";
import { SeenDeliveries } from "../../lib/server/seen.ts";

Deno.test("SeenDeliveries.add() tells new deliveries from repeated ones, by repository", () => {
  const seen = new SeenDeliveries();
  assertEquals(seen.add("app", "1"), true);
  assertEquals(seen.add("app", "1"), false);
  assertEquals(seen.add("docs", "1"), true);
  assertEquals(seen.add("app", "2"), true);
});

Deno.test("SeenDeliveries.forget() makes one delivery new again", () => {
  const seen = new SeenDeliveries();
  seen.add("app", "1");
  seen.add("app", "2");
  seen.forget("app", "1");
  seen.forget("app", "3");
  assertEquals([seen.add("app", "1"), seen.add("app", "2")], [true, false]);
});

Deno.test("SeenDeliveries forgets the oldest when it is full", () => {
  const seen = new SeenDeliveries(3);
  for (const id of ["1", "2", "3"]) seen.add("app", id);
  assertEquals(seen.add("app", "1"), false, "a repetition takes no room");
  seen.add("app", "4");
  assertEquals(seen.add("app", "4"), false);
  assertEquals(seen.add("app", "3"), false);
  assertEquals(seen.add("app", "1"), true, "the first was forgotten for the fourth");
});

Deno.test("SeenDeliveries.add() takes an id from content for repeated only just after itself", () => {
  const seen = new SeenDeliveries();
  const add = (id: string, repository = "app") => seen.add(repository, id, "content");
  assertEquals([add("forth"), add("forth"), add("back"), add("forth"), add("forth")], [
    true,
    false,
    true,
    true,
    false,
  ]);
  assertEquals(add("forth", "docs"), true, "another repository");
  assertEquals(seen.add("app", "1"), true);
  assertEquals(add("forth"), true, "a delivery with an id came between");
  seen.forget("app", "forth");
  assertEquals(add("forth"), true, "its deployment failed");
});
