import { type Clock, type Retention, systemClock } from "penguiflow";
import {
  requireInteger,
  requireKnownKeys,
  requireOneOf,
  requireRetention,
  RETENTION_OPTIONS,
  shown,
} from "penguiflow/adapter";

/**
 * Failures that a resolved save survives. `normal`: the end of the process, however sudden; a power loss may take the
 * last saves, never the file. `full`: a power loss, too; each batch waits for the disk.
 */
export type Durability = "normal" | "full";

/** Options of `SqliteCheckpointStore.open` and `SqliteLog.open`. */
export interface SqliteFileOptions {
  /** Path of the database file. It is created when missing; its folder must exist. */
  readonly file: string;
  /** Failures that a resolved save survives. @defaultValue "normal" */
  readonly durability?: Durability | undefined;
  /** Time for which a call retries while another process writes, in milliseconds. @defaultValue 10000 */
  readonly patienceMs?: number | undefined;
  /** Clock for the age of traces and the end of leases. @defaultValue the system clock */
  readonly clock?: Clock | undefined;
}

/** Options of `SqliteStateStore.open`. Omitted fields of `Retention` mean no limit. */
export interface SqliteStateStoreOptions extends SqliteFileOptions, Retention {}

/** Resolved {@link SqliteFileOptions}. */
export interface ResolvedFileOptions {
  readonly file: string;
  readonly durability: Durability;
  readonly patienceMs: number;
  readonly clock: Clock;
}

/** Resolved {@link SqliteStateStoreOptions}. */
export interface ResolvedOptions extends ResolvedFileOptions, Retention {}

const OF_FILE = ["file", "durability", "patienceMs", "clock"];

/**
 * Applies the defaults of a store.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveOptions(options: SqliteStateStoreOptions): ResolvedOptions {
  requireKnownKeys("SqliteStateStore", options, [...OF_FILE, ...RETENTION_OPTIONS]);
  const { file, durability, patienceMs, clock, ...retention } = options;
  const resolved = withDefaults({ file, durability, patienceMs, clock });
  requireRetention(retention);
  return { ...retention, ...resolved };
}

/**
 * Applies the defaults of a checkpoint store or of logs. @param what - the class that is opened
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveFileOptions(what: string, options: SqliteFileOptions): ResolvedFileOptions {
  requireKnownKeys(what, options, OF_FILE);
  return withDefaults(options);
}

function withDefaults(options: SqliteFileOptions): ResolvedFileOptions {
  const { file, durability = "normal", patienceMs = 10_000, clock = systemClock } = options;
  // SQLite opens these as in-memory databases, which exist per connection
  if (typeof file !== "string" || file === "" || file === ":memory:" || file.includes("\0"))
    throw new TypeError(`Option "file" must be the path of a file: got ${shown(file)}`);
  requireOneOf("durability", durability, ["normal", "full"]);
  requireInteger("patienceMs", patienceMs, 1);
  return { file, durability, patienceMs, clock };
}
