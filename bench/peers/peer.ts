/** What the bench knows of a service that receives pushes. */
import type { Service } from "../process.ts";
import type { Site } from "../site.ts";

/** What a peer does with an authentic push. */
export type Job =
  /** Only answer. */
  | "nothing"
  /** Start `true`: the cost of starting any program at all. */
  | "true"
  /** Bring the checkout up to date. */
  | "deploy";

/** Commands that a peer ran for the pushes it got. */
export interface Runs {
  readonly done: number;
  readonly failed: number;
}

/** A peer that runs. */
export interface Started {
  readonly service: Service;
  /** Where deliveries are posted. */
  readonly url: string;
  /** Deployments (`hook`) or `git pull`s (the others) that have ended so far. */
  runs(): Promise<Runs>;
}

export interface Peer {
  readonly name: string;
  readonly job: Job;
  /** One sentence: what one push makes it do. */
  readonly does: string;
  /** Why it cannot run on this machine; undefined if it can. */
  missing(): Promise<string | undefined>;
  /** Name and version of the program, for the description of the machine. */
  version(): Promise<string>;
  /** Starts it; resolves when it answers HTTP. */
  start(site: Site): Promise<Started>;
}

/** The answer of a peer that deploys nothing. */
export const NO_RUNS: Runs = { done: 0, failed: 0 };

/** Reads a file to which every `git pull` appended its exit code as one line. */
export async function readPulls(file: string): Promise<Runs> {
  const text = await Deno.readTextFile(file).catch(() => "");
  const codes = text.split("\n").filter((line) => line !== "");
  return { done: codes.length, failed: codes.filter((code) => code !== "0").length };
}
