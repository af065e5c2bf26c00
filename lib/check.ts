/**
 * Is everything there that a deployment of a repository will need?
 *
 * @module
 */

import { siteOf } from "./deploy.ts";
import { diagnose } from "./deploy/diagnosis.ts";
import { transportRun } from "./deploy/transport.ts";
import type { Target } from "./deploy/step.ts";
import { isNothingThere, lstatOrUndefined } from "./files.ts";
import type { Finding } from "./findings.ts";
import { checkedOutBranch, type Git, redact } from "./git.ts";
import { Pool } from "./pool.ts";
import type { AbsolutePath } from "./values.ts";

/** How long a remote may take to answer, in milliseconds. */
const REMOTE_TIME = 30_000;

/** What files alone tell: without git, and without the network. */
export async function checkPlace(target: Target, git: Git): Promise<Finding> {
  const { name: about, path, branch, remote, strategy } = target;
  try {
    if (strategy === "release") return await checkReleases(target);
    if (!await siteOf(target, git, new AbortController().signal).exists()) {
      return remote === undefined
        ? { level: "fail", about, message: `"${path}" is missing or empty and "remote" is not set` }
        : { level: "ok", about, message: `"${path}" will be cloned from ${redact(remote)}` };
    }
    if (target.tags !== undefined) {
      return { level: "ok", about, message: `"${path}" follows tags ${target.tags}` };
    }
    const current = await checkedOutBranch(path);
    const wanted = branch ?? current;
    if (wanted === undefined) {
      return { level: "fail", about, message: `"${path}" is detached and "branch" is not set` };
    }
    const switched = current !== wanted ? ` (now on ${current ?? "no branch"})` : "";
    return { level: "ok", about, message: `"${path}" follows ${wanted}${switched}` };
  } catch (error) {
    return failure(target, "", error);
  }
}

async function checkReleases({ name: about, path, remote }: Target): Promise<Finding> {
  if (await lstatOrUndefined(`${path}/repository.git`) !== undefined) {
    return { level: "ok", about, message: `"${path}" holds releases` };
  }
  return remote === undefined
    ? { level: "fail", about, message: `"${path}" holds no repository and "remote" is not set` }
    : { level: "ok", about, message: `"${path}" will get releases from ${redact(remote)}` };
}

/** How many repositories are tried at the same time. */
const AT_ONCE = 8;

/** Checks several repositories, a few at a time. */
export async function checkAll(targets: readonly Target[], git: Git): Promise<Finding[]> {
  const pool = new Pool(AT_ONCE);
  const found = targets.map((target) => pool.run(() => checkRepository(target, git)));
  return (await Promise.all(found)).flat();
}

/** What git, the network and the file system say to this process, with its rights. */
export async function checkRepository(target: Target, git: Git): Promise<Finding[]> {
  const place = await checkPlace(target, git);
  if (place.level === "fail") return [place];
  return [
    place,
    await checkRemote(target, git),
    await checkWritable(target),
    ...await checkHooks(target),
    ...await checkTouch(target),
    ...await checkShared(target),
    ...await checkLocalChanges(target, git),
  ];
}

function failure(target: Target, what: string, error: unknown): Finding {
  const { reason, hint } = diagnose(error, target);
  const advice = hint === undefined ? "" : `; ${hint}`;
  return { level: "fail", about: target.name, message: `${what}${reason}${advice}` };
}

async function checkRemote(target: Target, git: Git): Promise<Finding> {
  const { name: about, branch, tags } = target;
  try {
    const signal = AbortSignal.timeout(REMOTE_TIME);
    const site = siteOf(target, git, signal);
    const held = await site.exists() ? await site.peek() : await peekAt(target, git, signal);
    const what = tags ?? branch;
    if (held.trim() === "") {
      const missing = what === undefined ? "it is empty" : `it has no "${what}"`;
      return { level: "fail", about, message: `the remote answers, but ${missing}` };
    }
    const commit = tags === undefined ? ` at ${held.slice(0, 8)}` : "";
    return { level: "ok", about, message: `the remote answers${commit}` };
  } catch (error) {
    return failure(target, "", error);
  }
}

