/** @import { Shown } from "./screen.js" */
import { reinforce } from "../../api.js";
import { h } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { tell } from "../../parts/problem.js";

/**
 * Shows the strength, and strengthens or weakens.
 *
 * @param {Shown} shown
 */
export function strengthCard({ memory, stage, reload }) {
  const failure = h("div", {});
  const change = (/** @type {number} */ value) =>
    tell(failure, async () => (await reinforce(memory.id, value), await reload()));
  const percent = Math.round(memory.strength * 100);
  return h(
    "section",
    { class: "card panel", "aria-labelledby": "strength" },
    h("h2", { id: "strength" }, "Strength"),
    h(
      "div",
      { class: "strength" },
      h("meter", { class: "meter", min: 0, max: 100, value: percent, "aria-label": "Strength in percent" }),
      h("span", { class: "num" }, `${percent} %`),
    ),
    h(
      "p",
      { class: "hint" },
      "A stronger memory comes up a little earlier. It halves in 30 days without a reinforcement.",
    ),
    stage.principal.scopes.includes("write") &&
      h(
        "div",
        { class: "strength-actions" },
        h("button", { class: "button", type: "button", onclick: () => void change(1) }, icon("up"), "It helps"),
        h("button", { class: "button", type: "button", onclick: () => void change(-1) }, icon("down"), "It does not"),
      ),
    failure,
  );
}
