/** @import { ExplainedCandidate, Recall } from "../../../src/index.ts" */
import { h } from "../../dom.js";

/** Shares are small fractions: shown in thousandths. */
const share = (/** @type {number} */ value) => (value * 1_000).toFixed(1);
const factor = (/** @type {number} */ value) => `×${value.toFixed(2)}`;

/**
 * The way of a candidate, stage by stage, in words.
 *
 * @param {ExplainedCandidate} candidate
 * @param {Recall} recall
 * @param {readonly ExplainedCandidate[]} all
 */
export function stepsOf({ why, way, cut }, { ranker, searched }, all) {
  const steps = [
    [
      "Words",
      why.words === undefined
        ? "Not found by its words or those of its neighbours."
        : `Place ${why.words}, which gives ${share(way.shares.words)} points.`,
    ],
    searched?.vectors !== undefined && [
      "Vectors",
      why.vectors === undefined
        ? "Not among the nearest."
        : `Place ${why.vectors} at weight ${searched.vectors.weight}, which gives ${share(way.shares.vectors)} points.`,
    ],
    ["Fused", `${share(way.shares.words + way.shares.vectors)} points together: place ${way.fused}.`],
    ["Factors", `${factorWords(why)}: place ${way.heuristic}.`],
    ranker !== "heuristic" && ["Rerank", `${ranker} puts it at place ${why.order}.`],
    ["Diverse", `${alikeWords(way.alike, all)} Place ${why.place}.`],
    ["Answer", answerWords(cut, searched, way.tokens)],
  ].filter((step) => step !== false);
  return h(
    "ol",
    { class: "step-list" },
    steps.map(([name, words]) =>
      h(
        "li",
        { "data-cut": name === "Answer" && cut !== undefined },
        h("span", { class: "step-name" }, name),
        h("span", {}, words),
      ),
    ),
  );
}

/** @param {ExplainedCandidate["why"]} why */
function factorWords({ speaker, strength, recency }) {
  const words = [
    speaker !== 1 && `its speaker is named ${factor(speaker)}`,
    strength !== 1 && `strength ${factor(strength)}`,
    `age ${factor(recency)}`,
  ].filter((word) => word !== false);
  const text = words.join(", ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/**
 * @param {ExplainedCandidate["way"]["alike"]} alike
 * @param {readonly ExplainedCandidate[]} all
 */
function alikeWords(alike, all) {
  if (alike === undefined) return "Like none before it.";
  const other = all.find(({ id }) => id === alike.id);
  return `${Math.round(alike.likeness * 100)} % like ${other === undefined ? "one before it" : `the one at place ${other.why.place}`}, held against it.`;
}

/**
 * @param {ExplainedCandidate["cut"]} cut
 * @param {Recall["searched"]} searched
 * @param {number} tokens
 */
function answerWords(cut, searched, tokens) {
  if (cut === undefined) return `In the answer, with ${tokens} tokens.`;
  if (cut === "limit") return `Left out: the answer has its ${searched?.limit} memories already.`;
  return `Left out: its ${tokens} tokens do not fit into the ${searched?.maxTokens} of the answer.`;
}
