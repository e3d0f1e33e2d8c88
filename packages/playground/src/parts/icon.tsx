/** Outlines on a field of 16 × 16. */
const OUTLINES = {
  chat: "M2.5 3.5h11v7.5h-6l-3 2.5v-2.5h-2z",
  approvals: "M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6M8 5v3.6M8 10.7v.3",
  runs: "M2.5 4h11M2.5 8h7M2.5 12h9",
  flows: "M2 3.5h4v3H2zM10 9.5h4v3h-4zM6 5h3a2 2 0 0 1 2 2v2.5",
  tools:
    "M13.2 4.6 11 6.8 9.2 5l2.2-2.2a3.4 3.4 0 0 0-4.5 4.3L2.6 11.4a1.4 1.4 0 0 0 2 2l4.3-4.3a3.4 3.4 0 0 0 4.3-4.5",
  memory:
    "M3 4.2c0-1 2.2-1.8 5-1.8s5 .8 5 1.8-2.2 1.8-5 1.8-5-.8-5-1.8M3 4.2v7.6c0 1 2.2 1.8 5 1.8s5-.8 5-1.8V4.2M3 9.5c0 1 2.2 1.8 5 1.8s5-.8 5-1.8",
  lint: "M2.5 2.5h11v11h-11zM5.2 8.2l2 2 3.8-4.2",
  simulate: "M1.5 8.5h3l1.8-5 3 9 1.8-4h3.4",
  threads: "M3 3h10M3 6.3h10M3 9.6h6M3 13h4",
  compare: "M6 2.5v11M10 2.5v11M2.5 5.5H6M10 10.5h3.5M2.5 10.5H6M10 5.5h3.5",
  up: "M8 13V3.5M4 7.2 8 3.2l4 4",
  stop: "M4.5 4.5h7v7h-7z",
  plus: "M8 3v10M3 8h10",
  edit: "m10.6 3 2.4 2.4-7.4 7.4-3 .6.6-3z",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4M10.2 10.2l3.3 3.3",
  close: "m4 4 8 8M12 4l-8 8",
  chevron: "m6 3.5 4.5 4.5L6 12.5",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  clip: "m12.8 7.6-5 5a3 3 0 0 1-4.3-4.2l5.3-5.3a2 2 0 0 1 2.9 2.8l-5.2 5.2a1 1 0 0 1-1.4-1.4l4.6-4.6",
  trash: "M3 4.5h10M6.5 4.3V2.8h3v1.5M4.2 4.5l.6 8.7h6.4l.6-8.7",
  flask: "M6 2.5h4M6.8 2.5v4L3.4 12a1 1 0 0 0 .9 1.5h7.4a1 1 0 0 0 .9-1.5L9.2 6.5v-4M5 10h6",
  play: "m4.5 3 8 5-8 5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  check: "m3 8.5 3.3 3.3L13 4.8",
  cross: "m4 4 8 8M12 4l-8 8",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3",
  half: "M8 2.5a5.5 5.5 0 1 0 5.5 5.5",
  barred: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 11.8l7.6-7.6",
  open: "M9 2.8h4.2V7M13 3 7.5 8.5M11.5 9.5v3.7H2.8V4.5h3.7",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
} as const;

export type IconName = keyof typeof OUTLINES;

/** An outline icon in the colour of its text. It is decoration: the words beside it carry the meaning. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={OUTLINES[name]} />
    </svg>
  );
}
