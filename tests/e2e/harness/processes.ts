/** What still runs below a test's folder, read from /proc. */

export interface Process {
  pid: number;
  parent: number;
  command: string;
  directory: string;
}

/** True where /proc shows every process; elsewhere the checks for left-over processes are skipped. */
export const CAN_SEE_PROCESSES = Deno.build.os === "linux";

function read(pid: number): Process | undefined {
  try {
    const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    // A zombie has no command line: it holds no file and no lock, and its parent reaps it.
    if (command === "") return undefined;
    // The name in parentheses may hold spaces and parentheses itself: count from the last one.
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    let directory = "";
    try {
      directory = Deno.readLinkSync(`/proc/${pid}/cwd`);
    } catch {
      // Not ours to look into.
    }
    return { pid, parent: Number(fields[1]), command, directory };
  } catch {
    return undefined; // It ended while we looked.
  }
}

/** Every process whose command line or working directory names one of `marks`. */
export function processesNaming(marks: string[], except: number[] = []): Process[] {
  if (!CAN_SEE_PROCESSES) return [];
  const found: Process[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid || except.includes(pid)) continue;
    const process = read(pid);
    if (process === undefined) continue;
    if (marks.some((mark) => process.command.includes(mark) || process.directory.includes(mark))) {
      found.push(process);
    }
  }
  return found;
}

/** Kills one process by its id; one that is gone already is no error. */
export function kill(pid: number, signal: Deno.Signal = "SIGKILL"): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}
