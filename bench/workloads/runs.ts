import type { Closable, Workload } from "../contract.ts";

/** A flow of `nodes` nodes of which many durable runs are started, each on a partition of its own. */
export interface RunsSetup {
  readonly nodes: number;
}

export interface RunsRig extends Closable {
  /** Starts a run. Resolves once it accepts work. */
  start(partition: string): Promise<{ call(id: number): Promise<number> }>;
}

const wanted = 500;

async function heapUsed(): Promise<number> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

export const workloads: readonly Workload<RunsSetup, RunsRig>[] = [
  {
    name: "idle-runs-500",
    family: "runs",
    title: "500 idle durable runs of one flow of 10 nodes, each with its partition: heap for each",
    figures: [{ name: "KiB each", better: "less" }],
    subjects: ["penguiflow"],
    setup: { nodes: 10 },
    bars: [{ atMost: 48 }],
    async measure(rig) {
      // warm-up: what all runs share must not count for each
      await (await rig.start("warm-up")).call(0);
      const before = await heapUsed();
      const runs = await Promise.all(Array.from({ length: wanted }, (_, index) => rig.start(`p-${index}`)));
      const bytesEach = ((await heapUsed()) - before) / wanted;
      const answers = await Promise.all(runs.map((run, id) => run.call(id)));
      for (const [id, answer] of answers.entries())
        if (answer !== id) throw new Error(`Wrong answer of run ${id}: ${answer}`);
      return { figures: { "KiB each": bytesEach / 1024 }, requests: wanted, processorShare: 1 };
    },
  },
];
