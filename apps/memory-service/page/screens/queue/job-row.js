/** @import { JobReport, JobState } from "../../../src/store/index.ts" */
import { h } from "../../dom.js";
import { addressOf } from "../../router.js";
import { counted, spanWord } from "../../words.js";

/** @type {Readonly<Record<JobState, string>>} */
const TONES = { waiting: "idle", running: "running", dead: "failed" };

/**
 * A job: the memory, its state and attempts, and the kind of its last failure.
 *
 * @param {JobReport} job
 */
export function jobRow({ fragment, model, state, attempts, dueAt, error }) {
  const wait = dueAt - Date.now();
  return h(
    "li",
    { class: "job" },
    h("span", { class: `badge tone-${TONES[state]}` }, state),
    h("a", { class: "mono job-memory", href: addressOf("memory", fragment) }, fragment),
    h(
      "span",
      { class: "quiet small job-facts" },
      [
        model,
        counted(attempts, "attempt"),
        state === "waiting" && wait > 0 && `due in ${spanWord(wait)}`,
        error !== undefined && `last failure: ${error}`,
      ]
        .filter((fact) => fact !== false)
        .join(" · "),
    ),
  );
}
