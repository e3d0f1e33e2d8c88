import type { FlowEvent, FlowEventType, Middleware } from "./flow-event.ts";

/** What is used of a channel of `node:diagnostics_channel`. */
interface Channel {
  readonly hasSubscribers: boolean;
  publish(event: FlowEvent): void;
}

/** What is used of a host that may have Node's own modules. */
interface Host {
  readonly process?: {
    getBuiltinModule?(name: "node:diagnostics_channel"): { channel(name: string): Channel } | undefined;
  };
}

const TYPES: Readonly<Record<FlowEventType, true>> = {
  trace_start: true,
  trace_end: true,
  node_start: true,
  node_success: true,
  node_error: true,
  node_timeout: true,
  node_retry: true,
  node_failed: true,
  node_cancelled: true,
  node_zombie: true,
  node_late: true,
  deadline_skip: true,
  message_drop: true,
  route_drop: true,
  result_drop: true,
  join_wait: true,
  deadlock: true,
  trace_cancel_start: true,
  trace_cancel_finish: true,
  node_pause: true,
  node_resume: true,
  trace_pause: true,
  remote_call_start: true,
  remote_stream_event: true,
  remote_call_success: true,
  remote_call_error: true,
  remote_call_cancelled: true,
};

let channels: ReadonlyMap<string, Channel> | undefined;

/**
 * The middlewares of a run, with one more if somebody has subscribed to a diagnostics channel of an event:
 * `penguiflow:node_failed` and so on. Asked once per run, so that channels without subscribers cost nothing.
 */
export function withChannels(middlewares: readonly Middleware[]): readonly Middleware[] {
  channels ??= openChannels();
  for (const { hasSubscribers } of channels.values()) if (hasSubscribers) return [...middlewares, publish];
  return middlewares;
}

function publish(event: FlowEvent): void {
  channels?.get(event.type)?.publish(event);
}

/** One channel for each type of event; none where the host has no such channels, as in browsers. */
function openChannels(): ReadonlyMap<string, Channel> {
  const diagnostics = (globalThis as Host).process?.getBuiltinModule?.("node:diagnostics_channel");
  if (diagnostics === undefined) return new Map();
  return new Map(Object.keys(TYPES).map((type) => [type, diagnostics.channel(`penguiflow:${type}`)]));
}
