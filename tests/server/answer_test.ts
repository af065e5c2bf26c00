import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Answer, respond } from "../../lib/server/answer.ts";

function request(accept?: string): Request {
  return new Request("http://localhost/", { headers: accept === undefined ? {} : { accept } });
}

async function body(answer: Answer, accept?: string): Promise<[type: string | null, text: string]> {
  const response = respond(request(accept), answer);
  return [response.headers.get("content-type"), await response.text()];
}

const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";

Deno.test("respond() writes JSON where Accept is absent, is anything or does not matter", async () => {
  const answer: Answer = { status: 202, outcome: "queued", repository: "app", delivery: "1" };
  const json = '{"outcome":"queued","repository":"app","delivery":"1"}\n';
  for (const accept of [undefined, "*/*", JSON_TYPE, "text/html", "*/*, text/plain;q=0.5", ""]) {
    assertEquals(await body(answer, accept), [JSON_TYPE, json], accept);
  }
});

Deno.test("respond() writes text where Accept prefers it", async () => {
  const answer: Answer = { status: 200, outcome: "pong", repository: "app" };
  for (const accept of ["text/plain", "text/*", "text/plain, */*;q=0.1", "TEXT/PLAIN"]) {
    assertEquals(await body(answer, accept), [TEXT_TYPE, "pong app\n"], accept);
  }
});

Deno.test("respond() writes a missing delivery as null and leaves out what it does not know", async () => {
  const [, json] = await body({ status: 403, outcome: "rejected", repository: "app" });
  assertEquals(json, '{"outcome":"rejected","repository":"app","delivery":null}\n');
  const [, other] = await body({ status: 404, reason: "not found" });
  assertEquals(other, '{"reason":"not found"}\n');
});

Deno.test("respond() writes one line, and git's output below it", async () => {
  const failed: Answer = {
    status: 500,
    outcome: "failed",
    repository: "app",
    reason: "diverged\nreally",
    hint: "reset",
    output: "fatal: a\nfatal: b",
  };
  const [, text] = await body(failed, "text/plain");
  assertEquals(text, "failed app: diverged really (reset)\nfatal: a\nfatal: b\n");
});

Deno.test("respond() keeps status and headers", () => {
  const response = respond(request(), { status: 405, reason: "x", headers: { allow: "POST" } });
  assertEquals([response.status, response.headers.get("allow")], [405, "POST"]);
});

Deno.test("respond() answers whatever stands in Accept", () => {
  const ascii = fc.string({ unit: "grapheme-ascii" });
  const listed = fc.array(
    fc.constantFrom("text/plain", "*/*", ";q=", "0.5", ",", "application/json", " ", "=", '"'),
  )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(ascii, listed), (accept) => {
      const { status, headers } = respond(request(accept), { status: 200, reason: "x" });
      assertEquals(status, 200);
      assertEquals([JSON_TYPE, TEXT_TYPE].includes(headers.get("content-type")!), true);
    }),
    { numRuns: 300 },
  );
});
