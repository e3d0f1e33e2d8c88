import type { Closable, Workload } from "../contract.ts";

/** A planner whose model calls one tool again and again. */
export interface PlannerRig extends Closable {
  /** Runs so many steps in a durable planner; resolves with the bytes that each wrote, from the first. */
  steps(count: number): Promise<readonly number[]>;
  /** Runs into an approval; resolves when the run waits for it. */
  pause(): Promise<void>;
}

const paused = 2_000;

function heapUsed(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

/** Returns the median of what the five steps around one have written. */
function around(bytes: readonly number[], step: number): number {
  return bytes.slice(step - 3, step + 2).toSorted((a, b) => a - b)[2]!;
}

export const workloads: readonly Workload<undefined, PlannerRig>[] = [
  {
    name: "planner-steps",
    family: "planner",
    title: "bytes that a durable agent writes in step 100, beside those of step 10",
    figures: [
      { name: "step 100 / step 10", better: "less" },
      { name: "bytes each", better: "less" },
    ],
    setup: undefined,
    subjects: ["penguiflow"],
    bars: [{ atMost: 1.05 }],
    async measure(rig) {
      const bytes = await rig.steps(105);
      const [early, late] = [around(bytes, 10), around(bytes, 100)];
      return { figures: { "step 100 / step 10": late / early, "bytes each": late }, requests: 105, processorShare: 1 };
    },
  },
  {
    name: "planner-paused",
    family: "planner",
    title: `heap of each of ${paused} runs of an agent that wait for an approval, their logs included`,
    figures: [{ name: "bytes each", better: "less" }],
    setup: undefined,
    subjects: ["penguiflow"],
    bars: [{ atMost: 6_000 }],
    async measure(rig) {
      for (let run = 0; run < 200; run += 1) await rig.pause();
      const before = heapUsed();
      for (let run = 0; run < paused; run += 1) await rig.pause();
      return { figures: { "bytes each": (heapUsed() - before) / paused }, requests: paused, processorShare: 1 };
    },
  },
];
