import { h } from "../dom.js";
import { openDialog } from "../parts/dialog.js";
import { addressOf } from "../router.js";
import { SCREENS, SECTIONS } from "../screens/registry.js";

/** Milliseconds in which a letter after `g` goes to a screen. */
const CHORD_MS = 1_200;

/**
 * Listens to the keys of the page; none works while a person types or a dialog is open.
 *
 * @param {AbortSignal} signal
 */
export function listenToKeys(signal) {
  let chordUntil = 0;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const section = SECTIONS.find(({ key }) => key === event.key);
    if (chordUntil > event.timeStamp && section !== undefined) {
      event.preventDefault();
      location.hash = addressOf(section.screen);
    } else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (!(search instanceof HTMLElement)) return;
      event.preventDefault();
      search.focus();
    } else if (event.key === "?") showKeys();
    chordUntil = event.key === "g" ? event.timeStamp + CHORD_MS : 0;
  };
  addEventListener("keydown", onKey, { signal });
}

/** Shows the keys of the page. */
export function showKeys() {
  const rows = [
    ...SECTIONS.map(({ screen, key }) => /** @type {const} */ ([["g", key], `Go to ${SCREENS[screen]?.title}`])),
    /** @type {const} */ ([["/"], "Go to the search or question"]),
    /** @type {const} */ ([["Esc"], "Close a dialog"]),
    /** @type {const} */ ([["?"], "Show these keys"]),
  ];
  openDialog("Keys", () =>
    h(
      "dl",
      { class: "keys" },
      rows.map(([keys, words]) => [
        h(
          "dt",
          {},
          keys.map((key) => h("kbd", { class: "key" }, key)),
        ),
        h("dd", {}, words),
      ]),
    ),
  );
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLElement &&
    target.closest("input:not([type=radio], [type=checkbox]), textarea, select") !== null
  );
}
