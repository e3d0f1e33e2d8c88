import type { StateStore, StoredEvent, TraceKey, TraceQuery, TraceSummary } from "../ports/state-store.ts";

/** Filter for the traces of a tenant, without paging. */
export type TraceFilter = Omit<TraceQuery, "cursor" | "limit">;

/** Yields all events of a trace, oldest first, loaded page by page. */
export async function* readHistory(store: StateStore, key: TraceKey): AsyncGenerator<StoredEvent, void> {
  let cursor: string | undefined;
  do {
    const page = await store.loadHistory({ tenant: key.tenant, traceId: key.traceId, cursor });
    yield* page.events;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Yields all traces of a tenant that match a filter, most recently started first, loaded page by page. */
export async function* readTraces(store: StateStore, filter: TraceFilter): AsyncGenerator<TraceSummary, void> {
  let cursor: string | undefined;
  do {
    const page = await store.listTraces({ ...filter, cursor });
    yield* page.traces;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Yields the events of all traces that match a filter, one line of JSON each, trace by trace. */
export async function* exportTraces(store: StateStore, filter: TraceFilter): AsyncGenerator<string, void> {
  for await (const trace of readTraces(store, filter)) {
    for await (const event of readHistory(store, trace)) yield `${JSON.stringify(event)}\n`;
  }
}
