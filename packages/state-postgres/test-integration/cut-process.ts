// Runs a part whose connections are cut: `node cut-process.ts <part>`. It repeats the part for every byte that the
// server sends, and cuts a connection after that byte. At the end of a server message it does so twice, once with an
// error of the server in the same packet. The part must succeed each time. Prints the number of bytes after which it
// was cut.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type StoredEvent, systemClock } from "penguiflow";
import type {
  PostgresCheckpointStore,
  PostgresStateStore,
  PostgresStateStoreOptions,
} from "@penguiflow/state-postgres";
import { MIGRATIONS } from "../src/migrations.ts";
import { append, contentsAfter, contentsOf } from "./checkpoint-batches.ts";
import { type Cut, LAST_WORD, Proxy } from "./proxy.ts";
import { historyOf, TestSchema } from "./server.ts";

/** Maximum number of concurrent runs. */
const AT_ONCE = 12;

/** Work over a proxy. The count of bytes begins at the call of `begin`. */
type Part = (over: { schema: TestSchema; proxy: Proxy; begin: () => void; byte: number }) => Promise<void>;

const PARTS: Readonly<Record<string, Part>> = {
  async opening({ schema, proxy, begin }) {
    begin();
    await using store = await open(schema, proxy);
    assert.equal((await store.listTraces({ tenant: "nobody" })).traces.length, 0);
  },
  /** Runs a transaction, which receives its connection later than the pool opens it. */
  async transaction({ schema, proxy, begin }) {
    await using store = await open(schema, proxy);
    await proxy.endWith();
    const traceId = randomUUID();
    begin();
    await store.saveEvents([event(traceId, 0)]);
    assert.equal((await historyOf(store, { tenant: "ada", traceId })).length, 1);
  },
  async migrations({ schema, proxy, begin }) {
    await schema.rows(`drop schema if exists "${schema.name}" cascade`);
    begin();
    await (await openCheckpoints(schema, proxy)).close();
    assert.equal((await schema.rows("select from @versions")).length, MIGRATIONS.length);
  },
  async store({ schema, proxy, begin }) {
    await using store = await open(schema, proxy);
    const traceId = randomUUID();
    begin();
    await store.saveEvents([event(traceId, 0), event(traceId, 1)]);
    await store.saveRemoteBinding({
      tenant: "ada",
      traceId,
      node: "n",
      agentUrl: "a",
      taskId: "1",
      contextId: undefined,
    });
    assert.deepEqual(
      (await historyOf(store, { tenant: "ada", traceId })).map(({ at }) => at),
      [0, 1],
    );
    assert.equal((await store.findRemoteBindings({ tenant: "ada", traceId })).length, 1);
  },
  async checkpoints({ schema, proxy, begin }) {
    await using checkpoints = await openCheckpoints(schema, proxy);
    begin();
    await storeBatches(checkpoints);
  },
  /** Prunes on request, and in the background of a save. */
  async pruning({ schema, proxy, begin }) {
    let now = 0;
    await using store = await open(schema, proxy, { maxTraces: 1, clock: { ...systemClock, now: () => now } });
    for (let number = 0; number < 3; number += 1) await store.saveEvents([event(randomUUID(), number)]);
    begin();
    await store.prune();
    now += 60_000;
    await store.saveEvents([event(randomUUID(), 3)]);
    await store.close();
    const [{ count } = {}] = await schema.rows("select count(*)::int from @traces");
    // the server may still hold rows of the cut connection
    assert(Number(count) >= 1 && Number(count) <= 4);
  },
  async "idle line"({ schema, proxy, begin, byte }) {
    await using store = await open(schema, proxy);
    await store.saveEvents([event(randomUUID(), 0)]);
    begin();
    await proxy.endWith(LAST_WORD.subarray(0, byte));
    const traceId = randomUUID();
    await store.saveEvents([event(traceId, 1)]);
    assert.equal((await historyOf(store, { tenant: "ada", traceId })).length, 1);
  },
};

async function open(
  schema: TestSchema,
  { port }: Proxy,
  options?: Partial<PostgresStateStoreOptions>,
): Promise<PostgresStateStore> {
  return await schema.open({ maxConnections: 1, ...options }, port);
}

async function openCheckpoints(schema: TestSchema, { port }: Proxy): Promise<PostgresCheckpointStore> {
  return await schema.openCheckpoints({ maxConnections: 1 }, port);
}

async function storeBatches(checkpoints: PostgresCheckpointStore): Promise<void> {
  const partition = await checkpoints.open({ partition: randomUUID(), owner: "one", leaseMs: 60_000 });
  await append(partition, 1, 2);
  await partition.renew();
  assert.deepEqual(await contentsOf(partition), contentsAfter(2));
  await partition.close();
}

function event(traceId: string, at: number): StoredEvent {
  return { tenant: "ada", traceId, kind: "node_start", at, node: "node", payload: {} };
}

const name = process.argv[2] ?? "";
const part = PARTS[name] as Part;

/** Runs the part once. Each lane has a schema of its own. */
async function run(schema: TestSchema, proxy: Proxy, cut?: Cut): Promise<void> {
  proxy.count();
  const byte = cut?.after ?? 0;
  await part({ schema, proxy, begin: () => proxy.count(name === "idle line" ? undefined : cut), byte });
}

async function lane(cuts: Cut[]): Promise<void> {
  await using proxy = await Proxy.create();
  await using schema = await TestSchema.create();
  await (await schema.open()).close();
  for (let cut = cuts.pop(); cut !== undefined; cut = cuts.pop()) await run(schema, proxy, cut);
}

const cuts: Cut[] = [];
{
  await using proxy = await Proxy.create();
  await using schema = await TestSchema.create();
  await (await schema.open()).close();
  await run(schema, proxy);
  const bytes = name === "idle line" ? LAST_WORD.length : proxy.received;
  // migrations skip the greeting, which belongs to the opening of a connection
  const from = name === "migrations" ? proxy.greeted : 0;
  for (let after = from; after <= bytes; after += 1) cuts.push({ after, lastWord: false });
  if (name !== "idle line") for (const after of proxy.ends) if (after >= from) cuts.push({ after, lastWord: true });
}
const count = cuts.length;
await Promise.all(Array.from({ length: AT_ONCE }, async () => await lane(cuts)));
process.stdout.write(`${count}\n`);
