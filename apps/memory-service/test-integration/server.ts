import { randomUUID } from "node:crypto";
import { Client } from "pg";
import type { NeededServer } from "../../../scripts/test-servers.ts";
import { server as postgres } from "../../../packages/state-postgres/test-integration/server.ts";
import type { MemoryStore } from "@penguiflow/memory-service/store";
import { postgresStore } from "@penguiflow/memory-service/postgres";

/** Server declaration for scripts/test-servers.ts: the one of the PostgreSQL adapter. */
export const server: NeededServer = postgres;

/** URL of the server. */
export const connection: string = process.env[server.variable] ?? server.url;

/** A schema and a role of one test, dropped on disposal. */
export class OwnSchema implements AsyncDisposable {
  readonly name: string = `memory_${randomUUID().replaceAll("-", "_")}`;
  readonly admin: Client = new Client(connection);
  readonly #opened: MemoryStore[] = [];

  static async create(): Promise<OwnSchema> {
    const schema = new OwnSchema();
    await schema.admin.connect();
    await schema.admin.query(`create role "${schema.name}" nologin`);
    return schema;
  }

  /** Opens a store in this schema. */
  async open(): Promise<MemoryStore> {
    const store = await postgresStore({ connection, schema: this.name, role: this.name });
    this.#opened.push(store);
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map(async (store) => await store.close()));
    await this.admin.query(`drop schema if exists "${this.name}" cascade`);
    await this.admin.query(`drop role if exists "${this.name}"`);
    await this.admin.end();
  }
}
