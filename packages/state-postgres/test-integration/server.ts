import { randomUUID } from "node:crypto";
import { readHistory, type StateStore, type StoredEvent, type TraceKey } from "penguiflow";
import { Client } from "pg";
import type { NeededServer } from "../../../scripts/test-servers.ts";
import { startServer } from "./own-server.ts";
import { PostgresStateStore, type PostgresStateStoreOptions } from "@penguiflow/state-postgres";

/** What scripts/test-servers.ts asks for. */
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

/** Where the server is. */
export const connection: string = process.env[server.variable] ?? server.url;

/** A schema of a test's own. It goes with `await using`. */
export class TestSchema implements AsyncDisposable {
  readonly name = `test_${randomUUID()}`;
  /** By which a test looks at what is kept, and ends connections. */
  readonly admin = new Client(connection);
  readonly #stores: PostgresStateStore[] = [];

  static async create(): Promise<TestSchema> {
    const schema = new TestSchema();
    await schema.admin.connect();
    return schema;
  }

  /** Opens a store here. @param port - of a proxy on the way */
  async open(options: Partial<PostgresStateStoreOptions> = {}, port?: number): Promise<PostgresStateStore> {
    const store = await PostgresStateStore.open({ connection: this.url(port), schema: this.name, ...options });
    this.#stores.push(store);
    return store;
  }

  url(port?: number): string {
    const url = new URL(connection);
    if (port !== undefined) url.host = `127.0.0.1:${port}`;
    url.searchParams.set("application_name", this.name);
    return url.href;
  }

  /** The server ends the connections of the stores here; resolves to how many. */
  async terminate(): Promise<number> {
    const select = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1";
    return (await this.rows(select, [this.name])).length;
  }

  /** Waits until a store here waits for a lock. */
  async untilLocked(): Promise<void> {
    const select = "select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'";
    for (;;) if ((await this.rows(select, [this.name])).length > 0) return;
  }

  /** Asks as the admin; `@` stands for the schema. */
  async rows(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const { rows } = await this.admin.query<Record<string, unknown>>(text.replaceAll("@", `"${this.name}".`), values);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.admin.query(`drop schema if exists "${this.name}" cascade`);
    await this.admin.end();
  }
}

/** All events of a trace. */
export async function historyOf(store: StateStore, key: TraceKey): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of readHistory(store, key)) events.push(event);
  return events;
}
