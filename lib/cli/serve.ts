/**
 * `hook serve`: the service, from configuration to the last signal.
 *
 * @module
 */

import { type Args, CliError } from "../cli.ts";
import { type Config, ConfigError } from "../config.ts";
import { Git, GitMissingError, isSupportedGit, OLDEST_GIT } from "../git.ts";
import { type Log, openLog } from "../log.ts";
import { Service } from "../service.ts";
import { ListenError } from "../server/listener.ts";
import { openState } from "../state.ts";
import { adminSocket, stateDirectory } from "../systemd.ts";
import { loadConfigOf } from "./config_file.ts";
import type { Io } from "./io.ts";

/** Runs until a signal ends it: 0 after a drain, 1 where a second signal cut it short. */
export async function run(args: Args, io: Io): Promise<number> {
  const config = await loadConfigOf(args, io);
  const directory = config.state ?? stateDirectory(io.env);
  const git = new Git(io.env, { owner: directory, ownSession: io.stdinIsTerminal });
  await requireGit(git);
  let log = openLogOf(config, io);
  const state = openState(directory, {
    wall: Date.now,
    onTrouble: (message, cause) =>
      log.logger.error(message, { event: "ledger", reason: String(cause) }),
  });
  const service = await Service.start(config, {
    git,
    state,
    admin: config.admin ?? { kind: "unix", path: adminSocket(io.env, directory) },
    log: () => log.logger,
    now: io.now,
  });
  const reload = async (): Promise<void> => {
    try {
      const next = await loadConfigOf(args, io);
      await service.reload(next);
      log.flush();
      log = openLogOf(next, io);
      log.logger.info("configuration reloaded", { event: "reload", result: "ok" });
    } catch (error) {
      refuseReload(error, log);
    }
  };
  // One after the other: two reloads at once could end with the older configuration.
  let reloads = Promise.resolve();
  io.onSignal("SIGHUP", () => void (reloads = reloads.then(reload)));

  const code = await untilStopped(service, io);
  state.close();
  log.flush();
  return code;
}

/** The first signal lets running deployments end, the second one ends them. */
async function untilStopped(service: Service, io: Io): Promise<number> {
  const asked = Promise.withResolvers<void>();
  let signals = 0;
  const onSignal = (): void => {
    signals++;
    asked.resolve();
    if (signals > 1) service.abort();
  };
  io.onSignal("SIGTERM", onSignal);
  io.onSignal("SIGINT", onSignal);
  await asked.promise;
  await service.stop();
  return signals > 1 ? 1 : 0;
}

/** Without git there is nothing to serve, and Deno looks for it only once, at start. */
async function requireGit(git: Git): Promise<void> {
  let version: string;
  try {
    version = await git.version();
  } catch (error) {
    if (!(error instanceof GitMissingError)) throw error;
    throw new CliError("git cannot be started", "install git, then start hook again");
  }
  if (isSupportedGit(version)) return;
  throw new CliError(
    `git ${version} is too old`,
    `hook needs git ${OLDEST_GIT.join(".")} or newer`,
  );
}

function openLogOf({ log: { format, level } }: Config, io: Io): Log {
  return openLog({
    format: format ?? (io.stdoutIsTerminal ? "text" : "json"),
    level,
    write: io.stdout,
  });
}

function refuseReload(error: unknown, { logger }: Log): void {
  const isExpected = error instanceof ConfigError || error instanceof ListenError;
  const problems = error instanceof ConfigError
    ? error.problems
    : [isExpected ? error.message : String(error)];
  logger.error("configuration refused, the old one stays in force", {
    event: "reload",
    result: "refused",
    problems,
  });
}
