import type { StateStore } from "penguiflow";
import { stateStoreContract } from "penguiflow/testing";
import { expect, test } from "vitest";
import { TestSchema } from "./server.ts";

const schemas = new WeakMap<StateStore, TestSchema>();

const contract = stateStoreContract({
  async make(retention) {
    const schema = await TestSchema.create();
    const store = await schema.open(retention);
    schemas.set(store, schema);
    return store;
  },
  close: async (store) => await schemas.get(store)?.[Symbol.asyncDispose](),
});

test.for(contract)("$name", async ({ run }) => {
  await expect(run()).resolves.toBeUndefined();
});
