import type { Closable, Timing, Workload } from "../contract.ts";
import { makeTexts, type Question, type Texts } from "../memory/texts.ts";

export type FairSetup = Texts;

/** A service with three tenants: one is measured, one floods, the embedder hangs for the texts of one. */
export interface FairRig extends Closable {
  find(question: Question): Promise<readonly string[]>;
  /** Begins to hang and to flood, by as many ingests at once as a tenant may have. Ends by itself after 10,000. */
  disturb(): Promise<void>;
  /** Stops the flood; returns the number of its ingests. */
  calm(): Promise<number>;
}

const TEXTS = 1_000;
const ASKED = 200;

/**
 * Returns the 95th percentile of the time that a question takes, in milliseconds of the processor: its own work and that
 * of others, for which it waits. Time in which other programs have the processor does not count.
 */
async function p95(rig: FairRig, questions: readonly Question[]): Promise<number> {
  let found = 0;
  const took: number[] = [];
  for (const question of questions) {
    const before = process.threadCpuUsage();
    const texts = await rig.find(question);
    const { user, system } = process.threadCpuUsage(before);
    took.push((user + system) / 1_000);
    if (texts.includes(question.about)) found += 1;
  }
  if (found < questions.length / 2) throw new Error(`Wrong answers: ${found} of ${questions.length} found their text`);
  return took.toSorted((one, other) => one - other)[Math.floor(took.length * 0.95)]!;
}

export const workloads: readonly Workload<FairSetup, FairRig>[] = [
  {
    name: "memory-fair",
    family: "memoryFair",
    title: "a tenant's retrieves beside one that floods and one for which the embedder hangs, and alone",
    figures: [
      { name: "p95 × alone", better: "less" },
      { name: "p95 ms", better: "less" },
      { name: "flood", better: "more" },
    ],
    setup: makeTexts(TEXTS, ASKED),
    subjects: ["memory-service"],
    bars: [{ of: "memory-service", atMost: 2 }],
    async measure(rig, _: Timing) {
      const { questions } = makeTexts(TEXTS, ASKED);
      await p95(rig, questions);
      const alone = await p95(rig, questions);
      await rig.disturb();
      const beside = await p95(rig, questions);
      const flood = await rig.calm();
      return {
        figures: { "p95 × alone": beside / alone, "p95 ms": beside, flood },
        requests: questions.length,
        processorShare: 1,
      };
    },
  },
];
