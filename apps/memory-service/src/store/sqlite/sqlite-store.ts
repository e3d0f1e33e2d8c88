import { mkdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Clock } from "penguiflow";
import { patientClock } from "../../idle.ts";
import { TENANT_PATTERN } from "../../principal.ts";
import { MemoryError } from "../../memory-error.ts";
import type { MemoryStore } from "../memory-store.ts";
import { type Rows, rowsOver } from "../rows.ts";
import { CATALOG_SCHEMA, SqlCatalog } from "../sql-catalog.ts";
import { Connection, type Synchronous } from "./connection.ts";
import { OpenFiles } from "./open-files.ts";
import { SqliteLexical } from "./sqlite-lexical.ts";
import { TENANT_SCHEMA } from "./tenant-schema.ts";

/** Options of {@link sqliteStore}. */
export interface SqliteStoreOptions {
  /** Folder of the files: `catalog.db` and `tenants/<tenant>.db`. @defaultValue in memory, gone with the process */
  readonly directory?: string | undefined;
  /** Files open at once, each with up to three descriptors. @defaultValue 256 */
  readonly openFiles?: number | undefined;
  /** Milliseconds without a call after which a tenant's file is closed, to be opened by its next call. @defaultValue 60000 */
  readonly idleMs?: number | undefined;
  /** @defaultValue the machine's time */
  readonly clock?: Clock | undefined;
  /** @defaultValue `"normal"` */
  readonly synchronous?: Synchronous | undefined;
}

/** Milliseconds within which two changes of a file may have one time. */
const TICK_MS = 20;

/** Opens a store with one SQLite file per tenant: the open file is the tenant. */
export function sqliteStore(options: SqliteStoreOptions = {}): MemoryStore {
  return new SqliteStore(options);
}

class SqliteStore implements MemoryStore {
  readonly catalog: SqlCatalog;
  readonly #directory: string | undefined;
  readonly #files: OpenFiles<Connection>;
  readonly #catalogFile: Connection;

  constructor(options: SqliteStoreOptions) {
    const { directory, openFiles = 256, idleMs = 60_000, clock = patientClock, synchronous = "normal" } = options;
    this.#directory = directory;
    // names and words of people are in these files
    if (directory !== undefined) mkdirSync(path.join(directory, "tenants"), { recursive: true, mode: 0o700 });
    const catalog = new Connection(this.#path("catalog.db"), [CATALOG_SCHEMA], synchronous);
    this.#catalogFile = catalog;
    this.catalog = new SqlCatalog({
      read: async (work) => await catalog.read(async () => await work(catalog)),
      write: async (work) => await catalog.write(async () => await work(catalog)),
    });
    // without a folder, a closed tenant would be a lost one
    const bounds = directory === undefined ? { limit: Number.POSITIVE_INFINITY } : { limit: openFiles, idleMs };
    this.#files = new OpenFiles({
      ...bounds,
      clock,
      open: async (tenant) => await this.#openTenant(tenant, synchronous),
      close: async (file) => await file.close(),
    });
  }

  async read<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value> {
    return await this.#files.use(tenant, async (file) => await file.read(async () => await work(rowsOf(file, tenant))));
  }

  async write<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value> {
    return await this.#files.use(
      tenant,
      async (file) => await file.write(async () => await work(rowsOf(file, tenant))),
    );
  }

  changeMark(tenant: string): string | undefined {
    return this.#directory === undefined ? undefined : markOf(this.#tenantPath(tenant));
  }

  async purge(tenant: string): Promise<void> {
    if (this.#directory === undefined) return;
    await this.#files.use(tenant, async (file) => await file.purge());
  }

  async eraseTenant(tenant: string): Promise<void> {
    await this.catalog.eraseTenant(tenant);
    await this.#files.close(tenant);
    if (this.#directory === undefined) return;
    for (const suffix of ["", "-wal", "-shm"]) rmSync(this.#tenantPath(tenant) + suffix, { force: true });
    await this.#catalogFile.purge();
  }

  async close(): Promise<void> {
    await this.#files.closeAll();
    await this.#catalogFile.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #openTenant(tenant: string, synchronous: Synchronous): Promise<Connection> {
    if (!TENANT_PATTERN.test(tenant)) throw new TypeError(`A tenant must match ${TENANT_PATTERN.source}`);
    const state = await this.catalog.addTenant(tenant);
    if (state === "erased") throw new MemoryError("FORBIDDEN", "The tenant was erased; its name is not given again");
    return new Connection(this.#tenantPath(tenant), TENANT_SCHEMA, synchronous);
  }

  #tenantPath(tenant: string): string {
    return this.#path(path.join("tenants", `${tenant}.db`));
  }

  #path(file: string): string {
    return this.#directory === undefined ? ":memory:" : path.join(this.#directory, file);
  }
}

/**
 * Returns the sizes and times of a tenant's files, undefined when they are so young that the next change may leave them
 * alike. It opens none of them: to close a file ends all locks that the process has on it, those of its connection, too.
 */
function markOf(file: string): string | undefined {
  const parts = [file, `${file}-wal`].map((each) => statSync(each, { bigint: true, throwIfNoEntry: false }));
  // an empty log comes and goes with the opening of the file
  const kept = parts.filter((stats) => stats !== undefined && stats.size > 0);
  const latest = Math.max(...kept.map((stats) => Number(stats?.mtimeMs)));
  if (Date.now() < latest + TICK_MS) return undefined;
  return kept.map((stats) => `${stats?.mtimeNs} ${stats?.size}`).join(" ");
}

function rowsOf(file: Connection, tenant: string): Rows {
  return rowsOver(file, tenant, new SqliteLexical(file, tenant));
}
