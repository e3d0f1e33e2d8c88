import { expect, onTestFinished, test } from "vitest";
import { hashEmbedder, openMemory } from "@penguiflow/memory-service";
import { postgresStore } from "@penguiflow/memory-service/postgres";
import { memoryStoreContract, type MemoryStore } from "@penguiflow/memory-service/store";
import { connection, OwnSchema } from "./server.ts";

async function ownSchema(): Promise<OwnSchema> {
  const schema = await OwnSchema.create();
  onTestFinished(async () => await schema[Symbol.asyncDispose]());
  return schema;
}

const rules = memoryStoreContract({ make: async (): Promise<MemoryStore> => await (await ownSchema()).open() });

test.for(rules)("the PostgreSQL store $name", async ({ run }) => {
  await expect(run()).resolves.toBeUndefined();
});

test("a connection that row security does not bind is refused without a role", async () => {
  const schema = await ownSchema();
  await expect(postgresStore({ connection, schema: schema.name })).rejects.toThrow("Row security does not bind");
});

test("a statement that names no tenant sees the rows of its transaction's tenant alone", async () => {
  const schema = await ownSchema();
  await using memory = await openMemory({ store: await schema.open() });
  for (const tenant of ["red", "blue"])
    await memory.as({ tenant, user: "ada" }).ingest({ text: `penguins of ${tenant}` });
  const { admin, name } = schema;
  const seen = async (tenant: string): Promise<unknown[]> => {
    await admin.query("begin");
    await admin.query(`set local role "${name}"`);
    await admin.query("select set_config('memory.tenant', $1, true)", [tenant]);
    const { rows } = await admin.query<{ text: string }>(`select text from "${name}".fragment`);
    await admin.query("rollback");
    return rows.map(({ text }) => text);
  };
  expect(await seen("red")).toEqual(["penguins of red"]);
  expect(await seen("nobody")).toEqual([]);
  // a session that never named a tenant is refused; one whose transaction did sees nothing afterwards
  await using other = await OwnSchema.create();
  await other.admin.query(`set role "${name}"`);
  await expect(other.admin.query(`select text from "${name}".fragment`)).rejects.toThrow("memory.tenant");
  await other.admin.query("reset role");
});

test("the whole service works on it: kept, found, shared, unshared, embedded, erased", async () => {
  const schema = await ownSchema();
  await using memory = await openMemory({ store: await schema.open(), embedder: hashEmbedder() });
  const ada = memory.as({ tenant: "red", user: "ada" });
  const eve = memory.as({ tenant: "blue", user: "eve" });
  const said = [
    { text: "The gate code is 4711.", conversation: "c" },
    { text: "She walks the dog at seven.", conversation: "c" },
  ];
  const { ids } = await ada.ingest(said, { idempotencyKey: "k" });
  expect((await ada.ingest(said, { idempotencyKey: "k" })).created).toBe(false);
  await memory.drained();
  const { items } = await ada.retrieve({ query: "walking dgos" });
  expect(items[0]).toMatchObject({ id: ids[1], why: { words: 1 } });
  expect(items[0]?.why.vectors).toBeGreaterThan(0);
  await ada.share(ids[0] ?? "", { tenant: "blue", user: "eve" });
  expect((await eve.federatedQuery({ query: "gate" })).items.map(({ id }) => id)).toEqual([ids[0]]);
  await ada.unshare(ids[0] ?? "", { tenant: "blue", user: "eve" });
  expect((await eve.federatedQuery({ query: "gate" })).items).toEqual([]);
  await ada.erase(ids[0] ?? "");
  expect((await ada.retrieve({ query: "gate" })).items.map(({ id }) => id)).not.toContain(ids[0]);
  const left = await schema.admin.query(
    `select 1 from "${schema.name}".fragment where text like '%4711%' or context like '%4711%'`,
  );
  expect(left.rows).toEqual([]);
});
