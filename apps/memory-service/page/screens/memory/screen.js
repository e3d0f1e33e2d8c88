/** @import { FragmentDetail } from "../../../src/index.ts" */
/** @import { Stage } from "../registry.js" */
import { fragment } from "../../api.js";
import { h, put } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { isAborted, problem } from "../../parts/problem.js";
import { levelBadge } from "../../parts/level.js";
import { addressOf } from "../../router.js";
import { askToForget } from "./forget-dialog.js";
import { historyCard } from "./history-card.js";
import { sightCard } from "./sight-card.js";
import { strengthCard } from "./strength-card.js";
import { threadCard } from "./thread-card.js";

/**
 * A memory that is shown, and the way to show it again after a change.
 *
 * @typedef {object} Shown
 * @property {FragmentDetail} memory
 * @property {boolean} isOwn
 * @property {Stage} stage
 * @property {() => Promise<void>} reload
 */

/**
 * Shows one memory: its text and neighbours, who sees it, its history, and the way to forget it.
 *
 * @param {Stage} stage
 */
export function memory(stage) {
  const { root, id = "", signal } = stage;
  const title = h("h1", {}, "Memory");
  const actions = h("div", { class: "head-actions" });
  const badge = h("span", {});
  const page = h("div", { class: "page memory-page", "aria-busy": "true" });
  const reload = async () => {
    try {
      const found = await fragment(id, signal);
      const section = document.activeElement?.closest("[aria-labelledby]")?.getAttribute("aria-labelledby");
      const shown = { memory: found, isOwn: isOwn(stage, found), stage, reload };
      put(badge, levelBadge(found.level));
      put(actions, ...actionsOf(shown));
      put(page, ...cardsOf(shown));
      // the keyboard goes on in the section whose control was used
      if (typeof section === "string") focusIn(page, section);
    } catch (error) {
      if (isAborted(error)) return;
      put(badge);
      put(actions);
      put(page, problem(error));
    }
    page.removeAttribute("aria-busy");
  };
  put(
    root,
    h(
      "header",
      { class: "head" },
      h(
        "a",
        { class: "button quiet small", href: addressOf("memories"), "aria-label": "Back to the memories" },
        icon("back"),
      ),
      title,
      badge,
      h("span", { class: "head-note mono memory-id" }, id),
      actions,
    ),
    page,
  );
  void reload();
}

/**
 * @param {HTMLElement} page
 * @param {string} section - id of its heading
 */
function focusIn(page, section) {
  const control = page.querySelector(`[aria-labelledby="${section}"] :is(input:checked, button, summary)`);
  if (control instanceof HTMLElement) control.focus();
}

/**
 * @param {Stage} stage
 * @param {FragmentDetail} found
 */
function isOwn({ principal }, { owner, tenant }) {
  return tenant === undefined && owner === principal.user;
}

/** @param {Shown} shown */
function actionsOf({ memory: { id }, isOwn: isMine, stage: { principal } }) {
  if (!isMine || !principal.scopes.includes("write")) return [];
  return [
    h("button", { class: "button danger", type: "button", onclick: () => askToForget(id) }, icon("trash"), "Forget …"),
  ];
}

/** @param {Shown} shown */
function cardsOf(shown) {
  const main = h("div", { class: "memory-main" }, threadCard(shown));
  if (shown.isOwn)
    return [main, h("div", { class: "memory-side" }, sightCard(shown), strengthCard(shown), historyCard(shown))];
  const words = `It belongs to ${shown.memory.owner}, who lets you see it. Its neighbours, history and grants are the owner’s to see.`;
  return [
    main,
    h(
      "aside",
      { class: "memory-side" },
      h("section", { class: "card panel" }, h("h2", {}, "Seen by you"), h("p", { class: "quiet" }, words)),
    ),
  ];
}
