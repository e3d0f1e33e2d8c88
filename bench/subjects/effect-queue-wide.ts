import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import { buildLinear } from "./effect-queue.ts";

export { library } from "./effect-queue.ts";

/** Eight fibers per node, as nodes that wait for input and output would have. */
export const linear = (setup: LinearSetup): Promise<LinearRig> => buildLinear(setup, 8);
