/**
 * Who runs on this machine, as Linux tells it in `/proc` (proc(5)). Elsewhere the answers are empty.
 *
 * Deno lets nobody read other processes' files there who has not every permission, so a shell does it.
 *
 * @module
 */

/** Runs a line of shell, with a variable of its own, and returns what it printed. */
export type Look = (script: string, env?: Readonly<Record<string, string>>) => Promise<string>;

/** Processes end while they are looked at; that is no error. */
const ALL_STATS = "cat /proc/[0-9]*/stat 2>/dev/null";
const WITH_MARK = 'grep -lsxzF -e "$HOOK_MARK" /proc/[0-9]*/environ';

/** The processes that descend from any of these, they not included. */
export async function descendantsOf(ancestors: readonly number[], look: Look): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const { pid, parent } of parseStats(await lookedUp(look, ALL_STATS))) {
    children.set(parent, [...children.get(parent) ?? [], pid]);
  }
  const found: number[] = [];
  const queue = [...ancestors];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const own = children.get(pid) ?? [];
    found.push(...own);
    queue.push(...own);
  }
  return found;
}

/** The processes of this user whose environment has exactly this variable, ourselves left out. */
export async function withVariable(name: string, value: string, look: Look): Promise<number[]> {
  const files = await lookedUp(look, WITH_MARK, { HOOK_MARK: `${name}=${value}` });
  return [...files.matchAll(/^\/proc\/(\d+)\/environ$/gm)]
    .map(([, pid]) => Number(pid))
    .filter((pid) => pid !== Deno.pid);
}

async function lookedUp(look: Look, ...args: Parameters<Look>): Promise<string> {
  return Deno.build.os === "linux" ? await look(...args) : "";
}

/** The second field is a name in parentheses that may hold anything, so it ends at the last one. */
function parseStats(text: string): { pid: number; parent: number }[] {
  return text.split("\n").flatMap((line) => {
    const [, pid, parent] = /^(\d+) \(.*\) \S (\d+) /.exec(line) ?? [];
    return parent === undefined ? [] : [{ pid: Number(pid), parent: Number(parent) }];
  });
}
