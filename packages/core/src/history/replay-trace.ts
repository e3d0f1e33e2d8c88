import type { FlowEvent, Middleware } from "../events/flow-event.ts";
import type { StateStore, TraceKey } from "../ports/state-store.ts";
import { readHistory } from "./read-history.ts";

/**
 * Tells a middleware what happened to a trace, event by event, as if it were happening now: it waits for each before
 * the next. No handler runs. What the middleware throws ends the replay.
 *
 * @returns how many events there were
 */
export async function replayTrace(store: StateStore, key: TraceKey, middleware: Middleware): Promise<number> {
  let events = 0;
  for await (const { payload } of readHistory(store, key)) {
    await middleware(payload as unknown as FlowEvent);
    events += 1;
  }
  return events;
}
