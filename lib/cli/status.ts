/**
 * `hook status`: what is deployed, what runs, what failed, what is held or drifted.
 *
 * @module
 */

import { type Args, CliError } from "../cli.ts";
import type { RepositoryState } from "../keeper.ts";
import { nearest } from "../nearest.ts";
import { adminClient } from "./admin_client.ts";
import type { Io } from "./io.ts";

/** Prints a line a repository, and below it what a person should do; 1 where one has failed. */
export async function run(args: Args, io: Io): Promise<number> {
  const service = await adminClient(args, io);
  const status = await service.ask("GET", "/status.json");
  const all = status.repositories as RepositoryState[];
  const states = selected(all, args.operands[0]);
  if (args.has("json")) {
    io.stdout(`${JSON.stringify({ ...status, repositories: states }, null, 2)}\n`);
  } else {
    io.stdout(table(states, Date.now()));
  }
  const isFine = ({ failure, unreachable }: RepositoryState) => !failure && !unreachable;
  return states.every(isFine) ? 0 : 1;
}

function selected(all: RepositoryState[], name: string | undefined): RepositoryState[] {
  if (name === undefined) return all;
  const found = all.filter((state) => state.name === name);
  if (found.length > 0) return found;
  const near = nearest(name, all.map((state) => state.name));
  throw new CliError(
    `no repository "${name}"`,
    near === undefined ? undefined : `did you mean "${near}"?`,
  );
}

/** The table, and the notes below its lines. */
export function table(states: readonly RepositoryState[], now: number): string {
  const rows = states.map((state) => ({
    cells: [
      state.name,
      word(state),
      state.branch ?? "-",
      state.deployed?.slice(0, 8) ?? "-",
      state.checked === undefined ? "-" : `${age(now - state.checked)} ago`,
    ],
    notes: notes(state),
  }));
  const head = ["NAME", "STATE", "FOLLOWS", "DEPLOYED", "COMPARED"];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => cells[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()}\n`;
  return line(head) +
    rows.map(({ cells, notes }) => line(cells) + notes.map((note) => `  ${note}\n`).join("")).join(
      "",
    );
}

function word(
  { running, waiting, hold, drifted, failure, unreachable, deployed }: RepositoryState,
): string {
  if (running !== undefined) {
    return running.order.action === "rollback" ? "rolling back" : "deploying";
  }
  if (waiting) return "waiting";
  if (hold !== undefined) return "held";
  if (failure !== undefined) return "failed";
  if (unreachable !== undefined) return "unreachable";
  if (drifted !== undefined) return "drifted";
  return deployed === undefined ? "unknown" : "ok";
}

function notes({ name, hold, drifted, failure, unreachable }: RepositoryState): string[] {
  const notes: string[] = [];
  for (const [what, trouble] of [["failed", failure], ["not compared", unreachable]] as const) {
    if (trouble === undefined) continue;
    notes.push(`${what}: ${trouble.reason}`);
    if (trouble.hint !== undefined) notes.push(`hint: ${trouble.hint}`);
  }
  if (hold !== undefined) {
    notes.push(`held${hold.reason === undefined ? "" : `: ${hold.reason}`}; hook resume ${name}`);
  }
  if (drifted !== undefined) {
    notes.push(`moved by hand to ${drifted.slice(0, 8)}; hook deploy ${name} deploys again`);
  }
  return notes;
}

/** A span of time, short. */
function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
