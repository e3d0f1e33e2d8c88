/** @import { ExplainedCandidate } from "../../../src/index.ts" */
import { h } from "../../dom.js";
import { addressOf } from "../../router.js";
import { CUTS } from "./way-card.js";

const HEADS = [
  "Place",
  "Memory",
  "Words",
  "Vectors",
  "Points",
  "Speaker",
  "Strength",
  "Age",
  "Factors",
  "Order",
  "Likeness",
  "Tokens",
  "Answer",
];

/**
 * All numbers of all candidates.
 *
 * @param {readonly ExplainedCandidate[]} candidates
 */
export function numbersCard(candidates) {
  return h(
    "details",
    { class: "card panel numbers" },
    h("summary", {}, "In numbers"),
    h(
      "div",
      { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Candidates in numbers" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            HEADS.map((head) => h("th", { scope: "col" }, head)),
          ),
        ),
        h("tbody", {}, candidates.map(rowOf)),
      ),
    ),
  );
}

/** @param {ExplainedCandidate} candidate */
function rowOf({ id, text, why, way, cut }) {
  const points = (way.shares.words + way.shares.vectors) * 1_000;
  const cells = [
    ...[place(why.words), place(why.vectors), points.toFixed(1)],
    ...[why.speaker, why.strength, why.recency].map((value) => value.toFixed(2)),
    ...[
      place(way.heuristic),
      place(why.order),
      way.alike === undefined ? "–" : way.alike.likeness.toFixed(2),
      way.tokens,
    ],
    cut === undefined ? "in" : CUTS[cut],
  ];
  return h(
    "tr",
    { "data-cut": cut ?? false },
    h("td", {}, why.place),
    h("th", { scope: "row" }, h("a", { href: addressOf("memory", id) }, text)),
    cells.map((cell) => h("td", {}, cell)),
  );
}

/** @param {number | undefined} value */
function place(value) {
  return value === undefined ? "–" : `#${value}`;
}
