/**
 * What git's messages mean for the person who has to mend it.
 *
 * @module
 */

import { GitError, GitMissingError } from "../git.ts";
import { StepError, type Target } from "./step.ts";

/** A failure in one line, and what to do about it where that is known. */
export interface Diagnosis {
  readonly reason: string;
  readonly hint?: string;
}

interface Symptom {
  readonly pattern: RegExp;
  diagnose(target: Target): Diagnosis;
}

/** The first that fits counts: an "unable to access" says less than what stands with it. */
const symptoms: readonly Symptom[] = [
  {
    pattern: /detected dubious ownership/,
    diagnose: ({ path }) => ({
      reason: `git refuses "${path}": it belongs to another user than the one hook runs as`,
      hint: `give it to that user (chown -R USER ${path}), or let that user trust it: ` +
        `git config --global --add safe.directory ${path}`,
    }),
  },
  {
    pattern: /couldn't find remote ref/,
    diagnose: ({ branch }) => ({
      reason: branch === undefined
        ? "the remote no longer has the branch that is checked out"
        : `the remote has no branch "${branch}"`,
      hint: "was it renamed or deleted? see: git ls-remote --heads origin",
    }),
  },
  {
    pattern:
      /Host key verification failed|host key is not known|REMOTE HOST IDENTIFICATION HAS CHANGED/i,
    diagnose: () => ({
      reason: "ssh does not know the remote's host key, or it has changed",
      hint: "as the user hook runs as: compare the key with the one the forge publishes, then " +
        "ssh-keyscan HOST >> ~/.ssh/known_hosts",
    }),
  },
  {
    pattern:
      /Permission denied \(publickey|Authentication failed|could not read (?:Username|Password)|The requested URL returned error: 40[13]|Access denied|HTTP Basic: Access denied/i,
    diagnose: () => ({
      reason: "authentication at the remote failed",
      hint:
        "the user hook runs as needs a deploy key (ssh) or a stored credential (https); try as that " +
        "user: git ls-remote origin",
    }),
  },
  {
    pattern: /No space left on device|Disk quota exceeded/i,
    diagnose: () => ({ reason: "the disk is full", hint: "make room: df -h" }),
  },
  {
    pattern: /transport '.*' not allowed/,
    diagnose: () => ({
      reason: "the remote's transport is not allowed",
      hint: "https, http, ssh, git and file are",
    }),
  },
  {
    pattern:
      /does not appear to be a git repository|repository .* not found|Repository not found|returned error: 404/i,
    diagnose: () => ({
      reason: "there is no repository at the remote's address, or no right to see it",
      hint: "see what the checkout fetches from: git remote -v",
    }),
  },
  {
    pattern:
      /Could not resolve host|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host|unable to access|Couldn't connect|Operation too slow|early EOF|The remote end hung up|Could not read from remote repository|unable to connect|Temporary failure in name resolution|returned error: 5\d\d/i,
    diagnose: () => ({
      reason: "the remote is unreachable",
      hint: "try as the user hook runs as: git ls-remote origin",
    }),
  },
  {
    pattern: /\.lock': File exists|Another git process seems to be running/,
    diagnose: ({ path }) => ({
      reason: `another git works in "${path}", or one died there and left its lock`,
      hint: "if no other git runs, remove the .lock file that the output names",
    }),
  },
  {
    pattern: /not a git repository/,
    diagnose: ({ path }) => ({
      reason: `"${path}" is not a git repository, or a damaged one`,
      hint: `see: git -C ${path} fsck`,
    }),
  },
  {
    pattern: /Permission denied|Read-only file system|insufficient permission/i,
    diagnose: ({ path }) => ({
      reason: `"${path}" is not writable for the user hook runs as`,
      hint: `chown -R USER ${path}; under systemd also ReadWritePaths=${path}`,
    }),
  },
];

/** Says what failed and what to do, for any error that a deployment can meet. */
export function diagnose(error: unknown, target: Target): Diagnosis {
  if (error instanceof StepError) {
    return { reason: error.message, ...error.hint !== undefined && { hint: error.hint } };
  }
  if (error instanceof GitMissingError) {
    return { reason: error.message, hint: "install git, then restart hook" };
  }
  if (error instanceof GitError) return diagnoseGit(error, target);
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return {
      reason: `"${target.path}" is not accessible for the user hook runs as`,
      hint: `chown -R USER ${target.path}; under systemd also ReadWritePaths=${target.path}`,
    };
  }
  return { reason: error instanceof Error ? error.message : String(error) };
}

function diagnoseGit(error: GitError, target: Target): Diagnosis {
  if (error.aborted !== undefined) return diagnoseAbort(error.aborted, target);
  const said = `${error.result.stderr}\n${error.result.stdout}`;
  const symptom = symptoms.find(({ pattern }) => pattern.test(said));
  if (symptom === undefined) return { reason: error.message };
  const { reason, hint } = symptom.diagnose(target);
  return { reason, ...hint !== undefined && { hint } };
}

function diagnoseAbort(cause: unknown, { timeout }: Target): Diagnosis {
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return {
      reason: `the deployment took longer than its timeout of ${timeout / 1000} s and was ended`,
      hint: 'is the remote slow? "timeout" in the configuration sets the limit',
    };
  }
  return { reason: "hook was told to stop at once" };
}
