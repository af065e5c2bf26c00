import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  anyText,
  bodyFormat,
  deliveryId,
  flag,
  parsePayload,
  refChange,
  text,
} from "../../lib/providers/payload.ts";
import { type Payload, UnreadableDelivery } from "../../lib/providers/provider.ts";
import { AFTER, BEFORE, bytes, FORM_TYPE, JSON_TYPE, NO_COMMIT } from "./deliveries.ts";

function parse(body: string | Uint8Array<ArrayBuffer>, type = JSON_TYPE, maxParts?: number) {
  const posted = {
    headers: new Headers({ "content-type": type }),
    body: typeof body === "string" ? bytes(body) : body,
  };
  return parsePayload(posted, maxParts);
}

function form(fields: Record<string, string>): string {
  return new URLSearchParams(fields).toString();
}

function unreadable(fn: () => unknown, message: string): void {
  assertThrows(fn, UnreadableDelivery, message);
}

Deno.test("bodyFormat() knows JSON and forms by their media type", () => {
  const json = [
    "application/json",
    "application/json; charset=UTF-8",
    "Application/JSON;charset=utf-8",
    "application/vnd.forge+json",
    "application/scim+json ; x=y",
  ];
  for (const type of json) assertEquals(bodyFormat(type), "json", type);
  assertEquals(bodyFormat(FORM_TYPE), "form");
  assertEquals(bodyFormat(`${FORM_TYPE}; charset=utf-8`), "form");
  const neither = [null, "", "text/plain", "multipart/form-data; boundary=x", "json", ";json"];
  for (const type of neither) assertEquals(bodyFormat(type), undefined, String(type));
});

Deno.test("parsePayload() reads an object from JSON and from a form's field", () => {
  assertEquals(parse('{"ref":"主干"}'), { ref: "主干" });
  assertEquals(parse(form({ payload: '{"ref":"主干 + 1%"}' }), FORM_TYPE), { ref: "主干 + 1%" });
  assertEquals(parse("a=%7B%7D&payload=%7B%7D&payload=1", FORM_TYPE), {}, "the first one counts");
  assertEquals(parse("notpayload=1&payload=%7B%7D", FORM_TYPE), {});
});

Deno.test("parsePayload() passes over one byte order mark, for each body anew", () => {
  for (let time = 0; time < 2; time++) assertEquals(parse('\uFEFF{"a":1}'), { a: 1 });
  unreadable(() => parse('\uFEFF\uFEFF{"a":1}'), "not valid JSON");
});

Deno.test("parsePayload() names what is wrong with a body", () => {
  const invalid = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  unreadable(() => parse(invalid), "not valid UTF-8");
  assertEquals(parse("{}"), {}, "the decoder is none the worse for it");
  unreadable(() => parse(new Uint8Array([0xe4, 0xb8])), "not valid UTF-8");
  for (const text of ["", " ", "{", "{'a':1}", '{"a":NaN}', '{"a":1}x', "\0"]) {
    unreadable(() => parse(text), "not valid JSON");
  }
  for (const text of ["null", "[]", '"ref"', "1", "true"]) {
    unreadable(() => parse(text), "not a JSON object");
  }
  unreadable(() => parse("", FORM_TYPE), 'no field "payload"');
  unreadable(() => parse("Payload={}&xpayload=%7B%7D", FORM_TYPE), 'no field "payload"');
  unreadable(() => parse("payload", FORM_TYPE), 'no field "payload"');
  unreadable(() => parse("payload=", FORM_TYPE), "not valid JSON");
  unreadable(() => parse("payload=%7B%FF%7D", FORM_TYPE), "not valid JSON");
});

Deno.test("parsePayload() takes deep nesting and odd keys for data", () => {
  const depth = 10_000;
  const deep = parse(`{"a":${"[".repeat(depth)}${"]".repeat(depth)},"ref":"main"}`);
  assertEquals(text(deep, "ref"), "main");
  const odd = parse('{"__proto__":{"ref":"x"},"constructor":{"name":"y"},"toString":1}');
  assertEquals(text(odd, "ref"), undefined);
  assertEquals(text(odd, "__proto__.ref"), "x", "an own property as any other");
  assertEquals(({} as Record<string, unknown>).ref, undefined, "nothing is polluted");
});

Deno.test("parsePayload() refuses more parts than it is allowed to parse", () => {
  const parts = {
    brackets: "[[[]]]",
    braces: '{"b":{"c":{}}}',
    items: "[1,2]",
    keys: '{"b":1,"c":2}',
  };
  for (const [what, value] of Object.entries(parts)) {
    assertEquals(Object.keys(parse(`{"a":${value}}`, JSON_TYPE, 4)), ["a"], what);
  }
  for (const [what, value] of Object.entries(parts)) {
    unreadable(() => parse(`{"a":${value}}`, JSON_TYPE, 2), "too many parts");
    unreadable(() => parse(form({ payload: `{"a":${value}}` }), FORM_TYPE, 2), "too many parts");
    assert(what);
  }
});

