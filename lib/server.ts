/**
 * The public door: from a request to an answer. Everything here is bounded, and nothing of a
 * delivery is believed before its provider has verified it.
 *
 * @module
 */

import { type Client, clientOf, isAllowed, type TrustedProxies } from "./address.ts";
import type { RepositoryConfig } from "./config.ts";
import type {
  DeliveryRecord,
  Deployment,
  IdentifiedDelivery,
  Outcome,
  RefChange,
} from "./delivery.ts";
import { glob } from "./glob.ts";
import type { Logger } from "./log.ts";
import { tail } from "./output.ts";
import { bodyFormat } from "./providers/payload.ts";
import { identified } from "./providers/identity.ts";
import { type Posted, UnreadableDelivery } from "./providers/provider.ts";
import { type Answer, respond } from "./server/answer.ts";
import { BodyBudget, type BodyProblem, readBody } from "./server/body.ts";
import { type Gate, type Passed, passGates } from "./server/gates.ts";
import { SeenDeliveries } from "./server/seen.ts";
import { Throttle } from "./server/throttle.ts";
import { within } from "./time.ts";
import { duration } from "./units.ts";
import type { BranchName, RepositoryName } from "./values.ts";

/** A repository, ready to take deliveries. */
export interface Endpoint {
  readonly config: RepositoryConfig;
  /** Tried in this order. */
  readonly gates: readonly Gate[];
}

/** What a reload replaces, as a whole. */
export interface DoorSettings {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly trustedProxies: TrustedProxies;
  /** In bytes. */
  readonly bodyLimit: number;
}

/** Whom a deployment is for, in words. */
export type Asker = Pick<IdentifiedDelivery, "id" | "pusher">;

/** What the door needs from the house. */
export interface DoorOptions {
  readonly settings: () => DoorSettings;
  /**
   * Asks for a deployment; undefined where the service is stopping. Of the delivery it gets no more
   * than its id and who pushed, for people to read.
   */
  readonly submit: (name: RepositoryName, asker: Asker) => Promise<Deployment> | undefined;
  /** Whether somebody holds the repository. */
  readonly isHeld: (name: RepositoryName) => boolean;
  /** The branch that is deployed; undefined where it is not known before the first deployment. */
  readonly branchOf: (
    config: RepositoryConfig,
  ) => BranchName | undefined | Promise<BranchName | undefined>;
  /** Remembers what became of a delivery. */
  readonly record: (record: DeliveryRecord) => void;
  /** The ids of deliveries that were taken before this start, the newest first. */
  readonly seen?: Iterable<DeliveryRecord>;
  readonly log: () => Logger;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
  /** The time of day, in milliseconds since 1970; the system's where it is not given. */
  readonly time?: () => number;
  /** How long a body may take, in milliseconds; for tests. */
  readonly bodyTime?: number;
}

/** A request that is being answered. */
interface Visit {
  readonly request: Request;
  readonly client: Client;
  readonly endpoint: Endpoint;
  readonly started: number;
  /** When it came, in milliseconds since 1970: before anything that it sets off. */
  readonly received: number;
  /** How long the client wants to wait for the deployment, in milliseconds. */
  readonly wait: number;
}

/** What became of a delivery, and what of it the log may show. */
interface Result {
  readonly answer: Answer;
  readonly delivery?: IdentifiedDelivery;
  /** Who vouched for the delivery. */
  readonly passed?: Passed;
  /** For the log alone. */
  readonly why?: string;
  readonly hint?: string;
}

/** Requests that may be in the house at once; each may hold 64 KiB without asking. */
const MAX_VISITS = 2048;
/** How long a client may wait for a deployment, in milliseconds. */
const MAX_WAIT = 3_600_000;
/** What larger bodies may hold together, in bytes. */
const LARGE_BODIES = 64 * 1024 * 1024;
/** Log lines about deliveries that prove nothing, in a window of so many milliseconds. */
const STRANGERS_LOGGED = { limit: 60, window: 60_000 } as const;

