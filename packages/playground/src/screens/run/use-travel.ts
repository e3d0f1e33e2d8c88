import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../../api/routes.ts";
import type { RunEvent, RunView } from "../../protocol.ts";
import { query, setQuery } from "../../routing/router.ts";
import { type Moment, TimeTravel } from "../../timeline/time-travel.ts";

/** The run after one of its records, and the ways to another one. */
export interface Travel {
  readonly records: readonly RunEvent[];
  readonly moment: Moment | undefined;
  /** Whether another moment than the last one is shown. */
  readonly isTravelling: boolean;
  readonly error: unknown;
  /** Shows the run after so many records; the last moment for `undefined`. */
  readonly goTo: (index: number | undefined) => void;
}

/** Reads the records of a run, and follows the address to one of them. */
export function useTravel(run: RunView): Travel {
  const records = useSignal<readonly RunEvent[]>([]);
  const error = useSignal<unknown>(undefined);
  const { flow, id, state } = run;
  useEffect(() => {
    let isWanted = true;
    const read = async (): Promise<void> => {
      try {
        const found: RunEvent[] = [];
        let cursor: string | undefined;
        do {
          const page = await api.runEvents(flow, id, cursor);
          if (!isWanted) return;
          found.push(...page.items);
          cursor = page.next;
        } while (cursor !== undefined);
        records.value = found;
        error.value = undefined;
      } catch (cause) {
        if (isWanted) error.value = cause;
      }
    };
    void read();
    return () => {
      isWanted = false;
    };
    // a run that goes on is read again with each of its steps
  }, [flow, id, state, run.steps.length]);
  const player = useMemo(() => new TimeTravel(records.value, flow), [records.value, flow]);
  const wanted = query.value.get("at");
  const index = wanted === null || !/^\d+$/.test(wanted) ? undefined : Number(wanted);
  const moment = records.value.length === 0 ? undefined : player.at(index ?? records.value.length);
  return {
    records: records.value,
    moment,
    isTravelling: index !== undefined,
    error: error.value,
    goTo: (next) =>
      setQuery({ at: next === undefined || next >= records.value.length ? undefined : String(Math.max(0, next)) }),
  };
}
