import type { StateStore, StoredEvent, TraceKey, TraceQuery, TraceSummary } from "../ports/state-store.ts";

/** Which traces of a tenant, without saying how they are paged. */
export type TraceFilter = Omit<TraceQuery, "cursor" | "limit">;

/** All events of a trace, oldest first, loaded page by page. */
export async function* readHistory(store: StateStore, key: TraceKey): AsyncGenerator<StoredEvent, void> {
  let cursor: string | undefined;
  do {
    const page = await store.loadHistory({ tenant: key.tenant, traceId: key.traceId, cursor });
    yield* page.events;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** All traces of a tenant that a filter lets through, the one that started last first, loaded page by page. */
export async function* readTraces(store: StateStore, filter: TraceFilter): AsyncGenerator<TraceSummary, void> {
  let cursor: string | undefined;
  do {
    const page = await store.listTraces({ ...filter, cursor });
    yield* page.traces;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** The events of all traces that a filter lets through, one line of JSON for each, trace by trace. */
export async function* exportTraces(store: StateStore, filter: TraceFilter): AsyncGenerator<string, void> {
  for await (const trace of readTraces(store, filter)) {
    for await (const event of readHistory(store, trace)) yield `${JSON.stringify(event)}\n`;
  }
}
