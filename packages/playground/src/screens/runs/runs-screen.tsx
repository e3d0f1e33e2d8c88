import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { queryText } from "../../api/request.ts";
import { api } from "../../api/routes.ts";
import { Empty } from "../../parts/empty.tsx";
import { count } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Problem } from "../../parts/problem.tsx";
import { VirtualList } from "../../parts/virtual-list.tsx";
import type { RunSummary } from "../../protocol.ts";
import { pathTo } from "../../routing/route-pattern.ts";
import { go, query, setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { isReadOnly } from "../../store/project.ts";
import { FilterBar } from "./filter-bar.tsx";
import { alike, FILTERS, filterOf, requestOf } from "./run-filter.ts";
import { RunRow } from "./run-row.tsx";
import { listRuns } from "./list-runs.ts";

const ROW = 40;

/** The runs, newest first and live; the filters stand in the address. */
export function Screen() {
  const filter = filterOf(query.value);
  const key = JSON.stringify(filter);
  const list = useMemo(() => listRuns(filter), [key]);
  useEffect(() => list.stop, [list]);
  const search = useRef<HTMLInputElement>(null);
  const current = useSignal(-1);
  const asked = useSignal<RunSummary | undefined>(undefined);
  const failure = useSignal<unknown>(undefined);
  const runs = list.runs.value;
  useEffect(() => {
    current.value = -1;
  }, [key]);
  const chosen = runs[current.value];
  const move = (by: number): void => {
    current.value = Math.min(runs.length - 1, Math.max(0, current.value + by));
  };
  const ifChosen = (act: (run: RunSummary) => void) => (): false | void => {
    const run = runs[current.value];
    return run === undefined ? false : act(run);
  };
  const setFilter = (next: Readonly<Record<string, string>>): void =>
    setQuery(Object.fromEntries(FILTERS.map((name) => [name, next[name]])), { replace: false });
  const remove = async (run: RunSummary): Promise<void> => {
    failure.value = undefined;
    asked.value = undefined;
    try {
      await api.deleteRun(run.flow, run.id);
      list.forget(run);
    } catch (error) {
      failure.value = error;
    }
  };
  useKeys([
    { keys: "j", label: "Next run", run: () => move(1) },
    { keys: "k", label: "Run before", run: () => move(-1) },
    {
      keys: "Enter",
      label: "Open the run",
      run: () => (isOnButton() ? false : ifChosen((run) => go(pathTo("runs", run.flow, run.id)))()),
    },
    { keys: "l", label: "All runs like this one", run: ifChosen((run) => setFilter(alike(run))) },
    { keys: "/", label: "Search", run: () => search.current?.focus() },
    {
      keys: "Escape",
      label: "Take all filters off",
      run: () => {
        if (asked.value === undefined && key === "{}") return false;
        if (asked.value === undefined) setFilter({});
        asked.value = undefined;
        return undefined;
      },
    },
  ]);
  return (
    <>
      <Header title="Runs" note={<Note list={list} />}>
        <a class="button quiet" href="/threads">
          Threads
        </a>
        <a class="button" href={`/api/runs/export${queryText(requestOf(filter, Date.now()))}`} download="runs.jsonl">
          Export JSONL
        </a>
      </Header>
      <FilterBar filter={filter} search={search} />
      {list.error.value === undefined ? null : <Problem error={list.error.value} again={list.again} />}
      {failure.value === undefined ? null : <Problem error={failure.value} />}
      {asked.value === undefined ? null : (
        <div class="runs-confirm" role="alertdialog" aria-label="Delete the run">
          <p>
            Delete <span class="mono">{asked.value.id}</span> with its messages and records?
          </p>
          <button
            type="button"
            class="button danger"
            onClick={() => asked.value !== undefined && void remove(asked.value)}
          >
            Delete it
          </button>
          <button type="button" class="button" onClick={() => (asked.value = undefined)}>
            Keep it
          </button>
        </div>
      )}
      {runs.length === 0 && !list.isLoading.value && list.error.value === undefined ? (
        <Nothing isFiltered={key !== "{}"} onReset={() => setFilter({})} />
      ) : (
        <div class="runs-list">
          <VirtualList
            items={runs}
            rowHeight={ROW}
            label="Runs, newest first"
            keyOf={({ flow, id }) => `${flow}/${id}`}
            current={current.value}
            onEnd={list.more}
            row={(run, index) => (
              <RunRow
                run={run}
                isCurrent={run === chosen}
                onPoint={() => (current.value = index)}
                onAlike={() => setFilter(alike(run))}
                onDelete={isReadOnly.value ? undefined : () => (asked.value = run)}
              />
            )}
          />
        </div>
      )}
    </>
  );
}

function Note({ list }: { readonly list: ReturnType<typeof listRuns> }) {
  if (list.isLoading.value && list.runs.value.length === 0) return <>reading …</>;
  return (
    <span role="status">
      {count(list.runs.value.length)}
      {list.hasMore.value ? "+" : ""} shown, live
    </span>
  );
}

function Nothing({ isFiltered, onReset }: { readonly isFiltered: boolean; readonly onReset: () => void }) {
  return (
    <Empty
      icon="runs"
      title={isFiltered ? "No run is like this" : "No run yet"}
      text={
        isFiltered
          ? "Take a filter off, or wait: runs appear here when they begin."
          : "Ask something in the chat, or send something into a flow."
      }
      links={[
        ["/", "Chat"],
        ["/flows", "Flows"],
      ]}
    >
      {isFiltered ? (
        <button type="button" class="button" onClick={onReset}>
          <Icon name="close" /> Take the filters off
        </button>
      ) : null}
    </Empty>
  );
}

/** Whether a button or link has the focus: it gets the key. */
function isOnButton(): boolean {
  return document.activeElement?.matches("a, button") === true;
}
