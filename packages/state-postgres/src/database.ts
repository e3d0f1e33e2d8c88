import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientConfig, Pool, type PoolClient, type PoolConfig, type QueryConfig } from "pg";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** Timeout of a connection attempt, so that another fits into the patience of a call. */
const CONNECTING_MS = 5_000;
/** Time for which a connection with prepared statements is kept unused. */
const IDLE_MS = 300_000;

/** Address of a {@link Database}, and the patience of its calls. */
export interface DatabaseOptions {
  readonly connection: string | object;
  readonly maxConnections: number;
  readonly patienceMs: number;
  /**
   * Whether statements are prepared, which takes connections of a session each, and are planned once for whatever amount
   * the tables hold at the time. @defaultValue false
   */
  readonly prepares?: boolean | undefined;
}

/** A row as the driver returns it. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Connects to the server through a pool. While it is unreachable, calls retry until their patience is exhausted, so
 * every call must be idempotent.
 */
export class Database {
  readonly #pool: Pool;
  readonly #patienceMs: number;
  /** Names of prepared statements, by their texts. */
  readonly #names: Map<string, string> | undefined;

  constructor({ connection, maxConnections, patienceMs, prepares = false }: DatabaseOptions) {
    this.#patienceMs = patienceMs;
    if (prepares) this.#names = new Map();
    this.#pool = new Pool({
      application_name: "penguiflow",
      ...(typeof connection === "string" ? { connectionString: connection } : connection),
      Client: Connection,
      max: maxConnections,
      connectionTimeoutMillis: Math.min(patienceMs, CONNECTING_MS),
      keepAlive: true,
      allowExitOnIdle: true,
      // a connection that is kept has its plans
      ...(prepares && { onConnect: preferIndexes, idleTimeoutMillis: IDLE_MS }),
    });
    // An idle connection was lost: the pool has removed it, and the next call opens another.
    this.#pool.on("error", () => {});
  }

  /** Runs one statement, in a transaction of its own, and returns its rows. */
  async query(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const name = this.#nameOf(text);
    return await this.#patiently(async (giveUpAt) => await ask(this.#pool, giveUpAt, text, values, name));
  }

  /** Runs several statements in one transaction, atomically. */
  async transaction<Value>(work: (query: Database["query"]) => Promise<Value>): Promise<Value> {
    return await this.#patiently(async (giveUpAt) => {
      const client = await this.#pool.connect();
      let failure: Error | undefined;
      try {
        await ask(client, giveUpAt, "begin isolation level read committed");
        const value = await work(async (text, values) => await ask(client, giveUpAt, text, values));
        await ask(client, giveUpAt, "commit");
        return value;
      } catch (error) {
        failure = asError(error);
        throw error;
      } finally {
        // destroys the connection after a failure, which rolls back the transaction
        client.release(failure);
      }
    });
  }

  /** Waits for pending calls, then closes the connections. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  #nameOf(text: string): string | undefined {
    if (this.#names === undefined) return undefined;
    const name = this.#names.get(text) ?? `penguiflow_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }

  async #patiently<Value>(call: (giveUpAt: number) => Promise<Value>): Promise<Value> {
    const giveUpAt = performance.now() + this.#patienceMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await call(giveUpAt);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (performance.now() + pauseMs >= giveUpAt)
          throw new Error(`Cannot reach PostgreSQL within ${this.#patienceMs} ms: ${reasonOf(error)}`, {
            cause: error,
          });
        await sleep(pauseMs);
      }
    }
  }
}

/**
 * Connection with an error listener from its creation. The pool removes its own listener when it hands a connection
 * out, and the borrower's code runs a microtask later. An error in the packet of the greeting would find no listener
 * and end the process. The statement that the error interrupts rejects with it.
 */
class Connection extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    this.on("error", () => {});
  }
}

/**
 * Has statements use indexes: a plan that was made for an empty table is kept when it has grown. What has no index would
 * be compiled then, because its cost is made up.
 */
const preferIndexes: NonNullable<PoolConfig["onConnect"]> = (client): unknown => {
  const query = { text: "set enable_seqscan = off; set jit = off", query_timeout: CONNECTING_MS };
  // the pool waits for it, although its types do not say so
  return client.query(query);
};

async function ask(
  from: Pool | PoolClient,
  giveUpAt: number,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
): Promise<readonly Row[]> {
  const query_timeout = Math.max(1, Math.ceil(giveUpAt - performance.now()));
  // The driver reads the timeout from the query, although its types omit it.
  const query: QueryConfig & { query_timeout: number } = {
    text,
    values: [...values],
    query_timeout,
    ...(name && { name }),
  };
  return (await from.query<Row>(query)).rows;
}

/**
 * SQLSTATEs that a retry may overcome: a lost or refused connection, a server that shuts down, starts or became a
 * standby, too many connections, a serialisation conflict.
 */
const PASSING = /^(?:08...|57P0[1-5]|53300|25006|40001|40P01)$/;

/** Messages of the driver, without a code, about a lost connection. */
const LOST =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed)/;

function isPassing(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== "string") return typeof message === "string" && LOST.test(message);
  return PASSING.test(code) || /^E[A-Z]{3}/.test(code);
}

/** Whether the server has refused a statement, which then has changed nothing. */
export function isRefusal(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !isPassing(error);
}

/** Extracts the reason of a network error, which may have several causes and an empty message. */
function reasonOf(error: unknown): string {
  const { code, message } = asError(error) as Error & { readonly code?: string };
  return message === "" ? String(code) : message;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
