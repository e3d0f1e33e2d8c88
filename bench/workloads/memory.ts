import { type Closable, memorySubjects, type Timing, type Workload } from "../contract.ts";
import { processorTime } from "../drive.ts";
import { makeTexts, type Question, type Texts } from "../memory/texts.ts";

/** A memory with nothing in it, of one user. */
export interface KeptTexts extends Closable {
  /** Keeps a text. */
  keep(text: string): Promise<void>;
  /** Resolves once all texts have their vectors. */
  settled(): Promise<void>;
  /** Returns texts that answer a question, the best first. */
  find(question: Question): Promise<readonly string[]>;
}

/** Makes memories, each in files of its own. */
export interface MemoryRig extends Closable {
  open(): Promise<KeptTexts>;
}

export interface MemorySetup {
  readonly texts: number;
}

const ASKED = 120;
const WARM_TEXTS = 200;
const WARM_ASKED = 20;

/** Keeps texts one after the other, as agents save them, and asks questions. Returns processor time of each in µs. */
async function use(memory: KeptTexts, { texts, questions }: Texts) {
  const ingestUs = processorTime();
  for (const text of texts) await memory.keep(text);
  await memory.settled();
  const ingest = ingestUs() / texts.length;
  let found = 0;
  const retrieveUs = processorTime();
  for (const question of questions) if ((await memory.find(question)).includes(question.about)) found += 1;
  return { ingest, retrieve: retrieveUs() / questions.length, found: found / questions.length };
}

async function measure(rig: MemoryRig, count: number) {
  const warm = await rig.open();
  await use(warm, makeTexts(WARM_TEXTS, WARM_ASKED));
  await warm.close();
  globalThis.gc?.();
  const memory = await rig.open();
  const { ingest, retrieve, found } = await use(memory, makeTexts(count, ASKED));
  await memory.close();
  if (found < 0.8) throw new Error(`Wrong answers: ${Math.round(found * 100)} % of the questions found their text`);
  return {
    figures: { "ingest CPU µs": ingest, "retrieve CPU µs": retrieve, "found %": found * 100 },
    requests: count + ASKED,
    // processor time is measured: a busy machine makes it slower, not different
    processorShare: 1,
    processorUs: retrieve,
  };
}

export const workloads: readonly Workload<MemorySetup, MemoryRig>[] = [
  {
    name: "memory-1500",
    family: "memory",
    title: "1,500 texts kept one by one with their vectors, then questions; the same texts and embedder",
    figures: [
      { name: "retrieve CPU µs", better: "less" },
      { name: "ingest CPU µs", better: "less" },
      { name: "found %", better: "more" },
    ],
    setup: { texts: 1_500 },
    subjects: memorySubjects,
    bars: [
      { of: "memory-service", atLeast: 15, than: ["mem0"] },
      { of: "memory-service", figure: "ingest CPU µs", atLeast: 2.5, than: ["mem0"] },
      { of: "memory-service", figure: "ingest CPU µs", atLeast: 4, than: ["server-memory"] },
    ],
    measure: async (rig: MemoryRig, _: Timing) => await measure(rig, 1_500),
  },
];
