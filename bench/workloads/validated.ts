import { z } from "zod";
import type { Workload } from "../contract.ts";
import { measureRate, type RequestRig, type Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import { isOwnPayload } from "./linear.ts";

/** A chain of pass-through nodes that parse their input and output with `schema`. */
export interface ValidatedSetup {
  readonly nodes: number;
  readonly schema: typeof payloadSchema;
  readonly tally: Tally;
}

export type ValidatedRig = RequestRig<Payload>;

/** Schema that all subjects parse with. */
export const payloadSchema = z.object({ id: z.number().int().nonnegative(), text: z.string().min(1) });
const setup: ValidatedSetup = { nodes: 10, schema: payloadSchema, tally: { hops: 0 } };

export const workloads: readonly Workload<ValidatedSetup, ValidatedRig>[] = [
  {
    name: "validated-10",
    family: "validated",
    title: "10 nodes in a line, each with zod in and out, 64 requests in flight",
    figures: [{ name: "hops/s", better: "more" }],
    setup,
    bars: [{ atLeast: 0.5, than: ["floor"] }],
    measure: (rig, timing) =>
      measureRate(rig, { window: 64, hopsPerRequest: setup.nodes, tally: setup.tally, isRight: isOwnPayload }, timing),
  },
];
