/**
 * The truth about a repository, kept in the repository: what counts as deployed, whether it is held,
 * and, while a deployment runs, how far it has come.
 *
 * @module
 */

import type { FailureKind } from "../delivery.ts";
import { isNothingThere } from "../files.ts";
import type { Sha } from "../values.ts";
import type { CheckoutGit, StepName } from "./step.ts";

/** What counts as deployed: written when the last step has ended. */
export const DEPLOYED = "refs/hook/deployed";
/** What counted as deployed before. */
export const PREVIOUS = "refs/hook/previous";
/** What the remote held when a checkout that existed before was found. */
export const FOUND = "refs/hook/found";
/** There while the repository is held; a blob with the reason. */
export const HOLD = "refs/hook/hold";
/** The remote's tags, apart from the checkout's own, which a person may have made. */
export const REMOTE_TAGS = "refs/hook/remote-tags/";
/** The tags that were there at the last deployment, where tags are followed. */
export const SEEN_TAGS = "refs/hook/tags/";

/** A change of one of our refs; without a value it is deleted. */
export type Mark = readonly [ref: string, value: string | undefined];

/** Changes our refs, all or none of them. */
export async function setMarks(git: CheckoutGit, marks: readonly Mark[]): Promise<void> {
  if (marks.length === 0) return;
  const lines = marks.map(([ref, value]) =>
    value === undefined ? `delete ${ref}\n` : `update ${ref} ${value}\n`
  );
  await git.feed(lines.join(""), "update-ref", "--stdin");
}

/** Why, and since when, a repository is held. */
export interface Hold {
  readonly reason?: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** Writes a hold into the repository. */
export async function writeHold(git: CheckoutGit, hold: Hold): Promise<void> {
  const { stdout } = await git.feed(JSON.stringify(hold), "hash-object", "-w", "--stdin");
  await setMarks(git, [[HOLD, stdout.trim()]]);
}

/** Reads the hold of a repository; undefined where it is not held. */
export async function readHold(git: CheckoutGit): Promise<Hold | undefined> {
  const { stdout, code } = await git.ask("cat-file", "blob", HOLD);
  if (code !== 0) return undefined;
  try {
    const { reason, since } = JSON.parse(stdout);
    return {
      since: typeof since === "number" ? since : 0,
      ...typeof reason === "string" && { reason },
    };
  } catch {
    // Somebody made the ref by hand, and means it.
    return { since: 0 };
  }
}

/** How far a deployment has come, or where the last one failed. */
export interface JournalEntry {
  readonly state: "running" | "failed";
  readonly action: "deploy" | "rollback";
  readonly step: StepName;
  /** Whether somebody wants it; what the service began by itself leaves alone what it should. */
  readonly insists?: boolean;
  readonly old?: Sha;
  readonly new?: Sha;
  readonly branch?: string;
  /** The directory that a release is built in. */
  readonly release?: string;
  readonly kind?: FailureKind;
  readonly reason?: string;
  readonly hint?: string;
  /** When it failed, in milliseconds since 1970. */
  readonly at?: number;
}

/**
 * A small file in the repository's own directory. It is there while a deployment runs, so that one
 * that was killed is seen, and after one that failed, so that the same commit is not tried for ever.
 */
export class Journal {
  readonly #file: string;

  /** @param directory the repository's own, such as `.git` */
  constructor(directory: string) {
    this.#file = `${directory}/hook-deployment.json`;
  }

  /** What was written last; undefined where there is nothing, or nothing that can be read. */
  async read(): Promise<JournalEntry | undefined> {
    try {
      const entry = JSON.parse(await Deno.readTextFile(this.#file));
      return typeof entry?.state === "string" && typeof entry.step === "string" ? entry : undefined;
    } catch (error) {
      if (isNothingThere(error) || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Writes an entry in the place of the last one. */
  async write(entry: JournalEntry): Promise<void> {
    // One name for all: what a kill left behind is written over and renamed the next time.
    const aside = `${this.#file}.next`;
    await Deno.writeTextFile(aside, JSON.stringify(entry));
    await Deno.rename(aside, this.#file);
  }

  /** Nothing runs, and nothing failed. */
  async clear(): Promise<void> {
    await Deno.remove(this.#file).catch((error) => {
      if (!isNothingThere(error)) throw error;
    });
  }
}
