/**
 * `hook init`: a repository into the configuration, a secret beside it, and what to tell the forge.
 *
 * @module
 */

import { encodeBase64 } from "@std/encoding/base64";
import { encodeHex } from "@std/encoding/hex";
import { type Args, CliError, UsageError } from "../cli.ts";
import { type Addition, type ConfigText, extendConfig } from "../config/extend.ts";
import { isToBeCloned } from "../deploy/in_place.ts";
import { createFile, replaceFile } from "../files.ts";
import { checkedOutBranch, Git } from "../git.ts";
import { nearest } from "../nearest.ts";
import { type ProviderName, providers } from "../providers/mod.ts";
import type { Provider } from "../providers/provider.ts";
import {
  type AbsolutePath,
  absolutePath,
  branchName,
  printable,
  remoteUrl,
  type RepositoryName,
  repositoryName,
} from "../values.ts";
import { configFile, configSources } from "./config_file.ts";
import { instructions } from "./instructions.ts";
import type { Io } from "./io.ts";

/** What was asked for, checked. */
interface Request {
  readonly name: RepositoryName;
  readonly path: AbsolutePath;
  readonly provider: Provider;
  readonly remote?: string;
  readonly branch?: string;
}

/** Adds it and prints what to do next; nothing that exists is overwritten. */
export async function run(args: Args, io: Io): Promise<number> {
  const request = await completed(requestOf(args), io);
  const place = await placeOf(configFile(args, io));
  const secretFile = `${place.directory}/${request.name}.secret`;
  const secret = newSecret(request.provider);
  const { text, config } = await extendConfig(place, request.name, {
    entry: entryOf(request, secretFile),
    secret,
    sources: configSources(io),
  });

  await createSecret(secretFile, secret);
  try {
    if (place.text === undefined) await createFile(place.file, text);
    else await replaceFile(place.file, place.text, text);
  } catch (error) {
    await Deno.remove(secretFile);
    throw new CliError(`cannot write "${place.file}": ${reason(error)}`);
  }
  io.stdout(instructions(request, { config, secret, secretFile }));
  io.stdout(await ownerNote(request.path, [place.file, secretFile]));
  return 0;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Understands the arguments.
 *
 * @throws {UsageError} where one of them can't be what it should be
 */
function requestOf(args: Args): Request {
  const [operand = ""] = args.operands;
  const name = repositoryName(operand);
  if (name === undefined) {
    throw new UsageError(
      `"${printable(operand)}" is not usable as a name`,
      "lower-case letters, digits, dot, dash and underscore, the first a letter or digit",
    );
  }
  const given = args.value("path");
  if (given === undefined) throw new UsageError('"init" needs --path DIR', "where it is deployed");
  const path = absolutePath(given);
  if (path === undefined) throw new UsageError(`"${printable(given)}" is not an absolute path`);
  const remote = args.value("remote");
  if (remote !== undefined && typeof remoteUrl(remote) !== "string") {
    throw new UsageError("the remote is no URL that git may fetch from without a password");
  }
  const branch = args.value("branch");
  if (branch !== undefined && branchName(branch) === undefined) {
    throw new UsageError(`"${printable(branch)}" is not the name of a branch`);
  }
  const provider = providerNamed(args.value("provider") ?? "coding");
  return { name, path, provider, ...remote && { remote }, ...branch && { branch } };
}

function providerNamed(name: string): Provider {
  if (Object.hasOwn(providers, name)) return providers[name as ProviderName];
  const names = Object.keys(providers);
  const near = nearest(name, names);
  throw new UsageError(
    `unknown provider "${printable(name)}"`,
    near === undefined ? names.join(", ") : `did you mean "${near}"?`,
  );
}

/**
 * Takes remote and branch from the checkout, where there is one and they were not given.
 *
 * @throws {CliError} where neither tells what to deploy
 */
async function completed(request: Request, io: Io): Promise<Request> {
  const { path } = request;
  if (await isToBeCloned(request)) {
    if (request.remote !== undefined) return request;
    throw new CliError(`"${path}" is missing or empty`, "name what to clone there: --remote URL");
  }
  const branch = request.branch ?? await checkedOutBranch(path);
  if (branch === undefined) {
    throw new CliError(`"${path}" is on no branch`, "name the branch to deploy: --branch B");
  }
  const remote = request.remote ?? await originOf(path, io);
  if (remote === undefined) {
    throw new CliError(`"${path}" has no remote "origin"`, "name what to fetch: --remote URL");
  }
  // A remote with a user or a password in it stays where it is, in the checkout's own settings.
  const isPublic = typeof remoteUrl(remote) === "string" && !/^https?:\/\/[^/]*@/.test(remote);
  return { ...request, branch, ...isPublic ? { remote } : {} };
}

/** The remote of a checkout, also of one that belongs to another user. */
async function originOf(path: AbsolutePath, io: Io): Promise<string | undefined> {
  const { isDirectory } = await Deno.stat(`${path}/.git`);
  const from = isDirectory ? ["--file", `${path}/.git/config`] : [];
  const asked = await new Git(io.env).try(["config", ...from, "--get", "remote.origin.url"], {
    cwd: path,
    data: true,
  });
  return asked.code === 0 ? asked.stdout.replace(/\n$/, "") : undefined;
}

/** The configuration as it is, and the directory that it is in. */
interface Place extends ConfigText {
  readonly directory: string;
}

/** Finds the configuration, behind symbolic links; makes the directory where it is missing. */
async function placeOf(given: string): Promise<Place> {
  const [, parent = ".", name] = /^(?:(.*)\/)?([^/]+)$/s.exec(given) ?? [];
  if (name === undefined) throw new UsageError(`"${given}" is not the name of a file`);
  try {
    const file = await Deno.realPath(given);
    return { file, directory: directoryOf(file), text: await Deno.readTextFile(file) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new CliError(`cannot read "${given}": ${reason(error)}`);
    }
  }
  try {
    await Deno.mkdir(parent || "/", { recursive: true });
    const directory = await Deno.realPath(parent || "/");
    return { file: `${directory}/${name}`.replace("//", "/"), directory };
  } catch (error) {
    throw new CliError(`cannot make the directory of "${given}": ${reason(error)}`);
  }
}

function directoryOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}

function entryOf(
  { path, remote, branch, provider }: Request,
  secretFile: string,
): Addition["entry"] {
  return {
    path,
    ...remote && { remote },
    ...branch && { branch },
    provider: provider.name,
    secret: { file: secretFile },
  };
}

/** 32 random bytes, in the form that the forge wants. */
function newSecret({ setup }: Provider): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return setup.secret === "whsec" ? `whsec_${encodeBase64(bytes)}` : encodeHex(bytes);
}

async function createSecret(file: string, secret: string): Promise<void> {
  try {
    await createFile(file, `${secret}\n`);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new CliError(`"${file}" exists already`, "move it away, or choose another name");
    }
    throw new CliError(`cannot write "${file}": ${reason(error)}`);
  }
}

/** Says so where the checkout's owner, who is likely to run the service, can't read the files. */
async function ownerNote(path: AbsolutePath, files: readonly string[]): Promise<string> {
  const checkout = await Deno.stat(path).catch(() => undefined);
  const owners = await Promise.all(files.map(async (file) => (await Deno.stat(file)).uid));
  if (checkout === undefined || owners.every((uid) => uid === checkout.uid)) return "";
  return `\nThe checkout belongs to user ${checkout.uid}. Where that user runs the service:\n` +
    `  chown ${checkout.uid} ${files.join(" ")}\n`;
}
