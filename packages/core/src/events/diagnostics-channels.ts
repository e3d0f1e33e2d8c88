import { isAppEvent } from "./app-event.ts";
import type { FlowEvent, FlowEventType, Middleware } from "./flow-event.ts";

/** The part of a `node:diagnostics_channel` channel that is used. */
export interface Channel {
  readonly hasSubscribers: boolean;
  /** Calls the subscribers, one after the other. */
  publish(message: unknown): void;
}

/** The part of a host that may provide Node's own modules. */
interface Host {
  readonly process?: {
    getBuiltinModule?(name: "node:diagnostics_channel"): { channel(name: string): Channel } | undefined;
  };
}

/**
 * Channels of more than events: the runs of all flows, the records of their traces, the chunks of their streams, and the
 * model calls of planners.
 */
const TAPS: readonly TapName[] = ["run", "record", "chunk", "model"];
/** Name of a channel of more than events. */
export type TapName = "run" | "record" | "chunk" | "model";

/** Channel of all events that handlers report with `ctx.tell`. */
const APP = "app";

const TYPES: Readonly<Record<Exclude<FlowEventType, `app.${string}`> | typeof APP, true>> = {
  [APP]: true,
  trace_start: true,
  trace_end: true,
  node_start: true,
  node_success: true,
  node_error: true,
  node_timeout: true,
  node_retry: true,
  node_failed: true,
  node_fallback: true,
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
  node_sleep: true,
  trace_pause: true,
  signal_accept: true,
  signal_wait: true,
  signal_drop: true,
  trace_unload: true,
  remote_call_start: true,
  remote_stream_event: true,
  remote_call_success: true,
  remote_call_error: true,
  remote_call_cancelled: true,
};

let channels: ReadonlyMap<string, Channel> | undefined;
let taps: ReadonlyMap<string, Channel> | undefined;

/**
 * Returns the middlewares of a run, plus one if a diagnostics channel of an event (`penguiflow:node_failed` and so on)
 * has a subscriber. Evaluated once per run, so that channels without subscribers cost nothing.
 */
export function withChannels(middlewares: readonly Middleware[]): readonly Middleware[] {
  channels ??= openChannels(Object.keys(TYPES));
  for (const { hasSubscribers } of channels.values()) if (hasSubscribers) return [...middlewares, publish];
  return middlewares;
}

/** Returns the channel `penguiflow:NAME` if it has a subscriber now. A run asks when it begins. */
export function subscribedTap(name: TapName): Channel | undefined {
  taps ??= openChannels(TAPS);
  const channel = taps.get(name);
  return channel?.hasSubscribers === true ? channel : undefined;
}

function publish(event: FlowEvent): void {
  channels?.get(isAppEvent(event) ? APP : event.type)?.publish(event);
}

/** Opens one channel per name; none on hosts without diagnostics channels, such as browsers. */
function openChannels(names: readonly string[]): ReadonlyMap<string, Channel> {
  const diagnostics = (globalThis as Host).process?.getBuiltinModule?.("node:diagnostics_channel");
  if (diagnostics === undefined) return new Map();
  return new Map(names.map((name) => [name, diagnostics.channel(`penguiflow:${name}`)]));
}
