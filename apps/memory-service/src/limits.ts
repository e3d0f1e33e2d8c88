/** Bounds of the service. What is over a bound is refused, never cut. */
export interface MemoryLimits {
  /** Bytes of a fragment's text in UTF-8. @defaultValue 16384 */
  readonly textBytes: number;
  /** Bytes of a query in UTF-8. @defaultValue 4096 */
  readonly queryBytes: number;
  /** Fragments of one ingest. @defaultValue 100 */
  readonly batch: number;
  /** Items of one answer of a retrieval. @defaultValue 50 */
  readonly items: number;
  /** Items of one page of a list. @defaultValue 100 */
  readonly page: number;
  /** Grants of a fragment. @defaultValue 100 */
  readonly grants: number;
  /** Fragments of a tenant. @defaultValue 1000000 */
  readonly fragments: number;
  /** Requests in flight of a tenant. @defaultValue 64 */
  readonly tenantRequests: number;
  /** Requests in flight of all tenants. @defaultValue 256 */
  readonly requests: number;
  /** Tenants that a federated query asks. @defaultValue 16 */
  readonly sources: number;
  /** Milliseconds after which a request is given up. @defaultValue 10000 */
  readonly requestMs: number;
  /** Bytes of vectors held in memory. @defaultValue 536870912, 512 MiB */
  readonly vectorBytes: number;
  /** Database files open at once. @defaultValue 256 */
  readonly openFiles: number;
  /** Milliseconds without a request after which a tenant's file is closed and its vectors leave memory. @defaultValue 60000 */
  readonly idleMs: number;
}

const DEFAULTS: MemoryLimits = {
  textBytes: 16_384,
  queryBytes: 4_096,
  batch: 100,
  items: 50,
  page: 100,
  grants: 100,
  fragments: 1_000_000,
  tenantRequests: 64,
  requests: 1_024,
  sources: 16,
  requestMs: 10_000,
  vectorBytes: 512 * 2 ** 20,
  openFiles: 256,
  idleMs: 60_000,
};

/**
 * Returns the limits with defaults filled in.
 *
 * @throws TypeError for an unknown limit, RangeError for one that is no whole number of 1 or more
 */
export function resolveLimits(given: Partial<MemoryLimits> = {}): MemoryLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULTS))
      throw new TypeError(`Unknown limit "${name}": expected one of ${Object.keys(DEFAULTS).join(", ")}`);
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw new RangeError(`Limit "${name}" must be a whole number of 1 or more: got ${String(value)}`);
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...Object.fromEntries(set) };
}
