/** @import { Fallback, Recall, RecallItem } from "../../../src/index.ts" */
import { h } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { when } from "../../parts/when.js";
import { addressOf } from "../../router.js";

/** @type {Readonly<Record<Fallback["stage"], string>>} */
const STAGES = { embed: "Found by words alone", rerank: "Ordered by the heuristic", classify: "Judged by the rules" };

/** @type {Readonly<Record<Fallback["reason"], string>>} */
const REASONS = {
  not_configured: "no other way is configured",
  not_rolled_out: "the other way is not rolled out to you",
  model_switching: "the model is being switched",
  timeout: "the other way took too long",
  error: "the other way failed",
  bad_scores: "the other way gave no good scores",
};

/**
 * The answer, as an agent gets it, and the stages that took their second way.
 *
 * @param {Recall} recall
 */
export function answerCard({ items, fallbacks, searched }) {
  const words = searched?.words ?? [];
  return h(
    "section",
    { class: "card panel", "aria-labelledby": "answer" },
    h("h2", { id: "answer" }, "Answer"),
    h(
      "p",
      { class: "searched" },
      h("span", { class: "label" }, "Searched for"),
      words.map((word) => h("span", { class: "tag" }, word)),
      words.length === 0 && h("span", { class: "quiet small" }, "no words: all of them are stop words"),
      searched?.vectors !== undefined &&
        h("span", { class: "tag tone-paused" }, `${searched.vectors.model}, weight ${searched.vectors.weight}`),
    ),
    fallbacks.map(({ stage, reason }) =>
      h(
        "p",
        { class: "fallback" },
        icon("warn", 14),
        h("span", {}, `${STAGES[stage]}: ${REASONS[reason]}`),
        h("code", {}, `${stage} ${reason}`),
      ),
    ),
    h("ol", { class: "answer" }, items.map(answerRow)),
  );
}

/** @param {RecallItem} item */
function answerRow({ id, text, source, role, saidAt }) {
  return h(
    "li",
    {},
    h("a", { class: "answer-text", href: addressOf("memory", id) }, text),
    h("p", { class: "quiet small" }, `${source ?? role}, `, when(saidAt)),
  );
}
