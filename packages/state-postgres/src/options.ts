import { type Clock, type Retention, systemClock } from "penguiflow";

/** Where the server is and who asks, for those who do not want to write it as a URL. */
export interface PostgresConnection {
  readonly host?: string | undefined;
  /** @defaultValue 5432 */
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  /** A function is asked for each new connection: for passwords that expire. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** `true`, or what Node's `tls.connect` takes. @defaultValue false */
  readonly ssl?: boolean | object | undefined;
}

/** Where the server is and how it is asked: what `PostgresJournal.open` is told. */
export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, or the same in parts. What is left out comes from `PGHOST` and the like. */
  readonly connection: string | PostgresConnection;
  /** The schema of the tables. It is made when there is none. @defaultValue "penguiflow" */
  readonly schema?: string | undefined;
  /** How many connections at most. @defaultValue 4 */
  readonly maxConnections?: number | undefined;
  /** Milliseconds for which a call goes on trying while the server cannot be reached. @defaultValue 10000 */
  readonly patienceMs?: number | undefined;
}

/** What {@link PostgresStateStore.open} is told. What of `Retention` is not given has no limit. */
export interface PostgresStateStoreOptions extends PostgresOptions, Retention {
  /** Tells how old a trace is. @defaultValue the machine's time */
  readonly clock?: Clock | undefined;
}

/** {@link PostgresOptions} with their defaults. */
export interface ResolvedOptions {
  readonly connection: string | PostgresConnection;
  readonly schema: string;
  readonly maxConnections: number;
  readonly patienceMs: number;
}

/** {@link PostgresStateStoreOptions} with their defaults. */
export interface ResolvedStoreOptions extends ResolvedOptions, Retention {
  readonly clock: Clock;
}

const OF_SERVER = ["connection", "schema", "maxConnections", "patienceMs"];
const OF_STORE = [...OF_SERVER, "clock", "maxAgeMs", "maxTraces", "maxEventsPerTrace", "maxBytes"];
const OF_CONNECTION = ["host", "port", "database", "user", "password", "ssl"];

/** PostgreSQL cuts longer names off without a word. */
const LONGEST_NAME = 63;

/**
 * Fills in the defaults of a journal.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveOptions(options: PostgresOptions): ResolvedOptions {
  requireKnownKeys("PostgresJournal", options, OF_SERVER);
  return resolveServer(options);
}

/**
 * Fills in the defaults of a store.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveStoreOptions(options: PostgresStateStoreOptions): ResolvedStoreOptions {
  requireKnownKeys("PostgresStateStore", options, OF_STORE);
  const { clock = systemClock, ...rest } = options;
  const server = resolveServer(options);
  if (rest.maxAgeMs !== undefined && !(Number.isFinite(rest.maxAgeMs) && rest.maxAgeMs >= 1))
    throw wrongNumber("maxAgeMs", "a number of 1 or more", rest.maxAgeMs);
  for (const name of ["maxTraces", "maxEventsPerTrace", "maxBytes"] as const) {
    if (rest[name] !== undefined) requireInteger(name, rest[name]);
  }
  return { ...rest, ...server, clock };
}

function resolveServer({
  connection,
  schema = "penguiflow",
  maxConnections = 4,
  patienceMs = 10_000,
}: PostgresOptions): ResolvedOptions {
  requireConnection(connection);
  if (typeof schema !== "string" || schema === "" || schema.includes("\0") || Buffer.byteLength(schema) > LONGEST_NAME)
    throw new TypeError(`Option "schema" must be a name of 1 to ${LONGEST_NAME} bytes: got ${shown(schema)}`);
  requireInteger("maxConnections", maxConnections);
  requireInteger("patienceMs", patienceMs);
  return { connection, schema, maxConnections, patienceMs };
}

/** Throws unless a number is whole and 1 or more. */
export function requireInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw wrongNumber(name, "a whole number of 1 or more", value);
}

function requireConnection(connection: unknown): void {
  if (typeof connection === "string") {
    if (/^postgres(?:ql)?:\/\//.test(connection) && URL.canParse(connection)) return;
    // what was given may hold a password
    throw new TypeError(
      'Option "connection" must be a URL like "postgres://user@host:5432/database": got another text',
    );
  }
  if (typeof connection !== "object" || connection === null)
    throw new TypeError(`Option "connection" must be a URL or an object: got ${shown(connection)}`);
  requireKnownKeys('option "connection"', connection, OF_CONNECTION);
}

function requireKnownKeys(what: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new TypeError(`Unknown option "${unknown}" of ${what}: known are "${known.join('", "')}"`);
}

function wrongNumber(name: string, wanted: string, value: unknown): Error {
  const text = `Option "${name}" must be ${wanted}: got ${shown(value)}`;
  return typeof value === "number" ? new RangeError(text) : new TypeError(text);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
