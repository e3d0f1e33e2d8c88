import type { Closable, Timing, Workload } from "../contract.ts";
import { processorTime } from "../drive.ts";
import { makeTexts, type Question } from "../memory/texts.ts";

export interface GrowthSetup {
  readonly few: number;
  readonly many: number;
}

/** Two memories of one user, with few and many texts. */
export interface GrowthRig extends Closable {
  /** Keeps texts, a thousand a transaction, without their vectors. */
  keep(memory: "few" | "many", texts: readonly string[]): Promise<void>;
  /** Resolves once all texts have their vectors. */
  settled(): Promise<void>;
  find(memory: "few" | "many", question: Question): Promise<readonly string[]>;
  /** Passes a message through a flow of four nodes that do nothing, with the policies of a retrieve. */
  pass(): Promise<void>;
}

const ASKED = 200;
const AT_ONCE = 1_000;
const PASSES = 2_000;

async function cpuOf(times: number, work: (at: number) => Promise<unknown>): Promise<number> {
  const us = processorTime();
  for (let at = 0; at < times; at += 1) await work(at);
  return us() / times;
}

function growth(few: number, many: number): Workload<GrowthSetup, GrowthRig> {
  return {
    name: `memory-growth-${many}`,
    family: "memoryGrowth",
    title: `a retrieve among ${many} texts with vectors beside one among ${few}; the runtime's share of it; bulk`,
    figures: [
      { name: `× of ${few}`, better: "less" },
      { name: "retrieve CPU µs", better: "less" },
      { name: "runtime %", better: "less" },
      { name: "bulk/CPU s", better: "more" },
    ],
    setup: { few, many },
    subjects: ["memory-service"],
    bars: [
      { of: "memory-service", atMost: 5 },
      { of: "memory-service", figure: "runtime %", atMost: 3 },
      { of: "memory-service", figure: "bulk/CPU s", atLeast: 8_000 },
    ],
    async measure(rig: GrowthRig, _: Timing) {
      const small = makeTexts(few, ASKED);
      const large = makeTexts(many, ASKED);
      for (let at = 0; at < few; at += AT_ONCE) await rig.keep("few", small.texts.slice(at, at + AT_ONCE));
      const batches = Math.ceil(many / AT_ONCE);
      const batchUs = await cpuOf(batches, async (at) => {
        await rig.keep("many", large.texts.slice(at * AT_ONCE, (at + 1) * AT_ONCE));
      });
      await rig.settled();
      const ask = async (memory: "few" | "many", questions: readonly Question[]): Promise<number> => {
        let found = 0;
        const us = await cpuOf(questions.length, async (at) => {
          const { about } = questions[at]!;
          if ((await rig.find(memory, questions[at]!)).includes(about)) found += 1;
        });
        if (found < questions.length / 2)
          throw new Error(`Wrong answers: ${found} of ${questions.length} found their text`);
        return us;
      };
      // by turns, the first turn warms up
      await ask("few", small.questions);
      await ask("many", large.questions);
      const [fewUs, manyUs] = [await ask("few", small.questions), await ask("many", large.questions)];
      await cpuOf(PASSES, async () => await rig.pass());
      const passUs = await cpuOf(PASSES, async () => await rig.pass());
      return {
        figures: {
          [`× of ${few}`]: manyUs / fewUs,
          "retrieve CPU µs": manyUs,
          "runtime %": (passUs / fewUs) * 100,
          "bulk/CPU s": (AT_ONCE * 1e6) / batchUs,
        },
        requests: ASKED,
        processorShare: 1,
        processorUs: manyUs,
      };
    },
  };
}

export const workloads: readonly Workload<GrowthSetup, GrowthRig>[] = [growth(1_500, 100_000)];
