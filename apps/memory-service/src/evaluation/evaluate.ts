import path from "node:path";
import type { Embedder } from "../embed/embedder.ts";
import type { MemoryHandle } from "../memory-handle.ts";
import { type Memory, openMemory } from "../memory.ts";
import type { MemoryStore } from "../store/memory-store.ts";
import { sqliteStore } from "../store/sqlite/sqlite-store.ts";
import { queryWords } from "../text/words.ts";
import type { EvaluationSet, SetFragment, SetQuestion } from "./evaluation-set.ts";
import { type Answered, estimate, type Estimate, METRICS } from "./metrics.ts";

/** Weights that are tried for a model. */
const WEIGHTS = [0.05, 0.1, 0.25, 0.5, 1];
const FOUND = 20;
const TENANT = "eval";
const BATCH = 100;
/** Longer texts become several fragments, so that they are kept one by one. */
const WHOLE = 2_000;

/** One way to answer the questions, and how well it did. */
export interface Measured {
  readonly system: string;
  readonly metrics: Readonly<Record<string, Estimate>>;
}

/** Result of an evaluation. */
export interface Evaluation {
  readonly measured: readonly Measured[];
  /** The weight that was best on every other question, if there is a model. */
  readonly weight: number | undefined;
}

/** Ids of the set by those of the memory. */
type Kept = ReadonlyMap<string, string>;

/** Answers a question with ids of the memory. */
type Ask = (question: SetQuestion) => Promise<readonly string[]>;

/**
 * Keeps a set in a folder and answers its questions: newest first, by BM25 with and without context, and by the service.
 * A model's weight is settled on every other question; all systems are measured on the others then.
 */
export async function evaluate(
  set: EvaluationSet,
  directory: string,
  embedder: Embedder | undefined,
): Promise<Evaluation> {
  const kept = await keepSet(set.fragments, directory, embedder);
  const isMeasured = (_: SetQuestion, at: number): boolean => embedder === undefined || at % 2 === 1;
  const questions = set.questions.filter(isMeasured);
  const measured = [
    await measureNewest(questions, kept, directory),
    ...(await textAlone(set, directory, questions)),
    await measureWords("BM25 with context", questions, kept, directory),
    await measureService("service, words alone", questions, kept, directory, undefined),
  ];
  if (embedder === undefined) return { measured, weight: undefined };
  const settling = set.questions.filter((question, at) => !isMeasured(question, at));
  let best = { weight: 0, recall: -1 };
  for (const weight of WEIGHTS) {
    await setWeight(directory, embedder, weight);
    const { metrics } = await measureService("", settling, kept, directory, embedder);
    const recall = metrics["recall@10"]?.mean ?? 0;
    if (recall > best.recall) best = { weight, recall };
  }
  await setWeight(directory, embedder, best.weight);
  const system = `service, ${embedder.name} at ${best.weight}`;
  return {
    measured: [...measured, await measureService(system, questions, kept, directory, embedder)],
    weight: best.weight,
  };
}

/** Writes the card of a model into the catalog of a folder. */
export async function setWeight(directory: string, { name, dims }: Embedder, weight: number): Promise<void> {
  const store = sqliteStore({ directory });
  try {
    await store.catalog.putModel({ name, dims, weight });
  } finally {
    await store.close();
  }
}

/** Keeps texts, waits for their vectors, and returns the ids of the set by those of the memory. */
async function keepSet(
  fragments: readonly SetFragment[],
  directory: string,
  embedder: Embedder | undefined,
): Promise<Kept> {
  const memory = await openMemory({ directory, embedder });
  try {
    const kept = new Map<string, string>();
    for (const [user, all] of Map.groupBy(fragments, (fragment) => fragment.user))
      await keepAll(memory.as({ tenant: TENANT, user }), all, kept);
    await memory.drained();
    return kept;
  } finally {
    await memory.close();
  }
}

