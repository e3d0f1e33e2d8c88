import { type Clock, type Retention, systemClock } from "penguiflow";
import { requireInteger, requireKnownKeys, requireRetention, RETENTION_OPTIONS, shown } from "penguiflow/adapter";

/** Connection parameters, as an alternative to a URL. */
export interface PostgresConnection {
  readonly host?: string | undefined;
  /** Port. @defaultValue 5432 */
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  /** Password, or a function that is called for each new connection, for passwords that expire. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** Encryption: `true`, or options of Node's `tls.connect`. @defaultValue false */
  readonly ssl?: boolean | object | undefined;
}

/** Options of `PostgresCheckpointStore.open` and `PostgresLog.open`. */
export interface PostgresOptions {
  /**
   * URL such as `postgres://user:password@host:5432/database`, or its parts. Omitted parts come from `PGHOST` and the
   * like.
   */
  readonly connection: string | PostgresConnection;
  /** Schema of the tables. It is created when missing. @defaultValue "penguiflow" */
  readonly schema?: string | undefined;
  /** Maximum number of connections. @defaultValue 4 */
  readonly maxConnections?: number | undefined;
  /** Time for which a call retries while the server is unreachable, in milliseconds. @defaultValue 10000 */
  readonly patienceMs?: number | undefined;
}

/** Options of {@link PostgresStateStore.open}. Omitted fields of `Retention` mean no limit. */
export interface PostgresStateStoreOptions extends PostgresOptions, Retention {
  /** Clock for the age of traces. @defaultValue the system clock */
  readonly clock?: Clock | undefined;
}

/** Resolved {@link PostgresOptions}. */
export interface ResolvedOptions {
  readonly connection: string | PostgresConnection;
  readonly schema: string;
  readonly maxConnections: number;
  readonly patienceMs: number;
}

/** Resolved {@link PostgresStateStoreOptions}. */
export interface ResolvedStoreOptions extends ResolvedOptions, Retention {
  readonly clock: Clock;
}

const OF_SERVER = ["connection", "schema", "maxConnections", "patienceMs"];
const OF_STORE = [...OF_SERVER, "clock", ...RETENTION_OPTIONS];
const OF_CONNECTION = ["host", "port", "database", "user", "password", "ssl"];

/** PostgreSQL truncates longer names silently. */
const LONGEST_NAME = 63;

/**
 * Applies the defaults of a checkpoint store or of logs. @param what - the class that is opened
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveOptions(what: string, options: PostgresOptions): ResolvedOptions {
  requireKnownKeys(what, options, OF_SERVER);
  return resolveServer(options);
}

/**
 * Applies the defaults of a store.
 *
 * @throws TypeError, RangeError when an option is unknown, of the wrong kind or out of range
 */
export function resolveStoreOptions(options: PostgresStateStoreOptions): ResolvedStoreOptions {
  requireKnownKeys("PostgresStateStore", options, OF_STORE);
  const { clock = systemClock, ...rest } = options;
  const server = resolveServer(options);
  requireRetention(rest);
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
  requireInteger("maxConnections", maxConnections, 1);
  requireInteger("patienceMs", patienceMs, 1);
  return { connection, schema, maxConnections, patienceMs };
}

function requireConnection(connection: unknown): void {
  if (typeof connection === "string") {
    if (/^postgres(?:ql)?:\/\//.test(connection) && URL.canParse(connection)) return;
    // the message omits the value, which may contain a password
    throw new TypeError(
      'Option "connection" must be a URL like "postgres://user@host:5432/database": got another string',
    );
  }
  if (typeof connection !== "object" || connection === null)
    throw new TypeError(`Option "connection" must be a URL or an object: got ${shown(connection)}`);
  requireKnownKeys('option "connection"', connection, OF_CONNECTION);
}
