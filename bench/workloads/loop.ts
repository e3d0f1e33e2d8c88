import { queues, type Workload } from "../contract.ts";
import { measureRate, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";

/**
 * A node that is run `hops` times for one request, as a controller does. Each time it adds one to `tally.hops` and passes
 * itself a new state that is one hop further.
 */
export interface LoopSetup {
  readonly hops: number;
  readonly tally: Tally;
}

/** What the node passes itself, where the subject does not bring a working memory of its own. */
export interface LoopState {
  readonly payload: Payload;
  readonly hops: number;
}

/** Answers with the payload's id and the hops that the state has counted. */
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
