/**
 * The history of deliveries and deployments, in one SQLite file. It is a memory and not the truth:
 * what is deployed stands in the repositories, so a ledger that is lost, damaged or full costs
 * history and stops nothing.
 *
 * Writes are gathered and go to the disk together, so that no answer waits for it.
 *
 * @module
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { DeliveryRecord, DeploymentRecord } from "./delivery.ts";

/** A ledger that must not be used: it was written by a newer version. */
export class LedgerError extends Error {
  override readonly name = "LedgerError";
  constructor(message: string, readonly hint: string) {
    super(message);
  }
}

/** What a ledger takes from outside. */
export interface LedgerOptions {
  readonly file: string;
  /** Told what went wrong with the file, in words for the log. */
  readonly onTrouble: (message: string, cause: unknown) => void;
  /** The time, in milliseconds since 1970. */
  readonly wall: () => number;
  /** How much is kept; for tests. */
  readonly keep?: Retention;
}

/** How many rows are kept. */
export interface Retention {
  /** Over all repositories. */
  readonly deliveries: number;
  /** A repository. */
  readonly deployments: number;
}

const KEEP: Retention = { deliveries: 20_000, deployments: 1_000 };

/** How long records are gathered, in milliseconds. */
const GATHER = 50;
/** How many records wait at most while the disk refuses them; the oldest go. */
const MAX_PENDING = 10_000;
/** How long SQLite waits for another process that reads, in milliseconds. */
const BUSY = 2_000;
/** Rows written between two clean-ups. */
const PRUNE_EVERY = 500;

/** The steps from one version of the tables to the next; their number is the newest version. */
const MIGRATIONS = [
  `CREATE TABLE deliveries (
     id INTEGER PRIMARY KEY,
     at INTEGER NOT NULL,
     repository TEXT NOT NULL,
     provider TEXT NOT NULL,
     delivery TEXT,
     outcome TEXT NOT NULL,
     reason TEXT,
     ref TEXT,
     pusher TEXT,
     client TEXT NOT NULL
   );
   CREATE INDEX deliveries_by_repository ON deliveries (repository, id);
   CREATE TABLE deployments (
     id INTEGER PRIMARY KEY,
     repository TEXT NOT NULL,
     action TEXT NOT NULL,
     trigger TEXT NOT NULL,
     state TEXT NOT NULL,
     started INTEGER NOT NULL,
     ended INTEGER,
     attempt INTEGER NOT NULL,
     branch TEXT,
     old TEXT,
     new TEXT,
     step TEXT,
     kind TEXT,
     reason TEXT,
     hint TEXT,
     output TEXT,
     pusher TEXT,
     delivery TEXT
   );
   CREATE INDEX deployments_by_repository ON deployments (repository, id);`,
];

const DELIVERY_COLUMNS = [
  "at",
  "repository",
  "provider",
  "delivery",
  "outcome",
  "reason",
  "ref",
  "pusher",
  "client",
] as const satisfies readonly (keyof DeliveryRecord)[];

const DEPLOYMENT_COLUMNS = [
  "id",
  "repository",
  "action",
  "trigger",
  "state",
  "started",
  "ended",
  "attempt",
  "branch",
  "old",
  "new",
  "step",
  "kind",
  "reason",
  "hint",
  "output",
  "pusher",
  "delivery",
] as const satisfies readonly (keyof DeploymentRecord)[];

/** An open file with its prepared statements. */
interface Store {
  readonly database: DatabaseSync;
  readonly addDelivery: StatementSync;
  readonly saveDeployment: StatementSync;
  /** Of the deployments that were there when it was opened. */
  readonly highestId: number;
}

