import { assertEquals, assertMatch } from "@std/assert";
import type { LogLevel, LogRecord } from "@logtape/logtape";
import fc from "fast-check";
import { jsonLine, openLog, textLine } from "../lib/log.ts";
import { anyText } from "./support/texts.ts";

const TIME = Date.UTC(2026, 10, 24, 3, 35, 37, 123);

function recordOf(
  message: string,
  properties: Record<string, unknown> = {},
  level: LogLevel = "info",
): LogRecord {
  return {
    category: ["hook"],
    level,
    message: [message],
    rawMessage: message,
    timestamp: TIME,
    properties,
  };
}

Deno.test("jsonLine() writes one flat object: time, level, event, message, then the fields", () => {
  const line = jsonLine(recordOf("deployed", { repository: "app", event: "deployment", ms: 12 }));
  assertEquals(
    line,
    '{"time":"2026-11-24T03:35:37.123Z","level":"info","event":"deployment",' +
      '"message":"deployed","repository":"app","ms":12}\n',
  );
});

Deno.test("jsonLine() leaves out what is undefined and keeps lists and empty texts", () => {
  const { time: _time, ...rest } = JSON.parse(
    jsonLine(recordOf("x", { old: undefined, urls: ["a", "b"], reason: "" }, "warning")),
  );
  assertEquals(rest, { level: "warning", message: "x", urls: ["a", "b"], reason: "" });
});

Deno.test("jsonLine() is one line that reads back, whatever the text", () => {
  fc.assert(fc.property(anyText, anyText, (message, reason) => {
    const line = jsonLine(recordOf(message, { reason }));
    assertEquals(line.indexOf("\n"), line.length - 1);
    const back = JSON.parse(line);
    assertEquals([back.message, back.reason], [message, reason]);
  }));
});

Deno.test("textLine() writes time, level, message and fields, without the event", () => {
  const record = recordOf("deployed", { event: "deployment", repository: "app", ms: 12, up: true });
  assertEquals(
    textLine(record),
    "2026-11-24 03:35:37 info    deployed repository=app ms=12 up=true\n",
  );
});

Deno.test("textLine() quotes values that could be misread", () => {
  const record = recordOf("x", {
    reason: "not a fast-forward",
    ref: 'a"b',
    pair: "a=b",
    empty: "",
    absent: undefined,
    nested: { a: 1 },
    nothing: null,
  }, "warning");
  assertEquals(
    textLine(record),
    '2026-11-24 03:35:37 warning x reason="not a fast-forward" ref="a\\"b" pair="a=b" empty="" ' +
      'nested={"a":1} nothing=null\n',
  );
});

Deno.test("textLine() puts lists and texts of several lines below, indented", () => {
  const record = recordOf("listening", {
    urls: ["http://a", "http://b"],
    output: "one\r\ntwo\n\n",
  });
  assertEquals(
    textLine(record),
    "2026-11-24 03:35:37 info    listening\n    http://a\n    http://b\n    one\n    two\n",
  );
});

Deno.test("textLine() lets no text move the cursor or forge a line", () => {
  // deno-lint-ignore no-control-regex
  const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/;
  fc.assert(fc.property(anyText, anyText, anyText, (message, reason, item) => {
    const lines = textLine(recordOf(message, { reason, items: [item] })).split("\n");
    assertEquals(lines.pop(), "");
    for (const [index, line] of lines.entries()) {
      assertEquals(control.test(line), false, JSON.stringify(line));
      assertMatch(line, index === 0 ? /^2026-11-24 03:35:37 info {4}/ : /^ {4}/);
    }
  }));
  const forged = recordOf("x\n2026-11-24 03:35:37 info    y", { ref: "\x1b[2K\rok\x9b1m" });
  assertEquals(
    textLine(forged),
    '2026-11-24 03:35:37 info    x 2026-11-24 03:35:37 info    y ref=" [2K ok 1m"\n',
  );
});

function lines(text: string): { level: string; message: string }[] {
  return text.trimEnd().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

Deno.test("openLog() writes nothing below its level", () => {
  let written = "";
  const log = openLog({ format: "json", level: "warning", write: (text) => written += text });
  log.logger.debug("a");
  log.logger.info("b");
  log.logger.warn("c");
  log.logger.error("d");
  log.flush();
  assertEquals(lines(written).map(({ message }) => message), ["c", "d"]);
});

Deno.test("openLog() gathers a burst into few writes, and flush() empties it at once", () => {
  const writes: string[] = [];
  const log = openLog({ format: "json", level: "info", write: (text) => writes.push(text) });
  for (let index = 0; index < 100; index++) log.logger.info("delivery", { index });
  assertEquals(writes, []);
  log.flush();
  assertEquals(writes.length, 1);
  assertEquals(lines(writes[0]!).length, 100);
  log.flush();
  assertEquals(writes.length, 1);
});

Deno.test("openLog() writes by itself in the next turn of the event loop", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const log = openLog({ format: "text", level: "info", write: resolve });
  log.logger.info("by itself");
  assertMatch(await promise, /info {4}by itself\n$/);
});

Deno.test("openLog() again changes format and level for the same logger", () => {
  let written = "";
  const write = (text: string) => void (written += text);
  const first = openLog({ format: "json", level: "error", write });
  const second = openLog({ format: "text", level: "debug", write });
  first.logger.debug("after the reload");
  second.flush();
  assertMatch(written, /^\S+ \S+ debug {3}after the reload\n$/);
});

Deno.test("openLog() outlives a stream that fails", () => {
  let fail = true;
  let written = "";
  const write = (text: string) => {
    if (fail) throw new Error("no space left on device");
    written += text;
  };
  const log = openLog({ format: "json", level: "info", write });
  log.logger.info("lost");
  log.flush();
  fail = false;
  log.logger.info("kept");
  log.flush();
  assertEquals(lines(written).map(({ message }) => message), ["kept"]);
});
