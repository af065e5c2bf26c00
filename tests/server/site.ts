/** A door with everything around it faked: no socket, no git, and a clock that stands still. */

import { QUIET } from "../deploy/world.ts";
import { network } from "../../lib/address.ts";
import type { RepositoryConfig } from "../../lib/config.ts";
import type { DeliveryRecord, Deployment } from "../../lib/delivery.ts";
import type { Logger } from "../../lib/log.ts";
import type { Acceptance } from "../../lib/config/accept.ts";
import { providers } from "../../lib/providers/mod.ts";
import type { Posted, Provider } from "../../lib/providers/provider.ts";
import { type Asker, Door, type Endpoint } from "../../lib/server.ts";
import { absolutePath, branchName, type RepositoryName, repositoryName } from "../../lib/values.ts";
import { SECRET } from "../providers/deliveries.ts";

/** A line of the log. */
export type Line = { readonly level: string; readonly message: string } & Record<string, unknown>;

/** A log that keeps its lines. */
export class LogBook {
  readonly lines: Line[] = [];
  readonly logger: Logger;

  constructor() {
    const write = (level: string) => (message: string, fields: object) => {
      this.lines.push({ level, message, ...fields });
    };
    const levels = ["debug", "info", "warn", "error"];
    this.logger = Object.fromEntries(
      levels.map((level) => [level, write(level)]),
    ) as unknown as Logger;
  }

  /** The lines about one kind of event. */
  of(event: string): Line[] {
    return this.lines.filter((line) => line.event === event);
  }
}

/** What differs from a repository `app` with one secret, where a test needs it. */
export interface SiteRepository {
  readonly name?: string;
  readonly secrets?: readonly string[];
  /** Its forges; Coding with the secrets where they are not given. */
  readonly accept?: readonly Acceptance[];
  readonly timeout?: number;
  readonly allowFrom?: readonly string[];
}

export interface SiteOptions {
  readonly repositories?: readonly SiteRepository[];
  /** The branch that is deployed; `null` where nobody knows it yet. */
  readonly branch?: string | null;
  readonly trustedProxies?: readonly string[];
  readonly bodyLimit?: number;
  readonly bodyTime?: number;
  /** The time of day, in milliseconds since 1970. */
  readonly today?: number;
  /** Where deployments are asked for, instead of `asked`. */
  readonly submit?: (name: RepositoryName, asker: Asker) => Promise<Deployment> | undefined;
}

/** An answer, read to its end. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  readonly json: Record<string, unknown> | undefined;
}

const DEPLOYED = {
  action: "deploy",
  trigger: "delivery",
  attempt: 1,
  deliveries: 1,
  result: "deployed",
  ms: 1,
} as const;

export class Site {
  readonly log = new LogBook();
  /** The deployments that were asked for, in order, until a test ends them. */
  readonly asked: { name: string; end: (deployment: Partial<Deployment>) => Promise<void> }[] = [];
  /** The clock, in milliseconds. */
  time = 1_000;
  stopping = false;
  /** The repositories that somebody holds. */
  readonly held = new Set<string>();
  /** What was handed to the history. */
  readonly records: DeliveryRecord[] = [];
  readonly door: Door;

  get lines(): readonly Line[] {
    return this.log.lines;
  }

  private constructor(endpoints: Map<string, Endpoint>, options: SiteOptions) {
    const { trustedProxies = [], bodyLimit = 5 * 1024 ** 2, bodyTime, branch = "main" } = options;
    this.door = new Door({
      settings: () => ({
        endpoints,
        trustedProxies: {
          networks: trustedProxies.filter((text) => text !== "unix").map((text) => network(text)!),
          unix: trustedProxies.includes("unix"),
        },
        bodyLimit,
      }),
      submit: options.submit ?? ((name) => this.#submit(name)),
      isHeld: (name) => this.held.has(name),
      record: (record) => this.records.push(record),
      branchOf: () => Promise.resolve(branch === null ? undefined : branchName(branch)),
      log: () => this.log.logger,
      now: () => this.time,
      ...options.today !== undefined && { time: () => options.today! },
      ...bodyTime !== undefined && { bodyTime },
    });
  }

  static async open(options: SiteOptions = {}): Promise<Site> {
    const endpoints = new Map<string, Endpoint>();
    for (const repository of options.repositories ?? [{}]) {
      const { name = "app", secrets = [SECRET], timeout = 60_000, allowFrom } = repository;
      const { accept = [{ provider: "coding", secrets, options: {} }] } = repository;
      const config: RepositoryConfig = {
        name: repositoryName(name)!,
        path: absolutePath(`/srv/${name}`)!,
        accept,
        secretFiles: [],
        hasLiteralSecret: true,
        strategy: "pull",
        timeout,
        ...QUIET,
        ...allowFrom && { allowFrom: allowFrom.map((text) => network(text)!) },
      };
      const gates = await Promise.all(accept.map(async ({ provider, secrets, options }) => {
        const forge: Provider = providers[provider];
        const authenticators = await Promise.all(
          secrets.map((secret) => forge.authenticator(secret, options)),
        );
        return { provider: forge, authenticators };
      }));
      endpoints.set(name, { config, gates });
    }
    return new Site(endpoints, options);
  }

  #submit(name: RepositoryName): Promise<Deployment> | undefined {
    if (this.stopping) return undefined;
    const { promise, resolve } = Promise.withResolvers<Deployment>();
    const end = async (deployment: Partial<Deployment>) => {
      resolve({ ...DEPLOYED, repository: name, ...deployment });
      await promise;
    };
    this.asked.push({ name, end });
    return promise;
  }

  /** Lets the door answer a request from an address, or from a unix socket. */
  async ask(request: Request, from: string | "unix" = "192.0.2.1"): Promise<Answered> {
    const remoteAddr: Deno.NetAddr | Deno.UnixAddr = from === "unix"
      ? { transport: "unix", path: "/run/hook.sock" }
      : { transport: "tcp", hostname: from, port: 40_000 };
    const response = await this.door.handle(request, { remoteAddr, completed: Promise.resolve() });
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** Posts a delivery. */
  post(posted: Posted, path = "/hooks/app", headers: Record<string, string> = {}) {
    return this.ask(requestOf(posted, path, headers));
  }
}

export function requestOf(
  posted: Posted,
  path = "/hooks/app",
  more: Record<string, string> = {},
): Request {
  const headers = new Headers(posted.headers);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  return new Request(`http://localhost${path}`, { method: "POST", headers, body: posted.body });
}

/** A request whose body comes as the test feeds it. */
export function streamed(
  posted: Posted,
  source: UnderlyingDefaultSource<Uint8Array>,
  more: Record<string, string> = {},
): Request {
  const headers = new Headers(posted.headers);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const body = new ReadableStream(source);
  return new Request("http://localhost/hooks/app", { method: "POST", headers, body });
}
