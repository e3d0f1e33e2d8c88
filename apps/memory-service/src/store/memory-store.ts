import type { Catalog } from "./catalog.ts";
import type { Rows } from "./rows.ts";

/**
 * Keeps the fragments of all tenants, each apart. Port of the service: `sqliteStore`, `postgresStore`.
 * `memoryStoreContract` has its rules as tests.
 */
export interface MemoryStore extends AsyncDisposable {
  /** Data across tenants: names, keys, models, and hints of shares between them. */
  readonly catalog: Catalog;
  /** Runs a read, on one state of the tenant's rows. */
  read<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value>;
  /** Runs changes in one transaction: all are kept, or none when `work` rejects. Awaits only rows. */
  write<Value>(tenant: string, work: (rows: Rows) => Promise<Value>): Promise<Value>;
  /**
   * Returns a mark that differs once rows of the tenant have changed, without opening them, so that tenants at rest cost
   * no memory; undefined while unknown, as shortly after a change. Without this method a tenant at rest is read to look
   * for changes.
   */
  changeMark?(tenant: string): string | undefined;
  /** Resolves when no file of the tenant holds bytes of rows that were deleted. */
  purge(tenant: string): Promise<void>;
  /** Deletes everything of a tenant, its name excepted: the name is not given again. */
  eraseTenant(tenant: string): Promise<void>;
  /** Waits for running calls, then closes files and connections. */
  close(): Promise<void>;
}
