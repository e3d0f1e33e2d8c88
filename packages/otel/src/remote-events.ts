import type { FlowEvent } from "penguiflow";

/** Event that ends a call to another agent: one per call. */
export type RemoteEnd = Extract<
  FlowEvent,
  { readonly type: "remote_call_success" | "remote_call_error" | "remote_call_cancelled" }
>;

export function isRemoteEnd(event: FlowEvent): event is RemoteEnd {
  const { type } = event;
  return type === "remote_call_success" || type === "remote_call_error" || type === "remote_call_cancelled";
}

/** Summarises the outcome of the call in a word. */
export function remoteStateOf(event: RemoteEnd): string {
  if (event.type === "remote_call_success") return event.state;
  return event.type === "remote_call_error" ? "error" : "cancelled";
}
