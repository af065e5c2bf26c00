/** A page under uWSGI that runs its command before it answers: the setup that `hook` replaces. */
import { environment, freePort, output, startService, untilAnswering, which } from "../process.ts";
import { type Job, NO_RUNS, type Peer, readPulls } from "./peer.ts";

const PROCESSES = 4;
const THREADS = 2;

export function uwsgi(job: Exclude<Job, "nothing">): Peer {
  const what = job === "true" ? "/bin/true" : "git pull";
  return {
    name: `uWSGI page, ${job === "true" ? "true" : "git pull"}`,
    job,
    does: `runs ${what}, waits for it, then answers; ${PROCESSES} processes, ${THREADS} threads`,
    async missing() {
      if (!await which("uwsgi")) return "uwsgi is not installed";
      const plugins = await output(["uwsgi", "--plugins", "http,python3", "--version"]);
      return plugins.includes("python3_plugin.so: cannot open")
        ? "uwsgi has no python3 plugin"
        : undefined;
    },
    async version() {
      const python = (await output(["python3", "--version"])).trim();
      return `uWSGI ${(await output(["uwsgi", "--version"])).trim()} (${python})`;
    },
    async start(site) {
      const port = freePort();
      const pulls = `${site.dir}/pulls`;
      const address = `127.0.0.1:${port}`;
      const command = job === "true" ? [await which("true")] : ["git", "pull", "--quiet"];
      const service = startService(
        // deno-fmt-ignore
        [
          "uwsgi", "--plugins", "http,python3", "--master", "--die-on-term", "--disable-logging",
          "--processes", `${PROCESSES}`, "--threads", `${THREADS}`,
          "--http", address, "--http-keepalive",
          "--wsgi-file", new URL("./uwsgi_page.py", import.meta.url).pathname,
        ],
        {
          log: `${site.dir}/uwsgi.log`,
          env: {
            ...environment(site.home),
            BENCH_SECRET: site.secret,
            BENCH_CHECKOUT: site.checkout,
            BENCH_COMMAND: JSON.stringify(command),
            BENCH_PULLS: pulls,
          },
          cwd: site.dir,
        },
      );
      await untilAnswering(service, `http://${address}/`);
      return {
        service,
        url: `http://${address}/`,
        runs: () => job === "deploy" ? readPulls(pulls) : Promise.resolve(NO_RUNS),
      };
    },
  };
}
