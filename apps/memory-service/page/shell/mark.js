import { s } from "../dom.js";

/** The penguin. */
export function mark() {
  const body = [
    "M12 1.6c-4.6 0-6.4 3.6-6.4 7.8v6c0 4.4 2.6 7 6.4 7s6.4-2.6 6.4-7v-6c0-4.2-1.8-7.8-6.4-7.8z",
    "M5.6 12c-1.6 1.8-2.2 4-1.8 6.6 1.2-.6 1.8-1.6 2.2-3.2zM18.4 12c1.6 1.8 2.2 4 1.8 6.6-1.2-.6-1.8-1.6-2.2-3.2z",
  ];
  const belly =
    "M12 8.2c-1.6-1.8-4.2-.8-4 2 .1 1.4.4 2.2.2 4.2-.2 3.4 1.4 5.6 3.8 5.6s4-2.2 3.8-5.6c-.2-2 .1-2.8.2-4.2.2-2.8-2.4-3.8-4-2z";
  return s(
    "svg",
    { class: "mark", width: 22, height: 22, viewBox: "0 0 24 24", "aria-hidden": "true" },
    body.map((d) => s("path", { class: "mark-body", d })),
    s("path", { class: "mark-belly", d: belly }),
    s("circle", { class: "mark-body", cx: 10.1, cy: 9.6, r: 0.9 }),
    s("circle", { class: "mark-body", cx: 13.9, cy: 9.6, r: 0.9 }),
    s("path", { class: "mark-beak", d: "M10.5 11.2h3L12 13.2z" }),
  );
}
