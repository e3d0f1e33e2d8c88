import {
  type Attributes,
  type Context,
  context as contexts,
  diag,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace as traces,
  type Tracer,
} from "@opentelemetry/api";
import {
  type ErrorPayload,
  type FlowEvent,
  Message,
  type NodeSuccessEvent,
  type ProbedAttempt,
  type ProbedTrace,
  type RemoteSkill,
  type TraceEndEvent,
} from "penguiflow";
import { isAppEvent } from "penguiflow/adapter";
import { type AttemptOutcome, ERROR_TYPE, GenAi, Messaging, Own, SERVER_ADDRESS, SERVER_PORT } from "./conventions.ts";
import {
  beginRun,
  describeOutcome,
  type ModelCall,
  type PlanBeginning,
  type PlanOutcome,
  type ToolCall,
  writeModelCall,
  writeToolCall,
} from "./gen-ai-spans.ts";
import { isRemoteEnd, type RemoteEnd, remoteStateOf } from "./remote-events.ts";
import { carriedBy, carrying, producersOf } from "./trace-context.ts";

/** Transforms a payload before it is written; `undefined` withholds it. */
export type Contents = (
  payload: unknown,
  place: { readonly flow: string; readonly node: string; readonly side: "input" | "output" },
) => unknown;

/** Maximum length of a written payload: backends show no more, and a batch of spans must stay small. */
const LONGEST_TEXT = 8192;

/** Prefix of the types that planners tell: `begin`, `step`, `result` and `end`, without contents. */
const PLANNER = "app.planner.";

/** Event of the program's own, whatever types it declares. */
interface ToldEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly at: number;
}

interface OpenAttempt {
  readonly span: Span;
  /** Context that is active while the handler runs. */
  readonly context: Context;
}

interface OpenTrace {
  readonly span: Span;
  /** Active context without the span, for example with the caller's baggage. */
  readonly context: Context;
  readonly parentId: string | undefined;
  readonly attempts: Set<OpenAttempt>;
}

/**
 * Writes the spans of one run: one for each trace, and below it one for each attempt. The parent of an attempt is its
 * trace. The attempt that sent its message is a link, as the messaging conventions require.
 *
 * Open spans are stored on the traces and attempts themselves, so that they are released with them.
 */
export class SpanWriter {
  readonly #tracer: Tracer;
  readonly #flow: string;
  readonly #contents: Contents | undefined;
  readonly #traces = new WeakMap<ProbedTrace, OpenTrace>();
  readonly #attempts = new WeakMap<ProbedAttempt, OpenAttempt>();

  constructor(tracer: Tracer, flow: string, contents: Contents | undefined) {
    this.#tracer = tracer;
    this.#flow = flow;
    this.#contents = contents;
  }

