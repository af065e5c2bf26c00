/**
 * How git reaches a remote: with which key, which known hosts and which password. A password reaches
 * git's transport alone, through the environment of the runs that talk to the remote.
 *
 * @module
 */

import type { AbsolutePath } from "../values.ts";

/** What the configuration says about reaching a remote. */
export interface Transport {
  readonly sshKey?: AbsolutePath;
  readonly knownHosts?: AbsolutePath;
  readonly credentials?: { readonly username: string; readonly password: string };
}

/** How ssh notices that nobody is there any more: three unanswered questions, 15 s apart. */
const SSH_ALIVE = ["ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=3"];

/**
 * The ssh command for a key or known hosts of this repository's own; undefined where ssh goes by the
 * user's configuration alone. Nothing is asked, and an unknown host is an error, not a question.
 */
function sshCommand({ sshKey, knownHosts }: Transport): string | undefined {
  if (sshKey === undefined && knownHosts === undefined) return undefined;
  const options = ["BatchMode=yes", "StrictHostKeyChecking=yes", ...SSH_ALIVE];
  if (knownHosts !== undefined) {
    // The quotes are for ssh, which takes a blank for the end of a file's name.
    options.push(`UserKnownHostsFile="${knownHosts}"`, "GlobalKnownHostsFile=/dev/null");
  }
  if (sshKey !== undefined) options.push("IdentitiesOnly=yes");
  const key = sshKey === undefined ? "" : ` -i ${quoted(sshKey)}`;
  return `ssh${key} ${options.map((option) => `-o ${quoted(option)}`).join(" ")}`;
}

/** A word for the shell that git runs the command with. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Answers git's question for a password from the environment. */
const HELPER = '!f() { test "$1" = get && ' +
  `printf 'username=%s\\npassword=%s\\n' "$HOOK_USERNAME" "$HOOK_PASSWORD"; }; f`;

/** What a run of git that talks to the remote needs. */
export interface TransportRun {
  /** Stands before the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * How to start a git that talks to a remote.
 *
 * @param url the remote; a password is for its host alone, so that neither a redirect nor a submodule
 *   elsewhere gets it
 */
export function transportRun(transport: Transport, url: string | undefined): TransportRun {
  const env: Record<string, string> = {};
  const ssh = sshCommand(transport);
  if (ssh !== undefined) env.GIT_SSH_COMMAND = ssh;
  const host = url === undefined ? undefined : /^https?:\/\/[^/]+/.exec(url)?.[0];
  if (transport.credentials === undefined || host === undefined) return { args: [], env };
  env.HOOK_USERNAME = transport.credentials.username;
  env.HOOK_PASSWORD = transport.credentials.password;
  return {
    args: [
      ...["-c", "credential.helper="],
      ...["-c", `credential.${host}.helper=${HELPER}`],
      // The checkout's own hooks would inherit the environment.
      ...["-c", "core.hooksPath=/dev/null"],
    ],
    env,
  };
}
