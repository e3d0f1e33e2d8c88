import { expect, test } from "vitest";
import { Database } from "../src/database.ts";
import { migrate, MIGRATIONS } from "../src/migrations.ts";
import { connection, TestSchema } from "./server.ts";

/** Migrations of a hypothetical later release. */
const next = [...MIGRATIONS, ["alter table traces add column colour text", "update traces set colour = 'black'"]];

async function withDatabase(work: (database: Database) => Promise<void>): Promise<void> {
  const database = new Database({ connection, maxConnections: 2, patienceMs: 5_000 });
  try {
    await work(database);
  } finally {
    await database.close();
  }
}

/** Runs `work` as a role without rights. */
async function withRole(
  schema: TestSchema,
  work: (connectionOfRole: string, role: string) => Promise<void>,
): Promise<void> {
  const role = `role_${schema.name}`;
  await schema.rows(`create role "${role}" login`);
  const url = new URL(connection);
  url.username = role;
  try {
    await work(url.href, role);
  } finally {
    await schema.rows(`drop owned by "${role}" cascade`);
    await schema.rows(`drop role "${role}"`);
  }
}

test("a schema is brought from each version to the latest, and keeps what is in it", async () => {
  for (const version of next.keys()) {
    await using schema = await TestSchema.create();
    await withDatabase(async (database) => {
      await migrate(database, schema.name, next.slice(0, version));
      if (version > 0) await schema.rows("insert into @traces (tenant, trace_id, last_at) values ('ada', 'kept', 1)");
      await migrate(database, schema.name, next);
      await migrate(database, schema.name, next);
    });
    expect((await schema.rows("select version from @versions order by version")).at(-1)).toEqual({
      version: next.length,
    });
    expect(await schema.rows("select trace_id, colour from @traces")).toEqual(
      version > 0 ? [{ trace_id: "kept", colour: "black" }] : [],
    );
  }
});

test("a schema that an earlier version has filled is brought up to date by a checkpoint store", async () => {
  await using schema = await TestSchema.create();
  await withDatabase(async (database) => await migrate(database, schema.name, MIGRATIONS.slice(0, 1)));
  await schema.rows("insert into @traces (tenant, trace_id, last_at) values ('ada', 'kept', 1)");
  const checkpoints = await schema.openCheckpoints();
  const partition = await checkpoints.open({ partition: "orders", owner: "one", leaseMs: 1_000 });
  expect(await partition.append({ put: [], remove: [], counts: new Map() }, 0)).toBe(1);
  expect(await schema.rows("select trace_id from @traces")).toEqual([{ trace_id: "kept" }]);
});

test("a schema of a newer version is refused and left as it is", async () => {
  await using schema = await TestSchema.create();
  await withDatabase(async (database) => await migrate(database, schema.name, next));
  await expect(schema.open()).rejects.toThrow(
    `Cannot open schema "${schema.name}": its version is ${next.length}, written by a newer @penguiflow/state-postgres; update this one, which supports versions up to ${MIGRATIONS.length}`,
  );
});

test("a step that fails leaves the schema at the version before", async () => {
  await using schema = await TestSchema.create();
  await withDatabase(async (database) => {
    await migrate(database, schema.name);
    const broken = [...MIGRATIONS, ["alter table traces add column colour text", "select nonsense"]];
    await expect(migrate(database, schema.name, broken)).rejects.toThrow('column "nonsense" does not exist');
    await migrate(database, schema.name, next);
  });
  expect(await schema.rows("select version from @versions order by version")).toEqual(
    next.map((_, index) => ({ version: index + 1 })),
  );
});

test("a role makes its tables in a schema that was given to it", async () => {
  await using schema = await TestSchema.create();
  await withRole(schema, async (connectionOfRole, role) => {
    await schema.rows(`create schema "${schema.name}" authorization "${role}"`);
    await (await schema.open({ connection: connectionOfRole })).close();
    expect(await schema.rows("select version from @versions")).toHaveLength(MIGRATIONS.length);
  });
});

test("a role without the right to make a schema is told so", async () => {
  await using schema = await TestSchema.create();
  await withRole(schema, async (connectionOfRole) => {
    await expect(schema.open({ connection: connectionOfRole })).rejects.toThrow(
      `Cannot open schema "${schema.name}": permission denied for database`,
    );
  });
});

test("a role without the right to make anything opens a schema that is up to date", async () => {
  await using schema = await TestSchema.create();
  await (await schema.open()).close();
  await withRole(schema, async (connectionOfRole, role) => {
    await schema.rows(`grant usage on schema "${schema.name}" to "${role}"`);
    await schema.rows(`grant select, insert, update, delete on all tables in schema "${schema.name}" to "${role}"`);
    await schema.rows(`grant usage on all sequences in schema "${schema.name}" to "${role}"`);
    const store = await schema.open({ connection: connectionOfRole });
    await store.saveEvents([{ tenant: "ada", traceId: "t", kind: "trace_start", at: 1, node: undefined, payload: {} }]);
    expect((await store.loadHistory({ tenant: "ada", traceId: "t" })).events).toHaveLength(1);
    await store.close();
    const checkpoints = await schema.openCheckpoints({ connection: connectionOfRole });
    const partition = await checkpoints.open({ partition: "orders", owner: "one", leaseMs: 1_000 });
    await partition.append({ put: [], remove: [1], counts: new Map([["a", 1]]) }, 0);
    expect(await partition.counts()).toEqual(new Map([["a", 1]]));
    await checkpoints.close();
  });
});
