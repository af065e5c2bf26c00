/** What is peculiar to a forge, and not in the tables that hold for all of them. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { ProviderName } from "../../lib/providers/mod.ts";
import { providers } from "../../lib/providers/mod.ts";
import {
  type Authenticator,
  type Posted,
  type ProofOptions,
  type Provider,
  UnreadableDelivery,
} from "../../lib/providers/provider.ts";
import { AFTER, BEFORE, bytes, NO_COMMIT } from "./deliveries.ts";
import { type Forge, FORGES, NOW, post, postPush } from "./forges.ts";

const forge = (name: ProviderName): Forge => FORGES.find(({ provider }) => provider === name)!;

function authenticator(name: ProviderName, secret: string, options?: ProofOptions) {
  const provider: Provider = providers[name];
  return provider.authenticator(secret, options);
}

/** The delivery with other headers; null removes one. */
function dressed(posted: Posted, changes: Record<string, string | null>): Posted {
  const headers = new Headers(posted.headers);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return { ...posted, headers };
}

async function accepts(check: Authenticator, posted: Posted, what?: string): Promise<void> {
  assertEquals(await check(posted), { authentic: true }, what);
}

async function refuses(check: Authenticator, posted: Posted, why?: string): Promise<void> {
  const verdict = await check(posted);
  assertEquals(verdict.authentic, false, why);
  if (why !== undefined && !verdict.authentic) assert(verdict.why.includes(why), verdict.why);
}

function changesOf(name: ProviderName, posted: Posted) {
  const { event } = providers[name].read(posted);
  if (event.kind !== "push") throw new Error(`not a push but ${event.kind}`);
  return event.changes;
}

Deno.test("github takes SHA-1 only where SHA-256 is absent and allow_sha1 is set", async () => {
  const { secret } = forge("github");
  const [strict, lenient] = [
    await authenticator("github", secret),
    await authenticator("github", secret, { allowSha1: true }),
  ];
  const both = postPush(forge("github"));
  const weak = dressed(both, { "X-Hub-Signature-256": null });
  await accepts(strict, both);
  await accepts(lenient, both);
  await refuses(strict, weak, "allow_sha1");
  await accepts(lenient, weak);
  const wrongStrong = dressed(both, { "X-Hub-Signature-256": `sha256=${"0".repeat(64)}` });
  await refuses(lenient, wrongStrong);
  await refuses(lenient, dressed(both, { "X-Hub-Signature-256": "" }), "malformed");
  await refuses(lenient, dressed(weak, { "X-Hub-Signature": `sha1=${"0".repeat(40)}` }));
});

Deno.test("github and its followers take created and deleted refs by their own events", () => {
  for (const name of ["github", "gitea", "forgejo", "gogs"] as const) {
    const of = (event: string, payload: object) =>
      changesOf(name, post(forge(name), { event, payload }));
    assertEquals<unknown>(of("create", { ref: "v1", ref_type: "tag", sha: AFTER }), [
      { ref: "refs/tags/v1", after: AFTER, deleted: false },
    ]);
    assertEquals<unknown>(of("delete", { ref: "a/b", ref_type: "branch" }), [
      { ref: "refs/heads/a/b", deleted: true },
    ]);
    // A branch may be called like a whole ref, and is not that ref.
    const odd = of("create", { ref: "refs/heads/main", ref_type: "branch" });
    assertEquals(odd[0]!.ref, "refs/heads/refs/heads/main");
    assertThrows(() => of("create", { ref: "x" }), UnreadableDelivery, "ref_type");
    assertThrows(() => of("create", { ref: "x", ref_type: "toString" }), UnreadableDelivery);
  }
});

Deno.test("github signs a form as it is, gitea the JSON in it", async () => {
  const form = { form: true };
  const github = await authenticator("github", forge("github").secret);
  await accepts(github, postPush(forge("github"), form));
  for (const name of ["gitea", "forgejo", "gogs"] as const) {
    const { secret } = forge(name);
    const check = await authenticator(name, secret);
    const posted = postPush(forge(name), form);
    await accepts(check, posted);
    const raw = createHmac("sha256", secret).update(posted.body).digest("hex");
    await refuses(check, dressed(posted, { [forge(name).proof]: raw }));
    await refuses(check, { ...posted, body: bytes("other=1") }, "malformed");
  }
});