  /** Begins the span of a trace. Its parent is the caller's active context, else the one the message carries. */
  begin(trace: ProbedTrace, message: Message): void {
    const active = contexts.active();
    const carried = traces.getSpan(active) === undefined ? carriedBy(message) : undefined;
    const parent = carried === undefined ? active : traces.setSpanContext(active, carried);
    const attributes: Attributes = {
      [GenAi.OPERATION_NAME]: GenAi.INVOKE_WORKFLOW,
      [GenAi.AGENT_NAME]: this.#flow,
      [Own.FLOW]: this.#flow,
      [Own.TRACE_ID]: trace.id,
      [Own.TENANT]: trace.tenant,
    };
    if (message.headers.topic !== undefined) attributes[Own.TOPIC] = message.headers.topic;
    const name = `${GenAi.INVOKE_WORKFLOW} ${this.#flow}`;
    const span = this.#tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes }, parent);
    this.#traces.set(trace, {
      span,
      context: traces.setSpan(parent, span),
      parentId: traces.getSpanContext(parent)?.spanId,
      attempts: new Set(),
    });
  }

  /** Puts the context of the trace's span into an entering message. Any other sender becomes a link. */
  enter(trace: ProbedTrace, message: Message): Message {
    const open = this.#traces.get(trace);
    if (open === undefined || !isSpanContextValid(open.span.spanContext())) return message;
    for (const sender of [traces.getSpanContext(contexts.active()), carriedBy(message)]) {
      if (sender !== undefined && isSpanContextValid(sender) && sender.spanId !== open.parentId)
        open.span.addLink({ context: sender });
    }
    return carrying(message, open.span.spanContext());
  }

  /** Calls a handler with its attempt's span active and in the meta of its message. */
  handle(attempt: ProbedAttempt, handler: (message: Message) => unknown): void {
    const open = this.#attempts.get(attempt);
    if (open === undefined) {
      const context = this.#traces.get(attempt.trace)?.context ?? contexts.active();
      contexts.with(context, () => handler(attempt.message));
      return;
    }
    const { span, context } = open;
    const own = span.spanContext();
    const message = isSpanContextValid(own) ? carrying(attempt.message, own) : attempt.message;
    const returned = contexts.with(context, () => handler(message));
    if (this.#contents === undefined || !span.isRecording()) return;
    this.#write(span, attempt, "input", message);
    if (returned instanceof Promise)
      returned.then(
        (value: unknown) => this.#write(span, attempt, "output", value),
        () => {},
      );
    else this.#write(span, attempt, "output", returned);
  }

  fetched(attempt: ProbedAttempt, message: Message): void {
    const span = this.#attempts.get(attempt)?.span;
    for (const producer of producersOf(message)) span?.addLink({ context: producer });
  }

  event(event: FlowEvent, trace: ProbedTrace, attempt: ProbedAttempt | undefined): void {
    if (event.type === "trace_end") {
      this.#endTrace(event, trace);
    } else if (event.type === "trace_unload") {
      this.#unload(trace);
    } else if (attempt !== undefined) {
      if (event.type === "node_start") this.#start(trace, attempt, event.queueMs);
      else if (event.type === "node_success") this.#end(trace, attempt, "success", undefined, timesOf(event));
      else if (event.type === "node_error") this.#end(trace, attempt, "error", event.error);
      else if (event.type === "node_timeout") this.#end(trace, attempt, "timeout", event.error);
      else if (event.type === "node_cancelled") this.#end(trace, attempt, "cancelled");
      else if (isRemoteEnd(event)) this.#describe(attempt, remoteEndOf(event));
      else if (isAppEvent(event)) {
        const told: ToldEvent = event;
        if (told.type.startsWith(PLANNER)) this.#planned(trace, attempt, told);
        else this.#tell(attempt, told);
      }
    }
  }

  /**
   * Adds attributes to an attempt. Its span may have ended: a call is cancelled when its result is no longer wanted.
   */
  #describe(attempt: ProbedAttempt, attributes: Attributes): void {
    const span = this.#attempts.get(attempt)?.span;
    if (span?.isRecording() === true) span.setAttributes(attributes);
  }

  /** Adds what a handler tells to its span, as a span event. */
  #tell(attempt: ProbedAttempt, { type, data, at }: ToldEvent): void {
    const attributes = data === undefined ? {} : { [Own.DATA]: JSON.stringify(data).slice(0, LONGEST_TEXT) };
    this.#attempts.get(attempt)?.span.addEvent(type, attributes, at);
  }

  /**
   * Writes what a planner tells: model and tool calls as spans below those of their attempts, the run as the span of its
   * trace.
   */
  #planned(trace: ProbedTrace, attempt: ProbedAttempt, { type, data, at }: ToldEvent): void {
    const open = this.#attempts.get(attempt);
    const run = this.#traces.get(trace)?.span;
    if (open === undefined || run === undefined) return;
    const { attempt: number } = attempt;
    if (type === "app.planner.begin") beginRun(run, data as PlanBeginning);
    else if (type === "app.planner.step")
      writeModelCall(this.#tracer, open.context, at, { ...(data as Omit<ModelCall, "attempt">), attempt: number });
    else if (type === "app.planner.result")
      writeToolCall(this.#tracer, open.context, at, { ...(data as Omit<ToolCall, "attempt">), attempt: number });
    else if (type === "app.planner.end") describeOutcome(run, data as PlanOutcome);
  }

  #start(trace: ProbedTrace, attempt: ProbedAttempt, queueMs: number): void {
    const { message, node, remote: callee } = attempt;
    const open = this.#traces.get(trace);
    // an unsampled trace has no attempt spans: its messages propagate its context unchanged
    if (open?.span.isRecording() === false) return;
    const producers = producersOf(message);
    const rootId = open?.span.spanContext().spanId;
    const links: Link[] = producers.filter(({ spanId }) => spanId !== rootId).map((context) => ({ context }));
    const parent = open?.context ?? remote(producers[0]);
    const destination = `${this.#flow}/${node}`;
    const attributes: Attributes = {
      ...(callee === undefined ? processingOf(trace, attempt, destination, producers.length) : invocationOf(callee)),
      [Own.FLOW]: this.#flow,
      [Own.NODE]: node,
      [Own.TENANT]: trace.tenant,
      [Own.ATTEMPT]: attempt.attempt,
      [Own.QUEUE_MS]: queueMs,
    };
    const name = callee === undefined ? `${Messaging.PROCESS} ${destination}` : `${GenAi.INVOKE_AGENT} ${callee.skill}`;
    const kind = callee === undefined ? SpanKind.CONSUMER : SpanKind.CLIENT;
    const span = this.#tracer.startSpan(name, { kind, attributes, links }, parent);
    const opened = { span, context: traces.setSpan(parent, span) };
    this.#attempts.set(attempt, opened);
    open?.attempts.add(opened);
  }

  #end(
    trace: ProbedTrace,
    attempt: ProbedAttempt,
    outcome: AttemptOutcome,
    error?: ErrorPayload,
    attributes?: Attributes,
  ): void {
    const open = this.#attempts.get(attempt);
    if (open === undefined) return;
    this.#traces.get(trace)?.attempts.delete(open);
    finish(open.span, outcome, error, attributes);
  }

  #endTrace(event: TraceEndEvent, trace: ProbedTrace): void {
    const open = this.#traces.get(trace);
    if (open === undefined) return;
    this.#traces.delete(trace);
    // attempts that were still sending when the trace ended
    for (const { span } of open.attempts) finish(span, "abandoned");
    open.attempts.clear();
    const error = isFailure(event.status) ? event.error : undefined;
    finish(open.span, event.status, error, { [Own.RESULTS]: event.results });
  }

  /** Ends the span of a trace that leaves memory: its later attempts link to those before. */
  #unload(trace: ProbedTrace): void {
    const open = this.#traces.get(trace);
    if (open === undefined) return;
    this.#traces.delete(trace);
    // attempts that have paused
    for (const { span } of open.attempts) finish(span, "unloaded");
    open.attempts.clear();
    finish(open.span, "unloaded");
  }

  /** Writes an input or output. Payload getters and the user's own function may throw, and must not break the flow. */
  #write(span: Span, { node }: ProbedAttempt, side: "input" | "output", value: unknown): void {
    try {
      const payload: unknown = value instanceof Message ? value.payload : value;
      const shown = this.#contents?.(payload, { flow: this.#flow, node, side });
      const text = typeof shown === "string" ? shown : JSON.stringify(shown);
      if (text !== undefined) span.setAttribute(side === "input" ? Own.INPUT : Own.OUTPUT, text.slice(0, LONGEST_TEXT));
    } catch (error) {
      diag.error("penguiflow: contents cannot be written", error);
    }
  }
}

