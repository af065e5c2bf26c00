/** `hook` itself, deploying for real: the compiled binary or, where there can be none, the source. */
import { resolve } from "node:path";
import { environment, output, startService, until, untilAnswering } from "../process.ts";
import { releasesOf, type Site } from "../site.ts";
import type { Peer, Runs } from "./peer.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What is measured, as words to start it with; `file` has to exist. */
interface Program {
  readonly file: string;
  readonly command: readonly [string, ...string[]];
}

/**
 * `HOOK_BINARY` names a binary, from the caller's folder. `HOOK_DENO_ARGS` is set where none can be
 * built, and holds the flags that `deno run` needs. Without either it is what `deno task build` made.
 */
function program(): Program {
  const binary = Deno.env.get("HOOK_BINARY");
  const flags = Deno.env.get("HOOK_DENO_ARGS");
  if (binary === undefined && flags !== undefined) {
    const file = `${ROOT}main.ts`;
    const words = flags.split(" ").filter((word) => word !== "");
    return {
      file,
      command: [Deno.execPath(), "run", ...words, "--no-prompt", "-P=service", file],
    };
  }
  const file = resolve(binary ?? `${ROOT}dist/hook`);
  return { file, command: [file] };
}

interface LogLine {
  readonly event?: string;
  readonly address?: string;
  readonly result?: string;
}

/** @param strategy what a push does: update the checkout, or make a release beside it */
export function hook(strategy: "pull" | "release" = "pull"): Peer {
  return {
    name: strategy === "pull" ? "hook" : "hook, release",
    job: "deploy",
    does: "queues a deployment (git fetch, and a merge if there is a new commit), " +
      "one running and at most one waiting; logs a line for each push",
    async missing() {
      const { file } = program();
      const info = await Deno.stat(file).catch(() => undefined);
      return info ? undefined : `there is no ${file}; run deno task build`;
    },
    async version() {
      const { command, file } = program();
      const text = await output([...command, "version"], ROOT);
      return (text.trim().split("\n")[0] ?? "") + (file.endsWith(".ts") ? " (from source)" : "");
    },
    async start(site) {
      const config = `${site.dir}/hook.yaml`;
      await Deno.writeTextFile(
        config,
        JSON.stringify({
          listen: "127.0.0.1:0",
          log: { format: "json" },
          repositories: { site: { ...placeOf(site, strategy), secret: site.secret } },
        }),
      );
      const log = `${site.dir}/hook.log`;
      const service = startService([...program().command, "serve", "-c", config], {
        log,
        env: { ...environment(site.home), ...denoDir() },
        cwd: ROOT,
      });
      let address: string | undefined;
      await until(service, async () => {
        address = (await lines(log)).find((line) => line.event === "listening")?.address;
        return address !== undefined;
      });
      await untilAnswering(service, `${address}/healthz`);
      return { service, url: `${address}/hooks/site`, runs: () => deployments(log) };
    },
  };
}

/** A comparison of its own between two pushes would be measured with them. */
function placeOf(site: Site, strategy: "pull" | "release") {
  return strategy === "pull"
    ? { path: site.checkout, poll: "off" }
    : { path: releasesOf(site), remote: site.remote, poll: "off", strategy };
}

/** From source, Deno needs its cache, which it would else look for in the site's own home. */
function denoDir(): Record<string, string> {
  const dir = Deno.env.get("DENO_DIR");
  return dir === undefined ? {} : { DENO_DIR: dir };
}

async function deployments(log: string): Promise<Runs> {
  const results = (await lines(log)).filter((line) => line.event === "deployment");
  const failed = results.filter((line) => line.result === "failed");
  return { done: results.length, failed: failed.length };
}

/** The service's log so far; a line that is still being written, or is no JSON, is left out. */
async function lines(log: string): Promise<LogLine[]> {
  const text = await Deno.readTextFile(log).catch(() => "");
  const found: LogLine[] = [];
  for (const line of text.split("\n")) {
    // Thousands of delivery lines are not worth parsing: only these two events are asked for.
    if (!line.includes('"listening"') && !line.includes('"deployment"')) continue;
    try {
      found.push(JSON.parse(line));
    } catch {
      continue;
    }
  }
  return found;
}
