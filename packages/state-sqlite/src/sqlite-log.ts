import type { Log, LogKey, LogPage, LogRange } from "penguiflow";
import { logConflict, requireLogAppend, requireLogRange, requireLogTrim, toStorable } from "penguiflow/adapter";
import type { Database, Row } from "./database.ts";
import { openMigrated } from "./migrations.ts";
import { resolveFileOptions, type SqliteFileOptions } from "./options.ts";

/**
 * Stores logs that outlast traces in one SQLite file, which may be that of a `SqliteStateStore`. Several processes may
 * share it: one writes at a time, and the others retry until their patience is exhausted.
 *
 * @example
 * ```ts
 * await using log = await SqliteLog.open({ file: "flow.db" });
 * const { items, length } = await log.read({ tenant: "ada", name: "thread 7" });
 * await log.append({ tenant: "ada", name: "thread 7" }, length, [{ role: "user", text: "penguins?" }]);
 * ```
 */
export class SqliteLog implements Log, AsyncDisposable {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Opens the file. Creates it when it is missing, and migrates it from an older version.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the file cannot be opened and written to, is no database of this package, or of a newer version
   */
  static async open(options: SqliteFileOptions): Promise<SqliteLog> {
    return new SqliteLog(await openMigrated(resolveFileOptions("SqliteLog", options)));
  }

  /**
   * Appends items; resolves with the new length.
   *
   * @throws FlowError `LOG_CONFLICT` when `at` is not the length of the log
   * @throws TypeError when an item is no JSON
   */
  async append(key: LogKey, at: number, items: readonly unknown[]): Promise<number> {
    const texts = requireLogAppend(key, at, items);
    const before = await this.#database.transaction("append to a log in", async () => {
      const found = this.#find(key);
      const length = found?.length ?? 0;
      if (at !== length || texts.length === 0) return length;
      const id = found?.id ?? this.#create(key);
      this.#database.run("UPDATE logs SET length = ? WHERE id = ?", at + texts.length, id);
      for (const [index, text] of texts.entries()) {
        this.#database.run("INSERT INTO log_items (log, at, item) VALUES (?, ?, ?)", id, at + index, text);
        await this.#database.breathe(1);
      }
      return at;
    });
    if (before !== at) throw logConflict(key, at, before);
    return at + texts.length;
  }

  /** Returns a page of items. */
  async read(key: LogKey, range: LogRange = {}): Promise<LogPage> {
    const { from, limit } = requireLogRange(key, range);
    return await this.#database.read("read a log in", () => {
      const found = this.#find(key);
      if (found === undefined) return { at: from, items: [], length: 0 };
      const at = Math.max(from, found.first);
      const rows = this.#database.all(
        "SELECT item FROM log_items WHERE log = ? AND at >= ? ORDER BY at LIMIT ?",
        found.id,
        at,
        limit,
      );
      return { at, items: rows.map(({ item }) => JSON.parse(item as string) as unknown), length: found.length };
    });
  }

  /** Removes the items before a position. */
  async trim(key: LogKey, before: number): Promise<void> {
    requireLogTrim(key, before);
    await this.#database.transaction("trim a log in", async () => {
      const found = this.#find(key);
      if (found === undefined || before <= found.first) return;
      this.#database.run("UPDATE logs SET first = ? WHERE id = ?", Math.min(before, found.length), found.id);
      this.#database.run("DELETE FROM log_items WHERE log = ? AND at < ?", found.id, before);
    });
  }

  /** Waits for pending calls, then closes the file. Idempotent. */
  async close(): Promise<void> {
    await this.#database.close();
  }

  /** Closes the file: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #find({ tenant, name }: LogKey): LogHead | undefined {
    const find = "SELECT id, first, length FROM logs WHERE tenant = ? AND name = ?";
    return this.#database.get(find, toStorable(tenant), toStorable(name)) as LogHead | undefined;
  }

  #create(key: LogKey): number {
    const { tenant, name } = key;
    const create = "INSERT INTO logs (tenant, name, first, length) VALUES (?, ?, 0, 0)";
    this.#database.run(create, toStorable(tenant), toStorable(name));
    return (this.#find(key) as LogHead).id;
  }
}

/** A row of `logs`. */
interface LogHead extends Row {
  readonly id: number;
  /** Position of the first item that is kept. */
  readonly first: number;
  readonly length: number;
}
