/** @import { DrawnFlow, Queue } from "../../../src/index.ts" */
import { h, put } from "../../dom.js";
import { counted, numberWord, spanWord } from "../../words.js";
import { drawFlow } from "./flow-drawing.js";

/**
 * A flow: its drawing, and its counts, which `update` brings up to date.
 *
 * @param {DrawnFlow} flow
 * @param {boolean} isNarrow
 */
export function flowCard(flow, isNarrow) {
  const drawing = drawFlow(flow, isNarrow);
  const counts = h("p", { class: "flow-counts" });
  // the drawing says its shape; a screen reader gets the counts as a list
  const list = h("ul", { class: "sr-only" });
  const element = h(
    "section",
    { class: "card flow", "aria-label": flow.name, "data-flow": flow.name },
    h("header", { class: "flow-head" }, h("h2", { class: "mono" }, flow.name), counts),
    drawing.element,
    list,
  );
  const update = (/** @type {DrawnFlow} */ now, /** @type {Queue} */ queue) => {
    put(counts, ...countsOf(now, queue));
    drawing.update(now);
    if (!now.isBackground)
      put(
        list,
        now.nodes.map((node) => h("li", {}, wordsOf(node))),
      );
  };
  return { element, update };
}

/**
 * @param {DrawnFlow} flow
 * @param {Queue} queue
 */
function countsOf({ running, completed, failed, isBackground }, { figures, model }) {
  if (isBackground) {
    const words =
      model === undefined
        ? "in the background: no embedder"
        : `in the background: ${numberWord(model.ready)} of your ${counted(model.total, "memory", "memories")} ready`;
    return [
      h("span", {}, words),
      figures.waiting > 0 && h("span", { class: "tag" }, `${numberWord(figures.waiting)} waiting`),
      figures.dead > 0 && h("span", { class: "tag tone-failed" }, `${numberWord(figures.dead)} dead`),
    ];
  }
  return [
    h("span", {}, `${numberWord(completed)} completed`),
    running > 0 && h("span", { class: "tag tone-running" }, `${numberWord(running)} running`),
    failed > 0 && h("span", { class: "tag tone-failed" }, `${numberWord(failed)} failed`),
  ];
}

/** @param {DrawnFlow["nodes"][number]} node */
function wordsOf({ name, done, failed, fellBack, meanMs }) {
  return [
    `${name}: ${numberWord(done)} done`,
    failed > 0 && `${numberWord(failed)} failed`,
    fellBack > 0 && `${numberWord(fellBack)} by the second way`,
    meanMs !== undefined && `${spanWord(meanMs)} on average`,
  ]
    .filter((part) => part !== false)
    .join(", ");
}
