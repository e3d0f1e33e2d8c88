import path from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import { hashEmbedder } from "@penguiflow/memory-service";
import { ownFolder, ownMemory } from "./own-memory.ts";

test("once its vectors are in memory, no statement of a retrieve goes through a table or all vectors", async () => {
  const directory = ownFolder();
  const memory = await ownMemory({ directory, embedder: hashEmbedder(32) });
  const ada = memory.as({ tenant: "acme", user: "ada" });
  await ada.ingest([{ text: "the gate code is 4711" }, { text: "penguins swim" }]);
  await memory.drained();
  await ada.retrieve({ query: "gate code" });
  const spies = (["all", "run"] as const).map((method) => vi.spyOn(StatementSync.prototype, method));
  expect((await ada.retrieve({ query: "gate code" })).items).toHaveLength(2);
  const used = new Set(
    spies.flatMap(({ mock }) => mock.contexts.flatMap((one) => (one instanceof StatementSync ? [one.sourceSQL] : []))),
  );
  for (const spy of spies) spy.mockRestore();
  const texts = [...used].filter((text) => /^(?:select|insert|update|delete)/.test(text));
  expect(texts.length).toBeGreaterThan(5);
  const database = new DatabaseSync(path.join(directory, "tenants", "acme.db"));
  try {
    const plan = texts.flatMap((text) => database.prepare(`explain query plan ${text}`).all());
    const steps = plan.map(({ detail }) => String(detail));
    expect(steps.filter((step) => /^SCAN (?!.*VIRTUAL TABLE)|\(model=\?\)/.test(step))).toEqual([]);
  } finally {
    database.close();
  }
});
