import { expect, test } from "vitest";
import { hashEmbedder, type Recall } from "@penguiflow/memory-service";
import { codeOf, ownMemory } from "./own-memory.ts";

const ADA = { tenant: "acme", user: "ada" };
const BOB = { tenant: "acme", user: "bob" };
const EVE = { tenant: "other", user: "eve" };

test("an explanation has the whole way of each candidate: shares, places, likeness and the reason of a cut", async () => {
  const memory = await ownMemory({ embedder: hashEmbedder() });
  const ada = memory.as(ADA);
  const texts = ["The gate code is 4711.", "The gate code is 4711!", "The code of the alarm.", "Nothing of the kind."];
  const { ids } = await ada.ingest(texts.map((text) => ({ text })));
  await memory.drained();
  const { candidates = [], searched } = await ada.retrieve({
    query: "What is the gate code?",
    limit: 2,
    explain: true,
  });
  expect(searched).toMatchObject({ words: ["gate", "code"], vectors: { weight: 0.25 }, limit: 2, maxTokens: 2_000 });
  expect(candidates.map(({ why }) => why.place)).toEqual([1, 2, 3, 4]);
  for (const { why, way } of candidates) {
    expect(way.shares.words).toBe(why.words === undefined ? 0 : 1 / (60 + why.words));
    expect(way.shares.vectors).toBeCloseTo(why.vectors === undefined ? 0 : 0.25 / (60 + why.vectors), 12);
    expect(way.tokens).toBeGreaterThan(0);
  }
  expect(candidates.map(({ way }) => way.fused).sort((one, other) => one - other)).toEqual([1, 2, 3, 4]);
  expect(candidates.map(({ way }) => way.heuristic).sort((one, other) => one - other)).toEqual([1, 2, 3, 4]);
  // the two that say the same: the second was held back for it
  const twins = candidates.filter(({ id }) => ids.slice(0, 2).includes(id));
  const [first, second] = twins;
  expect(second?.way.alike).toEqual({ id: first?.id, likeness: expect.closeTo(1, 1) as number });
  expect(candidates.map(({ cut }) => cut)).toEqual([undefined, undefined, "limit", "limit"]);
});

test("an answer that was not asked to explain itself has no candidates", async () => {
  const ada = (await ownMemory()).as(ADA);
  await ada.ingest({ text: "penguins" });
  const recall: Recall = await ada.retrieve({ query: "penguins" });
  expect([recall.candidates, recall.searched]).toEqual([undefined, undefined]);
});

test("an explanation mentions only what its principal may see", async () => {
  const memory = await ownMemory({ embedder: hashEmbedder() });
  const { id } = await memory.as(ADA).ingest({ text: "penguins swim", level: "tenant" });
  await memory.as(ADA).ingest({ text: "penguins swim, privately" });
  await memory.as(EVE).ingest({ text: "penguins swim elsewhere", level: "tenant" });
  await memory.drained();
  const { candidates = [] } = await memory.as(BOB).retrieve({ query: "penguins swim", explain: true });
  expect(candidates.map((candidate) => candidate.id)).toEqual([id]);
});

test("an explanation under way loses what is erased meanwhile, also as the one that another is like", async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
  const rerank = async (_: string, given: readonly string[]): Promise<number[]> => {
    ask();
    await goOn;
    return given.map((text) => text.length);
  };
  const memory = await ownMemory({
    reranker: { use: { name: "slow", rerank }, timeoutMs: 20_000 },
    limits: { requestMs: 30_000 },
  });
  const ada = memory.as(ADA);
  const { ids } = await ada.ingest([{ text: "penguins swim far" }, { text: "penguins swim far off" }]);
  const underWay = ada.retrieve({ query: "penguins", explain: true });
  await asked;
  await ada.erase(ids[1] ?? "");
  release();
  const { candidates = [] } = await underWay;
  expect(candidates.map(({ id, way }) => [id, way.alike])).toEqual([[ids[0], undefined]]);
});