Deno.test("parsePayload() does not count what stands in strings as parts", () => {
  const value = { a: '[[[{{{,,,"[[[\\', b: "\\", c: '\\"[[[' };
  assertEquals(parse(JSON.stringify(value), JSON_TYPE, 3), value);
  unreadable(() => parse('{"a":"\\\\",[[[[', JSON_TYPE, 5), "too many parts");
});

Deno.test("parsePayload() throws nothing but UnreadableDelivery, whatever the bytes", () => {
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map((source) => new Uint8Array(source));
  const anyJson = fc.json().map(bytes);
  const anyForm = fc.string().map((value) => bytes(`payload=${value}`));
  fc.assert(fc.property(
    fc.oneof(anyBytes, anyJson, anyForm),
    fc.constantFrom(JSON_TYPE, FORM_TYPE, "text/plain"),
    fc.constantFrom(undefined, 0, 10),
    (body, type, maxParts) => {
      try {
        const payload = parse(body, type, maxParts);
        assert(typeof payload === "object" && payload !== null && !Array.isArray(payload));
      } catch (error) {
        assertInstanceOf(error, UnreadableDelivery);
      }
    },
  ));
});

Deno.test("text() reads own strings, and nothing where there is none or null", () => {
  const payload: Payload = { a: { b: "x", n: null, list: ["y"] }, s: "text", empty: "" };
  assertEquals(text(payload, "a.b"), "x");
  assertEquals(text(payload, "empty"), "");
  assertEquals(text(payload, "a.list.0"), "y");
  for (const path of ["a.n", "a.x", "a.n.b", "s.length", "toString", "a.list.length.x", "", "a."]) {
    assertEquals(text(payload, path), undefined, path);
  }
});

Deno.test("text() refuses another type and names the key", () => {
  const payload = { n: 1, b: true, o: {}, l: ["x"] };
  for (const key of Object.keys(payload)) {
    unreadable(() => text(payload, key), `"${key}" is not a string`);
  }
});

Deno.test("anyText() takes the first that is a text, fit for a log line", () => {
  const payload = { a: 1, b: "", c: { d: "Eve\n\u001b[31mroot\u2028" }, e: "later" };
  assertEquals(anyText(payload, "a", "b", "missing", "c.d", "e"), "Eve  [31mroot ");
  assertEquals(anyText(payload, "a", "b"), undefined);
  assertEquals(anyText({ a: "x".repeat(1000) }, "a")!.length, 256);
});

Deno.test("flag() is true for true alone", () => {
  const payload = { yes: true, text: "true", one: 1, no: false, o: {} };
  assertEquals(
    ["yes", "text", "one", "no", "o", "missing"].map((key) => flag(payload, key)),
    [true, false, false, false, false, false],
  );
});

Deno.test("refChange() reads ref, commits and deletion", () => {
  const change = { ref: "refs/heads/main", before: BEFORE, after: AFTER };
  assertEquals(refChange(change), { ...change, deleted: false } as unknown);
  assertEquals(refChange({ ...change, deleted: true }).deleted, true);
  assertEquals(refChange({ ...change, after: NO_COMMIT }).deleted, true);
  assertEquals(refChange({ ...change, after: "0".repeat(64) }).deleted, true, "SHA-256");
  assertEquals(refChange({ ref: "refs/tags/v1" }), { ref: "refs/tags/v1", deleted: false });
  assertEquals(refChange({ ref: "x", before: null, after: "" }), {
    ref: "refs/heads/x",
    deleted: false,
  });
});

Deno.test("refChange() completes a bare branch name", () => {
  for (const name of ["master", "feature/登录", "heads/main", "-x"]) {
    assertEquals(refChange({ ref: name }).ref, `refs/heads/${name}`);
  }
});

Deno.test("refChange() refuses what is no ref and no commit", () => {
  unreadable(() => refChange({}), '"ref" is missing');
  unreadable(() => refChange({ ref: null }), '"ref" is missing');
  unreadable(() => refChange({ ref: 7 }), '"ref" is not a string');
  const notRefs = ["", "refs/heads/a\nb", "a\0", "a\u007f", "a\u2028b", "x".repeat(65_536)];
  for (const ref of notRefs) {
    unreadable(() => refChange({ ref }), '"ref" is not the name of a ref');
  }
  for (const after of ["abc", "A".repeat(40), `${AFTER}\n`, "--upload-pack=x", "g".repeat(40)]) {
    unreadable(() => refChange({ ref: "main", after }), '"after" is not a commit');
    unreadable(() => refChange({ ref: "main", before: after }), '"before" is not a commit');
  }
  unreadable(() => refChange({ ref: "main", before: 0 }), '"before" is not a string');
});

Deno.test("deliveryId() takes visible ASCII of a bounded length", () => {
  const id = (value: string) => deliveryId(new Headers({ "x-id": value }), "x-id");
  assertEquals(id("5f0c2c5e-0000"), "5f0c2c5e-0000");
  assertEquals(id("x".repeat(128)), "x".repeat(128));
  for (const bad of ["", "x".repeat(129), "a b", "a, b", "é", "a\tb"]) {
    assertEquals(id(bad), undefined, bad);
  }
  assertEquals(deliveryId(new Headers(), "x-id"), undefined);
});
