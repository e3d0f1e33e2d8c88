import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Sql, SqlRow, SqlValue } from "../sql.ts";

/** Safety of a commit: `normal` outlasts a killed process, `full` also a power failure. */
export type Synchronous = "normal" | "full";

const BUSY_MS = 5_000;
const CHECKPOINT_TRIES = 50;
const CHECKPOINT_PAUSE_MS = 20;
/** Milliseconds after which a line of calls lets the program do something else, and commits the writes so far. */
const TURN_MS = 2;
/** Pages of the write-ahead log that are moved into the file at once: the more, the fewer of them are written twice. */
const LOG_PAGES = 4_000;

/** A call in line. */
interface Call {
  readonly isWrite: boolean;
  /** Runs it; the result answers the caller. */
  readonly run: () => Promise<() => void>;
  readonly fail: (error: unknown) => void;
}

/**
 * One connection to an SQLite file. Calls run one after another, so that no read sees half of a transaction. Writes in
 * line share one, each undone alone and answered once all are committed. A long line lets other tenants have turns.
 */
export class Connection implements Sql {
  readonly skipLocked = "";
  readonly keyPrefix = "";
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #line: Call[] = [];
  #isBusy = false;
  /** File of the write-ahead log, until the first transaction begins; later undefined. */
  #emptyLog: string | undefined;
  #isUnflushed = false;

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
        pragma mmap_size = 268435456;
        pragma wal_autocheckpoint = ${LOG_PAGES}`);
      this.#migrate(file, schema);
      if (synchronous === "normal" && file !== ":memory:") this.#emptyLog = `${file}-wal`;
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Returns the aggregate that joins bytes: SQLite has it for text, which a cast makes of bytes without a change. */
  joined(column: string): string {
    return `cast(string_agg(cast(${column} as text), '') as blob)`;
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
    return await this.#inTurn(work, true);
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

  async #inTurn<Value>(work: () => Promise<Value>, isWrite = false): Promise<Value> {
    return await new Promise<Value>((resolve, reject) => {
      const run = async (): Promise<() => void> => {
        const value = await work();
        return () => resolve(value);
      };
      this.#line.push({ isWrite, run, fail: reject });
      if (!this.#isBusy) void this.#takeTurns();
    });
  }

  async #takeTurns(): Promise<void> {
    this.#isBusy = true;
    let startedAt = performance.now();
    for (let call = this.#line.shift(); call !== undefined; call = this.#line.shift()) {
      const answers = await this.#turn(call, startedAt + TURN_MS).catch(call.fail);
      for (const answer of answers ?? []) answer();
      if (this.#line.length === 0 || performance.now() < startedAt + TURN_MS) continue;
      await nextTurn();
      startedAt = performance.now();
    }
    this.#isBusy = false;
  }

  /** Runs a call, a write together with those that wait behind it; returns what answers them. */
  async #turn(first: Call, until: number): Promise<(() => void)[]> {
    if (!first.isWrite) return [await first.run()];
    const together = [first];
    try {
      // a transaction that reads before it writes fails at once when another process has written in between
      this.#begin();
      const answers = [await first.run()];
      while (this.#line[0]?.isWrite === true && performance.now() < until) {
        const call = this.#line.shift();
        if (call === undefined) break;
        together.push(call);
        const answer = await this.#within(call);
        if (answer !== undefined) answers.push(answer);
      }
      this.#do("commit");
      return answers;
    } catch (error) {
      if (this.#database.isTransaction) this.#do("rollback");
      for (const { fail } of together) fail(error);
      return [];
    } finally {
      if (this.#isUnflushed) this.#flushAgain();
    }
  }

  /**
   * Begins a transaction. SQLite flushes the head of a log with its first transaction, so that a power failure brings
   * back nothing older of it. An empty log has nothing older: its first transaction does without, as the later ones do.
   */
  #begin(): void {
    const log = this.#emptyLog;
    this.#emptyLog = undefined;
    if (log !== undefined) {
      this.#isUnflushed = true;
      // the log is moved into the file with flushes alone
      this.#database.exec("pragma synchronous = off; pragma wal_autocheckpoint = 0");
    }
    this.#do("begin immediate");
    // from here on no other process writes
    if (log === undefined || (statSync(log, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
    this.#do("rollback");
    this.#flushAgain();
    this.#do("begin immediate");
  }

  #flushAgain(): void {
    this.#isUnflushed = false;
    this.#database.exec(`pragma synchronous = normal; pragma wal_autocheckpoint = ${LOG_PAGES}`);
  }

  /** Runs a write in the transaction of others: if it fails, it alone is undone. */
  async #within(call: Call): Promise<(() => void) | undefined> {
    this.#do("savepoint one");
    try {
      const answer = await call.run();
      this.#do("release one");
      return answer;
    } catch (error) {
      // a full disk, for example, has undone all of them
      if (!this.#database.isTransaction) throw error;
      this.#do("rollback to one");
      this.#do("release one");
      call.fail(error);
      return undefined;
    }
  }

  #do(text: string): void {
    this.#statement(text).run();
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
