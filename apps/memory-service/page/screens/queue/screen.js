/** @import { JobFigures, JobReport, JobState } from "../../../src/store/index.ts" */
/** @import { Queue } from "../../../src/index.ts" */
/** @import { Stage } from "../registry.js" */
import { jobs, retryJobs } from "../../api.js";
import { h, put } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { isAborted, problem, tell } from "../../parts/problem.js";
import { poll } from "../../poll.js";
import { noteQuery } from "../../router.js";
import { counted, numberWord, spanWord } from "../../words.js";
import { jobRow } from "./job-row.js";
import { modelCard } from "./model-card.js";

/** Milliseconds between two looks. */
const LOOK_MS = 2_000;

/** @type {readonly (readonly [state: string, word: string])[]} */
const STATES = [
  ["", "All"],
  ["waiting", "Waiting"],
  ["running", "Running"],
  ["dead", "Dead"],
];

/**
 * Shows the jobs that give the own memories their vectors.
 *
 * @param {Stage} stage
 */
export function queue({ root, query, principal, signal }) {
  const failure = h("div", {});
  const [figures, model, rows] = [h("div", { class: "figures" }), h("div", {}), h("div", {})];
  const retry = h("button", { class: "button", type: "button", disabled: true }, icon("again"), "Retry dead jobs");
  let isFirst = true;
  const look = async () => {
    const state = query.get("state") ?? "";
    const found = await jobs(state, signal);
    put(figures, figuresOf(found.figures));
    put(model, modelCard(found.model));
    put(rows, listOf(found, state));
    retry.disabled = found.figures.dead === 0 || !principal.scopes.includes("write");
  };
  const lookAgain = async () => {
    try {
      await look();
      if (isFirst) put(failure);
      isFirst = false;
    } catch (error) {
      if (isAborted(error)) return;
      isFirst = true;
      put(failure, problem(error));
    }
  };
  const choose = (/** @type {string} */ state) => {
    if (state === "") query.delete("state");
    else query.set("state", state);
    noteQuery(query);
    void lookAgain();
  };
  const note = h("p", { class: "head-note", role: "status" });
  const retryDead = async () => {
    const { retried } = await retryJobs();
    put(note, `${counted(retried, "job")} ${retried === 1 ? "waits" : "wait"} again`);
    await look();
  };
  retry.addEventListener("click", () => void tell(failure, retryDead));
  put(
    root,
    h("header", { class: "head" }, h("h1", {}, "Queue"), note, h("div", { class: "head-actions" }, retry)),
    h(
      "div",
      { class: "page" },
      failure,
      figures,
      model,
      h(
        "section",
        { class: "jobs", "aria-labelledby": "jobs" },
        h("div", { class: "jobs-head" }, h("h2", { id: "jobs" }, "Jobs"), stateChoices(query, choose)),
        rows,
      ),
    ),
  );
  void poll(lookAgain, LOOK_MS, signal);
}

/**
 * @param {URLSearchParams} query
 * @param {(state: string) => void} choose
 */
function stateChoices(query, choose) {
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "sr-only" }, "State"),
    STATES.map(([state, word]) =>
      h(
        "label",
        { class: "segment" },
        h("input", {
          type: "radio",
          name: "state",
          value: state,
          checked: (query.get("state") ?? "") === state,
          onchange: () => choose(state),
        }),
        h("span", {}, word),
      ),
    ),
  );
}

/** @param {JobFigures} figures */
function figuresOf({ waiting, running, dead, oldestDueAt }) {
  const late = oldestDueAt === undefined ? 0 : Math.max(0, Date.now() - oldestDueAt);
  const figure = (/** @type {string} */ value, /** @type {string} */ word, tone = "idle") =>
    h("div", { class: `figure tone-${tone}` }, h("strong", { class: "num" }, value), h("span", {}, word));
  return [
    figure(numberWord(waiting), "waiting"),
    figure(numberWord(running), "running", running > 0 ? "running" : "idle"),
    figure(numberWord(dead), "dead", dead > 0 ? "failed" : "idle"),
    figure(late === 0 ? "–" : spanWord(late), "overdue", late > 300_000 ? "retry" : "idle"),
  ];
}

/**
 * @param {Queue} queue
 * @param {string} state
 */
function listOf({ jobs: found, figures, model }, state) {
  if (found.length === 0)
    return h(
      "p",
      { class: "card none" },
      state === ""
        ? model === undefined
          ? "No job waits."
          : "No job waits: every memory of yours has its vector."
        : "None in this state.",
    );
  const all =
    state === "" ? figures.waiting + figures.running + figures.dead : figures[/** @type {JobState} */ (state)];
  return [
    h(
      "ul",
      { class: "job-list card" },
      found.map((/** @type {JobReport} */ job) => jobRow(job)),
    ),
    found.length < all &&
      h(
        "p",
        { class: "hint" },
        `The first ${numberWord(found.length)} of ${numberWord(all)}, in the order in which they are due.`,
      ),
  ];
}
