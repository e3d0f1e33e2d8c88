import { queues, type Workload } from "../contract.ts";
import { measureRate, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";

/**
 * A node that runs `hops` times for one request, as a controller does. Each run adds one to `tally.hops` and sends the
 * node a new state that is one hop further.
 */
export interface LoopSetup {
  readonly hops: number;
  readonly tally: Tally;
}

/** State that the node sends itself, where the subject has no working memory of its own. */
export interface LoopState {
  readonly payload: Payload;
  readonly hops: number;
}

/** Rig that answers with the payload's id and the number of hops in the state. */
export type LoopRig = RequestRig<{ readonly id: number; readonly hops: number }>;

const setup: LoopSetup = { hops: 100, tally: { hops: 0 } };

export const workloads: readonly Workload<LoopSetup, LoopRig>[] = [
  {
    name: "loop-100",
    family: "loop",
    title: "a loop of 100 hops, 500 traces in flight",
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    bars: [{ atLeast: 1, than: queues }],
    measure: (rig, timing) =>
      measureRate(
        rig,
        {
          window: 500,
          hopsPerRequest: setup.hops,
          tally: setup.tally,
          isRight: (answer, id) => answer.id === id && answer.hops === setup.hops,
        },
        timing,
      ),
  },
];
