import type { NodeLook } from "./graph-paint.ts";

/** Outlines of the signs of a node's state, on a field of 10 × 10. A state is told by sign, word and colour. */
export const NODE_SIGNS: Readonly<Partial<Record<NodeLook, string>>> = {
  running: "M5 1a4 4 0 1 1-4 4",
  held: "M2 2v6M5 2v6M8 2v6",
  backoff: "M9 5a4 4 0 1 1-1.3-3M9 1v2.5h-2.5",
  done: "m1.5 5.5 2.5 2.5 4.5-6",
  failed: "m2 2 6 6M8 2 2 8",
  paused: "M3 1.5v7M7 1.5v7",
  cancelled: "M5 1a4 4 0 1 0 0 8 4 4 0 0 0 0-8M2.2 7.8l5.6-5.6",
};

/** Outlines of the kinds of nodes that are more than a function. */
export const KIND_SIGNS: Readonly<Record<string, string>> = {
  router: "M5 1l4 4-4 4-4-4z",
  join: "M1 1.5 5 5l-4 3.5M5 5h4",
  subflow: "M1 1h8v8H1zM3 3h4v4H3z",
  remote: "M5 1a4 4 0 1 0 0 8 4 4 0 0 0 0-8M1 5h8M5 1q-3 4 0 8M5 1q3 4 0 8",
};
