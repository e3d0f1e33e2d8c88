import type { FlowEvent, Middleware } from "../events/flow-event.ts";
import type { StateStore, TraceKey } from "../ports/state-store.ts";
import { readHistory } from "./read-history.ts";

/**
 * Replays a trace's events into a middleware, one by one, awaiting each call. No handler runs. An error of the
 * middleware ends the replay.
 *
 * @returns the number of events
 */
export async function replayTrace(store: StateStore, key: TraceKey, middleware: Middleware): Promise<number> {
  let events = 0;
  for await (const { payload } of readHistory(store, key)) {
    await middleware(payload as unknown as FlowEvent);
    events += 1;
  }
  return events;
}
