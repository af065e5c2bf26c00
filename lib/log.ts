/**
 * The log: LogTape records, written as JSON lines for machines and journals or as text for people.
 * Lines are gathered and written once a turn of the event loop, so that a burst of deliveries costs
 * a few writes and an answer never waits for one.
 *
 * @module
 */

import { configureSync, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import { printable } from "./values.ts";

export type { Logger };

/** The log's only category. */
const CATEGORY = ["hook"];

/** How the log is written. */
export interface LogOptions {
  readonly format: "text" | "json";
  readonly level: "debug" | "info" | "warning" | "error";
  /** Writes to the log's stream; what fails there is lost. */
  readonly write: (text: string) => void;
}

/** A configured log, and the way to empty it before the program ends. */
export interface Log {
  readonly logger: Logger;
  flush(): void;
}

/** Sets the log up; calling it again, on a reload, changes format and level. */
export function openLog({ format, level, write }: LogOptions): Log {
  const formatRecord = format === "json" ? jsonLine : textLine;
  let pending = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (pending === "") return;
    const text = pending;
    pending = "";
    try {
      write(text);
    } catch {
      // A full disk behind the log must not end the service; and where would one say so?
    }
  };
  configureSync({
    reset: true,
    sinks: {
      stream: (record) => {
        pending += formatRecord(record);
        timer ??= setTimeout(flush, 0);
      },
    },
    loggers: [
      { category: CATEGORY, lowestLevel: level, sinks: ["stream"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stream"] },
    ],
  });
  return { logger: getLogger(CATEGORY), flush };
}

/** One object a line: time, level, event, message, and the record's other fields. */
export function jsonLine({ timestamp, level, properties, message }: LogRecord): string {
  const { event, ...fields } = properties;
  const time = new Date(timestamp).toISOString();
  return `${JSON.stringify({ time, level, event, message: message.join(""), ...fields })}\n`;
}

/** Time, level, message and fields in one line; long texts below it, indented. */
export function textLine({ timestamp, level, properties, message }: LogRecord): string {
  const time = new Date(timestamp).toISOString().slice(0, 19).replace("T", " ");
  const { event: _event, ...fields } = properties;
  let line = `${time} ${level.padEnd(7)} ${clean(message.join(""))}`;
  let below = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (Array.isArray(value)) below += indented(value.join("\n"));
    else if (typeof value === "string" && value.includes("\n")) below += indented(value);
    else line += ` ${name}=${word(value)}`;
  }
  return `${line}\n${below}`;
}

function indented(text: string): string {
  return text.trimEnd().split(/\r?\n/).map((line) => `    ${clean(line)}\n`).join("");
}

function word(value: unknown): string {
  if (typeof value === "object") return JSON.stringify(value);
  const text = clean(String(value));
  return text === "" || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

/** Without what would move a terminal's cursor or forge a line. */
function clean(text: string): string {
  return printable(text, Infinity);
}
