import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import { buildLinear } from "./effect-queue.ts";

export { library } from "./effect-queue.ts";

const once = "measured as effect-queue";
export const cannot = {
  validated: once,
  fanOut: once,
  loop: once,
  waiting: once,
  pending: once,
  streams: once,
  package: once,
};

/** Builds a line with eight fibers per node, as nodes that wait for I/O would have. */
export const linear = (setup: LinearSetup): Promise<LinearRig> => buildLinear(setup, 8);
