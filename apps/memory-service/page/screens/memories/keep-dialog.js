/** @import { Level } from "../../../src/index.ts" */
import { keep } from "../../api.js";
import { h } from "../../dom.js";
import { openDialog } from "../../parts/dialog.js";
import { LEVELS } from "../../parts/level.js";
import { tell } from "../../parts/problem.js";

/**
 * Asks for a text to keep.
 *
 * @param {() => Promise<void>} onKept
 */
export function askToKeep(onKept) {
  openDialog("Remember", (close) => {
    const failure = h("div", {});
    const text = h("textarea", { class: "field", id: "keep-text", rows: 5, required: true, autofocus: true });
    const source = h("input", { class: "field", id: "keep-source" });
    const conversation = h("input", { class: "field", id: "keep-conversation" });
    const level = h(
      "select",
      { class: "field", id: "keep-level" },
      Object.entries(LEVELS).map(([name, { word, who }]) =>
        h("option", { value: name }, `${word}: ${who.toLowerCase()}`),
      ),
    );
    /** @param {Event} event */
    const submit = (event) => {
      event.preventDefault();
      const given = { source: source.value.trim(), conversation: conversation.value.trim() };
      void tell(failure, async () => {
        await keep({
          text: text.value,
          level: /** @type {Level} */ (level.value),
          ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")),
        });
        close();
        await onKept();
      });
    };
    return h(
      "form",
      { class: "fields", onsubmit: submit },
      h("label", { class: "label", for: "keep-text" }, "Text, kept word for word"),
      text,
      h("label", { class: "label", for: "keep-level" }, "Who may see it"),
      level,
      h("label", { class: "label", for: "keep-source" }, "Who said it (optional)"),
      source,
      h("label", { class: "label", for: "keep-conversation" }, "Conversation (optional)"),
      conversation,
      failure,
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { class: "button", type: "button", onclick: close }, "Cancel"),
        h("button", { class: "button primary", type: "submit" }, "Remember"),
      ),
    );
  });
}