Deno.test("gitea does not take the signatures that it sends for others", async () => {
  const check = await authenticator("gitea", forge("gitea").secret);
  await refuses(check, dressed(postPush(forge("gitea")), { "X-Gitea-Signature": null }));
  // Without a secret, Gitea sends the header empty.
  await refuses(check, dressed(postPush(forge("gitea")), { "X-Gitea-Signature": "" }));
});

Deno.test("gitlab takes a token in clear, unless there is a signature as well", async () => {
  const signed = postPush(forge("gitlab"));
  const token = await authenticator("gitlab", "t0ken");
  const withToken = dressed(signed, {
    "X-Gitlab-Token": "t0ken",
    "webhook-id": null,
    "webhook-timestamp": null,
    "webhook-signature": null,
  });
  await accepts(token, withToken);
  await refuses(token, dressed(withToken, { "X-Gitlab-Token": "t0ken2" }), "X-Gitlab-Token");
  await refuses(token, dressed(withToken, { "X-Gitlab-Token": null }), "no token");
  await refuses(token, dressed(signed, { "X-Gitlab-Token": "t0ken" }), "signing token");
  await refuses(token, dressed(withToken, { "webhook-signature": "" }), "signing token");

  const { secret } = forge("gitlab");
  const signing = await authenticator("gitlab", secret);
  await accepts(signing, signed);
  await refuses(signing, dressed(withToken, { "X-Gitlab-Token": secret }), "no signature");
  assertEquals(providers.gitlab.signsBody(secret), true);
  assertEquals(providers.gitlab.signsBody("t0ken"), false);
});

Deno.test("gitlab understands system hooks by their body", () => {
  const system = (payload: object) =>
    providers.gitlab.read(post(forge("gitlab"), { event: "System Hook", payload }));
  const push = { event_name: "push", ref: "refs/heads/main", before: BEFORE, after: NO_COMMIT };
  assertEquals<unknown>(system(push).event, {
    kind: "push",
    changes: [{ ref: "refs/heads/main", before: BEFORE, after: NO_COMMIT, deleted: true }],
  });
  assertEquals(system({ event_name: "repository_update" }).event, {
    kind: "other",
    name: "repository_update",
  });
});

Deno.test("gitee takes the password as well as the signature, plain and as URLs write it", async () => {
  const { secret } = forge("gitee");
  const check = await authenticator("gitee", secret);
  const posted = postPush(forge("gitee"));
  const token = posted.headers.get("X-Gitee-Token")!;
  await accepts(check, posted);
  await accepts(check, dressed(posted, { "X-Gitee-Token": encodeURIComponent(token) }));
  const lower = encodeURIComponent(token).replaceAll("%2F", "%2f").replaceAll("%3D", "%3d");
  await accepts(check, dressed(posted, { "X-Gitee-Token": lower }));
  await accepts(check, dressed(posted, { "X-Gitee-Token": secret }));
  // The password proves the same without a timestamp; a signature needs the one that it covers.
  await accepts(check, dressed(posted, { "X-Gitee-Token": secret, "X-Gitee-Timestamp": null }));
  for (const timestamp of [null, "", "x", String(NOW + 1), `${NOW}.0`, "9".repeat(400)]) {
    await refuses(check, dressed(posted, { "X-Gitee-Timestamp": timestamp }));
  }
});

for (
  const [name, minutes] of [["gitee", 60], ["gitlab", 5], ["standard", 5]] as const
) {
  Deno.test(`${name} takes a signature for ${minutes} minutes, in either direction`, async () => {
    const check = await authenticator(name, forge(name).secret);
    const tolerance = minutes * 60_000;
    for (const sign of [-1, 1]) {
      await accepts(check, postPush(forge(name), { now: NOW + sign * tolerance }));
      const late = postPush(forge(name), { now: NOW + sign * (tolerance + 1000) });
      await refuses(check, late, `signed ${minutes * 60 + 1} s from now`);
    }
  });
}

