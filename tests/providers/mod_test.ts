import { assertEquals } from "@std/assert";
import { foreigner, lookalike, providers } from "../../lib/providers/mod.ts";
import { FORGES, postPush } from "./forges.ts";

Deno.test("lookalike() knows each forge by its headers, also one that imitates another", () => {
  for (const forge of FORGES) {
    const found = lookalike(postPush(forge).headers);
    assertEquals(found?.name, forge.provider);
  }
  assertEquals(lookalike(new Headers({ "Content-Type": "application/json" })), undefined);
});

Deno.test("lookalike() tells the two Bitbuckets apart, and generations of Coding", () => {
  const of = (headers: Record<string, string>) => lookalike(new Headers(headers))?.name;
  assertEquals(of({ "X-Event-Key": "repo:push", "X-Hook-UUID": "x" }), "bitbucket");
  assertEquals(of({ "X-Event-Key": "diagnostics:ping" }), "bitbucket-server");
  assertEquals(of({ "X-Coding-Event": "push" }), "coding");
  assertEquals(of({ "X-Coding-Service-Hook-Event": "GIT_PUSHED" }), "coding");
  assertEquals(of({ "Codeup-Event": "Push Hook" }), "codeup");
  assertEquals(of({ "X-Git-Oschina-Event": "Push Hook" }), "gitee");
});

Deno.test("foreigner() finds every forge at every other, also one that sends its headers", () => {
  for (const forge of FORGES) {
    const { headers } = postPush(forge);
    for (const provider of Object.values(providers)) {
      const expected = provider.name === forge.provider ? undefined : forge.provider;
      assertEquals(foreigner(provider, headers)?.name, expected, `at ${provider.name}`);
    }
  }
});

Deno.test("foreigner() lets through what a relay signed anew, and what has no marks", () => {
  const { headers } = postPush(FORGES.find(({ provider }) => provider === "github")!);
  headers.set("webhook-signature", "v1,x");
  assertEquals(foreigner(providers.standard, headers), undefined);
  headers.set("X-Gitea-Event", "push");
  assertEquals(foreigner(providers.github, headers), providers.gitea);
  assertEquals(foreigner(providers.azure, new Headers()), undefined);
});
