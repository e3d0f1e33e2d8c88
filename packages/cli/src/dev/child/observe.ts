import diagnostics from "node:diagnostics_channel";
import type { FlowEvent } from "penguiflow";

/** Types of the events that are listened for; `app` is the channel of all that handlers report themselves. */
const TYPES: readonly string[] = [
  "app",
  ...["trace_start", "trace_end", "trace_pause", "trace_unload", "trace_cancel_start", "trace_cancel_finish"],
  ...["node_start", "node_success", "node_error", "node_timeout", "node_retry", "node_failed", "node_fallback"],
  ...["node_cancelled", "node_zombie", "node_late", "node_pause", "node_resume", "node_sleep"],
  ...["deadline_skip", "message_drop", "route_drop", "result_drop", "join_wait", "deadlock"],
  ...["signal_accept", "signal_wait", "signal_drop"],
  ...["remote_call_start", "remote_stream_event", "remote_call_success", "remote_call_error", "remote_call_cancelled"],
];

/** Listens for the events of all flows of this process. To be called before any of them runs. */
export function onEvents(listener: (event: FlowEvent) => void): void {
  for (const type of TYPES) diagnostics.subscribe(`penguiflow:${type}`, (event) => listener(event as FlowEvent));
}
