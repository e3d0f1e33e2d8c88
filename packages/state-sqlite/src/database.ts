import { realpathSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FlowError } from "penguiflow";
import type { ResolvedFileOptions } from "./options.ts";

const LONGEST_PAUSE_MS = 50;
/** Maximum size to which the write-ahead log shrinks after it was large. */
const MAX_IDLE_WAL_BYTES = 64 * 2 ** 20;
/** Rows written or removed per turn of the event loop. */
const ROWS_PER_TURN = 500;

/** Queue of this process's writers to one file. */
interface Line {
  /** Settles with the latest transaction. */
  last: Promise<unknown>;
  connections: number;
}

/** Queues by the real path of the file. Without them, a writer that polls the lock could starve between others. */
const lines = new Map<string, Line>();

/**
 * Wraps one connection to the file. SQLite blocks the event loop while it works, so calls run in small steps, one after
 * another, and never wait inside SQLite for another process.
 */
export class Database {
  readonly #file: string;
  readonly #patienceMs: number;
  readonly #connection: DatabaseSync;
  readonly #path: string;
  readonly #line: Line;
  readonly #statements = new Map<string, StatementSync>();
  /** Settles with the latest call. */
  #lastCall: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #rows = 0;

  private constructor({ file, patienceMs }: ResolvedFileOptions) {
    this.#file = file;
    this.#patienceMs = patienceMs;
    this.#connection = new DatabaseSync(file, { timeout: 0 });
    this.#path = realpathSync(file);
    this.#line = lines.get(this.#path) ?? { last: Promise.resolve(), connections: 0 };
    this.#line.connections += 1;
    lines.set(this.#path, this.#line);
  }

  /** @throws Error when the file cannot be opened or is no database */
  static async open(options: ResolvedFileOptions): Promise<Database> {
    let database: Database;
    try {
      database = new Database(options);
    } catch (error) {
      throw explained("open", options.file, error);
    }
    try {
      await database.read("open", () => {
        // in WAL mode readers and the writer do not block one another
        const mode = database.get("PRAGMA journal_mode = WAL")?.["journal_mode"];
        if (mode !== "wal") throw new Error(`its file system allows no write-ahead log, only "${String(mode)}"`);
        database.#connection.exec(`PRAGMA synchronous = ${options.durability}`);
        database.#connection.exec(`PRAGMA journal_size_limit = ${MAX_IDLE_WAL_BYTES}`);
      });
    } catch (error) {
      await database.close();
      throw error;
    }
    return database;
  }

  /** Runs statements without results. */
  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  /** Runs a statement; returns the number of changed rows. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return Number(this.#statement(sql).run(...values.map(kept)).changes);
  }

  /** Returns the first row of a query. */
  get(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#statement(sql).get(...values.map(kept));
  }

  /** Returns the rows of a query. */
  all(sql: string, ...values: readonly SqlValue[]): Row[] {
    return this.#statement(sql).all(...values.map(kept));
  }

  /** Yields the rows of a query one by one, for callers that may stop early. The loop must not await. */
  iterate(sql: string, ...values: readonly SqlValue[]): Iterable<Row> {
    return this.#statement(sql).iterate(...values.map(kept));
  }

  /** Runs a check such as `quick_check(events)`; returns its findings in SQLite's words, none when all is well. */
  check(pragma: string): string[] {
    try {
      const words = this.all(`PRAGMA ${pragma}`).map((row) => String(Object.values(row)[0]));
      return words.filter((text) => text !== "ok");
    } catch (error) {
      // the damage is so severe that the check itself fails
      if (codeOf(error) === CORRUPT) return [(error as Error).message];
      throw error;
    }
  }

  /** Yields to the event loop when, with that many more rows, enough was done since the last turn. */
  async breathe(rows: number): Promise<void> {
    this.#rows += rows;
    if (this.#rows < ROWS_PER_TURN) return;
    this.#rows = 0;
    await nextTurn();
  }

  /** Runs a read after the calls before it. Retried when another process holds the lock. */
  async read<Value>(what: string, work: () => Value): Promise<Value> {
    return await this.#inTurn(what, async () => await this.#patiently(what, work));
  }

  /** Runs changes in a transaction, atomically. Retried like a read. */
  async transaction<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
    const whole = async (): Promise<Value> => {
      try {
        this.#connection.exec("BEGIN IMMEDIATE");
        const value = await work();
        this.#connection.exec("COMMIT");
        return value;
      } catch (error) {
        if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
        throw error;
      }
    };
    return await this.#inTurn(what, async () => {
      const call = this.#line.last.then(async () => await this.#patiently(what, whole));
      this.#line.last = call.catch(() => {});
      return await call;
    });
  }

  /** Waits for the calls before it, then closes the file. Idempotent. */
  async close(): Promise<void> {
    this.#closed ??= this.#lastCall.then(() => this.#release());
    await this.#closed;
  }

  #release(): void {
    this.#connection.close();
    this.#line.connections -= 1;
    if (this.#line.connections === 0) lines.delete(this.#path);
  }

  async #inTurn<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
    if (this.#closed !== undefined) throw new Error(`Cannot ${what} "${this.#file}": it is closed`);
    const call = this.#lastCall.then(work);
    this.#lastCall = call.catch(() => {});
    return await call;
  }

  async #patiently<Value>(what: string, work: () => Value | Promise<Value>): Promise<Value> {
    const giveUpAt = performance.now() + this.#patienceMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await work();
      } catch (error) {
        if (codeOf(error) !== BUSY) throw explained(what, this.#file, error);
        if (performance.now() + pauseMs > giveUpAt) {
          const reason = `another process has kept it busy for ${this.#patienceMs} ms`;
          throw new Error(`Cannot ${what} "${this.#file}": ${reason}`, { cause: error });
        }
        // jitter keeps processes that wait together from retrying together
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#connection.prepare(sql)));
    return statement;
  }
}

/** Value of a column; `undefined` is NULL. */
export type SqlValue = string | number | undefined;

/** A row, by column. */
export type Row = Readonly<Record<string, unknown>>;

const BUSY = 5;
const CORRUPT = 11;

/** Reason for a file with lost or overwritten parts. */
export const DAMAGED = "the file is damaged; restore it from a backup";

/** Reasons by SQLite's result code, worded for the operator of the file. */
const REASONS: Readonly<Record<number, string>> = {
  8: "the file or its folder is not writable; grant write permission",
  10: "the disk failed",
  [CORRUPT]: DAMAGED,
  13: "the disk is full",
  14: "the file cannot be opened; its folder must exist and be accessible",
  26: "it is not an SQLite database",
};

const kept = (value: SqlValue): string | number | null => value ?? null;

/** Returns SQLite's primary result code of an error, without the extended bits. */
function codeOf(error: unknown): number | undefined {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : undefined;
}

function explained(what: string, file: string, error: unknown): Error {
  // a FlowError already names the failed operation
  if (error instanceof FlowError) return error;
  const reason = REASONS[codeOf(error) ?? -1];
  const { message } = error as Error;
  const words = reason === undefined ? message : `${reason} (${message})`;
  return new Error(`Cannot ${what} "${file}": ${words}`, { cause: error });
}
