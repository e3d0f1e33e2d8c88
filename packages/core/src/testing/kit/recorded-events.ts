import { requireOneOf } from "../../foundation/options.ts";
import type { FlowEvent, Middleware } from "../../events/flow-event.ts";

const TRACES_KEPT = 1000;

interface Recorded {
  events: FlowEvent[];
  /** Number of traces with the id that have begun and not ended: several when playbooks work for one. */
  open: number;
}

const recorded = new Map<string, Recorded>();

/**
 * A middleware that records the events of the last 1000 traces for {@link getRecordedEvents}. `runOne` adds it
 * automatically.
 */
export const recordFlowEvents: Middleware = (event) => {
  let known = recorded.get(event.traceId);
  if (known === undefined) {
    known = { events: [], open: 0 };
    recorded.set(event.traceId, known);
    const [oldest] = recorded.keys();
    if (recorded.size > TRACES_KEPT) recorded.delete(oldest as string);
  }
  if (event.type === "trace_start") {
    // the id is used again, in another test
    if (known.open === 0) known.events = [];
    known.open += 1;
  } else if (event.type === "trace_end") {
    known.open -= 1;
  }
  known.events.push(event);
};

/**
 * Returns the events of a trace in order, as recorded by `runOne` or {@link recordFlowEvents}, including those of
 * playbooks.
 */
export function getRecordedEvents(traceId: string): readonly FlowEvent[] {
  return recorded.get(traceId)?.events ?? [];
}

/** Options of {@link assertNodeSequence}. */
export interface SequenceOptions {
  /**
   * `"exact"`: every attempt counts. `"collapseRetries"`: the attempts of one message count once. `"partialOrder"`: the
   * names must occur in this order, with any others before, between and after. Names in an inner array may occur in any
   * order in each mode.
   *
   * @defaultValue `"exact"`
   */
  readonly mode?: "exact" | "collapseRetries" | "partialOrder";
}

/**
 * Asserts the order in which the nodes of a trace ran: `assertNodeSequence(id, ["split", ["a", "b"], "join"])`.
 *
 * @throws Error that shows both sequences when they differ or nothing was recorded
 */
export function assertNodeSequence(
  traceId: string,
  expected: readonly (string | readonly string[])[],
  options: SequenceOptions = {},
): void {
  requireOneOf("mode", options.mode ?? "exact", ["exact", "collapseRetries", "partialOrder"]);
  const events = getRecordedEvents(traceId);
  if (events.length === 0)
    throw new Error(
      `No events of trace "${traceId}" were recorded: run it with runOne, or add the middleware recordFlowEvents`,
    );
  const starts = events.filter((event) => event.type === "node_start");
  const counted = options.mode === "collapseRetries" ? starts.filter((event) => event.attempt === 1) : starts;
  const actual = counted.map((event) => event.node);
  if (options.mode === "partialOrder" ? isInOrder(actual, expected) : matches(actual, expected)) return;
  const shown = expected.map((step) => (typeof step === "string" ? step : `{${step.join(", ")}}`));
  throw new Error(
    `Trace "${traceId}" ran other nodes than expected\n  expected: ${shown.join(" → ")}\n  actual:   ${actual.join(" → ") || "none"}`,
  );
}

function matches(actual: readonly string[], expected: readonly (string | readonly string[])[]): boolean {
  let index = 0;
  for (const step of expected) {
    const group = typeof step === "string" ? [step] : step;
    const found = actual.slice(index, index + group.length);
    if ([...found].sort().join("\0") !== [...group].sort().join("\0")) return false;
    index += group.length;
  }
  return index === actual.length;
}

/** Whether the steps occur in sequence in `actual`: each name after all names of the previous step. */
function isInOrder(actual: readonly string[], expected: readonly (string | readonly string[])[]): boolean {
  let from = 0;
  for (const step of expected) {
    const missing = typeof step === "string" ? [step] : [...step];
    while (missing.length > 0) {
      const name = actual[from++];
      if (name === undefined) return false;
      if (missing.includes(name)) missing.splice(missing.indexOf(name), 1);
    }
  }
  return true;
}
