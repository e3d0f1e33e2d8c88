/** @import { Child } from "../dom.js" */
import { h } from "../dom.js";
import { icon } from "./icon.js";

/**
 * Opens a dialog; Escape and its cross close it, and the focus goes back to where it was.
 *
 * @param {string} title
 * @param {(close: () => void) => Child} content
 */
export function openDialog(title, content) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => dialog.remove() });
  const close = () => dialog.close();
  dialog.append(
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id: "dialog-title" }, title),
      h(
        "button",
        { class: "button quiet small", type: "button", "aria-label": "Close", onclick: close },
        icon("close"),
      ),
    ),
    h("div", { class: "dialog-body" }, content(close)),
  );
  document.body.append(dialog);
  dialog.showModal();
}
