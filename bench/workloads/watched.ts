import type { Workload } from "../contract.ts";
import { measureRate, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** A chain of pass-through nodes with one middleware, which adds one to `tally.events` for each event. */
export interface WatchedSetup {
  readonly nodes: number;
  readonly tally: Tally & { events: number };
}

export type WatchedRig = RequestRig<Payload>;

const setup: WatchedSetup = { nodes: 10, tally: { hops: 0, events: 0 } };

export const workloads: readonly Workload<WatchedSetup, WatchedRig>[] = [
  {
    name: "watched-10",
    family: "watched",
    title: "10 nodes in a line, one middleware that counts events, 64 requests in flight",
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    subjects: ["penguiflow"],
    bars: [],
    async measure(rig, timing) {
      const load = { window: 64, hopsPerRequest: setup.nodes, tally: setup.tally, isRight: isOwnPayload };
      const measured = await measureRate(rig, load, timing);
      const least = measured.requests * setup.nodes;
      if (setup.tally.events < least)
        throw new Error(`Wrong count: expected at least ${least} events, got ${setup.tally.events}`);
      return measured;
    },
  },
];
