/**
 * Asking the remote: which commit it holds, and getting it.
 *
 * @module
 */

import { glob } from "../glob.ts";
import { type BranchName, branchName, type Sha, sha } from "../values.ts";
import { DEPLOYED, FOUND, HOLD, type Mark, PREVIOUS, REMOTE_TAGS, SEEN_TAGS } from "./marks.ts";
import { type CheckoutGit, StepError, type Target } from "./step.ts";
import { type TransportRun, transportRun } from "./transport.ts";

/** What is followed: a branch, or the tags of a pattern. */
export type Followed = { readonly branch: BranchName } | { readonly tags: string };

/** The refs that a deployment reads at once, by name. */
export interface Refs {
  readonly commits: ReadonlyMap<string, Sha>;
  /** The branch that HEAD is on, where it exists. */
  readonly checkedOut?: string;
}

/** The remote-tracking ref of a branch. */
export function upstreamOf(branch: BranchName): string {
  return `refs/remotes/origin/${branch}`;
}

/** Git for one repository's remote, with its key or password. */
export class Remote {
  readonly #git: CheckoutGit;
  readonly #target: Target;
  #run: TransportRun | undefined;

  constructor(git: CheckoutGit, target: Target) {
    this.#git = git;
    this.#target = target;
  }

  /** Runs a command of git that talks to the remote. */
  run(...args: readonly string[]): Promise<string> {
    return this.runWith({}, args);
  }

  /** The same with variables of its own. */
  async runWith(
    own: Readonly<Record<string, string>>,
    args: readonly string[],
  ): Promise<string> {
    this.#run ??= await this.#transport();
    const { env, args: first } = this.#run;
    const { stdout } = await this.#git.runWith({ ...env, ...own }, [...first, ...args]);
    return stdout;
  }

  async #transport(): Promise<TransportRun> {
    const { transport, remote } = this.#target;
    // The URL matters for a password alone, so only then is git asked for it.
    const url = transport.credentials === undefined ? undefined : remote ?? await this.url();
    return transportRun(transport, url);
  }

  /** The URL of `origin`; undefined where there is none. */
  async url(): Promise<string | undefined> {
    const { stdout, code } = await this.#git.ask("config", "--get", "remote.origin.url");
    return code === 0 ? stdout.trimEnd() : undefined;
  }

  /** Fetches what is followed. */
  async fetch(followed: Followed, depth: number | undefined): Promise<void> {
    // The force is for the remote's own: a force-push there, a tag that was moved.
    const refspec = "branch" in followed
      ? `+refs/heads/${followed.branch}:${upstreamOf(followed.branch)}`
      : `+refs/tags/*:${REMOTE_TAGS}*`;
    const options = [
      ...depth === undefined ? [] : [`--depth=${depth}`],
      // A tag that is gone there must not be deployed again.
      ..."tags" in followed ? ["--prune"] : [],
    ];
    // Maintenance would cost a process each time; merge does it where files change. Submodules are
    // brought later, and from where the new tree says: their old URLs may not have the new commits.
    const plain = ["--no-auto-maintenance", "--no-recurse-submodules"];
    await this.run("fetch", ...plain, ...options, "--", "origin", refspec);
  }

  /**
   * What the remote holds, without fetching it: one run of git. For tags it is the list of them,
   * since which one counts depends on those that were there before.
   */
  async peek(followed: Followed | undefined): Promise<string> {
    const patterns = followed === undefined
      ? ["HEAD"]
      : "branch" in followed
      ? [`refs/heads/${followed.branch}`]
      : [`refs/tags/${followed.tags}`];
    const options = followed !== undefined && "tags" in followed ? ["--refs"] : [];
    const stdout = await this.#answer("ls-remote", ...options, "--", "origin", ...patterns);
    return followed !== undefined && "tags" in followed ? stdout : commitAt(stdout, patterns[0]!);
  }

  async #answer(...args: readonly string[]): Promise<string> {
    this.#run ??= await this.#transport();
    return (await this.#git.queryWith(this.#run.env, [...this.#run.args, ...args])).stdout;
  }

  /**
   * The branch that the remote's HEAD names, where a clone has to choose one.
   *
   * @param url asked instead of `origin`, where there is no repository yet
   */
  async head(url = "origin"): Promise<BranchName> {
    const stdout = await this.#answer("ls-remote", "--symref", "--", url, "HEAD");
    const name = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(stdout)?.[1];
    const branch = name === undefined ? undefined : branchName(name);
    if (branch !== undefined) return branch;
    throw new StepError(
      "no-branch",
      "the remote names no default branch; it may be empty",
      'push a first commit, or set "branch"',
    );
  }
}