Deno.test("standard takes one fitting signature among several, and none that is no v1", async () => {
  const check = await authenticator("standard", forge("standard").secret);
  const posted = postPush(forge("standard"));
  const good = posted.headers.get("webhook-signature")!;
  const other = `v1,${Buffer.alloc(32).toString("base64")}`;
  const signed = (value: string) => dressed(posted, { "webhook-signature": value });
  for (const value of [`${other} ${good}`, `${good} ${other}`, `v1a,xyz= ${good}`]) {
    await accepts(check, signed(value), value);
  }
  const wrong = [
    other,
    `${other} ${other}`,
    good.replace("v1,", "v1a,"),
    good.replace("v1,", "v2,"),
    good.replace("v1,", "V1,"),
    good.slice(3),
    `${good}, ${good}`,
    good.replace(/=$/, ""),
    "v1,",
    "",
  ];
  for (const value of wrong) await refuses(check, signed(value), undefined);
  // A thousand signatures are no rotation; they would cost a thousand comparisons.
  await refuses(check, signed([...Array(16).fill(other), good].join(" ")));
  await accepts(check, signed([...Array(15).fill(other), good].join(" ")));
});

Deno.test("standard signs id and timestamp with the body", async () => {
  const check = await authenticator("standard", forge("standard").secret);
  const posted = postPush(forge("standard"));
  for (const header of ["webhook-id", "webhook-timestamp"]) {
    await refuses(check, dressed(posted, { [header]: null }), "malformed");
    await refuses(check, dressed(posted, { [header]: "" }), "malformed");
  }
  await refuses(check, dressed(posted, { "webhook-id": "msg_2" }));
  const next = String(Number(posted.headers.get("webhook-timestamp")) + 1);
  await refuses(check, dressed(posted, { "webhook-timestamp": next }));
});

Deno.test("standard and gitlab know what their secrets look like", async () => {
  const bytesOf = (length: number) => Buffer.alloc(length, 7).toString("base64");
  const standard = providers.standard.secretForm!;
  for (const length of [24, 32, 64]) {
    assertEquals(standard.fits(`whsec_${bytesOf(length)}`), true, `${length}`);
    assertEquals(standard.fits(bytesOf(length)), true, `${length} without whsec_`);
  }
  const wrong = ["", "whsec_", "change-me", `whsec_${bytesOf(23)}`, `whsec_${bytesOf(65)}`];
  wrong.push(`whsec_${bytesOf(32)}=`, `whsec_${bytesOf(32).replace("=", "")}`, `x${bytesOf(33)}`);
  for (const secret of wrong) {
    assertEquals(standard.fits(secret), false, secret);
    await assertRejects(() => providers.standard.authenticator(secret), TypeError, "must be");
  }
  const gitlab = providers.gitlab.secretForm!;
  const tokens = { "change-me": true, "whsec_x": false, [`whsec_${bytesOf(32)}`]: true };
  for (const [token, fits] of Object.entries(tokens)) assertEquals(gitlab.fits(token), fits, token);
});

Deno.test("gitlab, gongfeng and codeup take no token that a header would change", () => {
  for (const { secretForm } of [providers.gitlab, providers.gongfeng, providers.codeup]) {
    for (const good of ["x", "a b", "!~", "pa55:word"]) assertEquals(secretForm!.fits(good), true);
    for (const bad of ["", " x", "x ", "密", "a\tb", "a\nb", "é"]) {
      assertEquals(secretForm!.fits(bad), false, bad);
    }
  }
});

