/** The ingress of every flow: `emit` and `call` send from it. Its edges lead to the entry nodes. */
export const OPEN_SEA = "OpenSea";

/** The egress of every flow: `fetch`, `call` and `stream` receive from it. Nodes without successors lead to it. */
export const ROOKERY = "Rookery";