/** The history, in a file or, where that can't be had, nowhere. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #keep: Retention;
  #store: Store | undefined;
  #deliveries: DeliveryRecord[] = [];
  /** By id: what changed twice before it was written is written once. */
  #deployments = new Map<number, DeploymentRecord>();
  #nextId: number;
  #written = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #troubled = false;

  private constructor(options: LedgerOptions, store: Store | undefined) {
    this.#options = options;
    this.#keep = options.keep ?? KEEP;
    this.#store = store;
    this.#nextId = (store?.highestId ?? 0) + 1;
  }

  /**
   * Opens the ledger. One that is damaged is moved aside and begun anew; where the file can't be
   * used at all, the ledger remembers nothing.
   *
   * @throws {LedgerError} where a newer version wrote it
   */
  static open(options: LedgerOptions): Ledger {
    let store: Store | undefined;
    try {
      store = openOrReplace(options);
    } catch (error) {
      if (error instanceof LedgerError) throw error;
      options.onTrouble("the ledger cannot be opened, so nothing is remembered", error);
    }
    const ledger = new Ledger(options, store);
    ledger.#closeInterrupted();
    return ledger;
  }

  /** What ran when the service was killed does not run any more. */
  #closeInterrupted(): void {
    this.#try((store) =>
      store.database.prepare(
        "UPDATE deployments SET state = 'interrupted', ended = ? WHERE state = 'running'",
      ).run(this.#options.wall())
    );
  }

  /** An id for a deployment that begins. */
  nextId(): number {
    return this.#nextId++;
  }

  /** Remembers a delivery. */
  addDelivery(record: DeliveryRecord): void {
    this.#deliveries.push(record);
    this.#plan();
  }

  /** Remembers a deployment, in the place of what was known under its id. */
  saveDeployment(record: DeploymentRecord): void {
    this.#deployments.set(record.id, record);
    this.#plan();
  }

  /** Deployments, the newest first. */
  deployments(repository: string | undefined, limit: number): DeploymentRecord[] {
    return this.#read<DeploymentRecord>("deployments", repository, limit);
  }

  /** Deliveries, the newest first. */
  deliveries(repository: string | undefined, limit: number): DeliveryRecord[] {
    return this.#read<DeliveryRecord>("deliveries", repository, limit);
  }

  #read<Row>(
    table: "deliveries" | "deployments",
    repository: string | undefined,
    limit: number,
  ): Row[] {
    this.flush();
    return this.#try(({ database }) => {
      const where = repository === undefined ? "" : "WHERE repository = ?";
      const statement = database.prepare(
        `SELECT * FROM ${table} ${where} ORDER BY id DESC LIMIT ?`,
      );
      const values = repository === undefined ? [limit] : [repository, limit];
      return statement.all(...values).map((row) => withoutNulls(row) as Row);
    }) ?? [];
  }

  #plan(): void {
    this.#timer ??= setTimeout(() => this.flush(), GATHER);
  }

  /** Writes what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const count = this.#deliveries.length + this.#deployments.size;
    if (count === 0) return;
    const done = this.#try((store) => {
      this.#write(store);
      return true;
    });
    if (done !== true) return this.#dropOldest();
    this.#deliveries = [];
    this.#deployments.clear();
    this.#written += count;
    if (this.#written >= PRUNE_EVERY) this.#prune();
  }

  #write({ database, addDelivery, saveDeployment }: Store): void {
    database.exec("BEGIN");
    try {
      for (const record of this.#deliveries) {
        addDelivery.run(...DELIVERY_COLUMNS.map((column) => record[column] ?? null));
      }
      for (const record of this.#deployments.values()) {
        saveDeployment.run(...DEPLOYMENT_COLUMNS.map((column) => record[column] ?? null));
      }
      database.exec("COMMIT");
    } catch (error) {
      rollBack(database);
      throw error;
    }
  }

  /** A disk that refuses for long must not fill the memory. */
  #dropOldest(): void {
    if (this.#store === undefined) {
      this.#deliveries = [];
      this.#deployments.clear();
      return;
    }
    this.#deliveries.splice(0, Math.max(0, this.#deliveries.length - MAX_PENDING));
    for (const id of [...this.#deployments.keys()].slice(0, -MAX_PENDING)) {
      this.#deployments.delete(id);
    }
  }

  #prune(): void {
    this.#written = 0;
    const { deliveries, deployments } = this.#keep;
    this.#try(({ database }) => {
      database.prepare(
        "DELETE FROM deliveries WHERE id <= (SELECT max(id) FROM deliveries) - ?",
      ).run(deliveries);
      database.prepare(
        `DELETE FROM deployments WHERE id IN (
           SELECT id FROM (
             SELECT id, row_number() OVER (PARTITION BY repository ORDER BY id DESC) AS place
             FROM deployments
           ) WHERE place > ?
         )`,
      ).run(deployments);
    });
  }

  /**
   * Does something with the file. What goes wrong is told once, and a file that turns out to be
   * damaged is replaced.
   */
  #try<T>(work: (store: Store) => T): T | undefined {
    if (this.#store === undefined) return undefined;
    try {
      const result = work(this.#store);
      this.#troubled = false;
      return result;
    } catch (error) {
      if (isDamage(error)) this.#replace(error);
      else if (!this.#troubled) this.#options.onTrouble("the ledger cannot be used now", error);
      this.#troubled = true;
      return undefined;
    }
  }

  #replace(cause: unknown): void {
    try {
      this.#store?.database.close();
    } catch {
      // It is damaged; there is nothing to lose by leaving it open.
    }
    try {
      this.#store = replace(this.#options, cause);
    } catch (error) {
      this.#store = undefined;
      this.#options.onTrouble("the ledger cannot be begun anew, so nothing is remembered", error);
    }
  }

  /** Writes what was gathered and closes the file. */
  close(): void {
    this.flush();
    this.#try(({ database }) => database.close());
    this.#store = undefined;
  }
}

