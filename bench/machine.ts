/** What ran the bench: figures without it mean nothing. */
import type { Peer } from "./peers/peer.ts";
import { output, which } from "./process.ts";

export async function describeMachine(peers: readonly Peer[]): Promise<string[]> {
  const cpu = (await Deno.readTextFile("/proc/cpuinfo")).match(/^model name\s*: (.*)$/m)?.[1];
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const programs = new Set<string>();
  for (const peer of peers) programs.add(await peer.version());
  programs.add((await output(["git", "--version"])).trim());
  if (await which("wrk")) {
    const version = (await output(["wrk", "--version"])).match(/^wrk \S+/)?.[0] ?? "wrk";
    programs.add(version.replace("debian/", ""));
  }
  return [
    `${navigator.hardwareConcurrency} cores (${cpu ?? "unknown"}), ${memory} GiB, ` +
    `Linux ${Deno.osRelease()}; everything on loopback, the remote is a local path`,
    [...programs].join(", "),
  ];
}
