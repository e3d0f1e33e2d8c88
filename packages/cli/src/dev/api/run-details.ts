import { type FlowEvent, OPEN_SEA } from "penguiflow";
import type {
  KeptMessage,
  ModelCallView,
  Page,
  RunEvent,
  StepMessages,
  StepView,
} from "@penguiflow/playground/protocol";
import type { Fact, MessageFact, RecordFact } from "../ipc/fact.ts";
import type { OpenRun } from "../runs/runs.ts";
import { ApiError } from "../server/api-error.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** Events of a page. */
const PAGE = 1_000;

/** Lists the events of a run in order, from a position on. */
export function eventsOf({ runs }: Supervisor, { key }: OpenRun, cursor: string | undefined): Page<RunEvent> {
  const from = Number(cursor ?? 0);
  if (!Number.isSafeInteger(from) || from < 0) throw new ApiError("INPUT_MALFORMED", "The cursor is none of this list");
  const all = inOrder(runs.rows.facts(key));
  const items = all.slice(from, from + PAGE);
  return { items, ...(all.length > from + PAGE && { next: String(from + PAGE) }) };
}

/** Returns the events in the order in which they happened, with the edges and memories that changed before each. */
function inOrder(facts: readonly Fact[]): RunEvent[] {
  const told: (readonly [seq: number, fact: Extract<Fact, { readonly kind: "event" | "record" }>])[] = [];
  for (const fact of facts) {
    if (fact.kind === "event") told.push([fact.event.seq, fact]);
    else if (fact.kind === "record") told.push([fact.record.seq, fact]);
  }
  told.sort(([one], [other]) => one - other);
  const edges = new EdgeDepths();
  const memories = new Map<string, unknown>();
  const events: RunEvent[] = [];
  for (const [, fact] of told) {
    if (fact.kind === "record") {
      edges.add(fact.record);
      for (const message of messagesIn(fact.record))
        if (message.isMemory === true && "value" in message.payload)
          memories.set(message.lineage, message.payload.value);
      continue;
    }
    const { at, event } = fact;
    const { lineage, from } = event as FlowEvent & { readonly lineage?: string; readonly from?: string };
    const memory = lineage === undefined ? undefined : memories.get(lineage);
    if (lineage !== undefined) memories.delete(lineage);
    const changed = edges.take();
    events.push({
      seq: event.seq,
      at,
      event,
      ...(lineage !== undefined && { lineage }),
      ...(from !== undefined && { from }),
      ...(changed !== undefined && { edges: changed }),
      ...(memory !== undefined && { memory }),
    });
  }
  return events;
}

function messagesIn({ message, outputs = [] }: RecordFact): readonly MessageFact[] {
  return message === undefined ? outputs : [message, ...outputs];
}

/** Number of a run's messages on each edge. */
class EdgeDepths {
  readonly #depths = new Map<string, number>();
  /** Edge of each message that waits. */
  readonly #edges = new Map<string, string>();
  readonly #changed = new Set<string>();

  add({ type, path, node = "", lineage = "", outputs = [] }: RecordFact): void {
    if (path.length > 0) return;
    if (type === "accepted" || type === "restored") this.#enter(`${OPEN_SEA}>${node}`, lineage);
    if (type === "started" || type === "dropped" || type === "parked" || type === "fetched") this.#leave(lineage);
    for (const output of outputs) this.#enter(`${node}>${output.node}`, output.lineage);
  }

  /** Returns the depths that have changed since the last call. */
  take(): Readonly<Record<string, number>> | undefined {
    if (this.#changed.size === 0) return undefined;
    const changed = Object.fromEntries([...this.#changed].map((edge) => [edge, this.#depths.get(edge) ?? 0]));
    this.#changed.clear();
    return changed;
  }

  #enter(edge: string, lineage: string): void {
    this.#edges.set(lineage, edge);
    this.#count(edge, 1);
  }

  #leave(lineage: string): void {
    const edge = this.#edges.get(lineage);
    this.#edges.delete(lineage);
    if (edge !== undefined) this.#count(edge, -1);
  }

  #count(edge: string, change: number): void {
    this.#depths.set(edge, (this.#depths.get(edge) ?? 0) + change);
    this.#changed.add(edge);
  }
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
  const events = facts.flatMap((fact) => (fact.kind === "event" && isOfStep(fact.event, step) ? [fact.event] : []));
  const failed = events.findLast((event) => "error" in event);
  const messages = new KeptMessages(facts);
  const input = messages.input(step);
  return {
    step: id,
    ...(input !== undefined && { input }),
    outputs: messages.outputs(step),
    chunks: facts.flatMap((fact) => (fact.kind === "chunk" && isChunkOf(fact, step) ? [chunkOf(fact)] : [])),
    logs: logs.between(step.startedAt ?? step.queuedAt, step.endedAt ?? Date.now()),
    events,
    ...(failed !== undefined && "error" in failed && failed.error !== undefined && { error: errorOf(failed.error) }),
  };
}

