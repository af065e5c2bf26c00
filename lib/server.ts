/**
 * The public door: from a request to an answer. Everything here is bounded, and nothing of a
 * delivery is believed before its provider has verified it.
 *
 * @module
 */

import { type Client, clientOf, isAllowed, type TrustedProxies } from "./address.ts";
import type { RepositoryConfig } from "./config.ts";
import type { Delivery, Deployment, Outcome, RefChange } from "./delivery.ts";
import type { Logger } from "./log.ts";
import { tail } from "./output.ts";
import { bodyFormat } from "./providers/payload.ts";
import {
  type Posted,
  type Provider,
  UnreadableDelivery,
  type Verdict,
} from "./providers/provider.ts";
import { type Answer, respond } from "./server/answer.ts";
import { BodyBudget, type BodyProblem, readBody } from "./server/body.ts";
import { SeenDeliveries } from "./server/seen.ts";
import { Throttle } from "./server/throttle.ts";
import { within } from "./time.ts";
import { duration } from "./units.ts";
import type { BranchName, RepositoryName } from "./values.ts";

/** A repository, ready to take deliveries. */
export interface Endpoint {
  readonly config: RepositoryConfig;
  readonly provider: Provider;
  /** One a secret, in the configuration's order. */
  readonly authenticators: readonly ((posted: Posted) => Promise<Verdict>)[];
}

/** What a reload replaces, as a whole. */
export interface DoorSettings {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly trustedProxies: TrustedProxies;
  /** In bytes. */
  readonly bodyLimit: number;
}

/** What the door needs from the house. */
export interface DoorOptions {
  readonly settings: () => DoorSettings;
  /** Asks for a deployment; undefined where the service is stopping. */
  readonly submit: (name: RepositoryName) => Promise<Deployment> | undefined;
  /** The branch that is deployed; undefined where it is not known before the first deployment. */
  readonly branchOf: (config: RepositoryConfig) => Promise<BranchName | undefined>;
  readonly log: () => Logger;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
  /** How long a body may take, in milliseconds; for tests. */
  readonly bodyTime?: number;
}

/** A request that is being answered. */
interface Visit {
  readonly request: Request;
  readonly client: Client;
  readonly endpoint: Endpoint;
  readonly started: number;
  /** How long the client wants to wait for the deployment, in milliseconds. */
  readonly wait: number;
}

/** What became of a delivery, and what of it the log may show. */
interface Result {
  readonly answer: Answer;
  readonly delivery?: Delivery;
  /** Which of several secrets matched, from 1. */
  readonly secret?: number;
  /** For the log alone. */
  readonly why?: string;
}

/** Requests that may be in the house at once; each may hold 64 KiB without asking. */
const MAX_VISITS = 2048;
/** What larger bodies may hold together, in bytes. */
const LARGE_BODIES = 64 * 1024 * 1024;
/** Log lines about rejected deliveries, in a window of so many milliseconds. */
const REJECTIONS_LOGGED = { limit: 60, window: 60_000 } as const;

const BODY_ANSWERS: Readonly<Record<BodyProblem, Answer>> = {
  "too large": { status: 413, reason: "the body is too large", headers: { connection: "close" } },
  "too slow": { status: 408, reason: "the body came too slowly", headers: { connection: "close" } },
  "too much at once": busy("too much at once"),
  "cut off": { status: 400, reason: "the body was cut off" },
};

function busy(reason: string): Answer {
  return { status: 503, reason, headers: { "retry-after": "5" } };
}

/** The public listener's handler. */
export class Door {
  readonly #options: DoorOptions;
  readonly #budget = new BodyBudget(LARGE_BODIES);
  readonly #seen = new SeenDeliveries();
  readonly #rejections: Throttle;
  #visits = 0;

  constructor(options: DoorOptions) {
    this.#options = options;
    const { limit, window } = REJECTIONS_LOGGED;
    this.#rejections = new Throttle(limit, window, options.now);
  }