async function keepAll(
  handle: MemoryHandle,
  fragments: readonly SetFragment[],
  kept: Map<string, string>,
): Promise<void> {
  let batch: SetFragment[] = [];
  for (const fragment of fragments) {
    if (batch.length === BATCH || fragment.text.length > WHOLE) {
      await keepBatch(handle, batch, kept);
      batch = [];
    }
    if (fragment.text.length > WHOLE) await keepBatch(handle, [fragment], kept);
    else batch.push(fragment);
  }
  await keepBatch(handle, batch, kept);
}

async function keepBatch(
  handle: MemoryHandle,
  batch: readonly SetFragment[],
  kept: Map<string, string>,
): Promise<void> {
  if (batch.length === 0) return;
  const { ids } = await handle.ingest(
    batch.map(({ text, source, conversation, saidAt }) => ({ text, source, conversation, saidAt })),
  );
  // one text has several fragments when it is alone; otherwise each has one
  for (const [at, id] of ids.entries()) kept.set(id, batch[Math.min(at, batch.length - 1)]?.id ?? "");
}

async function measureNewest(questions: readonly SetQuestion[], kept: Kept, directory: string): Promise<Measured> {
  return await withMemory(directory, undefined, async (memory) =>
    measure("newest first", questions, kept, async ({ user }) => {
      const { items } = await memory.as({ tenant: TENANT, user }).list({ limit: FOUND });
      return items.map(({ id }) => id);
    }),
  );
}

async function measureWords(
  system: string,
  questions: readonly SetQuestion[],
  kept: Kept,
  directory: string,
): Promise<Measured> {
  const store = sqliteStore({ directory });
  try {
    return await measure(system, questions, kept, byWords(store));
  } finally {
    await store.close();
  }
}

function byWords(store: MemoryStore): Ask {
  return async ({ user, query }) =>
    await store.read(TENANT, async (rows) => {
      const search = {
        viewer: { tenant: TENANT, user },
        words: queryWords(query),
        filter: {},
        limit: FOUND,
        now: Date.now(),
      };
      const seqs = await rows.lexical.search(search);
      const found = new Map((await rows.fragments.bySeq(seqs)).map(({ seq, id }) => [seq, id]));
      return seqs.map((seq) => found.get(seq) ?? "");
    });
}

/** Measures BM25 without context, where the set has conversations. */
async function textAlone(
  set: EvaluationSet,
  directory: string,
  questions: readonly SetQuestion[],
): Promise<Measured[]> {
  if (set.fragments.every(({ conversation }) => conversation === undefined)) return [];
  const place = path.join(directory, "text-alone");
  const fragments = set.fragments.map((fragment) => ({ ...fragment, conversation: undefined }));
  const kept = await keepSet(fragments, place, undefined);
  return [await measureWords("BM25, text alone", questions, kept, place)];
}

async function measureService(
  system: string,
  questions: readonly SetQuestion[],
  kept: Kept,
  directory: string,
  embedder: Embedder | undefined,
): Promise<Measured> {
  return await withMemory(directory, embedder, async (memory) =>
    measure(system, questions, kept, async ({ user, query }) => {
      const handle = memory.as({ tenant: TENANT, user });
      return (await handle.retrieve({ query, limit: FOUND, maxTokens: 100_000 })).items.map(({ id }) => id);
    }),
  );
}

/** Opens the memory of a folder while work runs; nothing is embedded meanwhile. */
async function withMemory<Value>(
  directory: string,
  embedder: Embedder | undefined,
  work: (memory: Memory) => Promise<Value>,
): Promise<Value> {
  const memory = await openMemory({ directory, embedder, worker: false });
  try {
    return await work(memory);
  } finally {
    await memory.close();
  }
}

async function measure(system: string, questions: readonly SetQuestion[], kept: Kept, ask: Ask): Promise<Measured> {
  const answered: Answered[] = [];
  for (const question of questions) {
    const ranked = (await ask(question)).flatMap((id) => kept.get(id) ?? []);
    answered.push({ ranked: [...new Set(ranked)], relevant: new Set(question.relevant) });
  }
  const metrics = Object.entries(METRICS).map(([name, metric]) => [name, estimate(answered.map(metric))] as const);
  return { system, metrics: Object.fromEntries(metrics) };
}
