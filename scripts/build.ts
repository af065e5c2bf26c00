/**
 * `deno task build [--target T] [--runtime=npm]`: main.ts → dist/hook.
 *
 * The program is bundled first. Compiled straight from source, every npm package is embedded whole:
 * measured, 102.8 MB instead of 97.5, 208 ms to start instead of 157, 64 MB of memory instead of 55. It
 * is not minified: that would save 0.2 MB and cost readable stack traces.
 *
 * @module
 */
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import config from "../deno.json" with { type: "json" };
import { registryFlags, type RegistryName } from "./registry.ts";
import { npmRuntime, npmRuntimeRefusal } from "./runtime.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { dim, duration, megabytes, say, yellow } from "./terminal.ts";
import { askDeno, PINNED_DENO, ROOT, TaskError, VERSION } from "./toolchain.ts";

/** The systems that a release is made for. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
] as const;

export type Target = typeof TARGETS[number];
export type Runtime = "official" | "npm";

export interface BuildOptions {
  registry: RegistryName;
  runtime: Runtime;
  /** This machine's system where absent. */
  target?: Target;
  /** Where the binary goes; absolute. */
  output: string;
}

/** The official runtime could not be downloaded. */
export class RuntimeUnavailable extends TaskError {
  override name = "RuntimeUnavailable";
}

/** What deno compile says when the download of the runtime fails. */
const NO_RUNTIME = /setting up base binary/i;

/**
 * Reads the arguments of `deno task build`.
 *
 * @throws {TaskError} for every combination that would leave a file that does not start, before any
 * work was done.
 */
export function parseBuildArgs(
  args: string[],
  host: string = Deno.build.target,
  deno: string = Deno.version.deno,
): Omit<BuildOptions, "registry"> {
  const { target, runtime = "official" } = parseFlags(args);
  if (target !== undefined && !isTarget(target)) {
    throw new TaskError(
      `Cannot build for "${target}"`,
      `--target is one of ${TARGETS.join(", ")}`,
      2,
    );
  }
  if (runtime !== "official" && runtime !== "npm") {
    throw new TaskError(
      `Cannot take the runtime from "${runtime}"`,
      "--runtime=npm is for tests, and without it the official one is downloaded",
      2,
    );
  }
  const refusal = runtime === "npm" ? npmRuntimeRefusal(target ?? host, host, deno) : undefined;
  if (refusal) {
    throw new TaskError(
      `Cannot build with --runtime=npm: ${refusal}`,
      deno === PINNED_DENO
        ? "leave --runtime away: the official runtime is downloaded"
        : `npx -y deno@${PINNED_DENO} task build ${args.join(" ")}`,
      2,
    );
  }
  const output = join(ROOT, "dist", target ? `hook-${target}` : "hook");
  return { target, runtime, output };
}

function parseFlags(args: string[]): { target?: string; runtime?: string } {
  try {
    return parseArgs({
      args,
      options: { target: { type: "string" }, runtime: { type: "string" } },
    }).values;
  } catch (error) {
    throw new TaskError(
      (error as Error).message,
      "deno task build [--target T] [--runtime=npm]",
      2,
    );
  }
}

function isTarget(text: string): text is Target {
  return (TARGETS as readonly string[]).includes(text);
}

/**
 * Builds one binary: aside, tried where this machine can run it, then renamed into place, so that a
 * failed build leaves the former binary alone.
 *
 * @throws {RuntimeUnavailable} where the official runtime cannot be downloaded.
 * @throws {TaskError} where a step fails.
 */
export async function build(options: BuildOptions): Promise<void> {
  const dist = join(options.output, "..");
  await Deno.mkdir(dist, { recursive: true });
  await inTemporaryFolder({ dir: dist, prefix: ".build-" }, async (aside) => {
    const runtime = options.runtime === "npm"
      ? await step("runtime from npm", npmRuntime)
      : undefined;
    const bundle = join(aside, "hook.js");
    await step("bundle", () => bundleProgram(bundle, options.registry));
    const binary = join(aside, "hook");
    await step("compile", () => compileProgram(aside, bundle, binary, options.target, runtime));
    if (options.target === undefined || options.target === Deno.build.target) {
      await step("try", () => tryBinary(binary));
    }
    await Deno.rename(binary, options.output);
  });
  const size = megabytes((await Deno.stat(options.output)).size);
  say(`build: ${relative(ROOT, options.output)}  ${size}, hook ${VERSION}`);
  if (options.runtime === "npm") {
    say(yellow("build: the runtime is npm's: good for tests, not for production"));
  }
}

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  say(dim(`build: ${name.padEnd(18)} ${duration(performance.now() - start).padStart(7)}`));
  return result;
}