/** The messages of a run, by the steps that were given and gave them. */
export class KeptMessages {
  readonly #inputs = new Map<string, { readonly message: MessageFact; readonly at: number }>();
  readonly #outputs = new Map<string, { readonly message: MessageFact; readonly at: number }[]>();

  constructor(facts: readonly Fact[]) {
    for (const fact of facts) {
      if (fact.kind !== "record") continue;
      const { at, record } = fact;
      const path = record.path.join("/");
      for (const message of messagesIn(record)) {
        const key = `${path}/${message.lineage} ${message.node}`;
        if (!this.#inputs.has(key)) this.#inputs.set(key, { message, at });
      }
      const by = `${path}/${record.lineage}.${record.attempt}`;
      const outputs = (record.outputs ?? []).map((message) => ({ message, at }));
      if (outputs.length > 0) this.#outputs.set(by, [...(this.#outputs.get(by) ?? []), ...outputs]);
    }
  }

  /** Returns the message that a step was given, as it is kept. */
  given(step: StepView): MessageFact | undefined {
    return this.#inputs.get(`${step.path.join("/")}/${lineageOf(step)} ${step.node}`)?.message;
  }

  input(step: StepView): KeptMessage | undefined {
    const found = this.#inputs.get(`${step.path.join("/")}/${lineageOf(step)} ${step.node}`);
    return found && shown(found.message, found.at);
  }

  outputs(step: StepView): readonly KeptMessage[] {
    return this.#of(step).map(({ message, at }) => shown(message, at));
  }

  /** Returns the messages that a step gave, as they are kept. */
  sent(step: StepView): readonly MessageFact[] {
    return this.#of(step).map(({ message }) => message);
  }

  #of(step: StepView) {
    return this.#outputs.get(`${step.path.join("/")}/${lineageOf(step)}.${step.attempt}`) ?? [];
  }
}

/** Returns the lineage of a step's message. */
function lineageOf({ id, path, attempt }: StepView): string {
  return id.slice(
    path.reduce((length, name) => length + name.length + 1, 0),
    -`.${attempt}`.length,
  );
}

function shown({ node, lineage, payload, meta }: MessageFact, at: number): KeptMessage {
  const value = "value" in payload ? payload.value : payload.cut;
  const cut = "cut" in payload ? payload.cut.length : undefined;
  return {
    node,
    lineage,
    at,
    payload: value,
    ...(meta !== undefined && { meta }),
    ...(cut !== undefined && { cutAt: cut }),
  };
}

function isChunkOf({ at, chunk }: Extract<Fact, { readonly kind: "chunk" }>, step: StepView): boolean {
  return (
    chunk.node === step.node &&
    chunk.attempt === step.attempt &&
    chunk.path.join("/") === step.path.join("/") &&
    at >= (step.startedAt ?? step.queuedAt) - 1 &&
    at <= (step.endedAt ?? Number.POSITIVE_INFINITY) + 1
  );
}

function chunkOf({ at, chunk }: Extract<Fact, { readonly kind: "chunk" }>): StepMessages["chunks"][number] {
  const { streamId, text, kind, data } = chunk;
  return { at, streamId, text, ...(kind !== undefined && { kind, data }) };
}

/** Lists the model calls of a run: of all steps, or of one. */
export function modelCallsOf({ runs }: Supervisor, { key, run }: OpenRun, id: string | undefined): ModelCallView[] {
  const all = runs.rows.facts(key).flatMap((fact) => (fact.kind === "model" ? [fact.call] : []));
  return all
    .map((call, index): ModelCallView => {
      const { provider, modelId, startedAt, ms, request, reply, tokens, error } = call;
      return {
        step: stepOf(run.steps, call)?.id ?? "",
        call: index + 1,
        provider,
        model: modelId,
        startedAt,
        ms,
        request,
        reply,
        ...(tokens !== undefined && { tokens }),
        ...(error !== undefined && { error: typeof error === "string" ? error : JSON.stringify(error) }),
      };
    })
    .filter(({ step }) => id === undefined || step === id);
}

/** Finds the step that made a model call. */
function stepOf(
  steps: readonly StepView[],
  { node, attempt, idempotencyKey }: Extract<Fact, { readonly kind: "model" }>["call"],
): StepView | undefined {
  return steps.find(
    (step) => step.node === node && step.attempt === attempt && idempotencyKey.endsWith(lineageOf(step)),
  );
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

function isOfStep(event: FlowEvent, step: StepView): boolean {
  return (
    "attempt" in event &&
    event.attempt === step.attempt &&
    event.lineage === lineageOf(step) &&
    event.node === step.node
  );
}
