import type { FeedEvent } from "../../protocol.ts";

/** Returns the latest events that have every word of a filter in one of their fields, newest first. */
export function latestMatching(events: readonly FeedEvent[], filter: string, most: number): FeedEvent[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const found: FeedEvent[] = [];
  for (let index = events.length - 1; index >= 0 && found.length < most; index--) {
    const event = events[index] as FeedEvent;
    if (words.every((word) => textOf(event).includes(word))) found.push(event);
  }
  return found;
}

/** Tones of events: names of the tokens of states. */
export type EventTone = "running" | "completed" | "retry" | "failed" | "paused" | "idle";

/** Returns the tone of an event's type. */
export function toneOfEvent({ type, code }: FeedEvent): EventTone {
  if (type.endsWith("_error") || type === "node_failed" || type === "node_timeout" || type === "deadlock")
    return "failed";
  if (type === "trace_end") return code === undefined ? "completed" : "failed";
  if (type === "node_success" || type === "remote_call_success") return "completed";
  if (type === "node_retry" || type === "node_fallback" || type.endsWith("_drop")) return "retry";
  if (type.endsWith("_pause") || type === "node_sleep" || type === "signal_wait") return "paused";
  return type.endsWith("_start") || type === "node_resume" ? "running" : "idle";
}

function textOf({ type, node, traceId, tenant, code, path }: FeedEvent): string {
  return `${type} ${(path ?? []).join("/")} ${node ?? ""} ${traceId} ${tenant} ${code ?? ""}`.toLowerCase();
}
