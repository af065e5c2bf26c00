/** Runs wrk, the load generator, and reads its exact figures through a Lua script. */
import { deliveryHeaders } from "./payload.ts";
import { stopped } from "./process.ts";

/** Connections that wrk keeps open at the same time. */
export const CONNECTIONS = 32;

/** What one run of wrk saw. */
export interface Load {
  readonly requests: number;
  /** Requests answered per second. */
  readonly rate: number;
  /** Latency in ms. */
  readonly median: number;
  readonly p99: number;
  /** Answers with a status of 400 or more, and requests without an answer, by kind. */
  readonly errors: Readonly<Record<string, number>>;
}

/**
 * Posts signed deliveries at `url` as fast as they are answered.
 *
 * @param seconds how long; wrk takes whole seconds
 * @param dir an existing folder for the script and its result
 */
export async function runWrk(
  url: string,
  body: string,
  secret: string,
  seconds: number,
  dir: string,
): Promise<Load> {
  const folder = await Deno.makeTempDir({ dir, prefix: "wrk-" });
  const files = { head: `${folder}/head`, tail: `${folder}/tail`, result: `${folder}/result.json` };
  const { head, tail } = requestAround(url, body, secret);
  await Deno.writeTextFile(files.head, head);
  await Deno.writeTextFile(files.tail, tail);
  await Deno.writeTextFile(`${folder}/push.lua`, luaScript(files));
  // One thread: it posts more than any peer here answers, and leaves the other cores to the peer.
  const command = new Deno.Command("wrk", {
    args: [
      "--threads=1",
      `--connections=${CONNECTIONS}`,
      `--duration=${seconds}s`,
      "--timeout=10s",
      `--script=${folder}/push.lua`,
      url,
    ],
    stdin: "null",
    signal: stopped,
  });
  const { success, stderr, stdout } = await command.output();
  if (!success) {
    const decoder = new TextDecoder();
    throw new Error(`wrk failed: ${decoder.decode(stderr)}${decoder.decode(stdout)}`);
  }
  return parseLoad(await Deno.readTextFile(files.result));
}

/** The bytes of a request before and after its delivery id, the only part that changes. */
function requestAround(url: string, body: string, secret: string): { head: string; tail: string } {
  const { host, pathname } = new URL(url);
  const headers = { ...deliveryHeaders(body, secret, ""), "X-Coding-Delivery": undefined };
  const fixed = Object.entries(headers)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  const length = new TextEncoder().encode(body).length;
  return {
    head: `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${fixed}Content-Length: ${length}\r\n` +
      // A prefix of its own for each run: an id seen in an earlier run would be a duplicate.
      `X-Coding-Delivery: ${crypto.randomUUID().slice(0, 24)}`,
    tail: `\r\n\r\n${body}`,
  };
}

/** Paths are written as JSON strings, which Lua reads alike for what a temporary folder is named. */
function luaScript(files: { head: string; tail: string; result: string }): string {
  const errorKinds = ["connect", "read", "write", "status", "timeout"];
  const errors = errorKinds.map((kind) => `"${kind}":%d`).join(",");
  const values = errorKinds.map((kind) => `summary.errors.${kind}`).join(", ");
  return `
local function content(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local head = content(${JSON.stringify(files.head)})
local tail = content(${JSON.stringify(files.tail)})
local count = 0

function request()
  count = count + 1
  return head .. string.format("%012x", count) .. tail
end

function done(summary, latency, requests)
  local file = assert(io.open(${JSON.stringify(files.result)}, "w"))
  file:write(string.format(
    '{"requests":%d,"us":%d,"median":%d,"p99":%d,"errors":{${errors}}}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    ${values}))
  file:close()
end
`;
}

/** Reads what the Lua script wrote; times in it are in microseconds. */
export function parseLoad(json: string): Load {
  const raw = JSON.parse(json);
  const errors: Record<string, number> = {};
  for (const [kind, count] of Object.entries<number>(raw.errors)) {
    if (count > 0) errors[kind] = count;
  }
  return {
    requests: raw.requests,
    rate: raw.requests / (raw.us / 1e6),
    median: raw.median / 1000,
    p99: raw.p99 / 1000,
    errors,
  };
}
