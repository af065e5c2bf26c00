/** The upper bound: `Deno.serve` that reads the body and answers, checking and doing nothing. */
import { environment, startService, until } from "../process.ts";
import { NO_RUNS, type Peer } from "./peer.ts";

export function bare(): Peer {
  return {
    name: "Deno.serve",
    job: "nothing",
    does: "reads the body and answers; checks no signature, does nothing (upper bound)",
    missing: () => Promise.resolve(undefined),
    version: () => Promise.resolve(`Deno ${Deno.version.deno} (V8 ${Deno.version.v8})`),
    async start(site) {
      const program = new URL("./bare_server.ts", import.meta.url).pathname;
      const address = `${site.dir}/bare.address`;
      const service = startService(
        [
          Deno.execPath(),
          "run",
          "--no-config",
          "--no-lock",
          "--no-prompt",
          "--allow-net=127.0.0.1",
          "--allow-write",
          program,
          address,
        ],
        { log: `${site.dir}/bare.log`, env: environment(site.home), cwd: site.dir },
      );
      let url = "";
      await until(service, async () => {
        url = await Deno.readTextFile(address).catch(() => "");
        return url.endsWith("\n");
      });
      return { service, url: url.trim(), runs: () => Promise.resolve(NO_RUNS) };
    },
  };
}
