/** adnanh/webhook, which starts a command for each push that passes its HMAC-SHA1 rule. */
import { environment, freePort, output, startService, untilAnswering, which } from "../process.ts";
import { type Job, NO_RUNS, type Peer, readPulls } from "./peer.ts";

/** The script that its users write: pull, and keep the exit code for the count. */
const PULL = `#!/bin/sh
git -C "$BENCH_CHECKOUT" pull --quiet
echo "$?" >>"$BENCH_PULLS"
`;

export function webhook(job: Exclude<Job, "nothing">): Peer {
  return {
    name: job === "true" ? "webhook" : "webhook, git pull",
    job,
    does: job === "true"
      ? "answers, and starts /bin/true"
      : "answers, and starts a script that runs git pull",
    async missing() {
      return await which("webhook") ? undefined : "webhook (adnanh/webhook) is not installed";
    },
    async version() {
      return (await output(["webhook", "-version"])).trim();
    },
    async start(site) {
      const script = `${site.dir}/pull.sh`;
      await Deno.writeTextFile(script, PULL, { mode: 0o755 });
      const rules = `${site.dir}/hooks.json`;
      const command = job === "true" ? await which("true") : script;
      await Deno.writeTextFile(rules, JSON.stringify([rule(command ?? "true", site.secret)]));
      const port = freePort();
      const pulls = `${site.dir}/pulls`;
      const service = startService(
        ["webhook", "-hooks", rules, "-ip", "127.0.0.1", "-port", `${port}`],
        {
          log: `${site.dir}/webhook.log`,
          env: {
            ...environment(site.home),
            BENCH_CHECKOUT: site.checkout,
            BENCH_PULLS: pulls,
          },
          cwd: site.dir,
        },
      );
      const address = `http://127.0.0.1:${port}`;
      await untilAnswering(service, address);
      return {
        service,
        url: `${address}/hooks/site`,
        runs: () => job === "deploy" ? readPulls(pulls) : Promise.resolve(NO_RUNS),
      };
    },
  };
}

/** One entry of its hooks.json; names and values are those of webhook's documentation. */
function rule(command: string, secret: string): unknown {
  return {
    id: "site",
    "execute-command": command,
    "response-message": "queued",
    "http-methods": ["POST"],
    "trigger-rule-mismatch-http-response-code": 403,
    "trigger-rule": {
      match: {
        type: "payload-hmac-sha1",
        secret,
        parameter: { source: "header", name: "X-Coding-Signature" },
      },
    },
  };
}
