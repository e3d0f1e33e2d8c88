import { Pool, type PoolClient, types as pgTypes } from "pg";
import { MemoryError } from "../memory-error.ts";
import { TENANT_PATTERN } from "../principal.ts";
import type { MemoryStore } from "../store/memory-store.ts";
import { type Rows, rowsOver } from "../store/rows.ts";
import { CATALOG_SCHEMA, SqlCatalog } from "../store/sql-catalog.ts";
import type { Sql, SqlRow, SqlValue } from "../store/sql.ts";
import { PostgresLexical } from "./postgres-lexical.ts";
import { STEPS, TENANT_TABLES } from "./schema.ts";

/** Options of {@link postgresStore}. */
export interface PostgresStoreOptions {
  /** Connection string. */
  readonly connection: string;
  /** Schema of the tables; it is made when there is none. @defaultValue `"memory"` */
  readonly schema?: string | undefined;
  /**
   * Role in which transactions run, for connections of a user that row security does not bind. It must exist.
   *
   * @defaultValue the user of the connection
   */
  readonly role?: string | undefined;
  /** @defaultValue 10 */
  readonly maxConnections?: number | undefined;
}

const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Opens a store in one schema of a PostgreSQL database (15 or newer). Row security is forced: a transaction sees the
 * rows of its tenant, even where a statement names none. Deleted bytes leave its files when the server has vacuumed
 * them and recycled its write-ahead log, which is up to its operator.
 *
 * @throws TypeError for names that do not fit; Error when row security does not bind the role, or the schema is newer
 */