/** Describes an attempt as the processing of a message. */
function processingOf(
  trace: ProbedTrace,
  { idempotencyKey }: ProbedAttempt,
  destination: string,
  producers: number,
): Attributes {
  return {
    [Messaging.SYSTEM]: Messaging.SYSTEM_VALUE,
    [Messaging.OPERATION_NAME]: Messaging.PROCESS,
    [Messaging.OPERATION_TYPE]: Messaging.PROCESS,
    [Messaging.DESTINATION]: destination,
    [Messaging.MESSAGE_ID]: idempotencyKey,
    [Messaging.CONVERSATION_ID]: trace.id,
    ...(producers > 1 ? { [Messaging.BATCH_SIZE]: producers } : {}),
  };
}

/** Describes an attempt as the call of an agent. Set before the span begins, so that samplers see it. */
function invocationOf({ skill, agentUrl }: RemoteSkill): Attributes {
  return {
    [GenAi.OPERATION_NAME]: GenAi.INVOKE_AGENT,
    [GenAi.PROVIDER_NAME]: GenAi.PROVIDER_VALUE,
    [GenAi.AGENT_NAME]: skill,
    ...serverOf(URL.parse(agentUrl)),
  };
}

function serverOf(url: URL | null): Attributes {
  if (url === null || url.hostname === "") return {};
  const port = url.port || DEFAULT_PORTS[url.protocol];
  // the convention requires IPv6 addresses without brackets
  const address = url.hostname.replace(/^\[|\]$/g, "");
  return { [SERVER_ADDRESS]: address, ...(port === undefined ? {} : { [SERVER_PORT]: Number(port) }) };
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

function remoteEndOf(event: RemoteEnd): Attributes {
  const { taskId, contextId, bytesSent, bytesReceived } = event;
  const attributes: Attributes = { [Own.REMOTE_STATE]: remoteStateOf(event) };
  if (taskId !== undefined) attributes[Own.REMOTE_TASK_ID] = taskId;
  if (contextId !== undefined) attributes[GenAi.CONVERSATION_ID] = contextId;
  if (bytesSent !== undefined) attributes[Own.REMOTE_SENT] = bytesSent;
  if (bytesReceived !== undefined) attributes[Own.REMOTE_RECEIVED] = bytesReceived;
  return attributes;
}

function timesOf({ queueMs, runMs, emitMs }: NodeSuccessEvent): Attributes {
  return { [Own.QUEUE_MS]: queueMs, [Own.RUN_MS]: runMs, [Own.EMIT_MS]: emitMs };
}

/** Whether an outcome counts as an error: a trace that was cancelled on purpose does not. */
export function isFailure(status: string): boolean {
  return status === "failed" || status === "exhausted" || status === "empty";
}

function finish(span: Span, outcome: string, error?: ErrorPayload, attributes?: Attributes): void {
  span.setAttribute(Own.OUTCOME, outcome);
  if (attributes !== undefined) span.setAttributes(attributes);
  if (error !== undefined) {
    const { name, message, stack } = error.cause ?? error;
    span.setAttribute(ERROR_TYPE, error.code ?? error.name);
    span.recordException({ name, message, ...(stack === undefined ? {} : { stack }) });
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}

/** Builds the context of a trace that began in another process. */
function remote(parent: SpanContext | undefined): Context {
  return parent === undefined ? ROOT_CONTEXT : traces.setSpanContext(ROOT_CONTEXT, parent);
}
