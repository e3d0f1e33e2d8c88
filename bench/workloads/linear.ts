import type { Closable, Measurement, Timing, Workload } from "../contract.ts";
import type { Payload } from "../envelope.ts";

/** A chain of pass-through nodes. Every handler adds one to `tally.hops` and returns what it was given. */
export interface LinearSetup {
  readonly nodes: number;
  /** Requests in flight at any moment; queues, where a subject has them, hold as many. */
  readonly window: number;
  readonly tally: { hops: number };
}

/** Takes one request through all nodes and gives back the payload that came out. */
export interface LinearRig extends Closable {
  request(payload: Payload): Promise<Payload>;
}

const window = 64;

/** Keeps `window` requests in flight, each client waiting for its answer before it asks again. */
async function drive(rig: LinearRig, total: number): Promise<void> {
  let next = 0;
  let checksum = 0;
  const client = async () => {
    while (next < total) {
      const id = next++;
      const answer = await rig.request({ id, text: "penguins" });
      if (answer.id !== id || answer.text !== "penguins") {
        throw new Error(`Wrong answer: request "${id}" was given the payload of "${answer.id}"`);
      }
      checksum += answer.id;
    }
  };
  await Promise.all(Array.from({ length: window }, client));
  const expected = (total * (total - 1)) / 2;
  if (checksum !== expected) throw new Error(`Wrong checksum: "${checksum}", not "${expected}"`);
}

/** Doubles the batch until the warm-up time is used up. The last batch, the warmest, tells the rate per ms. */
async function warmUp(rig: LinearRig, warmUpMs: number): Promise<number> {
  const startedAt = performance.now();
  for (let batch = window; ; batch *= 2) {
    const batchAt = performance.now();
    await drive(rig, batch);
    const now = performance.now();
    if (now - startedAt >= warmUpMs) return batch / (now - batchAt);
  }
}

function linear(nodes: number, bars: Workload["bars"]): Workload<LinearSetup, LinearRig> {
  const setup: LinearSetup = { nodes, window, tally: { hops: 0 } };
  return {
    name: `linear-${nodes}`,
    family: "linear",
    unit: "hops",
    setup,
    bars,
    async measure(rig: LinearRig, timing: Timing): Promise<Measurement> {
      const rate = await warmUp(rig, timing.warmUpMs);
      const requests = Math.max(window, Math.round((rate * timing.measureMs) / window) * window);
      globalThis.gc?.();
      setup.tally.hops = 0;
      const startedAt = performance.now();
      const processorAt = process.threadCpuUsage();
      await drive(rig, requests);
      const elapsedMs = performance.now() - startedAt;
      const { user, system } = process.threadCpuUsage(processorAt);
      const units = requests * nodes;
      if (setup.tally.hops !== units) {
        throw new Error(`Wrong count: "${setup.tally.hops}" hops, not "${units}"`);
      }
      return { requests, units, elapsedMs, processorShare: (user + system) / 1_000 / elapsedMs };
    },
  };
}

export const workloads = [
  linear(1, []),
  linear(5, []),
  linear(10, [
    { subject: "penguiflow", atLeast: 0.4, than: ["floor"] },
    { subject: "penguiflow", atLeast: 4, than: ["effect-queue", "effect-queue-wide"] },
    { subject: "penguiflow", atLeast: 20, than: ["flowcraft", "genkit", "langgraph"] },
  ]),
  linear(50, []),
];
