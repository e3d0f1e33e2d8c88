/** @import { Fragment, RecallItem } from "../../../src/index.ts" */
/** @import { Stage } from "../registry.js" */
import { list } from "../../api.js";
import { h, put } from "../../dom.js";
import { empty } from "../../parts/empty.js";
import { icon } from "../../parts/icon.js";
import { isAborted, problem, tell } from "../../parts/problem.js";
import { noteQuery } from "../../router.js";
import { counted, dayWord } from "../../words.js";
import { askToKeep } from "./keep-dialog.js";
import { filterBar } from "./filter-bar.js";
import { memoryRow } from "./row.js";

/** @typedef {Fragment & Partial<RecallItem> & { readonly isOwn: boolean }} Item */

/**
 * Lists what the principal may see: newest first, or those that answer a search, best first.
 *
 * @param {Stage} stage
 */
export function memories({ root, query, principal, signal }) {
  const note = h("p", { class: "head-note", role: "status" });
  const shown = h("div", { class: "memories" });
  let asked = new AbortController();
  const load = async () => {
    asked.abort();
    asked = new AbortController();
    const until = AbortSignal.any([asked.signal, signal]);
    noteQuery(query);
    shown.setAttribute("aria-busy", "true");
    try {
      await showPage({ shown, note, query, user: principal.user, signal: until });
    } catch (error) {
      if (isAborted(error)) return;
      put(note);
      put(shown, problem(error));
    }
    shown.removeAttribute("aria-busy");
  };
  const canWrite = principal.scopes.includes("write");
  put(
    root,
    h(
      "header",
      { class: "head" },
      h("h1", {}, "Memories"),
      note,
      canWrite &&
        h(
          "div",
          { class: "head-actions" },
          h(
            "button",
            { class: "button primary", type: "button", onclick: () => askToKeep(load) },
            icon("plus"),
            "Remember …",
          ),
        ),
    ),
    filterBar(query, principal, () => void load()),
    h("div", { class: "page" }, shown),
  );
  void load();
}

/**
 * A list that is being shown.
 *
 * @typedef {object} Listing
 * @property {HTMLElement} shown
 * @property {HTMLElement} note
 * @property {URLSearchParams} query
 * @property {string} user - the principal's
 * @property {AbortSignal} signal
 */

/**
 * @param {Listing} listing
 * @param {string} [cursor]
 */
async function pageOf({ query, user, signal }, cursor) {
  const filter = new URLSearchParams([...query, ...(cursor === undefined ? [] : [["cursor", cursor]])]);
  const { items, next } = await list(filter, signal);
  return { next, items: items.map((item) => ({ ...item, isOwn: item.tenant === undefined && item.owner === user })) };
}

/** @param {Listing} listing */
async function showPage(listing) {
  const { shown, note, query } = listing;
  const { items, next } = await pageOf(listing);
  const isSearch = query.has("q");
  const words = counted(items.length, "memory", "memories");
  put(note, isSearch ? `${words} found, best first` : next === undefined ? words : `the newest ${items.length}`);
  if (items.length === 0) {
    const isFiltered = query.size > 0;
    put(
      shown,
      isFiltered
        ? empty(
            "ask",
            "Nothing fits",
            "No memory that you may see fits this search. Take a filter away, or use other words.",
          )
        : empty(
            "memories",
            "Nothing is kept yet",
            "What an agent or you say to this memory appears here, word for word.",
          ),
    );
    return;
  }
  put(
    shown,
    isSearch
      ? h(
          "ol",
          { class: "memory-list card" },
          items.map((item) => memoryRow(item)),
        )
      : byDay(items),
  );
  if (next === undefined) return;
  const more = h("div", { class: "more" });
  offerMore(more, listing, next);
  shown.append(more);
}

/**
 * @param {HTMLElement} more
 * @param {Listing} listing
 * @param {string} cursor
 */
function offerMore(more, listing, cursor) {
  const failure = h("div", {});
  const load = async () => {
    const { items, next } = await pageOf(listing, cursor);
    const days = byDay(items);
    more.before(...days);
    days[0]?.querySelector("a")?.focus();
    if (next === undefined) more.remove();
    else offerMore(more, listing, next);
  };
  put(
    more,
    failure,
    h(
      "button",
      { class: "button", type: "button", onclick: () => void tell(failure, load) },
      icon("down"),
      "Show older",
    ),
  );
}

/** @param {readonly Item[]} items */
function byDay(items) {
  return [...Map.groupBy(items, ({ createdAt }) => dayWord(createdAt))].map(([day, those]) =>
    h(
      "section",
      { class: "day" },
      h("h2", { class: "label" }, day),
      h(
        "ul",
        { class: "memory-list card" },
        those.map((item) => memoryRow(item)),
      ),
    ),
  );
}
