import { queues, type Workload } from "../contract.ts";
import { measureRate, type RequestRig, type Tally } from "../drive.ts";

/**
 * One node sends its payload to `branches` nodes; a join waits for all of them; one node sums up.
 *
 * Branch n (from 0) turns the payload into `payload.id + n`; the last node answers with the sum of these. All of these
 * handlers add one to `tally.hops`: the first, each branch, and the one that sums up.
 */
export interface FanOutSetup {
  readonly branches: number;
  readonly tally: Tally;
}

export type FanOutRig = RequestRig<number>;

const branches = 8;
const setup: FanOutSetup = { branches, tally: { hops: 0 } };

export const workloads: readonly Workload<FanOutSetup, FanOutRig>[] = [
  {
    name: "fan-out-8",
    family: "fanOut",
    title: "fan-out to 8 nodes and join, 64 requests in flight",
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    bars: [{ atLeast: 1, than: queues }],
    measure: (rig, timing) =>
      measureRate(
        rig,
        {
          window: 64,
          hopsPerRequest: branches + 2,
          tally: setup.tally,
          isRight: (sum, id) => sum === branches * id + (branches * (branches - 1)) / 2,
        },
        timing,
      ),
  },
];
