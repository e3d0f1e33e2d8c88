/** @import { CheckedPrincipal } from "../../../src/index.ts" */
import { h } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { LEVELS } from "../../parts/level.js";

/** Milliseconds after the last letter until it is searched. */
const TYPING_MS = 250;

/**
 * The search and the filters. Each changes `query` and tells it.
 *
 * @param {URLSearchParams} query
 * @param {CheckedPrincipal} principal
 * @param {() => void} onChange
 */
export function filterBar(query, principal, onChange) {
  const set = (/** @type {string} */ name, /** @type {string} */ value) => {
    if (value === "") query.delete(name);
    else query.set(name, value);
    onChange();
  };
  let timer = 0;
  const search = h("input", {
    class: "field search-field",
    type: "search",
    "aria-label": "Search in memories",
    placeholder: "Search by words or meaning",
    value: query.get("q") ?? "",
    "data-search": true,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => set("q", search.value.trim()), TYPING_MS);
    },
  });
  const more = ["conversation", "since", "until"].filter((name) => query.has(name)).length;
  return h(
    "search",
    { class: "filters" },
    h("div", { class: "search-box" }, icon("ask"), search, h("kbd", { class: "key" }, "/")),
    h("fieldset", { class: "segments" }, h("legend", { class: "sr-only" }, "Who may see it"), levelChoices(query, set)),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: query.has("user"),
        onchange: (/** @type {Event} */ { target }) =>
          set("user", /** @type {HTMLInputElement} */ (target).checked ? principal.user : ""),
      }),
      "Mine only",
    ),
    h(
      "details",
      { class: "more-filters", open: more > 0 },
      h("summary", {}, "More filters"),
      h(
        "div",
        { class: "more-fields" },
        field("Conversation", {
          value: query.get("conversation") ?? "",
          onchange: valueTo((value) => set("conversation", value)),
        }),
        field("Said since", {
          type: "date",
          value: dateOf(query.get("since")),
          onchange: valueTo((value) => set("since", midnightOf(value, 0))),
        }),
        field("Said until", {
          type: "date",
          value: dateOf(query.get("until"), -1),
          onchange: valueTo((value) => set("until", midnightOf(value, 1))),
        }),
      ),
    ),
  );
}

/**
 * @param {URLSearchParams} query
 * @param {(name: string, value: string) => void} set
 */
function levelChoices(query, set) {
  const choices = [["", "All"], ...Object.entries(LEVELS).map(([level, { word }]) => [level, word])];
  return choices.map(([level = "", word]) =>
    h(
      "label",
      { class: "segment" },
      h("input", {
        type: "radio",
        name: "level",
        value: level,
        checked: (query.get("level") ?? "") === level,
        onchange: () => set("level", level),
      }),
      h("span", {}, word),
    ),
  );
}

/**
 * @param {string} name
 * @param {Readonly<Record<string, unknown>>} props
 */
function field(name, props) {
  return h(
    "label",
    { class: "labelled" },
    h("span", { class: "label" }, name),
    h("input", { class: "field", ...props }),
  );
}

/** @param {(value: string) => void} use */
function valueTo(use) {
  return (/** @type {Event} */ { target }) => use(/** @type {HTMLInputElement} */ (target).value.trim());
}

/**
 * Returns the instant of a day's midnight here, `days` later.
 *
 * @param {string} date
 * @param {number} days
 */
function midnightOf(date, days) {
  if (date === "") return "";
  const at = new Date(`${date}T00:00`);
  at.setDate(at.getDate() + days);
  return String(at.getTime());
}

/**
 * @param {string | null} instant
 * @param {number} [days]
 */
function dateOf(instant, days = 0) {
  if (instant === null) return "";
  const at = new Date(Number(instant));
  at.setDate(at.getDate() + days);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
