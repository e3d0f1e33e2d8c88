import { randomUUID } from "node:crypto";
import type { Log, LogKey, LogPage, LogRange } from "penguiflow";
import { logConflict, requireLogAppend, requireLogRange, requireLogTrim } from "penguiflow/adapter";
import type { Database, Row } from "./database.ts";
import { openSchema, quoted } from "./migrations.ts";
import { type PostgresOptions, resolveOptions } from "./options.ts";
import { textArray } from "./text-array.ts";
import { toKey } from "./text-key.ts";

/**
 * Stores logs that outlast traces in PostgreSQL. Several processes may share a schema. While the server is unreachable,
 * calls retry until their patience is exhausted; an append whose answer was lost is not stored twice.
 *
 * @example
 * ```ts
 * await using log = await PostgresLog.open({ connection: "postgres://user@host/database" });
 * const { items, length } = await log.read({ tenant: "ada", name: "thread 7" });
 * await log.append({ tenant: "ada", name: "thread 7" }, length, [{ role: "user", text: "penguins?" }]);
 * ```
 */
export class PostgresLog implements Log, AsyncDisposable {
  readonly #database: Database;
  readonly #schema: string;
  #closed: Promise<void> | undefined;

  private constructor(database: Database, schema: string) {
    this.#database = database;
    this.#schema = quoted(schema);
  }

  /**
   * Connects, and creates or migrates the schema.
   *
   * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
   * @throws Error when the server cannot be reached or refuses, or when the schema is of a newer version
   */
  static async open(options: PostgresOptions): Promise<PostgresLog> {
    const resolved = resolveOptions("PostgresLog", options);
    return new PostgresLog(await openSchema(resolved), resolved.schema);
  }

  /**
   * Appends items; resolves with the new length.
   *
   * @throws FlowError `LOG_CONFLICT` when `at` is not the length of the log
   * @throws TypeError when an item is no JSON
   */
  async append(key: LogKey, at: number, items: readonly unknown[]): Promise<number> {
    const texts = requireLogAppend(key, at, items);
    this.#requireOpen();
    const [length, mark] = [at + texts.length, randomUUID()];
    if (texts.length > 0 && (await this.#store(key, at, texts, mark))) return length;
    const found = await this.#found(key, at);
    const now = Number(found?.["length"] ?? 0);
    // an attempt of this call whose answer was lost may have stored the items
    if (texts.length === 0 ? now === at : found?.["mark"] === mark) return length;
    throw logConflict(key, at, now);
  }

  /** Returns a page of items. */
  async read(key: LogKey, range: LogRange = {}): Promise<LogPage> {
    const { from, limit } = requireLogRange(key, range);
    this.#requireOpen();
    const rows = await this.#database.query(
      `select l.first, l.length, i.item
       from ${this.#schema}.logs l left join lateral (
         select at, item from ${this.#schema}.log_items
         where log = l.id and at >= greatest($3::bigint, l.first) order by at limit $4
       ) as i on true
       where l.tenant = $1 and l.name = $2 order by i.at`,
      [...keyOf(key), from, limit],
    );
    const [head] = rows;
    if (head === undefined) return { at: from, items: [], length: 0 };
    const texts = rows.map(({ item }) => item).filter((item) => item !== null);
    return {
      at: Math.max(from, Number(head["first"])),
      items: texts.map((text) => JSON.parse(text as string) as unknown),
      length: Number(head["length"]),
    };
  }

  /** Removes the items before a position. */
  async trim(key: LogKey, before: number): Promise<void> {
    requireLogTrim(key, before);
    this.#requireOpen();
    await this.#database.query(
      `with trimmed as (
         update ${this.#schema}.logs set first = least($3::bigint, length)
         where tenant = $1 and name = $2 and first < $3 returning id
       )
       delete from ${this.#schema}.log_items i using trimmed where i.log = trimmed.id and i.at < $3`,
      [...keyOf(key), before],
    );
  }

  /** Waits for pending calls, then closes the connections. Idempotent. */
  async close(): Promise<void> {
    await (this.#closed ??= this.#database.close());
  }

  /** Closes the connections: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Stores items; resolves to whether it did so now. One statement, in which the items depend on the log's row: it is
   * locked, so that of several appends at one place exactly one finds the length it expects.
   */
  async #store(key: LogKey, at: number, texts: readonly string[], mark: string): Promise<boolean> {
    const head =
      at === 0
        ? `insert into ${this.#schema}.logs (tenant, name, first, length) values ($1, $2, $3::bigint, $4)
           on conflict (tenant, name) do nothing returning id`
        : `update ${this.#schema}.logs set length = $4
           where tenant = $1 and name = $2 and length = $3::bigint returning id`;
    const rows = await this.#database.query(
      `with head as (${head}), stored as (
         insert into ${this.#schema}.log_items (log, at, item, mark)
         select head.id, $3::bigint + u.number - 1, u.item, case u.number when 1 then $5::uuid end
         from head, unnest($6::text[]) with ordinality as u (item, number)
       )
       select id from head`,
      [...keyOf(key), at, at + texts.length, mark, textArray(texts)],
    );
    return rows.length > 0;
  }

  /** Finds the length of a log, and the call that has stored the item at a position. */
  async #found(key: LogKey, at: number): Promise<Row | undefined> {
    const rows = await this.#database.query(
      `select l.length, i.mark
       from ${this.#schema}.logs l left join ${this.#schema}.log_items i on i.log = l.id and i.at = $3
       where l.tenant = $1 and l.name = $2`,
      [...keyOf(key), at],
    );
    return rows[0];
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new Error(`Cannot use the logs of schema ${this.#schema}: they are closed`);
  }
}

function keyOf({ tenant, name }: LogKey): readonly [string, string] {
  return [toKey(tenant), toKey(name)];
}
