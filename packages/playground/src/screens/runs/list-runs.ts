import { signal, type ReadonlySignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import type { RunSummary } from "../../protocol.ts";
import { onGap, onRun } from "../../store/project.ts";
import { belongs, merged, requestOf, type ShownFilter } from "./run-filter.ts";

/** The runs of a filter, as far as they were read, and live. */
export interface RunList {
  readonly runs: ReadonlySignal<readonly RunSummary[]>;
  readonly isLoading: ReadonlySignal<boolean>;
  readonly hasMore: ReadonlySignal<boolean>;
  readonly error: ReadonlySignal<unknown>;
  /** Reads the next page, if there is one. */
  readonly more: () => void;
  /** Reads it anew. */
  readonly again: () => void;
  /** Takes a run off that was deleted. */
  readonly forget: (run: RunSummary) => void;
  readonly stop: () => void;
}

/** Milliseconds in which changes gather before the list is drawn, or read again. */
const GATHER_MS = 250;
/** Most changes that are put into the list at once; of more, it is read again. */
const MOST_CHANGES = 200;

/** Lists the runs of a filter until it is stopped. */
export function listRuns(filter: ShownFilter): RunList {
  const runs = signal<readonly RunSummary[]>([]);
  const isLoading = signal(true);
  const error = signal<unknown>(undefined);
  const cursor = signal<string | undefined>(undefined);
  const hasMore = signal(false);
  const request = requestOf(filter, Date.now());
  const changes = new Map<string, RunSummary>();
  let reading: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const read = async (from: string | undefined): Promise<void> => {
    reading?.abort();
    const own = (reading = new AbortController());
    isLoading.value = true;
    try {
      const page = await api.runs(from === undefined ? request : { ...request, cursor: from }, own.signal);
      runs.value = from === undefined ? page.items : [...runs.value, ...unknownOf(runs.value, page.items)];
      cursor.value = page.next;
      hasMore.value = page.next !== undefined;
      error.value = undefined;
    } catch (cause) {
      if (own.signal.aborted) return;
      error.value = cause;
    }
    if (reading === own) reading = undefined;
    isLoading.value = reading !== undefined;
  };
  const show = (): void => {
    timer = undefined;
    const now = Date.now();
    const gathered = [...changes.values()];
    changes.clear();
    let next = runs.value;
    for (const run of gathered) {
      const isWanted = belongs(run, filter, now);
      if (isWanted === undefined || gathered.length > MOST_CHANGES) {
        void read(undefined);
        return;
      }
      next = merged(next, run, isWanted);
    }
    runs.value = next;
  };
  const ends = [
    onRun((run) => {
      changes.set(`${run.flow}/${run.id}`, run);
      timer ??= setTimeout(show, GATHER_MS);
    }),
    onGap(() => void read(undefined)),
  ];
  void read(undefined);
  return {
    runs,
    isLoading,
    hasMore,
    error,
    more: () => {
      if (cursor.value !== undefined && reading === undefined) void read(cursor.value);
    },
    again: () => void read(undefined),
    forget: (run) => {
      runs.value = merged(runs.value, run, false);
    },
    stop: () => {
      reading?.abort();
      clearTimeout(timer);
      for (const end of ends) end();
    },
  };
}

/** Leaves out runs that the list has: it may have grown at its top between two pages. */
function unknownOf(known: readonly RunSummary[], found: readonly RunSummary[]): RunSummary[] {
  const ids = new Set(known.map(({ flow, id }) => `${flow}/${id}`));
  return found.filter(({ flow, id }) => !ids.has(`${flow}/${id}`));
}
