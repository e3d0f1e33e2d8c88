import type { Measurement, Workload } from "../contract.ts";
import { processorTime, stretch, type Load, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** Five nodes in a line; the middle one waits for `waitMs` and handles at most `concurrency` requests at once. */
export interface WaitingSetup {
  readonly nodes: number;
  readonly concurrency: number;
  readonly waitMs: number;
  /** Called by the middle handlers at the start and end of their wait. */
  readonly gauge: { enter(): void; leave(): void };
  readonly tally: Tally;
}

export type WaitingRig = RequestRig<Payload>;

const requests = 500;
const [concurrency, waitMs, nodes] = [64, 10, 5];
const idealMs = Math.ceil(requests / concurrency) * waitMs;

let [inside, most] = [0, 0];
const setup: WaitingSetup = {
  nodes,
  concurrency,
  waitMs,
  gauge: { enter: () => void (most = Math.max(most, ++inside)), leave: () => void (inside -= 1) },
  tally: { hops: 0 },
};
const load: Load<Payload> = { window: requests, hopsPerRequest: nodes, tally: setup.tally, isRight: isOwnPayload };

export const workloads: readonly Workload<WaitingSetup, WaitingRig>[] = [
  {
    name: "waiting-10ms",
    family: "waiting",
    title: `500 requests at once through 5 nodes, one of which waits 10 ms and takes 64 at a time: ${idealMs} ms at best`,
    figures: [
      { name: "of the ideal time", better: "less" },
      { name: "ms", better: "less" },
    ],
    setup,
    bars: [{ atMost: 1.3 }],
    async measure(rig, timing): Promise<Measurement> {
      const warmAt = performance.now();
      do await stretch(rig, load, requests);
      while (performance.now() - warmAt < timing.warmUpMs / 2);
      const times: number[] = [];
      const processorUs = processorTime();
      const startedAt = performance.now();
      do times.push((await stretch(rig, load, requests)).elapsedMs);
      while (performance.now() - startedAt < timing.measureMs);
      const spentUs = processorUs();
      if (most !== concurrency)
        throw new Error(`Wrong count: expected ${concurrency} waiting requests at once, got ${most}`);
      const ms = times.toSorted((a, b) => a - b)[times.length >> 1]!;
      // the work here is waiting, so an idle processor shows no disturbance
      return {
        figures: { ms, "of the ideal time": ms / idealMs },
        requests: times.length * requests,
        processorShare: 1,
        processorUs: spentUs / (times.length * requests),
      };
    },
  },
];
