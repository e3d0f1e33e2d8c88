import type { Closable, Measurement, Workload } from "../contract.ts";
import { busyTime, processorTime } from "../drive.ts";

/** A source that writes `chunks` texts for a request, each after the previous one was consumed. */
export interface StreamsSetup {
  readonly chunks: number;
  /** Returns the text of a chunk. */
  text(index: number): string;
}

export interface StreamsRig extends Closable {
  /** Opens a stream, reads it by the library's own means, and calls `take` with the text of each chunk. */
  read(id: number, take: (text: string) => void): Promise<void>;
}

const [streams, chunks] = [50, 1_000];
const texts = Array.from({ length: chunks }, (_, index) => `chunk ${index}`);
const setup: StreamsSetup = { chunks, text: (index) => texts[index]! };

async function read(rig: StreamsRig, id: number): Promise<void> {
  let index = 0;
  await rig.read(id, (text) => {
    if (text !== texts[index]) throw new Error(`Wrong chunk "${index}" of stream "${id}": "${text}"`);
    index += 1;
  });
  if (index !== chunks) throw new Error(`Wrong count: expected ${chunks} chunks of stream "${id}", got ${index}`);
}

const readAll = (rig: StreamsRig): Promise<unknown> =>
  Promise.all(Array.from({ length: streams }, (_, id) => read(rig, id)));

export const workloads: readonly Workload<StreamsSetup, StreamsRig>[] = [
  {
    name: "streams-50",
    family: "streams",
    title: "50 streams at once, of 1,000 chunks each",
    figures: [{ name: "chunks/s", better: "more" }],
    setup,
    bars: [{ atLeast: 0.25, than: ["floor"] }],
    async measure(rig, timing): Promise<Measurement> {
      const warmMs = busyTime();
      do await readAll(rig);
      while (warmMs() < timing.warmUpMs);
      globalThis.gc?.();
      let rounds = 0;
      const processorUs = processorTime();
      const processorAt = process.threadCpuUsage();
      const startedAt = performance.now();
      const measuredMs = busyTime();
      do {
        await readAll(rig);
        rounds += 1;
      } while (measuredMs() < timing.measureMs);
      const elapsedMs = performance.now() - startedAt;
      const spentUs = processorUs();
      const { user, system } = process.threadCpuUsage(processorAt);
      const total = rounds * streams;
      const processorShare = (user + system) / 1_000 / elapsedMs;
      const figures = { "chunks/s": (total * chunks * 1_000) / elapsedMs };
      return { figures, requests: total, processorShare, processorUs: spentUs / total };
    },
  },
];
