/**
 * How a verb reaches the running service.
 *
 * @module
 */

import { type Args, CliError, UsageError } from "../cli.ts";
import { isNothingThere } from "../files.ts";
import { adminSocket, stateDirectory } from "../systemd.ts";
import { loadConfigOf } from "./config_file.ts";
import type { Io } from "./io.ts";

/** Where a packaged service listens. */
const PACKAGED = "/run/hook/admin.sock";

/** A service that can be asked. */
export interface AdminClient {
  /** The socket's path. */
  readonly path: string;
  /**
   * Asks and returns the answer.
   *
   * @throws {CliError} where it can't be reached, or refuses
   * @throws {UsageError} where it does not know what is named
   */
  ask(method: "GET" | "POST", path: string, body?: unknown): Promise<Record<string, unknown>>;
}

/** Nobody answers at the socket. */
export class UnreachableError extends CliError {}

/** The service that the options, the environment, the configuration or the defaults name. */
export async function adminClient(args: Args, io: Io): Promise<AdminClient> {
  const path = await socketPath(args, io);
  return {
    path,
    async ask(method, target, body) {
      using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
      const response = await request(path, target, {
        method,
        client,
        ...body !== undefined && { body: JSON.stringify(body) },
      });
      const answer = await response.json() as Record<string, unknown>;
      if (response.ok) return answer;
      const message = String(answer.error ?? response.statusText);
      // What is not there was named wrongly.
      throw response.status === 404 ? new UsageError(message) : new CliError(message);
    },
  };
}

async function socketPath(args: Args, io: Io): Promise<string> {
  const named = args.value("admin") ?? io.env("HOOK_ADMIN");
  if (named !== undefined) return named.replace(/^unix:/, "");
  const config = await loadConfigOf(args, io).catch(() => undefined);
  if (config?.admin?.kind === "unix") return config.admin.path;
  if (await isThere(PACKAGED)) return PACKAGED;
  return adminSocket(io.env, config?.state ?? stateDirectory(io.env));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (isNothingThere(error) || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

async function request(
  socket: string,
  target: string,
  init: RequestInit & { client: Deno.HttpClient },
): Promise<Response> {
  try {
    return await fetch(`http://localhost${target}`, init);
  } catch {
    throw new UnreachableError(
      `cannot reach the service at "${socket}"`,
      'is it running, and may you use its socket? see "systemctl status hook"; ' +
        "another place: --admin unix:/PATH",
    );
  }
}