test("the preview of an erasure counts what goes, and the erasure takes exactly that", async () => {
  const memory = await ownMemory({ embedder: hashEmbedder() });
  const ada = memory.as(ADA);
  const turns = ["one", "two", "three"].map((text) => ({ text, conversation: "c", role: "user" as const }));
  const { ids } = await ada.ingest(turns);
  const [before = "", id = "", after = ""] = ids;
  const older = await ada.ingest({ text: "older" });
  const { id: newest } = await ada.ingest({ text: "newer", supersedes: older.id });
  await memory.drained();
  expect(await ada.previewErasure(id)).toEqual({
    id,
    characters: 3,
    vectors: 1,
    jobs: 0,
    events: (await ada.get(id)).history.length,
    grants: 0,
    neighbours: [before, after],
    reappearing: [],
  });
  // a neighbour that others may see gives and takes no context (law M6)
  await ada.share(id, BOB);
  await ada.share(id, EVE, { expiresAt: 1 });
  expect(await ada.previewErasure(id)).toMatchObject({ grants: 1, neighbours: [] });
  expect(await ada.previewErasure(newest)).toMatchObject({ reappearing: [older.id] });
  await ada.erase(newest);
  expect((await ada.get(older.id)).supersededBy).toBeUndefined();
  expect((await ada.get(id)).text).toBe("two");
});

test("M4: a preview of an erasure is refused for what is not the principal's own as for what never was", async () => {
  const memory = await ownMemory();
  const { id } = await memory.as(ADA).ingest({ text: "everyone's", level: "tenant" });
  const bob = memory.as(BOB);
  expect(await codeOf(bob.previewErasure(id))).toBe("NOT_FOUND");
  expect(await codeOf(bob.previewErasure("never-was"))).toBe("NOT_FOUND");
});

test("the way to the current model counts the principal's own fragments, and tells of a switch", async () => {
  const current = hashEmbedder();
  const former = { ...current, name: "former" };
  const memory = await ownMemory({ embedder: current, formerEmbedders: [former], worker: false });
  const ada = memory.as(ADA);
  await ada.ingest([{ text: "one" }, { text: "two" }]);
  await memory.as(BOB).ingest({ text: "another" });
  const { model, figures } = await ada.jobs();
  expect(model).toEqual({ current: current.name, active: undefined, ready: 0, total: 2 });
  expect(figures.waiting).toBe(2);
  const without = await ownMemory();
  expect((await without.as(ADA).jobs()).model).toBeUndefined();
});

test("the drawings of the flows count a principal's own requests alone, failures included", async () => {
  const memory = await ownMemory();
  const ada = memory.as(ADA);
  const { id } = await ada.ingest({ text: "penguins" });
  await ada.erase(id);
  await codeOf(ada.erase(id));
  await memory.as(EVE).ingest({ text: "office penguins" });
  const countsOf = async (handle: typeof ada, name: string) => {
    const { completed, failed, running, nodes } = (await handle.flows()).find((flow) => flow.name === name) ?? {};
    return { completed, failed, running, nodes: nodes?.map((node) => [node.name, node.done, node.failed]) };
  };
  await expect
    .poll(async () => await countsOf(ada, "memory.erase"))
    .toEqual({
      completed: 1,
      failed: 1,
      running: 0,
      nodes: [
        ["authorize", 1, 1],
        ["apply", 1, 0],
        ["finalize", 1, 0],
      ],
    });
  expect((await countsOf(ada, "memory.ingest")).completed).toBe(1);
  const bobs = await memory.as(BOB).flows();
  expect(bobs.flatMap(({ completed, failed, nodes }) => [completed, failed, ...nodes.map(({ done }) => done)])).toEqual(
    bobs.flatMap(({ nodes }) => [0, 0, ...nodes.map(() => 0)]),
  );
});

test("M2: a user who is named as the worker is told nothing of the work for others", async () => {
  const memory = await ownMemory({ embedder: hashEmbedder() });
  await memory.as(ADA).ingest({ text: "penguins" });
  await memory.drained();
  await expect
    .poll(async () => (await memory.figures()).some(({ labels }) => labels["flow"] === "memory.embedding"))
    .toBe(true);
  const flows = await memory.as({ tenant: "acme", user: "worker" }).flows();
  expect(flows.flatMap(({ completed, nodes }) => [completed, ...nodes.map(({ done }) => done)])).toEqual(
    flows.flatMap(({ nodes }) => [0, ...nodes.map(() => 0)]),
  );
});

test("M3: the drawings and the queue are the same whether other tenants exist or not", async () => {
  const answers = async (others: boolean): Promise<string> => {
    const memory = await ownMemory({ embedder: hashEmbedder() });
    const ada = memory.as(ADA);
    if (others) for (let at = 0; at < 5; at++) await memory.as(EVE).ingest({ text: `penguins ${at}`, level: "tenant" });
    await ada.ingest({ text: "penguins" });
    await memory.drained();
    const flows = await ada.flows();
    const counts = flows.map(({ nodes, ...flow }) => ({ ...flow, nodes: nodes.map(({ meanMs: _, ...node }) => node) }));
    return JSON.stringify([counts, await ada.jobs()]);
  };
  expect(await answers(true)).toBe(await answers(false));
});
