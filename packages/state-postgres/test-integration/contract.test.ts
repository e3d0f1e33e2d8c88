import type { CheckpointStore, Log, StateStore } from "penguiflow";
import type { ClusterBackend } from "penguiflow/adapter";
import { postgresBackend } from "@penguiflow/state-postgres";
import { checkpointStoreContract, clusterBackendContract, logContract, stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { TestSchema } from "./server.ts";

const schemas = new WeakMap<StateStore | CheckpointStore | Log, TestSchema>();

async function close(adapter: StateStore | CheckpointStore | Log): Promise<void> {
  await schemas.get(adapter)?.[Symbol.asyncDispose]();
}

const ofStore = stateStoreContract({
  async make(retention) {
    const schema = await TestSchema.create();
    const store = await schema.open(retention);
    schemas.set(store, schema);
    return store;
  },
  close,
});

const ofCheckpoints = checkpointStoreContract({
  async make() {
    const schema = await TestSchema.create();
    const checkpoints = await schema.openCheckpoints();
    schemas.set(checkpoints, schema);
    return checkpoints;
  },
  close,
});

const ofLog = logContract({
  async make() {
    const schema = await TestSchema.create();
    const log = await schema.openLog();
    schemas.set(log, schema);
    return log;
  },
  close,
});

async function openBackend(): Promise<ClusterBackend> {
  const schema = await TestSchema.create();
  const backend = await postgresBackend({ connection: schema.url(), schema: schema.name });
  return {
    ...backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await schema[Symbol.asyncDispose]();
    },
  };
}

const ofBackend = clusterBackendContract({ make: openBackend });

const backends = new WeakMap<CheckpointStore, ClusterBackend>();

// its statements are prepared
const ofItsCheckpoints = checkpointStoreContract({
  async make() {
    const backend = await openBackend();
    backends.set(backend.checkpoints, backend);
    return backend.checkpoints;
  },
  async close(checkpoints) {
    await backends.get(checkpoints)?.[Symbol.asyncDispose]();
  },
});

describe.for([
  ["store", ofStore],
  ["checkpoints", ofCheckpoints],
  ["log", ofLog],
  ["backend of a cluster", ofBackend],
  ["checkpoints of a cluster", ofItsCheckpoints],
] as const)("the %s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
