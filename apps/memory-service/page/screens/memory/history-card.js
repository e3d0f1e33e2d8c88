/** @import { MemoryEvent, MemoryEventType } from "../../../src/index.ts" */
/** @import { Shown } from "./screen.js" */
import { events } from "../../api.js";
import { h, put } from "../../dom.js";
import { tell } from "../../parts/problem.js";
import { when } from "../../parts/when.js";

/** @type {Readonly<Record<MemoryEventType, string>>} */
const WORDS = {
  created: "kept",
  recalled: "came up in a search",
  auto_recalled: "came up in an agent’s turn",
  reinforced: "changed in strength",
  privacy_changed: "changed its level",
  embedded: "got its vector",
  embedding_failed: "got no vector",
  shared: "was shared",
  unshared: "was taken back",
  feedback_classified: "was judged by a turn",
  superseded: "was superseded",
  erased: "was erased",
};

/**
 * History of a memory, newest first.
 *
 * @param {Shown} shown
 */
export function historyCard({ memory }) {
  const rows = h("ol", { class: "history" }, memory.history.map(historyRow));
  const more = h("div", {});
  const failure = h("div", {});
  /** @type {string | undefined} */
  let cursor;
  // the answer of the memory has the first page without its cursor: all is asked for, from the start
  const showAll = () =>
    tell(failure, async () => {
      const { items, next } = await events(memory.id, cursor);
      if (cursor === undefined) put(rows);
      rows.append(...items.map(historyRow));
      cursor = next;
      if (next === undefined) put(more);
    });
  if (memory.history.length >= 50)
    put(more, h("button", { class: "button small", type: "button", onclick: () => void showAll() }, "Show more"));
  return h(
    "section",
    { class: "card panel", "aria-labelledby": "history" },
    h("h2", { id: "history" }, "History"),
    rows,
    failure,
    more,
  );
}

/** @param {MemoryEvent} event */
function historyRow({ at, type, actor, detail }) {
  const details = Object.entries(detail).map(([name, value]) => `${name}: ${value}`);
  return h(
    "li",
    { "data-type": type },
    h("span", { class: "history-words" }, WORDS[type]),
    details.length > 0 && h("span", { class: "quiet small" }, details.join(", ")),
    h("span", { class: "quiet small" }, `by ${actor}, `, when(at)),
  );
}
