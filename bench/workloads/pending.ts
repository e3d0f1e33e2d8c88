import type { Closable, Workload } from "../contract.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** One node whose handler waits for `gate` and then returns its payload. */
export interface PendingSetup {
  readonly gate: Promise<void>;
}

export interface PendingRig extends Closable {
  request(payload: Payload): Promise<Payload>;
}

const wanted = 100_000;
/** Heap budget: a subject that would exceed it gets as many requests as fit. */
const heapBudget = 600_000_000;

const gate = Promise.withResolvers<void>();

function heapUsed(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

/** Lets promises and timers settle, so that transient objects are garbage before the measurement. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
}

export const workloads: readonly Workload<PendingSetup, PendingRig>[] = [
  {
    name: "pending-100000",
    family: "pending",
    title:
      "100,000 requests that wait for their answer, one node: heap for each, payload and caller's promise included",
    figures: [{ name: "bytes each", better: "less" }],
    setup: { gate: gate.promise },
    bars: [{ atMost: 800 }],
    async measure(rig) {
      const answers: Promise<Payload>[] = new Array<Promise<Payload>>(wanted);
      let asked = 0;
      const ask = (until: number): void => {
        for (; asked < until; asked += 1) answers[asked] = rig.request({ id: asked, text: "penguins" });
      };
      // warm-up: one-time allocations must not count per request
      ask(200);
      await settle();
      const before = heapUsed();
      const counted = asked;
      let bytesEach = 0;
      for (let batch = 800; asked < wanted; batch *= 2) {
        ask(Math.min(wanted, asked + batch));
        await settle();
        const grown = heapUsed() - before;
        bytesEach = grown / (asked - counted);
        if (grown + batch * 2 * bytesEach > heapBudget) break;
      }
      gate.resolve();
      for (let id = 0; id < asked; id += 1) {
        const answer = await answers[id]!;
        if (!isOwnPayload(answer, id)) throw new Error(`Wrong answer to request "${id}": ${JSON.stringify(answer)}`);
      }
      return { figures: { "bytes each": bytesEach }, requests: asked, processorShare: 1 };
    },
  },
];
