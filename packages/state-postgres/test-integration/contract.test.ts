import type { CheckpointStore, StateStore } from "penguiflow";
import { checkpointStoreContract, stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { TestSchema } from "./server.ts";

const schemas = new WeakMap<StateStore | CheckpointStore, TestSchema>();

async function close(adapter: StateStore | CheckpointStore): Promise<void> {
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

describe.for([
  ["store", ofStore],
  ["checkpoints", ofCheckpoints],
] as const)("the %s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