/** Asks a remote that is not cloned yet. */
async function peekAt(
  { remote, transport, branch, tags }: Target,
  git: Git,
  signal: AbortSignal,
): Promise<string> {
  const { args, env } = transportRun(transport, remote);
  const ref = tags !== undefined ? `refs/tags/${tags}` : branch ? `refs/heads/${branch}` : "HEAD";
  const command = [...args, "ls-remote", "--", remote!, ref];
  return (await git.run(command, { env, signal, data: true })).stdout;
}

/** Writes and removes a small file where a deployment will write. */
async function checkWritable({ name: about, path }: Target): Promise<Finding> {
  const directory = await nearestDirectory(path);
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: directory, prefix: ".hook-" }));
    return { level: "ok", about, message: `"${directory}" is writable` };
  } catch (error) {
    const why = error instanceof Error ? error.name : String(error);
    return { level: "fail", about, message: `"${directory}" is not writable: ${why}` };
  }
}

async function nearestDirectory(path: string): Promise<string> {
  for (let place = path; place !== ""; place = place.slice(0, place.lastIndexOf("/"))) {
    if (await lstatOrUndefined(place) !== undefined) return place;
  }
  return "/";
}

const EXECUTABLE = 0o111;

async function checkHooks({ name: about, hooks }: Target): Promise<Finding[]> {
  if (hooks === undefined) return [];
  const findings: Finding[] = [];
  for (const name of ["pre-deploy", "post-deploy"]) {
    const file = `${hooks}/${name}`;
    const found = await Deno.stat(file).catch(() => undefined);
    if (found === undefined) continue;
    const usable = found.isFile && ((found.mode ?? 0) & EXECUTABLE) !== 0;
    findings.push(
      usable ? { level: "ok", about, message: `the hook "${file}" is executable` } : {
        level: "fail",
        about,
        message: `the hook "${file}" is not executable: chmod +x ${file}`,
      },
    );
  }
  if (findings.length > 0) return findings;
  return [{ level: "warn", about, message: `"${hooks}" has neither pre-deploy nor post-deploy` }];
}

/** Sets the times that the files have already, which only their owner may. */
async function checkTouch({ name: about, touch }: Target): Promise<Finding[]> {
  return await Promise.all(touch.map(async (file): Promise<Finding> => {
    try {
      const { atime, mtime } = await Deno.stat(file);
      await Deno.utime(file, atime ?? new Date(), mtime ?? new Date());
      return { level: "ok", about, message: `"${file}" can be touched` };
    } catch (error) {
      const why = isNothingThere(error)
        ? "does not exist"
        : "belongs to another user than the one hook runs as";
      return { level: "fail", about, message: `the file "${file}" to touch ${why}` };
    }
  }));
}

async function checkShared({ name: about, path, shared }: Target): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const entry of shared.filter((entry) => !entry.endsWith("/"))) {
    if (await lstatOrUndefined(`${path}/shared/${entry}`) !== undefined) continue;
    const message = `the shared file "${path}/shared/${entry}" does not exist`;
    findings.push({ level: "fail", about, message });
  }
  return findings;
}

async function checkLocalChanges(target: Target, git: Git): Promise<Finding[]> {
  const { name: about, path, strategy } = target;
  if (strategy === "release" || await lstatOrUndefined(`${path}/.git`) === undefined) return [];
  try {
    const args = ["status", "--porcelain", "-z", "--untracked-files=no"];
    const { stdout } = await git.run(args, {
      cwd: path as AbsolutePath,
      data: true,
      signal: AbortSignal.timeout(REMOTE_TIME),
    });
    const count = stdout.split("\0").filter((entry) => entry !== "").length;
    if (count === 0) return [];
    const fate = strategy === "reset"
      ? "the next push discards them"
      : "a push that touches the same files is refused";
    return [{ level: "warn", about, message: `${count} local changes to tracked files; ${fate}` }];
  } catch (error) {
    return [failure(target, "", error)];
  }
}
