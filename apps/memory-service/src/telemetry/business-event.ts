import type { Meta } from "penguiflow";
import type { MemoryEventType } from "../event-type.ts";

/** A fact told to the observers of the business once its flow has completed: digests and figures, never text. */
export interface BusinessEvent {
  readonly event: `memory_event.${MemoryEventType}`;
  readonly payload: Readonly<Record<string, string | number | boolean>>;
}

const KEY = "businessEvents";

/** Returns meta with further business events. */
export function withBusinessEvents(meta: Meta, events: readonly BusinessEvent[]): Meta {
  return { ...meta, [KEY]: [...businessEventsOf(meta), ...events] };
}

/** Returns the business events that nodes have put into a message's meta. */
export function businessEventsOf(meta: Meta): readonly BusinessEvent[] {
  const events = meta[KEY];
  return Array.isArray(events) ? events.filter(isBusinessEvent) : [];
}

function isBusinessEvent(value: unknown): value is BusinessEvent {
  return typeof value === "object" && value !== null && "event" in value && "payload" in value;
}
