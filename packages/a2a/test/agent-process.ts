// An agent that stores its tasks in a database, in a process that tests can kill.
import process from "node:process";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { DatabaseTaskStore } from "@a2a-js/sdk/server/database";
import { A2AServerAdapter, createA2AApp } from "@penguiflow/a2a/server";
import { Kysely, PostgresDialect, SqliteDialect } from "kysely";
import { create, payloadNode } from "penguiflow";
import { Pool } from "pg";

/**
 * Opens a file with the table that the SDK's command `a2a-db` creates; that command needs another driver than Node's.
 */
function sqlite(file: string): SqliteDialect {
  const database = new DatabaseSync(file);
  database.exec(`create table if not exists tasks (
    tenant text not null, owner text not null, id text not null, context_id text not null,
    status_last_updated integer not null, status_state text, status text, artifacts text, history text, metadata text,
    protocol_version text, primary key (tenant, owner, id))`);
  return new SqliteDialect({
    // adapts Node's database to Kysely's interface
    database: {
      close: () => database.close(),
      prepare: (sql) => {
        const statement = database.prepare(sql);
        return {
          reader: /^\s*(select|with)|\breturning\b/i.test(sql),
          all: (values) => statement.all(...(values as SQLInputValue[])),
          run: (values) => statement.run(...(values as SQLInputValue[])),
          iterate: (values) => statement.iterate(...(values as SQLInputValue[])),
        };
      },
    },
  });
}

const place = process.argv[2] ?? "";
const dialect = place.startsWith("postgres:")
  ? new PostgresDialect({ pool: new Pool({ connectionString: place }) })
  : sqlite(place);

const work = payloadNode("work", async (text: string, ctx) => {
  await ctx.emitChunk({ text: "begun" });
  if (text === "long") await ctx.sleep(60_000);
  return text;
});
const card = { name: "kept", description: "Keeps its tasks", version: "1", skills: [{ id: "main", description: "x" }] };
const taskStore = new DatabaseTaskStore(new Kysely<unknown>({ dialect }));
const app = createA2AApp(new A2AServerAdapter(create(work.to()), { card, taskStore }), { drainMs: 2_000, grpc: {} });
process.send?.({ url: await app.listen() });
