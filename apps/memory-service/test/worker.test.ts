import { TestClock } from "penguiflow/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Embedder, hashEmbedder, openMemory } from "@penguiflow/memory-service";
import { ownFolder, ownMemory } from "./own-memory.ts";

const ADA = { tenant: "acme", user: "ada" };

/** An embedder that fails, or waits, for some texts. */
function embedderThat(
  act: (text: string) => Promise<void> | void,
  name = "test-model",
): Embedder & { readonly batches: number[] } {
  const hash = hashEmbedder(32);
  const batches: number[] = [];
  return {
    name,
    dims: 32,
    batches,
    embed: async (texts, signal, kind) => {
      if (kind === "fragment") batches.push(texts.length);
      for (const text of texts) await act(text);
      return await hash.embed(texts, signal, kind);
    },
  };
}

test("fragments get vectors in batches of 64, and are found by words before", async () => {
  const embedder = embedderThat(() => {});
  const memory = await ownMemory({ embedder });
  const ada = memory.as(ADA);
  await ada.ingest(Array.from({ length: 100 }, (_, at) => ({ text: `penguin number ${at}` })));
  expect((await ada.retrieve({ query: "penguin" })).items).not.toEqual([]);
  await memory.drained();
  expect(embedder.batches.toSorted((one, other) => other - one)).toEqual([64, 36]);
  const { items } = await ada.retrieve({ query: "pengiun numbr 42", limit: 1 });
  expect(items[0]?.why.vectors).toBeGreaterThan(0);
  expect((await ada.jobs()).figures).toMatchObject({ waiting: 0, running: 0, dead: 0 });
});

test("texts that are kept one after the other share a batch", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const embedder = embedderThat(() => {});
  const memory = await ownMemory({ embedder });
  for (const text of ["one", "two", "three"]) await memory.as(ADA).ingest({ text });
  expect(embedder.batches).toEqual([]);
  vi.advanceTimersByTime(100);
  await memory.drained();
  expect(embedder.batches).toEqual([3]);
});

test("one text that cannot be embedded holds up no other; after eight attempts it is dead, and can be retried", async () => {
  const clock = new TestClock();
  let isBroken = true;
  const embedder = embedderThat((text) => {
    if (isBroken && text.includes("bad")) throw new Error(`cannot embed ${text}`);
  });
  const memory = await ownMemory({ embedder, clock });
  const ada = memory.as(ADA);
  await ada.ingest([{ text: "good" }, { text: "bad canary" }, { text: "fine" }]);
  for (let attempt = 0; attempt < 60; attempt++) {
    await clock.advance(60_000);
    await memory.drained();
  }
  const { jobs, figures } = await ada.jobs("dead");
  expect(figures).toMatchObject({ waiting: 0, running: 0, dead: 1 });
  expect(jobs).toMatchObject([{ attempts: 8, error: "Error" }]);
  expect((await ada.events()).items.filter(({ type }) => type === "embedding_failed")).toHaveLength(1);
  expect((await memory.figures()).find(({ labels }) => labels["state"] === "dead")?.value).toBe(1);
  isBroken = false;
  expect(await ada.retryJobs()).toEqual({ retried: 1 });
  await clock.advance(1_000);
  await memory.drained();
  expect((await ada.jobs()).figures).toMatchObject({ waiting: 0, running: 0, dead: 0 });
});

test("M10: a tenant whose texts hang in the embedder holds up no other's ingest, recall or embedding", async () => {
  const { promise: never } = Promise.withResolvers<void>();
  const { promise: hangs, resolve: isHanging } = Promise.withResolvers<void>();
  const embedder = embedderThat(async (text) => {
    if (!text.includes("hang")) return;
    isHanging();
    await never;
  });
  const memory = await ownMemory({ embedder });
  for (const tenant of ["slow-1", "slow-2", "slow-3"])
    await memory.as({ tenant, user: "eve" }).ingest({ text: "hang" });
  await hangs;
  const ada = memory.as(ADA);
  await ada.ingest(Array.from({ length: 100 }, (_, at) => ({ text: `penguin number ${at}` })));
  await expect
    .poll(async () => (await ada.jobs()).figures.waiting + (await ada.jobs()).figures.running, { timeout: 20_000 })
    .toBe(0);
  const recall = await ada.retrieve({ query: "pengiun" });
  expect(recall.items.every(({ why }) => why.vectors !== undefined)).toBe(true);
  expect(recall.items).not.toEqual([]);
});

test("stopping gives leases back, and the next process works the jobs off", async () => {
  const directory = ownFolder();
  const { promise: never } = Promise.withResolvers<void>();
  const { promise: hangs, resolve: isHanging } = Promise.withResolvers<void>();
  const slow = embedderThat(async () => {
    isHanging();
    await never;
  });
  const first = await openMemory({ directory, embedder: slow });
  await first.as(ADA).ingest({ text: "penguin" });
  await hangs;
  await first.close();
  const second = await ownMemory({ directory, embedder: embedderThat(() => {}) });
  await second.drained();
  const { figures } = await second.as(ADA).jobs();
  expect(figures).toMatchObject({ waiting: 0, running: 0, dead: 0 });
  const [item] = (await second.as(ADA).retrieve({ query: "pengiun" })).items;
  expect(item?.why.vectors).toBe(1);
});

test("another model takes over without downtime: the old vectors answer until the new ones are there", async () => {
  const directory = ownFolder();
  const old = embedderThat(() => {}, "old");
  const before = await openMemory({ directory, embedder: old });
  await before.as(ADA).ingest(Array.from({ length: 10 }, (_, at) => ({ text: `penguin ${at}` })));
  await before.drained();
  await before.close();
  const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
  const next = embedderThat(async (text) => {
    if (text.startsWith("penguin")) await goOn;
  }, "new");
  const memory = await ownMemory({ directory, embedder: next, formerEmbedders: [old] });
  const ada = memory.as(ADA);
  const during = await ada.retrieve({ query: "pengiun" });
  expect(during.items).toHaveLength(10);
  expect(during.fallbacks.map(({ stage }) => stage)).toEqual(["rerank"]);
  release();
  await memory.drained();
  const after = await ada.retrieve({ query: "pengiun" });
  expect(after.items).toHaveLength(10);
  expect((await ada.jobs()).jobs).toEqual([]);
});

test("without the old embedder words alone answer while vectors are replaced, and the answer says so", async () => {
  const directory = ownFolder();
  const before = await openMemory({ directory, embedder: embedderThat(() => {}, "old") });
  await before.as(ADA).ingest({ text: "penguin" });
  await before.drained();
  await before.close();
  const memory = await ownMemory({ directory, embedder: embedderThat(() => {}, "new"), worker: false });
  const recall = await memory.as(ADA).retrieve({ query: "penguin" });
  expect(recall.items).toHaveLength(1);
  expect(recall.fallbacks[0]).toEqual({ stage: "embed", reason: "model_switching" });
});

test("a memory that gets its first embedder later embeds what was kept before", async () => {
  const directory = ownFolder();
  const before = await openMemory({ directory });
  await before.as(ADA).ingest([{ text: "penguin" }, { text: "seal" }]);
  await before.close();
  const memory = await ownMemory({ directory, embedder: embedderThat(() => {}) });
  await memory.drained();
  const { items } = await memory.as(ADA).retrieve({ query: "pengiun", limit: 1 });
  expect(items.map(({ text }) => text)).toEqual(["penguin"]);
});
