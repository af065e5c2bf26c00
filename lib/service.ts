/**
 * The running service: listener, door, queue and deployments, put together from a configuration
 * and put together anew when it is reloaded.
 *
 * @module
 */

import { formatListenAddress, isSameAddress } from "./address.ts";
import type { Config } from "./config.ts";
import type { Deployment } from "./delivery.ts";
import { deploy } from "./deploy.ts";
import { isToBeCloned } from "./deploy/in_place.ts";
import { checkedOutBranch, type Git } from "./git.ts";
import type { Logger } from "./log.ts";
import { providers } from "./providers/mod.ts";
import { Queue } from "./queue.ts";
import { Door, type DoorSettings, type Endpoint } from "./server.ts";
import { Listener } from "./server/listener.ts";
import type { RepositoryName } from "./values.ts";

/** What the service takes from outside. */
export interface ServiceOptions {
  readonly git: Git;
  /** The log as it is now; a reload may change it. */
  readonly log: () => Logger;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** How long the last answers may take to go out, in milliseconds. */
const CLOSING_GRACE = 2_000;

/** Prepares the door for a configuration; imports every secret's keys. */
async function prepare(config: Config): Promise<DoorSettings> {
  const endpoints = new Map<string, Endpoint>();
  for (const repository of config.repositories.values()) {
    const provider = providers[repository.provider];
    const authenticators = await Promise.all(
      repository.secrets.map((secret) => provider.authenticator(secret)),
    );
    endpoints.set(repository.name, { config: repository, provider, authenticators });
  }
  return { endpoints, trustedProxies: config.trustedProxies, bodyLimit: config.bodyLimit };
}

/** What people see as the URL of a repository: the host is theirs to fill in where all are bound. */
export function deliveryUrls(config: Config, bound = config.listen): string[] {
  const shown = bound.kind === "tcp" && /^(?:0\.0\.0\.0|::)$/.test(bound.hostname)
    ? { ...bound, hostname: "YOUR-SERVER" }
    : bound;
  const root = shown.kind === "unix"
    ? "https://YOUR-PROXY"
    : formatListenAddress(shown, config.tls !== undefined);
  return [...config.repositories.keys()].map((name) => `${root}/hooks/${name}`);
}

/** The service from start to stop. */
export class Service {
  readonly #options: ServiceOptions;
  readonly #queue: Queue<RepositoryName, Deployment>;
  readonly #door: Door;
  readonly #abort = new AbortController();
  #config: Config;
  #settings: DoorSettings;
  #listener!: Listener;
  #stopped: Promise<void> | undefined;

  private constructor(config: Config, settings: DoorSettings, options: ServiceOptions) {
    this.#config = config;
    this.#settings = settings;
    this.#options = options;
    this.#queue = new Queue({
      concurrency: config.concurrency,
      run: (name, count) => this.#deploy(name, count),
    });
    this.#door = new Door({
      settings: () => this.#settings,
      submit: (name) => this.#queue.submit(name),
      branchOf: async ({ branch, path }) => branch ?? await checkedOutBranch(path),
      log: options.log,
      now: options.now,
    });
  }

  /**
   * Starts the service.
   *
   * @throws {ListenError} where the address can't be bound
   */
  static async start(config: Config, options: ServiceOptions): Promise<Service> {
    const service = new Service(config, await prepare(config), options);
    service.#listener = await service.#listen(config);
    service.#announce();
    void service.#cloneMissing();
    return service;
  }

  #listen(config: Config, takeover?: Listener): Promise<Listener> {
    const log = this.#options.log;
    return Listener.open({
      address: takeover?.address ?? config.listen,
      ...config.tls && { tls: { cert: config.tls.cert, key: config.tls.key } },
      handler: this.#door.handle,
      onRebound: (cause) =>
        log().warn("listener bound again", {
          event: "started-again",
          reason: cause instanceof Error ? cause.message : "the listener ended",
        }),
      onError: (error) => log().error("internal error", { event: "error", reason: String(error) }),
    }, { takeover: takeover !== undefined });
  }

  #announce(): void {
    this.#options.log().info("listening; paste these URLs into the forge", {
      event: "listening",
      address: this.#listener.url,
      repositories: this.#config.repositories.size,
      urls: deliveryUrls(this.#config, this.#listener.address),
    });
  }

  /** A repository without a checkout needs no push to be put there. */
  async #cloneMissing(): Promise<void> {
    for (const repository of this.#config.repositories.values()) {
      const missing = repository.remote !== undefined &&
        await isToBeCloned(repository).catch(() => false);
      if (missing) void this.#queue.submit(repository.name);
    }
  }

  async #deploy(name: RepositoryName, deliveries: number): Promise<Deployment> {
    const repository = this.#config.repositories.get(name);
    const deployment: Deployment = repository === undefined
      ? { repository: name, result: "failed", ms: 0, reason: "no longer in the configuration" }
      : await deploy(repository, {
        git: this.#options.git,
        signal: this.#abort.signal,
        now: this.#options.now,
      });
    this.#logDeployment(deployment, deliveries);
    return deployment;
  }

  #logDeployment(deployment: Deployment, deliveries: number): void {
    const { result, repository, branch, old, new: commit, ms, reason, hint, output } = deployment;
    const fields = {
      event: "deployment",
      repository,
      result,
      branch,
      old,
      new: commit,
      ms,
      deliveries,
      reason,
      hint,
      output: result === "failed" ? output : undefined,
    };
    const log = this.#options.log();
    if (result === "failed") log.error("deployment failed", fields);
    else log.info(`deployment ${result}`, fields);
  }

  /**
   * Takes another configuration. Running deployments go on; the listener is bound anew only where
   * its address, or its certificate, is another.
   *
   * @throws {ListenError} where the new address can't be bound; the old configuration stays
   */
  async reload(config: Config): Promise<void> {
    const settings = await prepare(config);
    await this.#relisten(config);
    this.#config = config;
    this.#settings = settings;
    this.#queue.concurrency = config.concurrency;
    void this.#cloneMissing();
  }

  async #relisten(config: Config): Promise<void> {
    const isSamePlace = isSameAddress(config.listen, this.#config.listen);
    const isSameTls = config.tls?.cert === this.#config.tls?.cert &&
      config.tls?.key === this.#config.tls?.key;
    if (isSamePlace && isSameTls) return;
    const old = this.#listener;
    if (!isSamePlace) {
      this.#listener = await this.#listen(config);
      void old.close(CLOSING_GRACE);
    } else {
      // One socket can't serve two certificates, so there is a moment without a listener.
      const closed = old.close(CLOSING_GRACE);
      try {
        this.#listener = await this.#listen(config, old);
      } catch (error) {
        this.#listener = await this.#listen(this.#config, old);
        throw error;
      } finally {
        await closed;
      }
    }
    this.#announce();
  }

  /** Stops accepting and lets the deployments end, each within its timeout. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#options.log().info("stopping", { event: "stopping", ...this.#queue.size });
    void this.#listener.drain();
    await this.#queue.close();
    await this.#listener.close(CLOSING_GRACE);
    this.#options.log().info("stopped", { event: "stopped" });
  }

  /** Ends running deployments at once, with git's process groups. */
  abort(): void {
    this.#abort.abort(new Error("stopped"));
  }
}
