/**
 * The administrator's door: status and history to read, and the wishes that only the owner of the
 * server has. It is a unix socket, so the file's mode says who may knock.
 *
 * @module
 */

import type { Deployment } from "./delivery.ts";
import { deployOrder, rollbackOrder } from "./deploy/order.ts";
import type { Finding } from "./findings.ts";
import { GitError } from "./git.ts";
import type { Keeper } from "./keeper.ts";
import type { Ledger } from "./ledger.ts";
import { BodyBudget, readBody } from "./server/body.ts";
import { type RepositoryName, repositoryName, type Sha, sha } from "./values.ts";

/** What the administrator's door needs from the house. */
export interface AdminOptions {
  readonly keeper: Keeper;
  readonly ledger: Ledger;
  readonly names: () => Iterable<RepositoryName>;
  readonly facts: () => Readonly<Record<string, unknown>>;
  /** Checks the repositories as this process, with its rights, sees them. */
  readonly check: (names: readonly RepositoryName[]) => Promise<Finding[]>;
  /** Which configuration is in force. */
  readonly configuration: () => { readonly file: string; readonly fingerprint: string };
}

/** A request that can't be granted; the message is for the person at the command line. */
class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** The largest body that a wish may have, in bytes. */
const BODY_LIMIT = 64 * 1024;
/** How many rows of history an answer has at most. */
const MAX_ROWS = 1_000;

/** The administrator's handler. */
export class AdminDoor {
  readonly #options: AdminOptions;
  readonly #budget = new BodyBudget(1024 * 1024);

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  /** Answers one request with JSON. */
  readonly handle = async (request: Request): Promise<Response> => {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (error instanceof Refusal) {
        return Response.json({ error: error.message }, { status: error.status });
      }
      if (error instanceof GitError) {
        return Response.json({ error: error.message }, { status: 500 });
      }
      throw error;
    }
  };

  async #answer(request: Request): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url);
    switch (`${request.method} ${pathname}`) {
      case "GET /status.json":
        return this.#status();
      case "GET /log.json":
        return this.#log(searchParams);
      case "POST /check":
        return {
          configuration: this.#options.configuration(),
          findings: await this.#options.check(await this.#namesIn(request)),
        };
    }
    const [, name, verb] = /^\/repositories\/([^/]+)\/([a-z]+)$/.exec(pathname) ?? [];
    if (name === undefined || verb === undefined) throw new Refusal(404, "not found");
    if (request.method !== "POST") throw new Refusal(405, "only POST");
    return await this.#grant(this.#named(name), verb, await this.#body(request));
  }

  #status(): unknown {
    return { ...this.#options.facts(), repositories: this.#options.keeper.states() };
  }

  #log(params: URLSearchParams): unknown {
    const repository = params.get("repository") ?? undefined;
    const limit = Math.min(Math.max(1, Math.trunc(Number(params.get("limit"))) || 20), MAX_ROWS);
    const { ledger } = this.#options;
    return {
      deployments: ledger.deployments(repository, limit),
      deliveries: ledger.deliveries(repository, limit),
    };
  }

  async #grant(
    name: RepositoryName,
    verb: string,
    { to, reason, wait }: Record<string, unknown>,
  ): Promise<unknown> {
    const { keeper } = this.#options;
    switch (verb) {
      case "deploy":
        return await this.#ordered(keeper.submit(name, deployOrder()), wait === true);
      case "rollback":
        return await this.#ordered(
          keeper.submit(name, rollbackOrder(this.#commitOf(name, to))),
          true,
        );
      case "hold":
        return { hold: await keeper.hold(name, typeof reason === "string" ? reason : undefined) };
      case "resume":
        await keeper.resume(name);
        return {};
      default:
        throw new Refusal(404, "not found");
    }
  }

  async #ordered(deployment: Promise<Deployment> | undefined, wait: boolean): Promise<unknown> {
    if (deployment === undefined) throw new Refusal(503, "the service is stopping");
    return wait ? { deployment: await deployment } : { queued: true };
  }

  /** The commit that a rollback names by a deployment's number or by itself. */
  #commitOf(name: RepositoryName, to: unknown): Sha | undefined {
    if (to === undefined) return this.#earlier(name);
    const commit = sha(String(to));
    if (commit !== undefined) return commit;
    const { ledger } = this.#options;
    const found = ledger.deployments(name, MAX_ROWS).find(({ id }) => String(id) === String(to));
    const target = sha(found?.new ?? "");
    if (target === undefined) throw new Refusal(404, `there is no deployment ${to} of "${name}"`);
    return target;
  }

  /** The commit that was deployed before the one that is, by the history. */
  #earlier(name: RepositoryName): Sha | undefined {
    const { keeper, ledger } = this.#options;
    const current = keeper.states().find((state) => state.name === name);
    // After a failure the deployment knows better what is live and what is not.
    if (current?.failure !== undefined) return undefined;
    const { deployed } = current ?? {};
    const past = ledger.deployments(name, MAX_ROWS)
      .filter(({ state, action }) => state === "deployed" && action === "deploy")
      .map((record) => record.new);
    const place = past.indexOf(deployed);
    const earlier = past.slice(place + 1).find((commit) => commit !== deployed);
    return place === -1 || earlier === undefined ? undefined : sha(earlier);
  }

  #named(name: string): RepositoryName {
    const known = repositoryName(name);
    for (const each of this.#options.names()) if (each === known) return each;
    throw new Refusal(404, `no repository "${name}" in the service's configuration`);
  }

  async #namesIn(request: Request): Promise<RepositoryName[]> {
    const { names } = await this.#body(request);
    return Array.isArray(names) ? names.map((name) => this.#named(String(name))) : [];
  }

  async #body(request: Request): Promise<Record<string, unknown>> {
    const body = await readBody(request, { limit: BODY_LIMIT, budget: this.#budget });
    if (typeof body === "string") throw new Refusal(400, `the body is ${body}`);
    if (body.length === 0) return {};
    try {
      const value = JSON.parse(new TextDecoder().decode(body));
      return typeof value === "object" && value !== null ? value : {};
    } catch {
      throw new Refusal(400, "the body is not JSON");
    }
  }
}