  /** Answers one request. */
  readonly handle = async (
    request: Request,
    info: Deno.ServeHandlerInfo<Deno.NetAddr | Deno.UnixAddr>,
  ): Promise<Response> => {
    const { path, query } = splitUrl(request.url);
    if (path === "/healthz") return health(request);
    const endpoint = this.#endpointAt(path);
    if (endpoint === undefined) return respond(request, { status: 404, reason: "not found" });
    if (request.method !== "POST") {
      return respond(request, { status: 405, reason: "only POST", headers: { allow: "POST" } });
    }
    if (this.#visits >= MAX_VISITS) return respond(request, busy("too much at once"));
    this.#visits++;
    try {
      const wait = waitTime(query, endpoint);
      if (wait === undefined) {
        return respond(request, { status: 400, reason: '"wait" is not a duration such as 60s' });
      }
      const forwardedFor = request.headers.get("x-forwarded-for");
      const client = clientOf(
        info.remoteAddr,
        forwardedFor,
        this.#options.settings().trustedProxies,
      );
      const visit = { request, client, endpoint, wait, started: this.#options.now() };
      return respond(request, await this.#receive(visit));
    } finally {
      this.#visits--;
    }
  };

  /** `/hooks/NAME`, and `/` where there is but one repository. */
  #endpointAt(path: string): Endpoint | undefined {
    const { endpoints } = this.#options.settings();
    if (path.startsWith("/hooks/")) return endpoints.get(path.slice("/hooks/".length));
    if (path !== "/" || endpoints.size !== 1) return undefined;
    const [only] = endpoints.values();
    return only;
  }

  async #receive(visit: Visit): Promise<Answer> {
    const { request, endpoint, client } = visit;
    const { allowFrom } = endpoint.config;
    if (allowFrom !== undefined && !isAllowed(client, allowFrom)) {
      return this.#log(visit, rejected(endpoint, "the client's address is not in allow_from"));
    }
    if (bodyFormat(request.headers.get("content-type")) === undefined) {
      return { status: 415, reason: "the body is neither JSON nor a form" };
    }
    const { bodyLimit } = this.#options.settings();
    const body = await readBody(request, {
      limit: bodyLimit,
      budget: this.#budget,
      ...this.#options.bodyTime !== undefined && { time: this.#options.bodyTime },
    });
    if (typeof body === "string") return BODY_ANSWERS[body];
    const posted = { headers: request.headers, body };
    const { verdict, secret } = await authenticate(endpoint, posted);
    if (!verdict.authentic) return this.#log(visit, rejected(endpoint, verdict.why));
    const result = await this.#decide(visit, posted, verdict);
    const answer = this.#log(visit, { ...result, ...secret !== undefined && { secret } });
    return await this.#await(visit, answer, result);
  }

  /** Reads an authentic delivery, and asks for a deployment where it is about the deployed ref. */
  async #decide(
    { endpoint }: Visit,
    posted: Posted,
    verdict: Verdict & { authentic: true },
  ): Promise<Result & { deployment?: Promise<Deployment> }> {
    const { config, provider } = endpoint;
    let delivery: Delivery;
    try {
      delivery = provider.read(posted, verdict.payload);
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      return {
        answer: { status: 400, reason: `unreadable: ${error.message}` },
        why: error.message,
      };
    }
    const answer = (status: number, outcome: Outcome, reason?: string): Answer => ({
      status,
      outcome,
      repository: config.name,
      delivery: delivery.id,
      reason,
    });
    const { event } = delivery;
    if (event.kind === "ping") return { delivery, answer: answer(200, "pong") };
    const reason = event.kind === "other"
      ? `the event "${event.name}" is not a push`
      : ignoredBecause(event.changes, await this.#options.branchOf(config));
    if (reason !== undefined) return { delivery, answer: answer(200, "ignored", reason) };
    if (delivery.id !== undefined && !this.#seen.add(config.name, delivery.id)) {
      return { delivery, answer: answer(200, "duplicate") };
    }
    const deployment = this.#options.submit(config.name);
    if (deployment === undefined) {
      this.#forget(config.name, delivery);
      return { delivery, answer: busy("stopping") };
    }
    void deployment.then(({ result }) => {
      if (result === "failed") this.#forget(config.name, delivery);
    });
    return { delivery, deployment, answer: answer(202, "queued") };
  }

  #forget(name: RepositoryName, { id }: Delivery): void {
    if (id !== undefined) this.#seen.forget(name, id);
  }

