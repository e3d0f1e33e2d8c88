import { s } from "../dom.js";

/** Outlines on a field of 16 × 16. */
const OUTLINES = {
  memories: "M3 3h10M3 6.3h10M3 9.6h6M3 13h4",
  ask: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4M10.2 10.2l3.3 3.3",
  queue: "M2.5 8.7h3.2l1 1.8h2.6l1-1.8h3.2M2.5 8.7l1.7-5.2h7.6l1.7 5.2v4.3h-11z",
  flows: "M2 3.5h4v3H2zM10 9.5h4v3h-4zM6 5h3a2 2 0 0 1 2 2v2.5",
  private: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  tenant: "M2.5 7.5 8 2.8l5.5 4.7M4 6.5v6.7h8V6.5M6.7 13.2V9.5h2.6v3.7",
  shared:
    "M5.8 7.6a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4M2 13c0-2.2 1.6-3.6 3.8-3.6S9.6 10.8 9.6 13M10.6 7.4a2 2 0 1 0-.4-3.9M11.4 9.6c1.6.3 2.6 1.6 2.6 3.4",
  plus: "M8 3v10M3 8h10",
  close: "m4 4 8 8M12 4l-8 8",
  chevron: "m6 3.5 4.5 4.5L6 12.5",
  back: "M10 3.5 5.5 8 10 12.5",
  trash: "M3 4.5h10M6.5 4.3V2.8h3v1.5M4.2 4.5l.6 8.7h6.4l.6-8.7",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3",
  check: "m3 8.5 3.3 3.3L13 4.8",
  out: "M6 2.8H3v10.4h3M9.5 5 12.8 8l-3.3 3M12.5 8H6",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  warn: "M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6M8 5v3.6M8 10.7v.3",
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2 1.3",
  up: "M8 13V3.5M4 7.2 8 3.2l4 4",
  down: "M8 3v9.5M4 8.8l4 4 4-4",
  key: "M5 6.5a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M7 7.4l5.5-5M10.4 4.4l1.8 1.9",
};

/** @typedef {keyof typeof OUTLINES} IconName */

/**
 * An outline in the colour of its text. It is decoration: the words beside it carry the meaning.
 *
 * @param {IconName} name
 * @param {number} [size]
 */
export function icon(name, size = 16) {
  return s(
    "svg",
    { class: "icon", width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: OUTLINES[name] }),
  );
}
