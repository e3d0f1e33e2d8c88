/** @import { ExplainedCandidate, Recall } from "../../../src/index.ts" */

/**
 * A stage of the way, as a column of the drawing.
 *
 * @typedef {object} WayStage
 * @property {string} name
 * @property {(candidate: ExplainedCandidate) => number | undefined} placeOf - absent where the stage did not find it
 */

/**
 * Returns the stages that a query has passed, in order.
 *
 * @param {Recall} recall
 * @returns {readonly WayStage[]}
 */
export function stagesOf({ ranker, searched }) {
  return [
    { name: "Words", placeOf: ({ why }) => why.words },
    ...(searched?.vectors === undefined
      ? []
      : [{ name: "Vectors", placeOf: (/** @type {ExplainedCandidate} */ { why }) => why.vectors }]),
    { name: "Fused", placeOf: ({ way }) => way.fused },
    { name: "Factors", placeOf: ({ way }) => way.heuristic },
    ...(ranker === "heuristic"
      ? []
      : [{ name: "Rerank", placeOf: (/** @type {ExplainedCandidate} */ { why }) => why.order }]),
    { name: "Diverse", placeOf: ({ why }) => why.place },
  ];
}
