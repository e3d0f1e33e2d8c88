import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sql, SqlRow, SqlValue } from "../sql.ts";

/** Safety of a commit: `normal` outlasts a killed process, `full` also a power failure. */
export type Synchronous = "normal" | "full";

const BUSY_MS = 5_000;
const CHECKPOINT_TRIES = 50;
const CHECKPOINT_PAUSE_MS = 20;

/** One connection to an SQLite file. Calls run one after another, so that no read sees half of a transaction. */
export class Connection implements Sql {
  readonly skipLocked = "";
  readonly keyPrefix = "";
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Opens a file, or `:memory:`, and migrates it.
   *
   * @throws Error when it is of a newer version
   */
  constructor(file: string, schema: readonly string[], synchronous: Synchronous) {
    this.#database = new DatabaseSync(file, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    try {
      this.#database.exec(`
        pragma journal_mode = wal;
        pragma synchronous = ${synchronous};
        pragma secure_delete = on;
        pragma temp_store = memory;
        pragma cache_size = -256;
        pragma mmap_size = 268435456`);
      this.#migrate(file, schema);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Runs a statement and returns its rows. */
  async all(text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    return this.#statement(text).all(...values);
  }

  /** Runs a statement and returns the number of changed rows. */
  async run(text: string, values: readonly SqlValue[] = []): Promise<number> {
    return Number(this.#statement(text).run(...values).changes);
  }

  /** Runs a read after the calls before it. */
  async read<Value>(work: () => Promise<Value>): Promise<Value> {
    return await this.#inTurn(work);
  }

  /** Runs changes in one transaction, after the calls before it. */
  async write<Value>(work: () => Promise<Value>): Promise<Value> {
    return await this.#inTurn(async () => {
      // a transaction that reads before it writes fails at once when another process has written in between
      this.#database.exec("begin immediate");
      try {
        const value = await work();
        this.#database.exec("commit");
        return value;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("rollback");
        throw error;
      }
    });
  }

  /**
   * Moves the write-ahead log into the file and empties it, so that deleted bytes are in neither.
   *
   * @throws Error when readers of other processes keep the log in use
   */
  async purge(): Promise<void> {
    await this.#inTurn(async () => {
      for (let tries = 0; tries < CHECKPOINT_TRIES; tries++) {
        const row = this.#database.prepare("pragma wal_checkpoint(truncate)").get();
        if (row?.["busy"] === 0) return;
        await sleep(CHECKPOINT_PAUSE_MS);
      }
      throw new Error("Cannot empty the write-ahead log: another process reads the file");
    });
  }

  /** Waits for the calls before it, then closes the file. */
  async close(): Promise<void> {
    await this.#inTurn(async () => this.#database.close());
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const call = this.#last.then(work);
    this.#last = call.catch(() => {});
    return await call;
  }

  #statement(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      if (this.#statements.size >= MOST_STATEMENTS) this.#statements.clear();
      this.#statements.set(text, (statement = this.#database.prepare(text)));
    }
    return statement;
  }

  #migrate(file: string, schema: readonly string[]): void {
    // nothing is written when the file is as it should be: opening is frequent
    if (this.#version() === schema.length) return;
    this.#database.exec("begin immediate");
    const version = this.#version();
    if (version > schema.length)
      throw new Error(`Cannot open "${file}": it has version ${version}; this program knows up to ${schema.length}`);
    for (const step of schema.slice(version)) this.#database.exec(step);
    this.#database.exec(`pragma user_version = ${schema.length}`);
    this.#database.exec("commit");
  }

  #version(): number {
    return Number(this.#database.prepare("pragma user_version").get()?.["user_version"]);
  }
}

// lists of values make as many texts as there are lengths
const MOST_STATEMENTS = 256;
