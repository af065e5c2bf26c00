/**
 * Submodules, where the configuration wants them.
 *
 * @module
 */

import type { Remote } from "./fetch.ts";
import type { CheckoutGit, Target } from "./step.ts";

/**
 * Brings the submodules to the commits that the checked-out tree names, also where their URLs have
 * changed. With `reset` and in a release, local changes in them go, as they do in the tree.
 */
export async function updateSubmodules(
  git: CheckoutGit,
  remote: Remote,
  { submodules, strategy, depth, ...target }: Target,
): Promise<void> {
  if (submodules === false) return;
  const recursive = submodules === "recursive" ? ["--recursive"] : [];
  const force = strategy === "pull" ? [] : ["--force"];
  const shallow = depth === undefined ? [] : [`--depth=${depth}`];
  await git.run("submodule", "--quiet", "sync", ...recursive);
  const update = ["submodule", "--quiet", "update", "--init", ...recursive, ...force, ...shallow];
  const url = target.remote ?? await remote.url() ?? "";
  await remote.runWith(isLocal(url) ? {} : REMOTE_ONLY, update);
}

/**
 * A push must not be able to name a repository on this machine as a submodule and so publish it
 * (CVE-2022-39253); only where the repository itself comes from this machine may its parts.
 */
const REMOTE_ONLY = { GIT_ALLOW_PROTOCOL: "git:http:https:ssh" };

function isLocal(url: string): boolean {
  return url.startsWith("/") || url.startsWith("file:");
}
