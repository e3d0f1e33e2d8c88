/** The ingress of every flow: what `emit` and `call` send from. Its edges lead to the entry nodes. */
export const OPEN_SEA = "OpenSea";

/** The egress of every flow: where `fetch`, `call` and `stream` receive. Nodes without successors lead to it. */
export const ROOKERY = "Rookery";