/**
 * The deliveries that an ended deployment has served, the oldest first: what is delivered again of
 * them is a repetition. Those that were taken since, or whose deployment failed, are not among them.
 */
export function coveredDeliveries(ledger: Ledger, limit: number): DeliveryRecord[] {
  const served = new Map<string, number>();
  return takenDeliveries(ledger, limit).filter(({ repository, at }) => {
    if (!served.has(repository)) served.set(repository, lastSuccess(ledger, repository));
    return at <= served.get(repository)!;
  }).reverse();
}

/** The newest delivery of each repository that was taken and for which nothing was begun any more. */
export function owedDeliveries(ledger: Ledger): DeliveryRecord[] {
  const newest = new Map<string, DeliveryRecord>();
  for (const record of takenDeliveries(ledger, OWED_AT_MOST)) {
    if (!newest.has(record.repository)) newest.set(record.repository, record);
  }
  return [...newest.values()].filter(({ repository, at }) => {
    const [last] = ledger.deployments(repository, 1);
    return last === undefined || last.started < at || last.state === "interrupted";
  });
}

/** How far back a delivery may lie that is still owed something. */
const OWED_AT_MOST = 1_000;

function takenDeliveries(ledger: Ledger, limit: number): DeliveryRecord[] {
  return ledger.deliveries(undefined, limit).filter(({ outcome }) => outcome === "queued");
}

/** When the last deployment began that ended well; never, where there was none. */
function lastSuccess(ledger: Ledger, repository: string): number {
  const well = ledger.deployments(repository, RECENT)
    .find(({ state }) => state === "deployed" || state === "unchanged");
  return well?.started ?? -Infinity;
}

/** How many deployments are looked through for one that ended well. */
const RECENT = 100;

function openOrReplace(options: LedgerOptions): Store {
  try {
    return open(options.file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return replace(options, error);
  }
}

/** Moves a damaged file aside, with what SQLite keeps beside it, and begins a new one. */
function replace({ file, onTrouble, wall }: LedgerOptions, cause: unknown): Store {
  const aside = `${file}.damaged-${wall()}`;
  Deno.renameSync(file, aside);
  for (const suffix of ["-wal", "-shm"]) {
    try {
      Deno.removeSync(file + suffix);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  onTrouble(`the ledger was damaged; it is kept as "${aside}" and a new one has begun`, cause);
  return open(file);
}

function open(file: string): Store {
  const database = new DatabaseSync(file);
  try {
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${BUSY}`,
    );
    migrate(database, file);
    return {
      database,
      addDelivery: insertion(database, "INSERT INTO deliveries", DELIVERY_COLUMNS),
      saveDeployment: insertion(database, "INSERT OR REPLACE INTO deployments", DEPLOYMENT_COLUMNS),
      highestId: highestId(database),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function insertion(
  database: DatabaseSync,
  verb: string,
  columns: readonly string[],
): StatementSync {
  const places = columns.map(() => "?").join(", ");
  return database.prepare(`${verb} (${columns.join(", ")}) VALUES (${places})`);
}

/** Brings the tables to the newest version, a version at a time, each whole or not at all. */
function migrate(database: DatabaseSync, file: string): void {
  const row = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (row.user_version > MIGRATIONS.length) {
    throw new LedgerError(
      `the ledger "${file}" was written by a newer version of hook`,
      "use that version, or move the file away: only history is in it",
    );
  }
  for (let version = row.user_version; version < MIGRATIONS.length; version++) {
    database.exec(`BEGIN; ${MIGRATIONS[version]}; PRAGMA user_version = ${version + 1}; COMMIT`);
  }
}

function highestId(database: DatabaseSync): number {
  const row = database.prepare("SELECT coalesce(max(id), 0) AS id FROM deployments").get();
  return Number((row as { id: SQLInputValue }).id);
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html), by their messages. */
function isDamage(error: unknown): boolean {
  return error instanceof Error &&
    /malformed|not a database|file is encrypted|disk image/.test(error.message);
}

function withoutNulls(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

/** What went wrong first is what counts. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite has rolled back by itself, or the file is beyond it.
  }
}
