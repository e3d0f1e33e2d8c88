import type { StepState, StepView } from "../protocol.ts";

/** Kinds of a bar's parts: dashed, solid, hatched, dotted, dotted thin, thin. */
export type SpanKind = "queued" | "ran" | "held" | "asked" | "slept" | "signal";

/** A part of a bar. */
export interface Span {
  readonly kind: SpanKind;
  readonly from: number;
  readonly to: number;
}

/** A step of a run as a row of the timeline. */
export interface StepRow {
  readonly type: "step";
  readonly key: string;
  readonly step: StepView;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
  readonly spans: readonly Span[];
}

/** A playbook or subflow with its steps below it. */
export interface GroupRow {
  readonly type: "group";
  /** Its path, joined by `/`. */
  readonly key: string;
  readonly name: string;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  readonly state: StepState;
  readonly isFolded: boolean;
}

/** Neighbours that took next to no time, in one row. */
export interface ShortRow {
  readonly type: "short";
  readonly key: string;
  readonly depth: number;
  readonly from: number;
  readonly to: number;
  readonly steps: readonly StepView[];
}

export type TimelineRow = StepRow | GroupRow | ShortRow;

/** Start and end of a run, in epoch milliseconds. */
export interface Extent {
  readonly from: number;
  readonly to: number;
}

/** Choices of the reader. */
export interface TimelineView {
  /** Keys of groups that are folded. */
  readonly folded: ReadonlySet<string>;
  /** Whether neighbours that took less than 1 % of the run share a row. */
  readonly isShortHidden: boolean;
}

const SHORT = 0.01;

/** Returns the parts of a step's bar. What goes on ends at `now`. */
export function spansOf(step: StepView, now: number): Span[] {
  const spans: Span[] = [];
  const add = (kind: SpanKind, from: number, to: number): void => {
    if (to > from) spans.push({ kind, from, to });
  };
  const { queuedAt, startedAt, returnedAt, endedAt } = step;
  if (startedAt === undefined) {
    add("queued", queuedAt, endedAt ?? now);
    return spans;
  }
  add("queued", queuedAt, startedAt);
  const returned = returnedAt ?? endedAt ?? now;
  let ranFrom = startedAt;
  for (const wait of step.waits) {
    add("ran", ranFrom, Math.min(wait.from, returned));
    const to = wait.to ?? endedAt ?? now;
    add(wait.for === "answer" ? "asked" : wait.for === "time" ? "slept" : "signal", wait.from, to);
    ranFrom = Math.max(ranFrom, to);
  }
  add("ran", ranFrom, returned);
  if (returnedAt !== undefined) add("held", Math.max(returnedAt, ranFrom), endedAt ?? now);
  return spans;
}

/** Milliseconds that a row shows: from its start, or from its queue where it never started, to its end. */
export function tookMs({ startedAt, queuedAt, endedAt, returnedAt }: StepView, now: number): number {
  return Math.max(0, (endedAt ?? returnedAt ?? now) - (startedAt ?? queuedAt));
}

/** Returns start and end of a run: the steps of one that goes on may be younger than its last figure. */
export function extentOf(
  run: { startedAt: number; endedAt?: number },
  steps: readonly StepView[],
  now: number,
): Extent {
  const from = steps.reduce((least, { queuedAt }) => Math.min(least, queuedAt), run.startedAt);
  const to = run.endedAt ?? now;
  if (run.endedAt === undefined) return { from, to: Math.max(from + 1, to) };
  return { from, to: Math.max(from + 1, to, latest(steps.map((step) => endOf(step, to)))) };
}

/**
 * Makes the rows of a timeline: steps in the order in which they were queued, those of a playbook or subflow below a row
 * of its own, and neighbours that took less than 1 % in one row.
 */
export function rowsOf(steps: readonly StepView[], extent: Extent, now: number, view: TimelineView): TimelineRow[] {
  const sorted = [...steps].sort((a, b) => a.queuedAt - b.queuedAt || a.seq - b.seq);
  const rows = nest(sorted, 0, "", now, view);
  return view.isShortHidden ? gatherShort(rows, extent, now) : rows;
}

function nest(
  steps: readonly StepView[],
  depth: number,
  prefix: string,
  now: number,
  view: TimelineView,
): TimelineRow[] {
  const rows: TimelineRow[] = [];
  const groups = new Map<string, StepView[]>();
  const places: (StepView | string)[] = [];
  for (const step of steps) {
    const name = step.path[depth];
    if (name === undefined) places.push(step);
    else {
      const known = groups.get(name);
      if (known === undefined) {
        groups.set(name, [step]);
        places.push(name);
      } else known.push(step);
    }
  }
  for (const place of places) {
    if (typeof place !== "string") {
      const spans = spansOf(place, now);
      const from = place.queuedAt;
      rows.push({ type: "step", key: place.id, step: place, depth, from, to: endOf(place, now), spans });
      continue;
    }
    const inside = groups.get(place) as StepView[];
    const key = `${prefix}${place}`;
    const isFolded = view.folded.has(key);
    rows.push({
      type: "group",
      key,
      name: place,
      depth,
      from: earliest(inside.map(({ queuedAt }) => queuedAt)),
      to: latest(inside.map((step) => endOf(step, now))),
      steps: inside.length,
      state: stateOf(inside),
      isFolded,
    });
    if (!isFolded) rows.push(...nest(inside, depth + 1, `${key}/`, now, view));
  }
  return rows;
}

function gatherShort(rows: readonly TimelineRow[], { from, to }: Extent, now: number): TimelineRow[] {
  const limit = (to - from) * SHORT;
  const isShort = (row: TimelineRow): row is StepRow =>
    row.type === "step" && row.step.state === "done" && row.to - row.from < limit && tookMs(row.step, now) < limit;
  const gathered: TimelineRow[] = [];
  for (let index = 0; index < rows.length;) {
    const row = rows[index] as TimelineRow;
    let end = index;
    const short: StepRow[] = [];
    for (let next = rows[end]; next !== undefined && isShort(next) && next.depth === row.depth; next = rows[++end])
      short.push(next);
    if (short.length < 2) {
      gathered.push(row);
      index++;
      continue;
    }
    gathered.push({
      type: "short",
      key: `short ${row.key}`,
      depth: row.depth,
      from: earliest(short.map((each) => each.from)),
      to: latest(short.map((each) => each.to)),
      steps: short.map(({ step }) => step),
    });
    index = end;
  }
  return gathered;
}

function endOf({ endedAt, returnedAt, state }: StepView, now: number): number {
  return endedAt ?? (state === "sending" ? now : (returnedAt ?? now));
}

// a run may have more steps than a call has room for arguments: no Math.max(...)
function earliest(instants: readonly number[]): number {
  return instants.reduce((least, at) => Math.min(least, at), Infinity);
}

function latest(instants: readonly number[]): number {
  return instants.reduce((most, at) => Math.max(most, at), -Infinity);
}

/** Returns the state of a group: the one of its steps that matters most. */
function stateOf(steps: readonly StepView[]): StepState {
  const order: readonly StepState[] = ["failed", "paused", "sending", "running", "waiting", "sleeping", "cancelled"];
  return order.find((state) => steps.some((step) => step.state === state)) ?? "done";
}
