/**
 * What git's messages mean for the person who has to mend it.
 *
 * @module
 */

import type { FailureKind } from "../delivery.ts";
import { GitError, GitMissingError, redact } from "../git.ts";
import { StepError, type Target } from "./step.ts";

/** A failure in one line, and what to do about it where that is known. */
export interface Diagnosis {
  readonly kind: FailureKind;
  readonly reason: string;
  readonly hint?: string;
}

/** A remote in a command to try; what may be a token in it is cut. */
function shown(remote: string | undefined): string {
  return remote === undefined ? "origin" : redact(remote);
}

interface Symptom {
  readonly kind: FailureKind;
  readonly pattern: RegExp;
  diagnose(target: Target): Omit<Diagnosis, "kind">;
}

/** The first that fits counts: an "unable to access" says less than what stands with it. */
const symptoms: readonly Symptom[] = [
  {
    kind: "ownership",
    pattern: /detected dubious ownership/,
    diagnose: ({ path }) => ({
      reason: `git refuses "${path}": it belongs to another user than the one hook runs as`,
      hint: `give it to that user (chown -R USER ${path}), or let that user trust it: ` +
        `git config --global --add safe.directory ${path}`,
    }),
  },
  {
    kind: "no-branch",
    pattern: /couldn't find remote ref/,
    diagnose: ({ branch, remote }) => ({
      reason: branch === undefined
        ? "the remote no longer has the branch that is checked out"
        : `the remote has no branch "${branch}"`,
      hint: `was it renamed or deleted? see: git ls-remote --heads ${shown(remote)}`,
    }),
  },
  {
    kind: "host-key",
    pattern:
      /Host key verification failed|host key is not known|REMOTE HOST IDENTIFICATION HAS CHANGED/i,
    diagnose: () => ({
      reason: "ssh does not know the remote's host key, or it has changed",
      hint: "as the user hook runs as: compare the key with the one the forge publishes, then " +
        "ssh-keyscan HOST >> ~/.ssh/known_hosts",
    }),
  },
  {
    kind: "authentication",
    pattern:
      /Permission denied \(publickey|Authentication failed|could not read (?:Username|Password)|The requested URL returned error: 40[13]|Access denied|HTTP Basic: Access denied/i,
    diagnose: ({ remote }) => ({
      reason: "authentication at the remote failed",
      hint: "the user hook runs as needs a deploy key (ssh) or a stored credential (https); try " +
        `as that user: git ls-remote ${shown(remote)}`,
    }),
  },
  {
    kind: "configuration",
    pattern: /cannot run ssh|ssh: (?:command )?not found/,
    diagnose: () => ({
      reason: "the remote is reached by ssh, which is not installed",
      hint: "install it (openssh-client), or use an https address",
    }),
  },
  {
    kind: "disk-full",
    pattern: /No space left on device|Disk quota exceeded|Out of diskspace/i,
    diagnose: () => ({ reason: "the disk is full", hint: "make room: df -h" }),
  },
  {
    kind: "configuration",
    pattern: /transport '.*' not allowed/,
    diagnose: () => ({
      reason: "the remote's transport is not allowed",
      hint: "https, http, ssh, git and file are",
    }),
  },
  {
    kind: "no-repository",
    pattern:
      /does not appear to be a git repository|repository .* not found|Repository not found|returned error: 404/i,
    diagnose: () => ({
      reason: "there is no repository at the remote's address, or no right to see it",
      hint: "see what the checkout fetches from: git remote -v",
    }),
  },
  {
    kind: "unreachable",
    pattern:
      /Could not resolve host|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host|unable to access|Couldn't connect|Operation too slow|early EOF|The remote end hung up|Could not read from remote repository|unable to connect|Temporary failure in name resolution|returned error: 5\d\d/i,
    diagnose: ({ remote }) => ({
      reason: "the remote is unreachable",
      hint: `try as the user hook runs as: git ls-remote ${shown(remote)}`,
    }),
  },
  {
    kind: "lock",
    pattern:
      /\.lock': File exists|could not lock config file|Another git process seems to be running/,
    diagnose: ({ path }) => ({
      reason: `another git works in "${path}", or one died there and left its lock`,
      hint: "if no other git runs, remove the .lock file that the output names",
    }),
  },
  {
    kind: "damaged",
    pattern: /not a git repository/,
    diagnose: ({ path }) => ({
      reason: `"${path}" is not a git repository, or a damaged one`,
      hint: `see: git -C ${path} fsck`,
    }),
  },
  {
    kind: "permission",
    pattern: /Permission denied|Read-only file system|insufficient permission/i,
    diagnose: ({ path }) => ({
      reason: `"${path}" is not writable for the user hook runs as`,
      hint: `chown -R USER ${path}; under systemd also ReadWritePaths=${path}`,
    }),
  },
  {
    // With these words git gives no cause, and no other one is likely.
    kind: "disk-full",
    pattern: /unable to write (?:file|new index file)/,
    diagnose: () => ({
      reason: "git could not write its files; the disk is probably full",
      hint: "make room: df -h",
    }),
  },
];

/** Says what failed and what to do, for any error that a deployment can meet. */
export function diagnose(error: unknown, target: Target): Diagnosis {
  if (error instanceof StepError) {
    const { kind, message: reason, hint } = error;
    return { kind, reason, ...hint !== undefined && { hint } };
  }
  if (error instanceof GitMissingError) {
    return { kind: "other", reason: error.message, hint: "install git, then restart hook" };
  }
  if (error instanceof GitError) return diagnoseGit(error, target);
  if (error instanceof Error) return diagnoseSystem(error, target);
  return { kind: "other", reason: String(error) };
}

function diagnoseGit(error: GitError, target: Target): Diagnosis {
  if (error.aborted !== undefined) return diagnoseAbort(error.aborted, target);
  const said = `${error.result.stderr}\n${error.result.stdout}`;
  const symptom = symptoms.find(({ pattern }) => pattern.test(said));
  if (symptom === undefined) return { kind: "other", reason: error.message };
  return { kind: symptom.kind, ...symptom.diagnose(target) };
}

/** What the file system refused to us ourselves. */
function diagnoseSystem(error: Error, target: Target): Diagnosis {
  const denied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable ||
    /Read-only file system|os error 30/.test(error.message);
  const kind = denied
    ? "permission"
    : /No space left|os error 28/.test(error.message)
    ? "disk-full"
    : "other";
  const symptom = symptoms.find((symptom) => symptom.kind === kind);
  return symptom === undefined
    ? { kind: "other", reason: error.message }
    : { kind, ...symptom.diagnose(target) };
}

function diagnoseAbort(cause: unknown, { timeout }: Target): Diagnosis {
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return {
      kind: "timeout",
      reason: `the deployment took longer than its timeout of ${timeout / 1000} s and was ended`,
      hint: 'is the remote slow? "timeout" in the configuration sets the limit',
    };
  }
  return { kind: "stopped", reason: "hook was told to stop at once" };
}
