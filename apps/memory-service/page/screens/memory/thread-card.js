/** @import { Fragment } from "../../../src/index.ts" */
/** @import { Shown } from "./screen.js" */
import { h } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { when } from "../../parts/when.js";
import { addressOf } from "../../router.js";

/**
 * The text, between its neighbours in the conversation.
 *
 * @param {Shown} shown
 */
export function threadCard({ memory }) {
  const { neighbours, position = 0, conversation } = memory;
  const before = neighbours.filter((one) => (one.position ?? 0) < position);
  const after = neighbours.filter((one) => (one.position ?? 0) > position);
  return h(
    "section",
    { class: "thread", "aria-label": "Text" },
    conversation !== undefined &&
      h(
        "p",
        { class: "thread-head" },
        h("span", { class: "label" }, "Conversation"),
        h(
          "a",
          { class: "mono", href: `${addressOf("memories")}?conversation=${encodeURIComponent(conversation)}` },
          conversation,
        ),
        h("span", { class: "quiet small" }, `place ${position + 1}`),
      ),
    before.map((one) => neighbour(one, "Before")),
    h(
      "figure",
      { class: "card said" },
      h("blockquote", { class: "said-text" }, memory.text),
      h("figcaption", {}, factsOf(memory)),
    ),
    after.map((one) => neighbour(one, "After")),
  );
}

/**
 * @param {Fragment} one
 * @param {string} side
 */
function neighbour({ id, text, source, role, saidAt }, side) {
  return h(
    "a",
    { class: "neighbour", href: addressOf("memory", id) },
    h(
      "span",
      { class: "neighbour-head" },
      h("span", { class: "label" }, side),
      h("span", {}, source ?? role),
      when(saidAt, "time"),
    ),
    h("span", { class: "neighbour-text" }, text),
  );
}

/** @param {Shown["memory"]} memory */
function factsOf({ owner, tenant, source, role, saidAt, createdAt, supersededBy }) {
  const fact = (/** @type {string} */ name, /** @type {Node | string} */ value) =>
    h("div", { class: "fact" }, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "facts" },
    fact("Said by", source ?? "not named"),
    fact("Role", role),
    fact("Belongs to", tenant === undefined ? owner : `${tenant}/${owner}`),
    fact("Said", when(saidAt)),
    createdAt !== saidAt && fact("Kept", when(createdAt)),
    supersededBy !== undefined &&
      fact("Superseded by", h("a", { href: addressOf("memory", supersededBy) }, icon("chevron", 12), "the newer one")),
  );
}