export async function postgresStore(options: PostgresStoreOptions): Promise<MemoryStore> {
  const { connection, schema = "memory", role, maxConnections = 10 } = options;
  for (const [name, value] of Object.entries({ schema, role }))
    if (value !== undefined && !IDENTIFIER.test(value))
      throw new TypeError(`Option "${name}" must match ${IDENTIFIER.source}: got "${value}"`);
  const types = { getTypeParser: parserOf };
  const pool = new Pool({ connectionString: connection, max: maxConnections, types, allowExitOnIdle: true });
  // an idle connection was lost: the pool opens another for the next call
  pool.on("error", () => {});
  const store = new PostgresStore(pool, schema, role);
  try {
    await store.migrate();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class PostgresStore implements MemoryStore {
  readonly catalog: SqlCatalog;
  readonly #pool: Pool;
  readonly #schema: string;
  readonly #role: string | undefined;
  readonly #known = new Set<string>();
  #closed: Promise<void> | undefined;

  constructor(pool: Pool, schema: string, role: string | undefined) {
    this.#pool = pool;
    this.#schema = schema;
    this.#role = role;
    this.catalog = new SqlCatalog({
      read: async (work) => await this.#transaction("", "read committed read only", work),
      write: async (work) => await this.#transaction("", "read committed", work),
    });
  }

  /** Brings the schema to the latest version, one process at a time. */
  async migrate(): Promise<void> {
    await this.#session(async (client) => {
      await client.query("begin");
      await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`${this.#schema} schema`]);
      await client.query(`create schema if not exists "${this.#schema}"`);
      await client.query(`set local search_path to "${this.#schema}"`);
      await client.query("create table if not exists version (version bigint primary key)");
      await client.query(CATALOG_SCHEMA);
      const { rows } = await client.query<{ version: number }>(
        "select coalesce(max(version), 0) as version from version",
      );
      const version = rows[0]?.version ?? 0;
      if (version > STEPS.length)
        throw new Error(`Schema "${this.#schema}" has version ${version}; this program knows up to ${STEPS.length}`);
      for (const [at, step] of STEPS.entries()) {
        if (at < version) continue;
        await client.query(step);
        await client.query("insert into version values ($1)", [at + 1]);
      }
      if (this.#role !== undefined) {
        await client.query(`grant usage on schema "${this.#schema}" to "${this.#role}"`);
        const rights = "select, insert, update, delete on all tables";
        await client.query(`grant ${rights} in schema "${this.#schema}" to "${this.#role}"`);
        await client.query(`set local role "${this.#role}"`);
      }
      const bound = await client.query<{ free: boolean }>(
        "select rolsuper or rolbypassrls as free from pg_roles where rolname = current_user",
      );
      if (bound.rows[0]?.free !== false)
        throw new Error(
          'Row security does not bind the user of the connection: pass option "role", a role that it binds',
        );
      await client.query("commit");
    });
  }

  async read<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value> {
    await this.#requireTenant(tenant);
    return await this.#transaction(
      tenant,
      "repeatable read read only",
      async (sql) => await work(this.#rows(sql, tenant)),
    );
  }

  async write<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value> {
    await this.#requireTenant(tenant);
    return await this.#transaction(tenant, "read committed", async (sql) => {
      // one writer per tenant, as with files: marks and word statistics are counted one after the other
      await sql.all("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`${this.#schema}/${tenant}`]);
      return await work(this.#rows(sql, tenant));
    });
  }

  async purge(): Promise<void> {
    // the server's vacuum frees deleted rows; see postgresStore
  }

  async eraseTenant(tenant: string): Promise<void> {
    await this.catalog.eraseTenant(tenant);
    this.#known.delete(tenant);
    await this.#transaction(tenant, "read committed", async (sql) => {
      for (const table of TENANT_TABLES.toReversed()) await sql.run(`delete from ${table}`);
    });
  }

  async close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #rows(sql: Sql, tenant: string): Rows {
    return rowsOver(sql, tenant, new PostgresLexical(sql, tenant));
  }

  async #requireTenant(tenant: string): Promise<void> {
    if (this.#known.has(tenant)) return;
    if (!TENANT_PATTERN.test(tenant)) throw new TypeError(`A tenant must match ${TENANT_PATTERN.source}`);
    if ((await this.catalog.addTenant(tenant)) === "erased")
      throw new MemoryError("FORBIDDEN", "The tenant was erased; its name is not given again");
    this.#known.add(tenant);
  }

  async #transaction<Value>(tenant: string, kind: string, work: (sql: Sql) => Promise<Value>): Promise<Value> {
    return await this.#session(async (client) => {
      await client.query(`begin isolation level ${kind}`);
      if (this.#role !== undefined) await client.query(`set local role "${this.#role}"`);
      const settings = "select set_config('search_path', $1, true), set_config('memory.tenant', $2, true)";
      await client.query(settings, [`"${this.#schema}"`, tenant]);
      const value = await work(new PostgresSql(client));
      await client.query("commit");
      return value;
    });
  }

  /** Uses a connection, which is closed if the work fails: that ends its transaction. */
  async #session<Value>(work: (client: PoolClient) => Promise<Value>): Promise<Value> {
    const client = await this.#pool.connect();
    // an error in the middle of a statement rejects the statement; without a listener it would end the process
    const ignore = (): void => {};
    client.on("error", ignore);
    let isDone = false;
    try {
      const value = await work(client);
      isDone = true;
      return value;
    } finally {
      client.off("error", ignore);
      client.release(!isDone);
    }
  }
}

class PostgresSql implements Sql {
  readonly skipLocked = "for update skip locked";
  readonly keyPrefix = "tenant_id, ";
  readonly joined = (column: string): string => `string_agg(${column}, '')`;
  readonly #client: PoolClient;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  async all(text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    return (await this.#client.query<SqlRow>(numbered(text), [...values])).rows;
  }

  async run(text: string, values: readonly SqlValue[] = []): Promise<number> {
    return (await this.#client.query(numbered(text), [...values])).rowCount ?? 0;
  }
}

/** Numbers the `?` of a statement, as PostgreSQL writes them. */
function numbered(text: string): string {
  let count = 0;
  return text.replaceAll("?", () => `$${++count}`);
}

const BIGINT = 20;

/** Reads 64-bit integers as numbers: all that are stored are instants and counts. */
function parserOf(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  if (oid === BIGINT) return Number;
  const parser: unknown =
    format === "binary" ? pgTypes.getTypeParser(oid, "binary") : pgTypes.getTypeParser(oid, "text");
  if (isParser(parser)) return parser;
  throw new TypeError(`No parser for type ${oid}`);
}

function isParser(value: unknown): value is (value: string) => unknown {
  return typeof value === "function";
}
