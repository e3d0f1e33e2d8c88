/** @import { Recall } from "../../../src/index.ts" */
/** @import { Stage } from "../registry.js" */
import { retrieve } from "../../api.js";
import { h, put } from "../../dom.js";
import { empty } from "../../parts/empty.js";
import { isAborted, problem } from "../../parts/problem.js";
import { noteQuery } from "../../router.js";
import { answerCard } from "./answer-card.js";
import { numbersCard } from "./numbers-card.js";
import { wayCard } from "./way-card.js";

/**
 * Asks the memory, and shows the whole way of each candidate.
 *
 * @param {Stage} stage
 */
export function asking({ root, query, signal }) {
  const note = h("p", { class: "head-note", role: "status" });
  const shown = h("div", { class: "ask-answer" });
  const given = (/** @type {string} */ name, /** @type {number} */ usual) => Number(query.get(name) ?? usual);
  const question = h("input", {
    class: "field ask-field",
    id: "question",
    type: "search",
    required: true,
    "data-search": true,
    value: query.get("q") ?? "",
    placeholder: "What do you want to know?",
  });
  const limit = h("input", { class: "field", id: "limit", type: "number", min: 1, value: given("limit", 10) });
  const maxTokens = h("input", {
    class: "field",
    id: "max-tokens",
    type: "number",
    min: 1,
    value: given("maxTokens", 2_000),
  });
  let asked = new AbortController();
  const ask = async () => {
    asked.abort();
    asked = new AbortController();
    query.set("q", question.value);
    query.set("limit", limit.value);
    query.set("maxTokens", maxTokens.value);
    noteQuery(query);
    const wanted = { query: question.value, limit: limit.valueAsNumber, maxTokens: maxTokens.valueAsNumber };
    try {
      const recall = await retrieve(wanted, AbortSignal.any([asked.signal, signal]));
      put(note, summaryOf(recall));
      put(shown, ...cardsOf(recall));
    } catch (error) {
      if (isAborted(error)) return;
      put(note);
      put(shown, problem(error));
    }
  };
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    void ask();
  };
  put(
    root,
    h("header", { class: "head" }, h("h1", {}, "Ask"), note),
    h(
      "div",
      { class: "page" },
      h(
        "form",
        { class: "card ask-form", onsubmit: submit },
        h("label", { class: "sr-only", for: "question" }, "Question"),
        question,
        h("label", { class: "ask-number", for: "limit" }, "at most", limit, "memories"),
        h("label", { class: "ask-number", for: "max-tokens" }, "and", maxTokens, "tokens"),
        h("button", { class: "button primary", type: "submit" }, "Ask"),
      ),
      shown,
    ),
  );
  if (query.has("q")) void ask();
  else
    put(
      shown,
      empty(
        "ask",
        "Ask as an agent would",
        "You get what it would get, and the way of every candidate: where words and vectors found it, what moved it, and why it was left out.",
      ),
    );
}

/** @param {Recall} recall */
function summaryOf({ items, candidates = [] }) {
  return `${items.length} of ${candidates.length} candidates are in the answer`;
}

/** @param {Recall} recall */
function cardsOf(recall) {
  const { candidates = [] } = recall;
  if (candidates.length === 0)
    return [
      empty(
        "ask",
        "Nothing was found",
        "No memory that you may see has these words. The search looks for the words themselves and their stems.",
      ),
    ];
  return [answerCard(recall), wayCard(recall, candidates), numbersCard(candidates)];
}
