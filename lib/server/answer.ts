/**
 * What the public listener answers: JSON, or one line of text where the client prefers it.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import type { Outcome } from "../delivery.ts";

/** An answer to a delivery. */
export interface Answer {
  readonly status: number;
  readonly outcome?: Outcome;
  readonly repository?: string;
  readonly delivery?: string | undefined;
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
  /** The end of git's output, where a deployment failed that the client waited for. */
  readonly output?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A longer Accept is no browser's; to weigh its parts takes a time that grows with their square. */
const MAX_ACCEPT = 256;

/** Writes an answer in the form that the request prefers. */
export function respond(request: Request, answer: Answer): Response {
  const accept = request.headers.get("accept");
  // Forges send no Accept or any, so the usual case does without the negotiation.
  const type = accept === null || accept === "*/*" || accept.length > MAX_ACCEPT
    ? "application/json"
    : accepts(request, "application/json", "text/plain") as string | undefined;
  const isText = type === "text/plain";
  return new Response(isText ? textOf(answer) : jsonOf(answer), {
    status: answer.status,
    headers: {
      "content-type": isText ? "text/plain; charset=utf-8" : "application/json",
      ...answer.headers,
    },
  });
}

function jsonOf({ outcome, repository, delivery, reason, hint, output }: Answer): string {
  const about = outcome === undefined
    ? { reason }
    : { outcome, repository, delivery: delivery ?? null, reason, hint, output };
  return `${JSON.stringify(about)}\n`;
}

function textOf({ outcome, repository, reason, hint, output }: Answer): string {
  const head = outcome === undefined ? reason : `${outcome} ${repository}`;
  const why = outcome !== undefined && reason !== undefined ? `: ${reason}` : "";
  const advice = hint === undefined ? "" : ` (${hint})`;
  return `${`${head}${why}${advice}`.replaceAll("\n", " ")}\n${
    output === undefined ? "" : `${output}\n`
  }`;
}
