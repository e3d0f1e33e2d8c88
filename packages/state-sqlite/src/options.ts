import { type Clock, type Retention, systemClock } from "penguiflow";

/**
 * Failures that a resolved save survives. `normal`: the end of the process, however sudden; a power loss may take the
 * last saves, never the file. `full`: a power loss, too; each batch waits for the disk.
 */
export type Durability = "normal" | "full";

/** Options of `SqliteJournal.open`. */
export interface SqliteFileOptions {
  /** Path of the database file. It is created when missing; its folder must exist. */
  readonly file: string;
  /** Failures that a resolved save survives. @defaultValue "normal" */
  readonly durability?: Durability | undefined;
  /** Time for which a call retries while another process writes, in milliseconds. @defaultValue 10000 */
  readonly patienceMs?: number | undefined;
  /** Clock for the age of traces and the end of claims. @defaultValue the system clock */
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
const OF_RETENTION = ["maxAgeMs", "maxTraces", "maxEventsPerTrace", "maxBytes"];

/**
 * Applies the defaults of a store.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveOptions(options: SqliteStateStoreOptions): ResolvedOptions {
  requireKnown("SqliteStateStore", options, [...OF_FILE, ...OF_RETENTION]);
  const { file, durability, patienceMs, clock, ...retention } = options;
  const resolved = withDefaults({ file, durability, patienceMs, clock });
  const { maxAgeMs } = retention;
  if (maxAgeMs !== undefined && !(Number.isFinite(maxAgeMs) && maxAgeMs >= 1))
    throw wrongNumber("maxAgeMs", "a number of 1 or more", maxAgeMs);
  for (const name of ["maxTraces", "maxEventsPerTrace", "maxBytes"] as const) {
    if (retention[name] !== undefined) requireInteger(name, retention[name]);
  }
  return { ...retention, ...resolved };
}

/**
 * Applies the defaults of a journal.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveFileOptions(options: SqliteFileOptions): ResolvedFileOptions {
  requireKnown("SqliteJournal", options, OF_FILE);
  return withDefaults(options);
}

function withDefaults(options: SqliteFileOptions): ResolvedFileOptions {
  const { file, durability = "normal", patienceMs = 10_000, clock = systemClock } = options;
  // SQLite opens these as in-memory databases, which exist per connection
  if (typeof file !== "string" || file === "" || file === ":memory:" || file.includes("\0"))
    throw new TypeError(`Option "file" must be the path of a file: got ${shown(file)}`);
  if (!["normal", "full"].includes(durability))
    throw new TypeError(`Option "durability" must be one of "normal", "full": got ${shown(durability)}`);
  requireInteger("patienceMs", patienceMs);
  return { file, durability, patienceMs, clock };
}

function requireKnown(owner: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new TypeError(`Unknown option "${unknown}" of ${owner}: expected one of "${known.join('", "')}"`);
}

/** Throws unless a number is whole and 1 or more. */
export function requireInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw wrongNumber(name, "a whole number of 1 or more", value);
}

function wrongNumber(name: string, wanted: string, value: unknown): Error {
  const text = `Option "${name}" must be ${wanted}: got ${shown(value)}`;
  return typeof value === "number" ? new RangeError(text) : new TypeError(text);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