const UNKNOWN_FORMAT: Answer = { status: 415, reason: "the body is neither JSON nor a form" };

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
  readonly #strangers: Throttle;
  readonly #time: () => number;
  #visits = 0;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#time = options.time ?? Date.now;
    for (const { repository, delivery, outcome } of options.seen ?? []) {
      if (delivery !== undefined && outcome === "queued") this.#seen.add(repository, delivery);
    }
    const { limit, window } = STRANGERS_LOGGED;
    this.#strangers = new Throttle(limit, window, options.now);
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
      const wait = waitTime(query);
      if (wait === undefined) {
        return respond(request, { status: 400, reason: '"wait" is not a duration such as 60s' });
      }
      const forwardedFor = request.headers.get("x-forwarded-for");
      const client = clientOf(
        info.remoteAddr,
        forwardedFor,
        this.#options.settings().trustedProxies,
      );
      const started = this.#options.now();
      const visit = { request, client, endpoint, wait, started, received: this.#time() };
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
      const why = "the client's address is not in allow_from";
      return this.#log(visit, { answer: rejection(endpoint), why });
    }
    if (bodyFormat(request.headers.get("content-type")) === undefined) {
      return this.#log(visit, { answer: UNKNOWN_FORMAT });
    }
    const { bodyLimit } = this.#options.settings();
    const body = await readBody(request, {
      limit: bodyLimit,
      budget: this.#budget,
      ...this.#options.bodyTime !== undefined && { time: this.#options.bodyTime },
    });
    if (typeof body === "string") return this.#log(visit, { answer: BODY_ANSWERS[body] });
    const posted = { headers: request.headers, body, received: visit.received };
    const passed = await passGates(endpoint.gates, posted);
    if ("why" in passed) return this.#log(visit, { answer: rejection(endpoint), ...passed });
    const result = await this.#decide(visit, posted, passed);
    return await this.#await(visit, this.#log(visit, { ...result, passed }), result);
  }

  /** Reads an authentic delivery, and asks for a deployment where it is about the deployed ref. */
  async #decide(
    { endpoint }: Visit,
    posted: Posted,
    { provider, verdict }: Passed,
  ): Promise<Result & { deployment?: Promise<Deployment> }> {
    const { config } = endpoint;
    let delivery: IdentifiedDelivery;
    try {
      const read = provider.read(posted, verdict.payload);
      delivery = await identified(provider.name, posted.body, read);
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
      : await this.#ignoredBecause(event.changes, config);
    if (reason !== undefined) return { delivery, answer: answer(200, "ignored", reason) };
    if (this.#options.isHeld(config.name)) {
      return { delivery, answer: answer(200, "held", `hook resume ${config.name} goes on`) };
    }
    if (!this.#seen.add(config.name, delivery.id, delivery.idFrom)) {
      return { delivery, answer: answer(200, "duplicate") };
    }
    const { id, pusher } = delivery;
    const asker: Asker = { id, ...pusher !== undefined && { pusher } };
    const deployment = this.#options.submit(config.name, asker);
    if (deployment === undefined) {
      this.#seen.forget(config.name, delivery.id);
      return { delivery, answer: busy("stopping") };
    }
    void deployment.then(({ result }) => {
      if (result === "failed") this.#seen.forget(config.name, delivery.id);
    });
    return { delivery, deployment, answer: answer(202, "queued") };
  }

  /** Why a push has nothing to deploy; undefined where it has. */
  async #ignoredBecause(
    changes: readonly RefChange[],
    config: RepositoryConfig,
  ): Promise<string | undefined> {
    return config.tags === undefined
      ? branchIgnoredBecause(changes, await this.#options.branchOf(config))
      : tagIgnoredBecause(changes, config.tags);
  }

  /** Waits for the deployment where the client asked for it, and answers with what it came to. */
  async #await(
    { wait }: Visit,
    queued: Answer,
    { deployment, delivery }: { deployment?: Promise<Deployment>; delivery?: IdentifiedDelivery },
  ): Promise<Answer> {
    if (deployment === undefined || wait === 0) return queued;
    const ended = await within(wait, deployment);
    if (ended === undefined) return queued;
    const { result, repository, reason, hint, output } = ended;
    // Nobody asked by a push for a repository to be left as somebody moved it.
    const outcome: Outcome = result === "drifted" ? "unchanged" : result;
    const answer = { outcome, repository, delivery: delivery?.id, reason };
    if (result !== "failed") return { status: 200, ...answer };
    return { status: 500, ...answer, hint, output: output && tail(output) };
  }

  #record(
    fields: Omit<DeliveryRecord, "at" | "provider"> & { provider?: string },
    at: number,
  ): void {
    const { repository, provider = "unknown", delivery, outcome, reason, ref, pusher, client } =
      fields;
    this.#options.record({
      at,
      repository,
      provider,
      outcome,
      client,
      ...delivery !== undefined && { delivery },
      ...reason !== undefined && { reason },
      ...ref !== undefined && { ref },
      ...pusher !== undefined && { pusher },
    });
  }

  /** Writes the one line of a delivery. */
  #log(visit: Visit, { answer, delivery, passed, why, hint }: Result): Answer {
    const { endpoint, client, started } = visit;
    const suppressed = passed?.secret === undefined ? this.#strangers.pass() : 0;
    if (suppressed === undefined) return answer;
    const outcome = answer.outcome ?? "refused";
    const change = delivery?.event.kind === "push" ? delivery.event.changes[0] : undefined;
    const fields = {
      event: "delivery",
      repository: endpoint.config.name,
      delivery: delivery?.id,
      provider: passed?.provider.name ?? onlyProvider(endpoint),
      outcome,
      status: answer.status,
      reason: why ?? answer.reason,
      hint,
      ref: change?.ref,
      pusher: delivery?.pusher,
      commits: delivery?.commits,
      ms: Math.round((this.#options.now() - started) * 10) / 10,
      client: client === "unix" ? "unix" : client.address,
      secret: passed?.hadChoice ? passed.secret : undefined,
      suppressed: suppressed > 0 ? suppressed : undefined,
    };
    this.#record(fields, visit.received);
    const log = this.#options.log();
    const message = `delivery ${outcome}`;
    if (answer.status >= 400) log.warn(message, fields);
    else log.info(message, fields);
    return answer;
  }
}

/** The same words whatever was wrong; the log has the reason. */
function rejection({ config }: Endpoint): Answer {
  return { status: 403, outcome: "rejected", repository: config.name };
}

/** The provider that was meant, where there is no choice. */
function onlyProvider({ gates }: Endpoint): string | undefined {
  return gates.length === 1 ? gates[0]!.provider.name : undefined;
}

function branchIgnoredBecause(
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

function tagIgnoredBecause(changes: readonly RefChange[], pattern: string): string | undefined {
  const tags = changes.filter(({ ref }) =>
    ref.startsWith("refs/tags/") && glob(pattern).test(ref.slice("refs/tags/".length))
  );
  if (tags.length === 0) return `tags such as "${pattern}" are deployed, not this ref`;
  return tags.every(({ deleted }) => deleted) ? "the tag was deleted" : undefined;
}

/** The time in `?wait=60s`, at most an hour; undefined where it is malformed. */
function waitTime(query: string): number | undefined {
  if (query === "") return 0;
  const text = new URLSearchParams(query).get("wait");
  if (text === null) return 0;
  const time = duration(text);
  return time === undefined ? undefined : Math.min(time, MAX_WAIT);
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
