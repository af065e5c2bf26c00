/** The verbs that speak to the running service, against one that answers what the test says. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { table } from "../../lib/cli/status.ts";
import type { DeliveryRecord, DeploymentRecord } from "../../lib/delivery.ts";
import { deliveryOrder, rollbackOrder } from "../../lib/deploy/order.ts";
import type { RepositoryState } from "../../lib/keeper.ts";
import { repositoryName, sha } from "../../lib/values.ts";
import { type Ran, runCli } from "../support/fake_io.ts";
import { inTemporaryDirectory } from "../support/temporary.ts";

const OLD = sha("a".repeat(40))!;
const NEW = sha("b".repeat(40))!;

interface Asked {
  readonly line: string;
  readonly body: unknown;
}

/** Runs a verb against a service with one answer, and tells what it was asked. */
async function against(
  answer: unknown,
  argv: readonly string[],
  status = 200,
): Promise<Ran & { asked: Asked[] }> {
  const asked: Asked[] = [];
  let ran: Ran | undefined;
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/admin.sock`;
    const server = Deno.serve({ path, onListen() {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      const text = await request.text();
      asked.push({
        line: `${request.method} ${pathname}${search}`,
        body: text === "" ? undefined : JSON.parse(text),
      });
      return Response.json(answer, { status });
    });
    ran = await runCli(argv, { HOOK_ADMIN: `unix:${path}` });
    await server.shutdown();
  });
  return { ...ran!, asked };
}

function state(name: string, more: Partial<RepositoryState> = {}): RepositoryState {
  return { name: repositoryName(name)!, waiting: false, ...more };
}

const AT = 1_700_000_000_000;

Deno.test("hook status prints a line a repository, and what to do below it, in 80 columns", () => {
  const known = { branch: "main", deployed: NEW, checked: AT - 90_000 };
  const failure = {
    kind: "hook",
    reason: 'the hook "pre-deploy" ended with 1',
    at: AT,
    attempt: 1,
  } as const;
  const text = table([
    state("app", known),
    state("shop", { ...known, running: { order: deliveryOrder("1"), since: AT } }),
    state("blog", { ...known, running: { order: rollbackOrder(), since: AT } }),
    state("docs", { ...known, waiting: true, checked: AT - 10 * 60_000 }),
    state("wiki", { ...known, failure: { ...failure, hint: "look there" } }),
    state("held", { ...known, hold: { since: 0, reason: "a fair" } }),
    state("hand", { ...known, drifted: OLD, checked: AT - 72 * 3_600_000 }),
    state("away", {
      ...known,
      unreachable: { kind: "unreachable", reason: "the remote is unreachable", at: AT, attempt: 3 },
    }),
    state("new"),
  ], AT);
  assertEquals(
    text,
    `NAME  STATE         FOLLOWS  DEPLOYED  COMPARED
app   ok            main     bbbbbbbb  90 s ago
shop  deploying     main     bbbbbbbb  90 s ago
blog  rolling back  main     bbbbbbbb  90 s ago
docs  waiting       main     bbbbbbbb  10 min ago
wiki  failed        main     bbbbbbbb  90 s ago
  failed: the hook "pre-deploy" ended with 1
  hint: look there
held  held          main     bbbbbbbb  90 s ago
  held: a fair; hook resume held
hand  drifted       main     bbbbbbbb  3 d ago
  moved by hand to aaaaaaaa; hook deploy hand deploys again
away  unreachable   main     bbbbbbbb  90 s ago
  not compared: the remote is unreachable
new   unknown       -        -         -
`,
  );
  assert(text.split("\n").every((line) => line.length <= 80));
});

Deno.test("hook status shows one repository or all, and exits 1 where one has failed", async () => {
  const failure = { kind: "hook", reason: "no", at: AT, attempt: 1 };
  const answer = { repositories: [state("app"), { ...state("docs"), failure }] };
  assertEquals((await against(answer, ["status"])).code, 1);
  const one = await against(answer, ["status", "app"]);
  assertEquals([one.code, one.stdout.split("\n").length], [0, 3]);
  const json = await against({ listening: "x", ...answer }, ["status", "app", "--json"]);
  assertEquals(JSON.parse(json.stdout), { listening: "x", repositories: [state("app")] });
  const none = await against(answer, ["status", "dosc"]);
  assertEquals(none.stdout, "");
  assertStringIncludes(none.stderr, 'hook: error: no repository "dosc"');
  assertStringIncludes(none.stderr, 'hook: hint: did you mean "docs"?');
});

const DEPLOYMENT: DeploymentRecord = {
  id: 7,
  repository: "app",
  action: "deploy",
  trigger: "delivery",
  state: "failed",
  started: AT,
  ended: AT + 1_500,
  attempt: 1,
  old: OLD,
  new: NEW,
  reason: "the hook ended with 1",
  hint: "look there",
  output: "one\ntwo \u001b[31mred",
};

const DELIVERY: DeliveryRecord = {
  at: AT - 1_000,
  repository: "app",
  provider: "coding",
  delivery: "17",
  outcome: "queued",
  pusher: "ann\u001b[2J",
  client: "192.0.2.1",
};

Deno.test("hook log prints the newest first, with output, and nothing that steers the terminal", async () => {
  const answer = { deployments: [DEPLOYMENT], deliveries: [DELIVERY] };
  const { code, stdout, asked } = await against(answer, ["log", "app", "--limit", "5"]);
  assertEquals([code, asked.map(({ line }) => line)], [0, [
    "GET /log.json?limit=5&repository=app",
  ]]);
  const lines = stdout.split("\n");
  assertEquals(
    lines[0],
    "2023-11-14 22:13:20  app: deployment 7 (delivery) failed aaaaaaaa → bbbbbbbb in 1.5 s",
  );
  assertEquals(lines.slice(1, 4), [
    "    the hook ended with 1",
    "    hint: look there",
    "    | one",
  ]);
  assertStringIncludes(lines.at(-2)!, "2023-11-14 22:13:19  app: delivery 17 by ann");
  assertStringIncludes(lines.at(-2)!, "queued");
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0009\u000b-\u001f]/.test(stdout), JSON.stringify(stdout));
  const json = await against(answer, ["log", "--json"]);
  assertEquals(JSON.parse(json.stdout), answer);
});

Deno.test("hook log refuses a limit that is none", async () => {
  for (const limit of ["0", "x", "-1", "1.5", "99999"]) {
    const { code, asked, stderr } = await against({}, ["log", `--limit=${limit}`]);
    assertEquals([code, asked], [2, []], limit);
    assertStringIncludes(stderr, "is no number of entries");
  }
});

Deno.test("hook deploy asks for a deployment, and tells with --wait what it came to", async () => {
  const queued = await against({ queued: true }, ["deploy", "app"]);
  assertEquals([queued.code, queued.asked], [0, [{
    line: "POST /repositories/app/deploy",
    body: { wait: false },
  }]]);
  assertStringIncludes(queued.stdout, "queued app");
  const ended = { repository: "app", result: "deployed", old: OLD, new: NEW };
  const done = await against({ deployment: ended }, ["deploy", "app", "--wait"]);
  assertEquals([done.code, done.stdout], [0, "deployed app aaaaaaaa → bbbbbbbb\n"]);
  const failed = { ...ended, result: "failed", reason: "no", hint: "do that", output: "said" };
  const bad = await against({ deployment: failed }, ["deploy", "app", "--wait"]);
  assertEquals([bad.code, bad.stdout, bad.stderr], [
    1,
    "said\n",
    "hook: error: app: no\nhook: hint: do that\n",
  ]);
});

Deno.test("hook rollback, hold and resume pass on what they are told", async () => {
  const deployment = { repository: "app", result: "deployed", old: NEW, new: OLD };
  const back = await against({ deployment }, ["rollback", "app", "--to", "7"]);
  assertEquals([back.code, back.asked[0]!.line, back.asked[0]!.body], [
    0,
    "POST /repositories/app/rollback",
    { to: "7" },
  ]);
  const held = await against({ hold: { since: 1 } }, ["hold", "app", "--reason", "a fair"]);
  assertEquals([held.code, held.asked[0]], [0, {
    line: "POST /repositories/app/hold",
    body: { reason: "a fair" },
  }]);
  const resumed = await against({}, ["resume", "app"]);
  assertEquals([resumed.code, resumed.asked[0]!.line], [0, "POST /repositories/app/resume"]);
});

Deno.test("the verbs print what the service refuses", async () => {
  const error = 'no repository "none" in the service\'s configuration';
  for (const verb of ["deploy", "rollback", "hold", "resume"]) {
    const { code, stderr, stdout } = await against({ error }, [verb, "none"], 404);
    assertEquals([stdout, stderr.split("\n")[0]], ["", `hook: error: ${error}`], verb);
    assert(code === 1 || code === 2);
  }
});

Deno.test("the verbs say that no service answers", async () => {
  const { code, stderr } = await runCli(["status"], { HOOK_ADMIN: "/none/admin.sock" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'hook: error: cannot reach the service at "/none/admin.sock"');
  assertStringIncludes(stderr, "hook: hint: ");
});
