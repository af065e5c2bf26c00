/**
 * The deliveries that nobody should send, at the door of a repository of each forge: each has its
 * status, and none of them is deployed.
 */

import { assertEquals } from "@std/assert";
import type { Posted } from "../../lib/providers/provider.ts";
import type { Bytes } from "../../lib/signature.ts";
import { requestOf, Site } from "../server/site.ts";
import { bytes } from "./deliveries.ts";
import { type Forge, FORGES, NOW, post, postPush } from "./forges.ts";

/** What becomes of a bad delivery: `ignored` is 200, and no deployment. */
type Expected = 403 | 400 | 415 | "ignored";

interface Bad {
  readonly what: string;
  readonly posted: Posted;
  readonly expected: Expected;
}

async function siteOf({ provider, secret }: Forge): Promise<Site> {
  const accept = [{ provider, secrets: [secret], options: {} }];
  return await Site.open({ repositories: [{ accept }], today: NOW });
}

/** The good delivery with its proof changed; undefined takes the header away. */
function withProof(forge: Forge, change: (proof: string) => string | undefined): Posted {
  const posted = postPush(forge);
  const headers = new Headers(posted.headers);
  const value = change(headers.get(forge.proof)!);
  if (value === undefined) headers.delete(forge.proof);
  else headers.set(forge.proof, value);
  // Gongfeng sends its token twice; without the first header the second would do.
  if (forge.provider === "gongfeng") headers.delete("X-Gitlab-Token");
  return { ...posted, headers };
}

/** In the other case: digits that are letters, the prefix, or letters of base64. */
function otherCase(text: string): string {
  return text.replace(
    /[a-z]/gi,
    (letter) => letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
}

function badProofs(forge: Forge): Bad[] {
  const of = (what: string, change: (proof: string) => string | undefined): Bad => ({
    what,
    posted: withProof(forge, change),
    expected: 403,
  });
  const second = postPush(forge);
  second.headers.append(forge.proof, second.headers.get(forge.proof)!);
  const bad: Bad[] = [
    of("no header", () => undefined),
    of("an empty header", () => ""),
    of("a truncated proof", (proof) => proof.slice(0, -2)),
    of("a proof without its first characters", (proof) => proof.slice(1)),
    of("a longer proof", (proof) => `${proof}0`),
    of("the other case", otherCase),
    of("another prefix", (proof) => `sha512=${proof.replace(/^.*=(?=.)|^v1,/, "")}`),
    of("a prefix twice", (proof) => proof.replace(/^(sha\d+=|v1,|Basic )?/, "$1$1x")),
    of("a list of two", (proof) => `${proof},${proof}`),
    of("not ASCII", (proof) => `${proof.slice(0, -1)}é`),
    { what: "a second header", posted: second, expected: 403 },
    { what: "another secret", posted: postPush(forge, secretOf(forge)), expected: 403 },
  ];
  if (forge.signsBody) {
    const other = postPush(forge);
    const body = bytes(new TextDecoder().decode(other.body).replace("main", "mein"));
    bad.push({ what: "the signature of another body", posted: { ...other, body }, expected: 403 });
  }
  if (forge.expires) {
    const old = postPush(forge, { now: NOW - 25 * 60 * 60_000 });
    bad.push({ what: "an old timestamp", posted: old, expected: 403 });
  }
  return bad;
}

/** Another secret of the same form. */
function secretOf({ secret }: Forge): { secret: string } {
  return { secret: secret.startsWith("whsec_") ? `whsec_${"A".repeat(43)}=` : `${secret}!` };
}

/** Bodies that prove themselves, and yet are wrong. */
function badBodies(forge: Forge): Bad[] {
  const text = new TextDecoder().decode(postPush(forge).body);
  const signed = (what: string, body: Bytes, expected: Expected): Bad => ({
    what,
    posted: post(forge, forge.push("refs/heads/main"), { body }),
    expected,
  });
  const ref = (what: string, value: unknown, expected: Expected): Bad => ({
    what,
    posted: post(forge, forge.push(value)),
    expected,
  });
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const other = JSON.stringify(forge.push("refs/heads/other").payload);
  const bad = [
    signed("invalid UTF-8", new Uint8Array([...bytes('{"x":"'), 0xff, ...bytes('"}')]), 400),
    signed("two byte order marks", bytes(`\uFEFF\uFEFF${text}`), 400),
    signed("truncated JSON", bytes(text.slice(0, -1)), 400),
    signed("nothing", new Uint8Array(0), 400),
    signed("a list", bytes(`[${text}]`), 400),
    signed("5 MB of brackets", bytes("[".repeat(5_000_000)), 400),
    signed("deep nesting", bytes(other.replace("{", `{"deep":${nested(10_000)},`)), "ignored"),
    signed(
      "__proto__ keys",
      bytes(other.replace("{", '{"__proto__":{"ref":"refs/heads/main"},"constructor":1,')),
      "ignored",
    ),
    signed("only __proto__", bytes(`{"__proto__":${text}}`), 400),
    ref("a ref with a newline", "refs/heads/main\n", 400),
    ref("a ref with dots", "refs/heads/../main", "ignored"),
    ref("a ref of 64 KB", `refs/heads/${"x".repeat(65_536)}`, 400),
    ref("an empty ref", "", 400),
    ref("a number for a ref", 1, 400),
    ref("a list for a ref", ["refs/heads/main"], 400),
    ref("an object for a ref", { toString: "refs/heads/main" }, 400),
  ];
  // A body without anything in it is Codeup's test of the connection.
  return bad.map((each) =>
    forge.provider === "codeup" && each.what === "only __proto__"
      ? { ...each, expected: "ignored" }
      : each
  );
}

function badTypes(forge: Forge): Bad[] {
  return ["text/plain", "multipart/form-data", "", "application/jsonx"].map((type) => {
    const posted = postPush(forge);
    const headers = new Headers(posted.headers);
    headers.set("Content-Type", type);
    return { what: `the content type "${type}"`, posted: { ...posted, headers }, expected: 415 };
  });
}

for (const forge of FORGES) {
  const bad = [...badProofs(forge), ...badBodies(forge), ...badTypes(forge)];

  Deno.test(`Door.handle() deploys none of ${bad.length} bad deliveries of ${forge.provider}`, async () => {
    const site = await siteOf(forge);
    for (const { what, posted, expected } of bad) {
      const { status, json } = await site.ask(requestOf(posted));
      if (expected === "ignored") assertEquals(status, 200, what);
      else assertEquals(status, expected, `${what}: ${JSON.stringify(json)}`);
      const told = { outcome: "rejected", repository: "app", delivery: null };
      if (expected === 403) assertEquals<unknown>(json, told, `${what}: no more than that`);
    }
    assertEquals(site.asked, []);
    // The door is none the worse for it, and the good delivery was one.
    assertEquals((await site.post(postPush(forge, { id: "good" }))).status, 202);
  });

  Deno.test(`Door.handle() reads a push of ${forge.provider} behind a byte order mark`, async () => {
    const site = await siteOf(forge);
    const text = new TextDecoder().decode(postPush(forge).body);
    const marked = post(forge, forge.push("refs/heads/main"), { body: bytes(`\uFEFF${text}`) });
    assertEquals((await site.post(marked)).status, 202);
    if (!forge.signsBody) return;
    const unsigned = { ...postPush(forge), body: marked.body };
    assertEquals((await site.post(unsigned)).status, 403, "not what was signed");
  });
}
