import type { RunSummary } from "../../protocol.ts";

/** Filters of the list of runs, as they stand in the address. */
export const FILTERS = ["flow", "state", "node", "code", "tenant", "thread", "q", "since"] as const;
export type FilterName = (typeof FILTERS)[number];
export type ShownFilter = Readonly<Partial<Record<FilterName, string>>>;

/** Spans of time that can be chosen, in milliseconds. */
export const SINCE: Readonly<Record<string, number>> = {
  "5m": 5 * 60_000,
  "1h": 60 * 60_000,
  "24h": 24 * 60 * 60_000,
  "7d": 7 * 24 * 60 * 60_000,
};

/** Reads the filters of an address; empty ones are left out. */
export function filterOf(query: URLSearchParams): ShownFilter {
  return Object.fromEntries(
    FILTERS.flatMap((name) => {
      const value = query.get(name)?.trim() ?? "";
      return value === "" ? [] : [[name, value]];
    }),
  );
}

/** Returns the parameters of a request for the runs of a filter. */
export function requestOf({ since, ...filter }: ShownFilter, now: number): Readonly<Record<string, string>> {
  const span = since === undefined ? undefined : SINCE[since];
  // whole minutes, so that the list is not read anew for each rendering
  const from = span === undefined ? {} : { from: String(Math.floor((now - span) / 60_000) * 60_000) };
  return { ...filter, ...from };
}

/**
 * Whether a run that has just changed belongs into the list of a filter. Nodes and texts are searched for on the server
 * alone: with such a filter `undefined`, and the list is read again.
 */
export function belongs(run: RunSummary, { since, ...filter }: ShownFilter, now: number): boolean | undefined {
  if (filter.flow !== undefined && run.flow !== filter.flow) return false;
  if (filter.state !== undefined && run.state !== filter.state) return false;
  if (filter.tenant !== undefined && run.tenant !== filter.tenant) return false;
  if (filter.thread !== undefined && run.thread !== filter.thread) return false;
  if (filter.code !== undefined && run.error?.code !== filter.code) return false;
  if (since !== undefined && run.startedAt < now - (SINCE[since] ?? Infinity)) return false;
  return filter.node === undefined && filter.q === undefined ? true : undefined;
}

/** Returns the filter for runs like one: of its flow and state, and of its error if it has one. */
export function alike({ flow, state, error }: RunSummary): ShownFilter {
  return {
    flow,
    state,
    ...(error !== undefined && { code: error.code }),
    ...(error?.node !== undefined && { node: error.node }),
  };
}

/** Puts a changed run into a list that is newest first: in its place, at the top, or out of it. */
export function merged(runs: readonly RunSummary[], run: RunSummary, isWanted: boolean): readonly RunSummary[] {
  const place = runs.findIndex(({ id, flow }) => id === run.id && flow === run.flow);
  if (!isWanted) return place === -1 ? runs : runs.toSpliced(place, 1);
  if (place !== -1) return runs.with(place, run);
  const before = runs.findIndex(({ startedAt }) => startedAt <= run.startedAt);
  return runs.toSpliced(before === -1 ? runs.length : before, 0, run);
}