async function bundleProgram(to: string, registry: RegistryName): Promise<void> {
  const flags = ["--quiet", ...registryFlags(registry)];
  const { code, stderr } = await askDeno(["bundle", ...flags, "--output", to, "main.ts"]);
  if (code !== 0) throw new TaskError(`Cannot bundle main.ts: ${withoutTrace(stderr)}`);
  const info = await askDeno(["info", "--json"]);
  const { npmCache } = JSON.parse(info.stdout) as { npmCache: string };
  await Deno.writeTextFile(to, withoutFolders(await Deno.readTextFile(to), npmCache));
  // Compile embeds the time of the file; without it, one commit gives one binary.
  await Deno.utime(to, 0, 0);
}

async function compileProgram(
  folder: string,
  bundle: string,
  to: string,
  target: Target | undefined,
  runtime: string | undefined,
): Promise<void> {
  // A configuration of its own, since compile embeds what it is given: import maps and all.
  // Everything that the program imports is in the bundle; from source, JSR's modules need the right.
  const service = { ...config.permissions.service, import: { deny: true } };
  const own = join(folder, "deno.json");
  await Deno.writeTextFile(
    own,
    JSON.stringify({ permissions: { service }, unstable: config.unstable }),
  );
  // The user's own would make compile ignore --target, and an empty one is taken for a path.
  Deno.env.delete("DENORT_BIN");
  const { code, stderr } = await askDeno([
    "compile",
    "--quiet",
    `--config=${own}`,
    "--no-lock",
    "--no-check",
    "--permission-set=service",
    // On a terminal a compiled program asks for what it was not given; a service has nobody to ask.
    "--no-prompt",
    // The cache would be a file of fixed name in the folder for everybody's temporary files: whoever
    // made it first would run code in the service.
    "--no-code-cache",
    ...(target ? [`--target=${target}`] : []),
    "--output",
    to,
    bundle,
  ], { env: runtime === undefined ? {} : { DENORT_BIN: runtime } });
  if (code === 0) return;
  if (runtime === undefined && NO_RUNTIME.test(stderr)) {
    const [, cause = withoutTrace(stderr)] = stderr.match(/^\s+1: (.*)$/m) ?? [];
    throw new RuntimeUnavailable(
      `Cannot download the official runtime: ${cause}`,
      npmRuntimeRefusal(target) === undefined
        ? "deno task build --runtime=npm takes it from npm: for tests, not for production"
        : "build where Deno's own download site can be reached",
    );
  }
  throw new TaskError(`Cannot compile the bundle: ${withoutTrace(stderr)}`);
}

async function tryBinary(path: string): Promise<void> {
  const { success, code, stdout, stderr } = await new Deno.Command(path, {
    args: ["version"],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  const said = text.decode(stdout);
  if (success && said.includes(VERSION)) return;
  throw new TaskError(
    `Cannot use the binary: "hook version" ended with ${code} and said "${said.trim()}" ` +
      `instead of "${VERSION}". ${text.decode(stderr).trim()}`,
  );
}

/**
 * The bundler names each module by the path that it came from, in a comment and where it is loaded
 * late. What lies in Deno's cache is named by package instead, or the binary would tell whose home it
 * was built in and differ from machine to machine.
 */
export function withoutFolders(bundle: string, npmCache: string): string {
  const folder = relative(ROOT, npmCache) + "/";
  return bundle.replaceAll(/^(\/\/ | {2}")(.*)$/gm, (line, start: string, path: string) => {
    if (!path.startsWith(folder)) return line;
    const [_registry, ...rest] = path.slice(folder.length).split("/");
    return `${start}npm: ${rest.join("/")}`;
  });
}

/** What Deno says, without the stack of its own Rust code. */
function withoutTrace(stderr: string): string {
  return stderr.replace(/\n+Stack backtrace:[\s\S]*$/, "").trim();
}
