/**
 * `hook send`: a delivery as the forge would post it, to try a set-up without pushing.
 *
 * @module
 */

import { formatListenAddress, type ListenAddress } from "../address.ts";
import { type Args, CliError, UsageError } from "../cli.ts";
import type { Config, RepositoryConfig } from "../config.ts";
import type { Acceptance } from "../config/accept.ts";
import { repositoryPath } from "../deploy/step.ts";
import { checkedOutBranch } from "../git.ts";
import { providers } from "../providers/mod.ts";
import type { Posted, Provider } from "../providers/provider.ts";
import type { Bytes } from "../signature.ts";
import { loadConfigOf, repositoryNamed } from "./config_file.ts";
import type { Io } from "./io.ts";

/** Two commits for a payload; the receiver asks the remote and believes neither. */
const BEFORE = "0000000000000000000000000000000000000001";
const AFTER = "0000000000000000000000000000000000000002";

/** Posts it and prints the answer: 0 where it was taken, 1 where not. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name] = args.operands;
  const event = args.value("event") ?? "push";
  if (event !== "push" && event !== "ping") {
    throw new UsageError(`the event "${event}" is unknown`, "push, ping");
  }
  const config = await loadConfigOf(args, io);
  const repository = repositoryNamed(config, name!);
  const posted = await compose(repository, event, args);
  const { url, client } = destination(args.value("url"), config, repository);
  if (args.has("wait")) url.searchParams.set("wait", `${repository.timeout / 1000}s`);
  const response = await post(url, posted, client);
  io.stdout(`${response.status} ${await response.text()}`);
  return response.ok ? 0 : 1;
}

/** The delivery as the first of the repository's forges would post it. */
async function compose(
  repository: RepositoryConfig,
  event: "push" | "ping",
  args: Args,
): Promise<Posted> {
  const [{ provider: name, secrets, options }] = repository.accept as [Acceptance];
  const provider: Provider = providers[name];
  if (event === "ping" && !provider.pings) {
    throw new UsageError(`${provider.title} sends no ping`, "post a push: --event push");
  }
  const draft = {
    event,
    repository: repository.name,
    ref: args.value("ref") ?? await deployedRef(repository),
    before: BEFORE,
    after: AFTER,
    id: crypto.randomUUID(),
    now: Date.now(),
    ...await payload(args.value("payload")),
  };
  return await provider.compose(draft, secrets[0]!, options);
}

async function deployedRef(repository: RepositoryConfig): Promise<string> {
  const { branch, path } = repository;
  const found = branch ?? await checkedOutBranch(repositoryPath(repository));
  if (found !== undefined) return `refs/heads/${found}`;
  throw new CliError(`"${path}" does not tell which branch is deployed`, "name it: --ref REF");
}

async function payload(file: string | undefined): Promise<{ body?: Bytes }> {
  if (file === undefined) return {};
  try {
    return { body: await Deno.readFile(file) };
  } catch (error) {
    throw new CliError(`cannot read "${file}": ${error instanceof Error ? error.name : error}`);
  }
}

/** Where to post: what `--url` says, or the configured listener of this machine. */
function destination(
  given: string | undefined,
  { listen, tls }: Config,
  { name }: RepositoryConfig,
): { url: URL; client?: Deno.HttpClient } {
  if (given !== undefined) {
    const url = URL.parse(given);
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      throw new UsageError(`"${given}" is not an http or https URL`);
    }
    return { url };
  }
  if (listen === undefined) {
    throw new CliError(
      'nothing listens: "listen" is none in the configuration',
      "name it: --url URL",
    );
  }
  if (listen.kind === "unix") {
    const client = Deno.createHttpClient({ proxy: { transport: "unix", path: listen.path } });
    return { url: new URL(`http://localhost/hooks/${name}`), client };
  }
  return {
    url: new URL(`${formatListenAddress(reachable(listen), tls !== undefined)}/hooks/${name}`),
  };
}

/** The loopback address, where the listener is bound to every address. */
function reachable(listen: ListenAddress & { kind: "tcp" }): ListenAddress {
  const loopback = { "0.0.0.0": "127.0.0.1", "::": "::1" }[listen.hostname];
  return { ...listen, hostname: loopback ?? listen.hostname };
}

async function post(
  url: URL,
  { headers, body }: { headers: Headers; body: Bytes },
  client: Deno.HttpClient | undefined,
): Promise<Response> {
  try {
    return await fetch(url, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      ...client && { client },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CliError(
      `cannot post to ${url}: ${message}`,
      'is it running? start it: "hook serve"',
    );
  }
}
