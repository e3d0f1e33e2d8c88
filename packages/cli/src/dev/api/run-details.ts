import type { Page, RunEvent, StepMessages, StepView } from "@penguiflow/playground/protocol";
import type { FlowEvent } from "penguiflow";
import type { Fact } from "../ipc/fact.ts";
import type { OpenRun } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** Events of a page. */
const PAGE = 1_000;

/** Lists the events of a run in order, from a position on. */
export function eventsOf({ runs }: Supervisor, { key }: OpenRun, cursor: string | undefined): Page<RunEvent> {
  const from = Number(cursor ?? 0);
  if (!Number.isSafeInteger(from) || from < 0) throw new ApiError("INPUT_MALFORMED", "The cursor is none of this list");
  const all = runs.rows
    .facts(key)
    .flatMap((fact, seq): RunEvent[] => (fact.kind === "event" ? [runEvent(fact, seq)] : []));
  const items = all.slice(from, from + PAGE);
  return { items, ...(all.length > from + PAGE && { next: String(from + PAGE) }) };
}

function runEvent({ at, event }: Extract<Fact, { readonly kind: "event" }>, seq: number): RunEvent {
  const { lineage, from } = event as FlowEvent & { readonly lineage?: string; readonly from?: string };
  return { seq, at, event, ...(lineage !== undefined && { lineage }), ...(from !== undefined && { from }) };
}

/**
 * Returns what one step of a run was given and gave.
 *
 * @throws ApiError `RUN_UNKNOWN` if it has no such step
 */
export function messagesOf({ runs, logs }: Supervisor, { key, run }: OpenRun, id: string): StepMessages {
  const step = run.steps.find((each) => each.id === id);
  if (step === undefined) throw new ApiError("RUN_UNKNOWN", `The run has no step "${id}"`);
  const facts = runs.rows.facts(key);
  const events = facts.flatMap((fact) =>
    fact.kind === "event" && isOfStep(fact.event, step, run.place.flow) ? [fact.event] : [],
  );
  const until = step.endedAt ?? Date.now();
  const began = step.startedAt ?? step.queuedAt;
  const failed = events.findLast((event) => "error" in event);
  return {
    step: id,
    outputs: [],
    chunks: facts.flatMap((fact) =>
      fact.kind === "chunk" && fact.chunk.node === step.node && fact.at >= began && fact.at <= until + 1
        ? [
            {
              at: fact.at,
              streamId: fact.chunk.streamId,
              text: fact.chunk.text,
              ...(fact.chunk.kind !== undefined && { kind: fact.chunk.kind, data: fact.chunk.data }),
            },
          ]
        : [],
    ),
    logs: logs.between(began, until),
    events,
    ...(failed !== undefined && "error" in failed && failed.error !== undefined && { error: errorOf(failed.error) }),
  };
}

function errorOf({
  code = "NODE_EXCEPTION",
  message,
  stack,
}: {
  readonly code?: string | undefined;
  readonly message: string;
  readonly stack?: string | undefined;
}) {
  return { code, message, ...(stack !== undefined && { stack }) };
}

function isOfStep(event: FlowEvent, { id, path }: StepView, root: string): boolean {
  if (!("attempt" in event)) return false;
  const { lineage = event.node } = event as typeof event & { readonly lineage?: string };
  return [...path, `${lineage}.${event.attempt}`].join("/") === id && event.flow === [root, ...path].join("/");
}
