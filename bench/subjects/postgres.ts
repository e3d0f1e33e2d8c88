import { randomUUID } from "node:crypto";
import { PostgresCheckpointStore } from "@penguiflow/state-postgres";
import { Client } from "pg";
import { server } from "../../packages/state-postgres/test-integration/server.ts";
import { type CheckpointStores, on, waitingOn } from "../penguiflow-durable.ts";

/** Finds the named server, the one at the usual address, or starts one; as `npm run test:servers` does. */
async function findServer(): Promise<{ readonly url: string; stop(): Promise<void> } | string> {
  const named = process.env[server.variable];
  const url = named ?? server.url;
  try {
    await server.reach(url);
    return { url, stop: async () => {} };
  } catch (error) {
    if (named !== undefined) throw error;
    const started = await server.start();
    if (started === undefined) return `is not installed, and not at ${new URL(url).host}; ${server.variable} names one`;
    return { url: started.url, stop: async () => await started[Symbol.asyncDispose]() };
  }
}

async function ask(url: string, text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
    return rows[0] ?? {};
  } finally {
    await client.end();
  }
}

/** Checkpoint stores in a schema each; the configuration of the server is left alone. */
export const checkpointStores: CheckpointStores = {
  async make() {
    const found = await findServer();
    if (typeof found === "string") return found;
    const { url, stop } = found;
    const schema = `bench_${randomUUID()}`;
    const { version, fsync, commit } = await ask(
      url,
      `select current_setting('server_version_num')::int / 10000 as version, current_setting('fsync') as fsync,
         current_setting('synchronous_commit') as commit`,
    );
    const survives = fsync === "on" && commit !== "off" ? "a loss of power" : "the end of the process";
    return {
      address: JSON.stringify({ connection: url, schema }),
      note: `survives ${survives}; PostgreSQL ${version} at ${new URL(url).hostname}, fsync ${fsync}, synchronous_commit ${commit}`,
      waits: true,
      bytes: async () => {
        const sizes = `select sum(pg_total_relation_size(c.oid))::float8 as bytes
          from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r'`;
        return (await ask(url, sizes, [schema]))["bytes"] as number;
      },
      async remove() {
        await ask(url, `drop schema if exists "${schema}" cascade`);
        await stop();
      },
    };
  },
  async open(address) {
    const checkpoints = await PostgresCheckpointStore.open(
      JSON.parse(address) as { readonly connection: string; readonly schema: string },
    );
    return { checkpoints, [Symbol.asyncDispose]: () => checkpoints.close() };
  },
};

export const durable = on(checkpointStores, "postgres");

export const waitingDurable = waitingOn(checkpointStores);