Deno.test("standard reads its change at the top or under data, and names other types", () => {
  const read = (payload: object) =>
    providers.standard.read(post(forge("standard"), { event: "", payload })).event;
  const change = { ref: "main", before: BEFORE, after: AFTER };
  const push = { kind: "push", changes: [{ ...change, ref: "refs/heads/main", deleted: false }] };
  for (const type of [undefined, "push", "git.push", "forge.repository.push"]) {
    assertEquals<unknown>(read({ type, ...change }), push, type);
    assertEquals<unknown>(read({ type, data: change }), push, type);
  }
  for (const type of ["ping", "webhook.test"]) assertEquals(read({ type }), { kind: "ping" });
  for (const type of ["pushed", "push.failed", "invoice.paid"]) {
    assertEquals(read({ type, ...change }), { kind: "other", name: type });
  }
  assertThrows(() => read({ test: 1 }), UnreadableDelivery, '"ref" is missing');
  assertThrows(() => read({ data: 1 }), UnreadableDelivery, '"data.ref" is missing');
});

Deno.test("bitbucket reads both sides of a change and refuses one without any", () => {
  const of = (...changes: unknown[]) =>
    changesOf(
      "bitbucket",
      post(forge("bitbucket"), { event: "repo:push", payload: { push: { changes } } }),
    );
  const tag = { type: "tag", name: "v1", target: { hash: AFTER } };
  assertEquals<unknown>(of({ old: tag, new: null }), [
    { ref: "refs/tags/v1", before: AFTER, deleted: true },
  ]);
  assertEquals(of(), [], "none");
  for (const change of [{}, { old: null, new: null }, { new: 1 }, { new: {} }, 1, null, [], "x"]) {
    assertThrows(() => of(change), UnreadableDelivery);
  }
});

Deno.test("bitbucket-server answers an unsigned ping, which proves and changes nothing", async () => {
  const server = forge("bitbucket-server");
  const check = await authenticator("bitbucket-server", server.secret);
  const ping = post(server, server.ping!);
  assertEquals(await check(ping), { authentic: true, unproven: true });
  // Nobody vouches for its body, so it is not even parsed.
  const forged = { ...ping, body: bytes("{") };
  assertEquals(providers["bitbucket-server"].read(forged).event, { kind: "ping" });
  // With a signature, the signature counts.
  await refuses(check, dressed(ping, { "X-Hub-Signature": `sha256=${"0".repeat(64)}` }));
  await refuses(check, dressed(ping, { "X-Hub-Signature": "" }));
  for (const event of ["repo:refs_changed", "Diagnostics:ping", "diagnostics:ping, x", ""]) {
    await refuses(check, dressed(ping, { "X-Event-Key": event }));
  }
  const twice = dressed(ping, {});
  twice.headers.append("X-Event-Key", "repo:refs_changed");
  await refuses(check, twice);
});

Deno.test("cnb takes its signature from the header that is configured", async () => {
  const { secret } = forge("cnb");
  const posted = postPush(forge("cnb"));
  const signature = posted.headers.get("X-CNB-Signature")!;
  const moved = dressed(posted, { "X-CNB-Signature": null, "X-My-Signature": signature });
  const own = await authenticator("cnb", secret, { signatureHeader: "X-My-Signature" });
  await accepts(own, moved);
  await refuses(own, posted, "no signature");
  await refuses(await authenticator("cnb", secret), moved, "no signature");
});

Deno.test("cnb reads branches, tags and deletions from its flat body", () => {
  const of = (payload: Record<string, unknown>) =>
    providers.cnb.read(post(forge("cnb"), { event: "", payload })).event;
  const push = { CNB_EVENT: "push", CNB_BRANCH: "main", CNB_COMMIT: AFTER, CNB_IS_TAG: "false" };
  const change = (ref: string, deleted = false) => ({
    kind: "push",
    changes: [{ ref, after: AFTER, deleted }],
  });
  for (const name of ["push", "commit.add", "branch.create"]) {
    assertEquals<unknown>(of({ ...push, CNB_EVENT: name }), change("refs/heads/main"), name);
  }
  const deleted = of({ ...push, CNB_EVENT: "branch.delete" });
  assertEquals<unknown>(deleted, change("refs/heads/main", true));
  assertEquals<unknown>(of({ ...push, CNB_IS_TAG: "true" }), change("refs/tags/main"));
  assertEquals<unknown>(of({ ...push, CNB_EVENT: "tag_push" }), change("refs/tags/main"));
  assertThrows(() => of({ CNB_BRANCH: "main" }), UnreadableDelivery, '"CNB_EVENT" is missing');
  assertThrows(() => of({ CNB_EVENT: "push" }), UnreadableDelivery, '"CNB_BRANCH" is missing');
});