  /** Waits for the deployment where the client asked for it, and answers with what it came to. */
  async #await(
    { wait }: Visit,
    queued: Answer,
    { deployment, delivery }: { deployment?: Promise<Deployment>; delivery?: Delivery },
  ): Promise<Answer> {
    if (deployment === undefined || wait === 0) return queued;
    const ended = await within(wait, deployment);
    if (ended === undefined) return queued;
    const { result, repository, reason, hint, output } = ended;
    const answer = { outcome: result, repository, delivery: delivery?.id, reason };
    if (result !== "failed") return { status: 200, ...answer };
    return { status: 500, ...answer, hint, output: output && tail(output) };
  }

  /** Writes the one line of a delivery. */
  #log(visit: Visit, { answer, delivery, secret, why }: Result): Answer {
    const { endpoint, client, started } = visit;
    const isRejection = answer.outcome === "rejected";
    const suppressed = isRejection ? this.#rejections.pass() : 0;
    if (suppressed === undefined) return answer;
    const outcome = answer.outcome ?? "refused";
    const change = delivery?.event.kind === "push" ? delivery.event.changes[0] : undefined;
    const fields = {
      event: "delivery",
      repository: endpoint.config.name,
      delivery: delivery?.id,
      provider: endpoint.provider.name,
      outcome,
      status: answer.status,
      reason: why ?? answer.reason,
      ref: change?.ref,
      pusher: delivery?.pusher,
      ms: Math.round((this.#options.now() - started) * 10) / 10,
      client: client === "unix" ? "unix" : client.address,
      secret: endpoint.authenticators.length > 1 ? secret : undefined,
      suppressed: suppressed > 0 ? suppressed : undefined,
    };
    const log = this.#options.log();
    const message = `delivery ${outcome}`;
    if (isRejection || answer.status >= 400) log.warn(message, fields);
    else log.info(message, fields);
    return answer;
  }
}

/** The same words whatever was wrong; the log has the reason. */
function rejected({ config }: Endpoint, why: string): Result {
  return { answer: { status: 403, outcome: "rejected", repository: config.name }, why };
}

async function authenticate(
  { authenticators }: Endpoint,
  posted: Posted,
): Promise<{ verdict: Verdict; secret?: number }> {
  let verdict: Verdict = { authentic: false, why: "no secret" };
  for (const [index, check] of authenticators.entries()) {
    verdict = await check(posted);
    if (verdict.authentic) return { verdict, secret: index + 1 };
  }
  return { verdict };
}

/** Why a push has nothing to deploy; undefined where it has. */
function ignoredBecause(
  changes: readonly RefChange[],
  branch: BranchName | undefined,
): string | undefined {
  const branches = changes.filter(({ ref }) => ref.startsWith("refs/heads/"));
  if (branches.length === 0) return "only branches are deployed";
  // Before the first clone nobody knows the branch; a comparison with the remote does no harm.
  const own = branch === undefined
    ? branches
    : branches.filter(({ ref }) => ref === `refs/heads/${branch}`);
  if (own.length === 0) return `the branch "${branch}" is deployed, not this one`;
  return own.every(({ deleted }) => deleted) ? "the branch was deleted" : undefined;
}

/** The time in `?wait=60s`, at most the deployment's timeout; undefined where it is malformed. */
function waitTime(query: string, { config }: Endpoint): number | undefined {
  if (query === "") return 0;
  const text = new URLSearchParams(query).get("wait");
  if (text === null) return 0;
  const time = duration(text);
  return time === undefined ? undefined : Math.min(time, config.timeout);
}

function health(request: Request): Response {
  if (request.method === "GET" || request.method === "HEAD") {
    return new Response("ok\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
  }
  return respond(request, { status: 405, reason: "only GET", headers: { allow: "GET, HEAD" } });
}

/** Path and query of a request's URL, which Deno has normalised already. */
function splitUrl(url: string): { path: string; query: string } {
  const pathStart = url.indexOf("/", url.indexOf("://") + 3);
  const queryStart = url.indexOf("?", pathStart);
  return queryStart === -1
    ? { path: url.slice(pathStart), query: "" }
    : { path: url.slice(pathStart, queryStart), query: url.slice(queryStart + 1) };
}
