import { randomUUID } from "node:crypto";
import { readHistory, type StateStore, type StoredEvent, type TraceKey } from "penguiflow";
import { Client } from "pg";
import type { NeededServer } from "../../../scripts/test-servers.ts";
import { startServer } from "./own-server.ts";
import {
  PostgresCheckpointStore,
  PostgresLog,
  type PostgresOptions,
  PostgresStateStore,
  type PostgresStateStoreOptions,
} from "@penguiflow/state-postgres";

/** Server declaration for scripts/test-servers.ts. */
export const server: NeededServer = {
  name: "PostgreSQL",
  variable: "PENGUIFLOW_POSTGRES",
  url: "postgres://postgres@127.0.0.1:5432/test",
  async reach(url) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    await client.connect();
    await client.end();
  },
  start: startServer,
};

/** URL of the server. */
export const connection: string = process.env[server.variable] ?? server.url;

/** Schema of one test, dropped on disposal. */
export class TestSchema implements AsyncDisposable {
  readonly name = `test_${randomUUID()}`;
  /** Connection for inspecting the tables and ending connections. */
  readonly admin = new Client(connection);
  readonly #opened: (PostgresStateStore | PostgresCheckpointStore | PostgresLog)[] = [];

  static async create(): Promise<TestSchema> {
    const schema = new TestSchema();
    await schema.admin.connect();
    return schema;
  }

  /** Opens a store in this schema. @param port - of a proxy in between */
  async open(options: Partial<PostgresStateStoreOptions> = {}, port?: number): Promise<PostgresStateStore> {
    await this.#prepare(options);
    const store = await PostgresStateStore.open({ connection: this.url(port), schema: this.name, ...options });
    this.#opened.push(store);
    return store;
  }

  /** Opens a checkpoint store in this schema. @param port - of a proxy in between */
  async openCheckpoints(options: Partial<PostgresOptions> = {}, port?: number): Promise<PostgresCheckpointStore> {
    await this.#prepare(options);
    const checkpoints = await PostgresCheckpointStore.open({
      connection: this.url(port),
      schema: this.name,
      ...options,
    });
    this.#opened.push(checkpoints);
    return checkpoints;
  }

  /** Opens logs in this schema. @param port - of a proxy in between */
  async openLog(options: Partial<PostgresOptions> = {}, port?: number): Promise<PostgresLog> {
    const log = await PostgresLog.open({ connection: this.url(port), schema: this.name, ...options });
    this.#opened.push(log);
    return log;
  }

  /** Makes the tables first where patience is short: a busy server takes longer to make them than a test is patient. */
  async #prepare({ patienceMs }: Partial<PostgresOptions>): Promise<void> {
    if (patienceMs === undefined) return;
    const made = await PostgresStateStore.open({ connection, schema: this.name });
    await made.close();
  }

  url(port?: number): string {
    const url = new URL(connection);
    if (port !== undefined) url.host = `127.0.0.1:${port}`;
    url.searchParams.set("application_name", this.name);
    return url.href;
  }

  /** Ends the server side of all connections of this schema; resolves to their number. */
  async terminate(): Promise<number> {
    const select = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1";
    return (await this.rows(select, [this.name])).length;
  }

  /** Waits until a store or checkpoint store of this schema waits for a lock. */
  async untilLocked(): Promise<void> {
    while ((await this.locked()) === 0);
  }

  /** Counts the connections of this schema that wait for a lock. */
  async locked(): Promise<number> {
    // within a transaction the server repeats its first snapshot of the statistics
    await this.rows("select pg_stat_clear_snapshot()");
    const select = "select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'";
    return (await this.rows(select, [this.name])).length;
  }

  /** Runs a query as the admin; `@` stands for the schema. */
  async rows(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const { rows } = await this.admin.query<Record<string, unknown>>(text.replaceAll("@", `"${this.name}".`), values);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((one) => one.close()));
    await this.admin.query(`drop schema if exists "${this.name}" cascade`);
    await this.admin.end();
  }
}

/** Loads all events of a trace. */
export async function historyOf(store: StateStore, key: TraceKey): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of readHistory(store, key)) events.push(event);
  return events;
}
