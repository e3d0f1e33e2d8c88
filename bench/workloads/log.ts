import type { Closable, Workload } from "../contract.ts";

/** A loop whose every step makes calls, each of which appends to the log of the trace. */
export interface LogSetup {
  readonly steps: number;
  /** Calls of a step, one a millisecond after the other. */
  readonly calls: number;
  /** Length of what a call appends, in bytes. */
  readonly bytes: number;
}

export interface LogRig extends Closable {
  /** Runs the loop once; resolves to the bytes that its checkpoint store was given, and to the length of the log. */
  loop(hasEffects: boolean): Promise<{ readonly written: number; readonly items: number }>;
}

function log(name: string, title: string, setup: LogSetup, atMost: number): Workload<LogSetup, LogRig> {
  return {
    name: `log-${name}`,
    family: "log",
    title,
    figures: [
      { name: "× content", better: "less" },
      { name: "× with effects", better: "less" },
    ],
    setup,
    subjects: ["memory-checkpoint-store"],
    bars: [{ of: "memory-checkpoint-store", atMost }],
    async measure(rig) {
      const [steps, wanted] = [setup.steps, setup.steps * setup.calls];
      const content = wanted * setup.bytes;
      const [plain, withEffects] = [await rig.loop(false), await rig.loop(true)];
      for (const { items } of [plain, withEffects])
        if (items !== wanted) throw new Error(`Wrong count: expected ${wanted} items in the log, got ${items}`);
      return {
        figures: { "× content": plain.written / content, "× with effects": withEffects.written / content },
        requests: steps,
        processorShare: 1,
      };
    },
  };
}

export const workloads: readonly Workload<LogSetup, LogRig>[] = [
  log(
    "100",
    "a durable loop of 100 steps that log 3 kB each: bytes written for each byte of content",
    { steps: 100, calls: 1, bytes: 3_000 },
    2,
  ),
  log(
    "25x8",
    "a durable loop of 25 steps of 8 staggered calls that log 3 kB each: bytes written for each byte of content",
    { steps: 25, calls: 8, bytes: 3_000 },
    5,
  ),
];
