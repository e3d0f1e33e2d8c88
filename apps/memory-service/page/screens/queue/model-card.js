/** @import { ModelProgress } from "../../../src/index.ts" */
import { h } from "../../dom.js";
import { numberWord } from "../../words.js";

/**
 * The way to the current model: while it is switched, the old vectors answer.
 *
 * @param {ModelProgress | undefined} model
 */
export function modelCard(model) {
  if (model === undefined) {
    return h(
      "section",
      { class: "card panel model" },
      h("h2", {}, "No embedder"),
      h(
        "p",
        { class: "quiet" },
        "This memory gives no vectors: memories are found by their words, at once. Nothing has to wait in a queue.",
      ),
    );
  }
  const { current, active, ready, total } = model;
  const isSwitching = active !== undefined && active !== current;
  return h(
    "section",
    { class: "card panel model" },
    h("h2", {}, isSwitching ? "Switching the model" : "Model"),
    h(
      "p",
      { class: "model-names" },
      isSwitching && [
        h("code", {}, active),
        h("span", { class: "quiet" }, "answers until 99 % of the tenant have vectors of"),
        " ",
      ],
      h("code", {}, current),
      !isSwitching && h("span", { class: "quiet" }, active === undefined ? "answers once it has vectors" : "answers"),
    ),
    h(
      "div",
      { class: "strength" },
      h("meter", {
        class: "meter",
        min: 0,
        max: Math.max(total, 1),
        value: ready,
        "aria-label": "Your memories with a vector of the current model",
      }),
      h("span", { class: "num" }, `${numberWord(ready)} of ${numberWord(total)}`),
    ),
    h(
      "p",
      { class: "hint" },
      "Your memories that have a vector of the current model. Those without are found by their words.",
    ),
  );
}
