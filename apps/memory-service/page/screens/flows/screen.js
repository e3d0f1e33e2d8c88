/** @import { DrawnFlow, Queue } from "../../../src/index.ts" */
/** @import { Stage } from "../registry.js" */
import { flows, jobs } from "../../api.js";
import { h, put } from "../../dom.js";
import { isAborted, problem } from "../../parts/problem.js";
import { poll } from "../../poll.js";
import { flowCard } from "./flow-card.js";

/** Milliseconds between two looks. */
const LOOK_MS = 1_000;

/**
 * Draws the flows with the counts of the principal's own requests, as they go on.
 *
 * @param {Stage} stage
 */
export function flowsScreen({ root, signal }) {
  const failure = h("div", {});
  // a stop for the keyboard: without one the drawings could not be scrolled
  const shown = h("div", {
    class: "flow-cards",
    tabindex: 0,
    role: "region",
    "aria-label": "Drawings",
    "aria-busy": "true",
  });
  const live = h("span", { class: "live", "data-live": "false" }, "live");
  const page = h("div", { class: "page" }, failure, shown);
  /** @type {Map<string, ReturnType<typeof flowCard>>} */
  const cards = new Map();
  const isNarrow = matchMedia("(max-width: 860px)");
  /** @type {(() => void) | undefined} */
  let draw;
  isNarrow.addEventListener("change", () => (cards.clear(), put(shown), draw?.()), { signal });
  const look = async () => {
    try {
      const [{ flows: drawn }, queue] = await Promise.all([flows(signal), jobs("", signal)]);
      draw = () => show(drawn, queue);
      draw();
      put(failure);
      live.dataset["live"] = "true";
    } catch (error) {
      if (isAborted(error)) return;
      live.dataset["live"] = "false";
      put(failure, problem(error));
    }
    shown.removeAttribute("aria-busy");
  };
  const show = (/** @type {readonly DrawnFlow[]} */ drawn, /** @type {Queue} */ queue) => {
    for (const flow of drawn) {
      const known = cards.get(flow.name);
      const card = known ?? flowCard(flow, isNarrow.matches);
      card.update(flow, queue);
      if (known !== undefined) continue;
      cards.set(flow.name, card);
      shown.append(card.element);
    }
  };
  put(
    root,
    h(
      "header",
      { class: "head" },
      h("h1", {}, "Flows"),
      h("p", { class: "head-note" }, "Counts of your own requests since the server started"),
      h("div", { class: "head-actions" }, live),
    ),
    page,
  );
  void poll(look, LOOK_MS, signal);
}
