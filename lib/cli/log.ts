/**
 * `hook log`: what happened, the newest first.
 *
 * @module
 */

import { type Args, UsageError } from "../cli.ts";
import type { DeliveryRecord, DeploymentRecord } from "../delivery.ts";
import { printable } from "../values.ts";
import { adminClient } from "./admin_client.ts";
import { safe, span } from "./deployment_text.ts";
import type { Io } from "./io.ts";

/** Prints deployments with their output, and the deliveries between them. */
export async function run(args: Args, io: Io): Promise<number> {
  const limit = args.value("limit") ?? "20";
  if (!/^[1-9]\d{0,3}$/.test(limit)) throw new UsageError(`"${limit}" is no number of entries`);
  const query = new URLSearchParams({ limit });
  const [name] = args.operands;
  if (name !== undefined) query.set("repository", name);
  const service = await adminClient(args, io);
  const log = await service.ask("GET", `/log.json?${query}`);
  if (args.has("json")) {
    io.stdout(`${JSON.stringify(log, null, 2)}\n`);
    return 0;
  }
  const deployments = (log.deployments as DeploymentRecord[])
    .map((record) => ({ at: record.started, text: deploymentText(record) }));
  const deliveries = (log.deliveries as DeliveryRecord[])
    .map((record) => ({ at: record.at, text: deliveryText(record) }));
  const entries = [...deployments, ...deliveries].sort((a, b) => b.at - a.at);
  for (const { text } of entries.slice(0, Number(limit))) io.stdout(text);
  return 0;
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ");
}

function deploymentText(record: DeploymentRecord): string {
  const { id, repository, action, trigger, state, started, ended, old, new: commit } = record;
  const took = ended === undefined ? "" : ` in ${((ended - started) / 1000).toFixed(1)} s`;
  const change = commit === undefined ? "" : ` ${span(old, commit)}`;
  const what = action === "rollback" ? "rollback" : "deployment";
  let text = `${
    time(started)
  }  ${repository}: ${what} ${id} (${trigger}) ${state}${change}${took}\n`;
  if (record.reason !== undefined) text += `    ${record.reason}\n`;
  if (record.hint !== undefined) text += `    hint: ${record.hint}\n`;
  if (record.output !== undefined) {
    text += safe(record.output).split("\n").map((line) => `    | ${line}\n`).join("");
  }
  return text;
}

function deliveryText(
  { at, repository, outcome, delivery, pusher, reason }: DeliveryRecord,
): string {
  // Who pushes chooses this name.
  const by = pusher === undefined ? "" : ` by ${printable(pusher, 200)}`;
  const id = delivery === undefined ? "" : ` ${delivery}`;
  const why = reason === undefined ? "" : `: ${reason}`;
  return `${time(at)}  ${repository}: delivery${id}${by} ${outcome}${why}\n`;
}
