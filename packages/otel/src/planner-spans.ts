import {
  type Attributes,
  type Context,
  context as contexts,
  diag,
  type Span,
  SpanKind,
  trace as traces,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { requireKnownKeys } from "penguiflow/adapter";
import { GenAi, Own, SCHEMA_URL, SCOPE } from "./conventions.ts";
import { describeOutcome, type PlanOutcome, writeModelCall, writeToolCall } from "./gen-ai-spans.ts";

/** An event of a planner's run, as far as spans need it: a `PlanEvent` of `@penguiflow/planner` is one. */
export interface PlannerEvent {
  readonly type: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly runId: string;
  readonly step: number;
  readonly path: readonly string[];
}

/** Transforms contents before they are written; `undefined` withholds them. */
export type PlannerContents = (
  value: unknown,
  place: { readonly of: "answer" | "arguments" | "result"; readonly tool?: string | undefined },
) => unknown;

/** Options of {@link plannerSpans}. */
export interface PlannerSpansOptions {
  /** Name of the planner. */
  readonly name: string;
  /** Tracer provider. @defaultValue the registered one */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Writes what the model says, arguments and results into spans, as this function returns them. @defaultValue not written */
  readonly contents?: PlannerContents | undefined;
}

/** Length of a written content. */
const LONGEST_TEXT = 8192;

/**
 * Writes the spans of a planner's run from its events, and yields the events: those of `planner.stream(…)` as they happen,
 * or those of `planner.trajectory(…)` later. A run is an `invoke_agent` span, a model call a `chat` span below it, a tool
 * call an `execute_tool` span; planners below have `invoke_agent` spans of their own. Its parent is the active span.
 *
 * @throws TypeError when an option is unknown or of the wrong kind
 */
export function plannerSpans<Event extends PlannerEvent>(
  events: AsyncIterable<Event>,
  options: PlannerSpansOptions,
): AsyncGenerator<Event, void, undefined> {
  requireKnownKeys("plannerSpans", options, ["name", "tracerProvider", "contents"]);
  if (typeof options.name !== "string" || options.name === "")
    throw new TypeError('Option "name" of plannerSpans must be the name of the planner');
  const provider = options.tracerProvider ?? traces.getTracerProvider();
  const tracer = provider.getTracer(SCOPE, undefined, { schemaUrl: SCHEMA_URL });
  return write(events, new RunWriter(tracer, contexts.active(), options));
}

async function* write<Event extends PlannerEvent>(
  events: AsyncIterable<Event>,
  writer: RunWriter,
): AsyncGenerator<Event, void, undefined> {
  try {
    for await (const event of events) {
      writer.event(event);
      yield event;
    }
  } finally {
    writer.stop();
  }
}

/** Fields of the events that have spans. */
interface Fields {
  readonly text?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly tokensIn?: number;
  readonly tokensOut?: number;
  readonly costUsd?: number;
  readonly ms?: number;
  readonly attempt?: number;
  readonly callId?: string;
  readonly tool?: string;
  readonly args?: unknown;
  readonly output?: { readonly kind: string; readonly code?: string };
  readonly end?: PlanOutcome;
}

interface OpenRun {
  readonly span: Span;
  readonly context: Context;
  /** Calls without a result, by id. */
  readonly calls: Map<string, { readonly tool: string; readonly args: unknown }>;
}

/** Writes the spans of one run and of the runs below it. */
class RunWriter {
  readonly #tracer: Tracer;
  readonly #outer: Context;
  readonly #options: PlannerSpansOptions;
  /** Open runs by place, the outermost first. */
  readonly #runs = new Map<string, OpenRun>();

  constructor(tracer: Tracer, outer: Context, options: PlannerSpansOptions) {
    this.#tracer = tracer;
    this.#outer = outer;
    this.#options = options;
  }

  event(event: PlannerEvent): void {
    const { type, at, path, runId, step } = event;
    const fields = event as PlannerEvent & Fields;
    const { ms = 0, attempt = 1, callId = "", output } = fields;
    const place = JSON.stringify([runId, path]);
    const run = this.#runs.get(place) ?? this.#begin(event, place, at - ms);
    if (type === "call") run.calls.set(callId, { tool: fields.tool ?? "", args: fields.args });
    else if (type === "step") {
      const { model, provider, tokensIn, tokensOut, costUsd = 0 } = fields;
      const call = { step, model, provider, tokensIn, tokensOut, costUsd, ms, attempt };
      writeModelCall(this.#tracer, run.context, at, call, this.#answer(fields.text));
    } else if (type === "result" && output !== undefined) {
      const { tool, args } = run.calls.get(callId) ?? { tool: fields.tool ?? "unknown", args: undefined };
      run.calls.delete(callId);
      const { kind: outcome, code } = output;
      const contents = {
        ...this.#content(GenAi.TOOL_ARGUMENTS, args, { of: "arguments", tool }),
        ...this.#content(GenAi.TOOL_RESULT, output, { of: "result", tool }),
      };
      writeToolCall(this.#tracer, run.context, at, { callId, tool, outcome, code, ms, attempt }, contents);
    } else if (type === "end" || type === "paused") {
      this.#runs.delete(place);
      describeOutcome(run.span, fields.end ?? { status: type });
      run.span.end(at);
    }
  }

  /** Ends what the events have left open: their reader has left, or they have failed. */
  stop(): void {
    for (const { span } of [...this.#runs.values()].reverse()) {
      span.setAttribute(Own.PLAN_OUTCOME, "abandoned");
      span.end();
    }
    this.#runs.clear();
  }

  /** Begins the span of a run, below that of the run that is nearest above it. */
  #begin({ runId, path }: PlannerEvent, place: string, startTime: number): OpenRun {
    const name = path.at(-1) ?? this.#options.name;
    const above = path.map((_, index) => JSON.stringify([runId, path.slice(0, index)])).reverse();
    const [first] = this.#runs.values();
    const parent = above.map((one) => this.#runs.get(one)).find((run) => run !== undefined) ?? first;
    const attributes: Attributes = {
      [GenAi.OPERATION_NAME]: GenAi.INVOKE_AGENT,
      [GenAi.PROVIDER_NAME]: GenAi.PROVIDER_VALUE,
      [GenAi.AGENT_NAME]: name,
      [Own.TRACE_ID]: runId,
    };
    const options = { kind: SpanKind.INTERNAL, attributes, startTime };
    const outer = parent?.context ?? this.#outer;
    const span = this.#tracer.startSpan(`${GenAi.INVOKE_AGENT} ${name}`, options, outer);
    const run = { span, context: traces.setSpan(outer, span), calls: new Map<string, never>() };
    this.#runs.set(place, run);
    return run;
  }

  #answer(text: string | undefined): Attributes {
    const shown = this.#shown(text, { of: "answer" });
    if (shown === undefined) return {};
    const content = typeof shown === "string" ? shown : JSON.stringify(shown);
    const message = { role: "assistant", parts: [{ type: "text", content: content.slice(0, LONGEST_TEXT) }] };
    return { [GenAi.OUTPUT_MESSAGES]: JSON.stringify([message]) };
  }

  #content(attribute: string, value: unknown, place: Parameters<PlannerContents>[1]): Attributes {
    const shown = this.#shown(value, place);
    const text = typeof shown === "string" ? shown : JSON.stringify(shown);
    return text === undefined ? {} : { [attribute]: text.slice(0, LONGEST_TEXT) };
  }

  /** Calls the user's function. What it throws must not break the run. */
  #shown(value: unknown, place: Parameters<PlannerContents>[1]): unknown {
    try {
      return value === undefined ? undefined : this.#options.contents?.(value, place);
    } catch (error) {
      diag.error("penguiflow: contents cannot be written", error);
      return undefined;
    }
  }
}