Deno.test("gongfeng takes its token from either header, and the first one counts", async () => {
  const check = await authenticator("gongfeng", forge("gongfeng").secret);
  const posted = postPush(forge("gongfeng"));
  await accepts(check, dressed(posted, { "X-Token": null }));
  await accepts(check, dressed(posted, { "X-Gitlab-Token": null }));
  await refuses(check, dressed(posted, { "X-Token": "other" }), "X-Token");
  await refuses(check, dressed(posted, { "X-Token": null, "X-Gitlab-Token": null }), "no token");
});

Deno.test("gongfeng believes operation_kind, for a new tag has a commit before", () => {
  const of = (payload: object) =>
    changesOf("gongfeng", post(forge("gongfeng"), { event: "Tag Push Hook", payload }));
  const tag = { object_kind: "tag_push", ref: "refs/tags/v1", before: BEFORE, after: AFTER };
  assertEquals(of({ ...tag, operation_kind: "create" })[0]!.deleted, false);
  assertEquals(of({ ...tag, operation_kind: "delete" })[0]!.deleted, true);
});

Deno.test("codeup takes the headers of its documents as well as the real ones", async () => {
  const check = await authenticator("codeup", "shl123");
  const payload = { object_kind: "merge_request" };
  const posted = post(forge("codeup"), { event: "Merge Request Hook", payload });
  const documented = dressed(posted, {
    "X-Codeup-Event": null,
    "X-Codeup-Token": null,
    "Codeup-Event": "Merge Request Hook",
    "Codeup-Token": "shl123",
  });
  await accepts(check, documented);
  const { event } = providers.codeup.read(documented);
  assertEquals(event, { kind: "other", name: "Merge Request Hook" });
});

Deno.test("azure takes any user name, unless the secret names one", async () => {
  const basic = (credentials: string) =>
    dressed(postPush(forge("azure")), {
      "Authorization": `Basic ${Buffer.from(credentials).toString("base64")}`,
    });
  const password = await authenticator("azure", "pässword");
  for (const user of ["", "hook", "张三"]) await accepts(password, basic(`${user}:pässword`), user);
  for (const wrong of ["hook:", "hook:pässword ", "pässword", "a:b:pässword", ":", ""]) {
    await refuses(password, basic(wrong));
  }
  const pair = await authenticator("azure", "hook:pa:ss");
  await accepts(pair, basic("hook:pa:ss"));
  for (const wrong of ["other:pa:ss", ":pa:ss", "pa:ss", "hook:pa"]) {
    await refuses(pair, basic(wrong));
  }
});

Deno.test("azure refuses what is not Basic authentication in its exact form", async () => {
  const check = await authenticator("azure", "x");
  const encoded = Buffer.from("hook:x").toString("base64");
  const notUtf8 = Buffer.from([0x68, 0x3a, 0xff]).toString("base64");
  const wrong = [
    "",
    "Basic",
    "Basic ",
    `Basic  ${encoded}`,
    `basic ${encoded}`,
    `Bearer ${encoded}`,
    `Basic ${encoded}==`,
    `Basic ${encoded}, Basic ${encoded}`,
    `Basic hook:x`,
    `Basic ${notUtf8}`,
    `Basic ${encoded.slice(0, -1)}`,
    encoded,
  ];
  for (const value of wrong) {
    await refuses(check, dressed(postPush(forge("azure")), { "Authorization": value }));
  }
});
