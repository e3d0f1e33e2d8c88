import { isAppEvent } from "./app-event.ts";
import type { FlowEvent, FlowEventType, Middleware } from "./flow-event.ts";
import { defaultLogger, type Logger, type LogLevel } from "./logger.ts";

/** Options of {@link logFlowEvents}. */
export interface LogFlowEventsOptions {
  /** Event types to log. @defaultValue all */
  readonly types?: readonly FlowEventType[];
  /** Changes or withholds a line's fields before it is written. Return `undefined` to omit the line. */
  readonly redact?: (
    fields: Readonly<Record<string, unknown>>,
    event: FlowEvent,
  ) => Readonly<Record<string, unknown>> | undefined;
  /** Receives the latency of each finished attempt, in milliseconds. */
  readonly onLatency?: (event: FlowEvent, latencyMs: number) => void;
}

/** Creates a middleware that writes one structured line per event. Payloads are never included, the data of `ctx.tell` is. */
export function logFlowEvents(logger: Logger = defaultLogger, options: LogFlowEventsOptions = {}): Middleware {
  const types = options.types === undefined ? undefined : new Set(options.types);
  return (event) => {
    if (types !== undefined && !types.has(event.type)) return;
    if ("latencyMs" in event && !("skill" in event)) options.onLatency?.(event, event.latencyMs);
    const { type, ...rest } = event;
    const fields = options.redact === undefined ? rest : options.redact(rest, event);
    if (fields !== undefined) logger[levelOf(event)](type, fields);
  };
}

/** Formats an event as one readable line, with unprintable characters escaped. */
export function formatFlowEvent(event: FlowEvent): string {
  const { type, at, traceId, ...rest } = event;
  const details = Object.entries(rest)
    .filter(([key, value]) => value !== undefined && !ELSEWHERE.has(key))
    .map(([key, value]) => `${key}=${detail(value)}`);
  const place = "node" in event ? ` ${event.node}` : "";
  const line = `${new Date(at).toISOString()} ${event.flow}${place} ${type} trace=${traceId} ${details.join(" ")}`;
  return line
    .replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .trimEnd();
}

/** Fields of no detail: the line begins with two of them, and ids of messages would make it unreadable. */
const ELSEWHERE: ReadonlySet<string> = new Set(["flow", "tenant", "node", "lineage", "seq"]);

// control characters and any kind of line break would break the line or the terminal
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function levelOf(event: FlowEvent): LogLevel {
  if (isAppEvent(event)) return "info";
  switch (event.type) {
    case "node_failed":
    case "deadlock":
      return "error";
    case "node_error":
    case "node_timeout":
    case "node_retry":
    case "node_fallback":
    case "node_zombie":
    case "node_late":
    case "deadline_skip":
    case "result_drop":
    case "signal_drop":
    case "remote_call_error":
      return "warn";
    case "trace_end":
      return event.status === "failed" ? "error" : "info";
    case "trace_start":
    case "node_start":
    case "node_success":
    case "node_cancelled":
    case "message_drop":
    case "route_drop":
    case "join_wait":
    case "trace_cancel_start":
    case "trace_cancel_finish":
    case "node_pause":
    case "node_resume":
    case "node_sleep":
    case "trace_pause":
    case "signal_accept":
    case "signal_wait":
    case "remote_call_start":
    case "remote_call_success":
    case "remote_call_cancelled":
      return "info";
    case "trace_unload":
    case "remote_stream_event":
      return "debug";
  }
}

function detail(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(2);
  if (typeof value === "object" && value !== null && "message" in value && "name" in value) {
    return JSON.stringify(`${String(value.name)}: ${String(value.message)}`);
  }
  return JSON.stringify(value) ?? String(value);
}
