import type { Closable, Measurement, Workload } from "../contract.ts";

/** Requests that wait for an answer, on a checkpoint store. */
export interface WaitingDurableSetup {
  /** Milliseconds of rest after which a trace leaves memory. */
  readonly unloadAfterMs: number;
}

/** The same flow twice on one store: one unloads traces at rest, the other keeps them in memory. */
export interface WaitingDurableRig extends Closable {
  /** Begins that many traces. Resolves with the tokens of every `nth` when all have left memory. */
  wait(traces: number, nth: number): Promise<readonly string[]>;
  /** Begins that many traces that stay in memory; resolves with their tokens. */
  waitInMemory(traces: number): Promise<readonly string[]>;
  /** Answers a trace of either flow, and resolves with its result. */
  resume(token: string, isInMemory: boolean, answer: number): Promise<unknown>;
  /** Runs the first flow again on what is stored; resolves with the milliseconds until it is ready. */
  restart(): Promise<number>;
}

/** Number of waiting traces; `npm run bench -- waiting-durable --traces 1000000` for the bar of a million. */
const traces = Number(process.env["BENCH_TRACES"] ?? 100_000);
const samples = 2_000;

function heapUsed(): number {
  globalThis.gc!();
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

/** Answers the traces one after the other. Returns the latencies in milliseconds. */
async function latencies(
  rig: WaitingDurableRig,
  tokens: readonly string[],
  isInMemory: boolean,
): Promise<Float64Array> {
  const times = new Float64Array(tokens.length);
  for (const [index, token] of tokens.entries()) {
    const askedAt = performance.now();
    const result = await rig.resume(token, isInMemory, index);
    times[index] = performance.now() - askedAt;
    if (result !== index) throw new Error(`Wrong answer to token "${index}": ${JSON.stringify(result)}`);
  }
  return times.toSorted();
}

const at = (sorted: Float64Array, part: number): number => sorted[Math.floor(sorted.length * part)]!;

export const workloads: readonly Workload<WaitingDurableSetup, WaitingDurableRig>[] = [
  {
    name: "waiting-durable",
    family: "waitingDurable",
    title:
      "100,000 traces that wait for an answer in the store (or --traces): heap for each; an answer, against one to a trace in memory",
    figures: [
      { name: "bytes each", better: "less" },
      { name: "p99, times in memory", better: "less" },
      { name: "p99 ms", better: "less" },
      { name: "p99 ms in memory", better: "less" },
      { name: "restart s", better: "less" },
    ],
    setup: { unloadAfterMs: 200 },
    subjects: ["sqlite-normal", "sqlite-full", "postgres"],
    bars: [
      { of: "sqlite-normal", atMost: 200 },
      { of: "sqlite-normal", figure: "p99, times in memory", atMost: 20 },
    ],
    async measure(rig): Promise<Measurement> {
      const nth = Math.max(1, Math.floor(traces / samples));
      // warm-up: code is compiled, and one-time allocations do not count per trace
      await latencies(rig, await rig.wait(samples, 1), false);
      await latencies(rig, await rig.waitInMemory(samples), true);
      const before = heapUsed();
      const tokens = await rig.wait(traces, nth);
      const bytesEach = (heapUsed() - before) / traces;
      const inMemory = await latencies(rig, await rig.waitInMemory(samples), true);
      const unloaded = await latencies(rig, tokens.slice(0, samples), false);
      const restartMs = await rig.restart();
      const p99 = at(unloaded, 0.99);
      return {
        figures: {
          "bytes each": bytesEach,
          "p99, times in memory": p99 / at(inMemory, 0.99),
          "p99 ms": p99,
          "p99 ms in memory": at(inMemory, 0.99),
          "restart s": restartMs / 1_000,
        },
        requests: traces,
        processorShare: 1,
      };
    },
  },
];