/** Reads our own refs, and those that are followed: one run of git. */
export async function readRefs(git: CheckoutGit, followed: Followed | undefined): Promise<Refs> {
  const patterns = followed === undefined
    ? []
    : "branch" in followed
    ? [`refs/heads/${followed.branch}`, upstreamOf(followed.branch)]
    : [];
  const { stdout } = await git.query(
    // Tags come in the order of their versions, a pre-release before its release.
    ...["-c", "versionsort.suffix=-", "for-each-ref", "--sort=version:refname"],
    // A tag object's commit comes peeled, behind the object itself.
    "--format=%(HEAD)%(objectname) %(*objectname) %(refname)",
    "refs/hook/",
    ...patterns,
  );
  const commits = new Map<string, Sha>();
  let checkedOut: string | undefined;
  for (const line of stdout.split("\n")) {
    const [, mark, object, peeled, ref] = /^([* ])([0-9a-f]+) ([0-9a-f]*) (.+)$/.exec(line) ?? [];
    const commit = sha(peeled || object || "");
    if (commit === undefined || ref === undefined) continue;
    commits.set(ref, commit);
    if (mark === "*") checkedOut = ref;
  }
  return { commits, ...checkedOut !== undefined && { checkedOut } };
}

/** Our marks among the refs. */
export function marksOf({ commits }: Refs) {
  const deployed = commits.get(DEPLOYED);
  const previous = commits.get(PREVIOUS);
  const found = commits.get(FOUND);
  return {
    ...deployed !== undefined && { deployed },
    ...previous !== undefined && { previous },
    ...found !== undefined && { found },
    held: commits.has(HOLD),
  };
}

/** What to deploy, its name for people, and the tags to remember once that has ended well. */
export interface Tip {
  readonly tip: Sha;
  readonly label: string;
  readonly seen: readonly Mark[];
}

/**
 * What the remote holds, among the refs that were fetched.
 *
 * @throws {StepError} where it holds nothing of what is followed
 */
export function tipOf(followed: Followed, refs: Refs): Tip {
  if ("branch" in followed) {
    const tip = refs.commits.get(upstreamOf(followed.branch));
    if (tip !== undefined) return { tip, label: followed.branch, seen: [] };
    throw new StepError("no-branch", `the remote has no branch "${followed.branch}"`);
  }
  const choice = chooseTag(refs, followed.tags);
  if (choice !== undefined) {
    const seen = choice.matching.map((name) => [SEEN_TAGS + name, choice.commit] as const);
    return { tip: choice.commit, label: choice.name, seen };
  }
  const { deployed } = marksOf(refs);
  if (deployed !== undefined) return { tip: deployed, label: followed.tags, seen: [] };
  throw new StepError("no-branch", `the remote has no tag "${followed.tags}"`);
}

/** The tag to deploy, and those to remember. */
export interface TagChoice {
  readonly name: string;
  readonly commit: Sha;
  /** All that match, to be known from now on. */
  readonly matching: readonly string[];
}

/**
 * Chooses the highest tag by version among those that match and were not there at the last
 * deployment; at first among all.
 */
export function chooseTag({ commits }: Refs, pattern: string): TagChoice | undefined {
  const matches = glob(pattern);
  const names = [...commits.keys()]
    .flatMap((ref) => ref.startsWith(REMOTE_TAGS) ? [ref.slice(REMOTE_TAGS.length)] : [])
    .filter((name) => matches.test(name));
  const fresh = names.filter((name) => !commits.has(SEEN_TAGS + name));
  const highest = fresh.at(-1);
  if (highest === undefined) return undefined;
  return { name: highest, commit: commits.get(REMOTE_TAGS + highest)!, matching: names };
}

/** The commit of a ref in what `git ls-remote` lists, which matches the ends of longer names too. */
function commitAt(listed: string, ref: string): string {
  const line = listed.split("\n").find((line) => line.endsWith(`\t${ref}`));
  return line?.split("\t", 1)[0] ?? "";
}
