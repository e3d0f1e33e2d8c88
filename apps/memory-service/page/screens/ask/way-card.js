/** @import { ExplainedCandidate, Recall } from "../../../src/index.ts" */
import { h, put } from "../../dom.js";
import { stagesOf } from "./stages.js";
import { stepsOf } from "./steps.js";
import { drawWays, ROW } from "./way-drawing.js";

/** Candidates that are drawn at first. */
const DRAWN = 12;

/** @type {Readonly<Record<"limit" | "tokens", string>>} */
export const CUTS = { limit: "cut: limit", tokens: "cut: tokens" };

/**
 * The ways of the candidates through the stages, as lines, and that of the chosen one in words.
 *
 * @param {Recall} recall
 * @param {readonly ExplainedCandidate[]} candidates
 */
export function wayCard(recall, candidates) {
  const stages = stagesOf(recall);
  const picture = h("div", { class: "ways" });
  const steps = h("div", { class: "steps", "aria-live": "polite" });
  const show = (/** @type {number} */ count) => {
    const drawn = candidates.slice(0, count);
    const drawing = drawWays(drawn, stages, recall.items.length);
    const choose = (/** @type {ExplainedCandidate} */ candidate) => {
      for (const row of rows) row.setAttribute("aria-pressed", String(row.dataset["id"] === candidate.id));
      drawing.mark(candidate.id);
      put(
        steps,
        h("h3", {}, "Why it is at this place"),
        h("blockquote", { class: "steps-text" }, candidate.text),
        stepsOf(candidate, recall, candidates),
      );
    };
    const rows = drawn.map((candidate) => rowOf(candidate, () => choose(candidate)));
    put(picture, h("div", { class: "ways-grid" }, drawing.element, h("div", { class: "ways-names" }, rows)));
    const [first] = drawn;
    if (first !== undefined) choose(first);
    if (count < candidates.length)
      picture.append(
        h(
          "button",
          { class: "button small", type: "button", onclick: () => show(candidates.length) },
          `Show all ${candidates.length}`,
        ),
      );
  };
  show(DRAWN);
  return h(
    "section",
    { class: "card panel", "aria-labelledby": "ways" },
    h("h2", { id: "ways" }, "The way of each candidate"),
    h(
      "p",
      { class: "hint" },
      "A line is a candidate, a number its place after the stage. What is below the dashed line, or broken, is not in the answer. Choose one to read its way.",
    ),
    picture,
    steps,
  );
}

/**
 * @param {ExplainedCandidate} candidate
 * @param {() => void} onChoose
 */
function rowOf({ id, text, why, cut }, onChoose) {
  const row = h(
    "button",
    {
      class: "ways-name",
      type: "button",
      "data-id": id,
      "data-cut": cut ?? false,
      "aria-pressed": "false",
      onclick: onChoose,
    },
    h("span", { class: "ways-place num" }, why.place),
    h("span", { class: "ways-text" }, text),
    cut !== undefined && h("span", { class: "tag" }, CUTS[cut]),
  );
  row.style.height = `${ROW}px`;
  return row;
}
