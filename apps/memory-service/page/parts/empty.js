/** @import { IconName } from "./icon.js" */
/** @import { Child } from "../dom.js" */
import { h } from "../dom.js";
import { icon } from "./icon.js";

/**
 * The place of a list that has nothing.
 *
 * @param {IconName} sign
 * @param {string} title
 * @param {...Child} words
 */
export function empty(sign, title, ...words) {
  return h(
    "div",
    { class: "empty" },
    h("div", { class: "empty-sign" }, icon(sign, 22)),
    h("h2", {}, title),
    h("p", {}, words),
  );
}
