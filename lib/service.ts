/**
 * The running service: listeners, doors, keeper and history, put together from a configuration and
 * put together anew when it is reloaded.
 *
 * @module
 */

import { formatListenAddress, isSameAddress, type ListenAddress } from "./address.ts";
import { AdminDoor } from "./admin.ts";
import { checkAll } from "./check.ts";
import type { Config } from "./config.ts";
import type { Acceptance } from "./config/accept.ts";
import { deliveryOrder } from "./deploy/order.ts";
import { CheckedOutBranches } from "./branches.ts";
import type { Git } from "./git.ts";
import { History } from "./history.ts";
import { coveredDeliveries, owedDeliveries } from "./ledger.ts";
import { Keeper } from "./keeper.ts";
import type { Logger } from "./log.ts";
import { providers } from "./providers/mod.ts";
import type { Provider } from "./providers/provider.ts";
import type { After } from "./queue.ts";
import { Door, type DoorSettings, type Endpoint } from "./server.ts";
import type { Gate } from "./server/gates.ts";
import { type Handler, Listener, type ListenerOptions } from "./server/listener.ts";
import type { State } from "./state.ts";
import { repositoryName } from "./values.ts";

/** What the service takes from outside. */
export interface ServiceOptions {
  readonly git: Git;
  /** The log as it is now; a reload may change it. */
  readonly log: () => Logger;
  readonly state: State;
  /** Where the verbs reach the service. */
  readonly admin: ListenAddress;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** The time, in milliseconds since 1970. */
const wall = () => Date.now();

const after: After = (ms, callback) => {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

/** How many of the deliveries before this start are known again, so that repetitions are seen. */
const SEEN_AT_START = 10_000;
/** How long the last answers may take to go out, in milliseconds. */
const CLOSING_GRACE = 2_000;

/** Prepares the door for a configuration; imports every secret's keys. */
async function prepare(config: Config): Promise<DoorSettings> {
  const endpoints = new Map<string, Endpoint>();
  for (const repository of config.repositories.values()) {
    const gates = await Promise.all(repository.accept.map(prepareGate));
    endpoints.set(repository.name, { config: repository, gates });
  }
  return { endpoints, trustedProxies: config.trustedProxies, bodyLimit: config.bodyLimit };
}

async function prepareGate({ provider: name, secrets, options }: Acceptance): Promise<Gate> {
  const provider: Provider = providers[name];
  const authenticators = await Promise.all(
    secrets.map((secret) => provider.authenticator(secret, options)),
  );
  return { provider, authenticators };
}

/** What people see as the URL of a repository: the host is theirs to fill in where all are bound. */
export function deliveryUrls(config: Config, bound = config.listen): string[] {
  if (bound === undefined) return [];
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
  readonly #keeper: Keeper;
  readonly #door: Door;
  readonly #branches: CheckedOutBranches;
  #config: Config;
  #settings: DoorSettings;
  /** The public listener; undefined where there is none. */
  #public: Listener | undefined;
  #admin: Listener | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(config: Config, settings: DoorSettings, options: ServiceOptions) {
    const { git, log, now, state } = options;
    this.#config = config;
    this.#settings = settings;
    this.#options = options;
    this.#branches = new CheckedOutBranches(now);
    const history = new History({ log, ledger: state.ledger, wall });
    this.#keeper = new Keeper({
      git,
      now,
      wall,
      after,
      random: Math.random,
      concurrency: config.concurrency,
      onBegin: (name, order) => history.began(name, order),
      onEnd: (deployment) => history.ended(deployment),
      onNotice: (notice) => history.noticed(notice),
    });
    this.#door = new Door({
      settings: () => this.#settings,
      submit: (name, { id, pusher }) => this.#keeper.submit(name, deliveryOrder(id, pusher)),
      isHeld: (name) => this.#keeper.isHeld(name),
      branchOf: (target) => target.branch ?? this.#branches.of(target),
      record: (record) => history.delivered(record),
      seen: coveredDeliveries(state.ledger, SEEN_AT_START),
      log,
      now,
      time: wall,
    });
  }

  /**
   * Starts the service.
   *
   * @throws {ListenError} where an address can't be bound
   */
  static async start(config: Config, options: ServiceOptions): Promise<Service> {
    const service = new Service(config, await prepare(config), options);
    await service.#endOrphans();
    try {
      service.#admin = await service.#openAdmin(options.admin);
      if (config.listen) service.#public = await service.#listen(config, config.listen);
    } catch (error) {
      await service.#admin?.close(0);
      throw error;
    }
    service.#announce(config);
    service.#keeper.keep(config.repositories.values(), config.concurrency);
    for (const { repository, delivery, pusher } of owedDeliveries(options.state.ledger)) {
      const name = repositoryName(repository);
      if (name !== undefined) void service.#keeper.submit(name, deliveryOrder(delivery, pusher));
    }
    return service;
  }

  /** Git that a killed service left running would fight with ours. */
  async #endOrphans(): Promise<void> {
    const count = await this.#options.git.endOrphans();
    if (count === 0) return;
    this.#options.log().warn("ended git processes that a killed hook had left running", {
      event: "orphans",
      count,
    });
  }

  #openAdmin(address: ListenAddress): Promise<Listener> {
    const door = new AdminDoor({
      keeper: this.#keeper,
      ledger: this.#options.state.ledger,
      names: () => this.#config.repositories.keys(),
      facts: () => ({ listening: this.#public?.url ?? null, ...this.#keeper.size }),
      configuration: () => {
        const { file, fingerprint } = this.#config;
        return { file, fingerprint };
      },
      check: (names) => {
        const targets = names.map((name) => this.#config.repositories.get(name)!);
        return checkAll(targets, this.#options.git);
      },
    });
    return this.#open({ address, handler: door.handle });
  }

  #listen(config: Config, address: ListenAddress, takeover = false): Promise<Listener> {
    const { tls } = config;
    const handler: Handler = this.#door.handle;
    return this.#open({ address, handler, ...tls && { tls } }, takeover);
  }

  #open(options: ListenerOptions, takeover = false): Promise<Listener> {
    const log = this.#options.log;
    return Listener.open({
      ...options,
      onRebound: (cause) =>
        log().warn("listener bound again", {
          event: "started-again",
          reason: cause instanceof Error ? cause.message : "the listener ended",
        }),
      onError: (error) => log().error("internal error", { event: "error", reason: String(error) }),
    }, { takeover });
  }

  #announce(config: Config): void {
    const urls = deliveryUrls(config, this.#public?.address);
    const message = this.#public === undefined
      ? "nothing listens; the remotes are polled"
      : "listening; paste these URLs into the forge";
    this.#options.log().info(message, {
      event: "listening",
      address: this.#public?.url ?? "none",
      admin: this.#admin?.url,
      repositories: config.repositories.size,
      urls,
    });
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
    this.#keeper.keep(config.repositories.values(), config.concurrency);
  }

  async #relisten(config: Config): Promise<void> {
    const old = this.#config;
    const isSamePlace = isSameAddress(config.listen, old.listen);
    const isSameTls = config.tls?.cert === old.tls?.cert && config.tls?.key === old.tls?.key;
    if (isSamePlace && isSameTls) return;
    const before = this.#public;
    if (isSamePlace && before !== undefined) {
      await this.#replaceTls(config, before);
    } else {
      this.#public = config.listen && await this.#listen(config, config.listen);
      void before?.close(CLOSING_GRACE);
    }
    this.#announce(config);
  }

  /** One socket can't serve two certificates, so there is a moment without a listener. */
  async #replaceTls(config: Config, before: Listener): Promise<void> {
    const { address } = before;
    const closed = before.close(CLOSING_GRACE);
    try {
      this.#public = await this.#listen(config, address, true);
    } catch (error) {
      this.#public = await this.#listen(this.#config, address, true);
      throw error;
    } finally {
      await closed;
    }
  }

  /** Stops accepting and lets the deployments end, each within its timeout. */
  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  async #stop(): Promise<void> {
    this.#options.log().info("stopping", { event: "stopping", ...this.#keeper.size });
    void this.#public?.drain();
    await this.#keeper.close();
    await Promise.all([this.#public?.close(CLOSING_GRACE), this.#admin?.close(CLOSING_GRACE)]);
    this.#options.log().info("stopped", { event: "stopped" });
  }

  /** Ends running deployments at once, with everything that git started. */
  abort(): void {
    this.#keeper.abort();
  }
}
