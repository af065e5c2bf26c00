/** How long it takes from a delivery to the new commit in the checkout, against a bare git pull. */
import { deliver, pushBody } from "./payload.ts";
import type { Peer } from "./peers/peer.ts";
import { environment } from "./process.ts";
import { makeSite, releasesOf, type Site } from "./site.ts";
import { untilDeployed } from "./storm.ts";

/** After this, in ms, a commit counts as not deployed. */
const LIMIT_MS = 15_000;

/** A way to bring the checkout up to date; `trigger` returns as soon as it is set off. */
interface Way {
  readonly name: string;
  readonly site: Site;
  trigger(commit: string): Promise<void>;
  end(): Promise<void>;
}

/** The name under which the bare `git pull` is reported. */
export const SHELL = "git pull";

/**
 * Pushes `commits` times to each peer's remote and measures until the checkout shows the commit.
 * The peers take turns, so that a machine that slows down slows all of them.
 *
 * @returns milliseconds, one for each commit, by the peer's name; `SHELL` is among them
 */
export async function measureTurnaround(
  peers: readonly Peer[],
  parent: string,
  commits: number,
  files?: number,
): Promise<Map<string, number[]>> {
  return await measureWays(commits, [
    () => shellWay(parent, files),
    ...peers.map((peer) => () => peerWay(peer, parent, files)),
  ]);
}

/** The name under which a shallow clone is reported. */
export const CLONE = "git clone --depth 1";

/**
 * The same for releases: what `hook` with that strategy needs until `current` shows the commit,
 * against a shallow clone into a new directory.
 */
export async function measureReleases(
  peer: Peer,
  parent: string,
  commits: number,
  files: number,
): Promise<Map<string, number[]>> {
  return await measureWays(commits, [
    () => cloneWay(parent, files),
    () => releaseWay(peer, parent, files),
  ]);
}

async function measureWays(
  commits: number,
  open: readonly (() => Promise<Way>)[],
): Promise<Map<string, number[]>> {
  const ways: Way[] = [];
  try {
    for (const each of open) ways.push(await each());
    const times = new Map(ways.map((way): [string, number[]] => [way.name, []]));
    // One more than asked for: the first of each is a warm-up and is not counted.
    for (let round = 0; round <= commits; round++) {
      for (const way of ways) {
        const took = await measureOne(way);
        if (round > 0) times.get(way.name)?.push(took);
      }
    }
    return times;
  } finally {
    for (const way of ways) {
      await way.end();
      await Deno.remove(way.site.dir, { recursive: true });
    }
  }
}

async function measureOne(way: Way): Promise<number> {
  const { commit, text } = await way.site.push();
  const began = performance.now();
  const deployed = untilDeployed(way.site, text, AbortSignal.timeout(LIMIT_MS));
  await way.trigger(commit);
  if (!await deployed) throw new Error(`${way.name}: no new commit after ${LIMIT_MS / 1000} s`);
  return performance.now() - began;
}

async function peerWay(peer: Peer, parent: string, files?: number): Promise<Way> {
  return await wayOf(peer, await makeSite(parent, files));
}

async function releaseWay(peer: Peer, parent: string, files: number): Promise<Way> {
  const site = await makeSite(parent, files);
  const deployed = () => textAt(`${releasesOf(site)}/current/VERSION`);
  return await wayOf(peer, { ...site, deployed });
}

function textAt(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return "";
  }
}

async function wayOf(peer: Peer, site: Site): Promise<Way> {
  const { service, url } = await peer.start(site);
  return {
    name: peer.name,
    site,
    async trigger(commit) {
      const status = await deliver(url, pushBody(commit), site.secret);
      if (status > 299) throw new Error(`${peer.name} answered a push with ${status}`);
    },
    end: () => service.stop(),
  };
}

async function cloneWay(parent: string, files: number): Promise<Way> {
  const site = await makeSite(parent, files);
  let clones = 0;
  const place = () => `${site.dir}/clone-${clones}`;
  return {
    name: CLONE,
    site: { ...site, deployed: () => textAt(`${place()}/VERSION`) },
    async trigger() {
      clones++;
      await git(site, site.dir, "clone", "--quiet", "--depth=1", `file://${site.remote}`, place());
    },
    end: () => Promise.resolve(),
  };
}

async function git(site: Site, cwd: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("git", {
    args,
    cwd,
    env: environment(site.home),
    clearEnv: true,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`git ${args[0]} failed`);
}

async function shellWay(parent: string, files?: number): Promise<Way> {
  const site = await makeSite(parent, files);
  return {
    name: SHELL,
    site,
    trigger: () => git(site, site.checkout, "pull", "--quiet"),
    end: () => Promise.resolve(),
  };
}
