import type { Journal, StateStore } from "penguiflow";
import { journalContract, stateStoreContract } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { TestSchema } from "./server.ts";

const schemas = new WeakMap<StateStore | Journal, TestSchema>();

async function close(adapter: StateStore | Journal): Promise<void> {
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

const ofJournal = journalContract({
  async make() {
    const schema = await TestSchema.create();
    const journal = await schema.openJournal();
    schemas.set(journal, schema);
    return journal;
  },
  close,
});

describe.for([
  ["store", ofStore],
  ["journal", ofJournal],
] as const)("the %s", ([, contract]) => {
  test.for(contract)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
