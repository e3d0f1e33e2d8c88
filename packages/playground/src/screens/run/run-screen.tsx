import { useEffect, useMemo } from "preact/hooks";
import { Header } from "../../parts/header.tsx";
import { Problem } from "../../parts/problem.tsx";
import type { RunView } from "../../protocol.ts";
import { query, setQuery } from "../../routing/router.ts";
import { useKeys } from "../../routing/use-keys.tsx";
import { extentOf } from "../../timeline/bars.ts";
import { Timeline } from "../../timeline/timeline.tsx";
import type { ScreenProps } from "../registry.ts";
import { AgainPanel } from "./again-panel.tsx";
import { Budgets } from "./budgets.tsx";
import { Inspector } from "./inspector.tsx";
import { RunHeader } from "./run-header.tsx";
import { TestPanel } from "./test-panel.tsx";
import { TravelPane } from "./travel-pane.tsx";
import { useTravel } from "./use-travel.ts";
import { type WatchedRun, watchRun } from "./watch-run.ts";

/** A run: its timeline, the messages of each step, and the run as it was after each of its records. */
export function Screen({ params }: ScreenProps) {
  const { flow = "", id = "" } = params;
  const watched = useMemo(() => watchRun(flow, id), [flow, id]);
  useEffect(() => watched.stop, [watched]);
  const run = watched.run.value;
  if (run === undefined)
    return (
      <>
        <Header title={id} note={flow} />
        {watched.error.value === undefined ? null : (
          <div class="page">
            <Problem error={watched.error.value} again={watched.again} />
          </div>
        )}
      </>
    );
  return <Run key={`${flow}/${id}`} run={run} watched={watched} />;
}

function Run({ run, watched }: { readonly run: RunView; readonly watched: WatchedRun }) {
  const now = watched.now.value;
  const extent = extentOf(run, run.steps, now);
  const stepId = query.value.get("step") ?? undefined;
  const panel = query.value.get("panel");
  const step = run.steps.find(({ id }) => id === stepId);
  const travel = useTravel(run);
  const select = (id: string | undefined): void => setQuery({ step: id, panel: undefined });
  const move = (by: number): false | void => {
    const index = run.steps.findIndex(({ id }) => id === stepId);
    const next = run.steps[index === -1 ? (by > 0 ? 0 : run.steps.length - 1) : index + by];
    return next === undefined ? false : select(next.id);
  };
  useKeys([
    { keys: "]", label: "Next step", run: () => move(1) },
    { keys: "[", label: "Step before", run: () => move(-1) },
    {
      keys: "Escape",
      label: "Close what is open",
      run: () => (panel === null && stepId === undefined ? false : select(undefined)),
    },
  ]);
  return (
    <>
      <RunHeader run={run} />
      <Budgets run={run} now={now} />
      <div class="run-body">
        <div class="run-left">
          <Timeline
            steps={run.steps}
            extent={extent}
            now={now}
            selected={stepId}
            onSelect={({ id }) => select(id === stepId ? undefined : id)}
            marker={travel.isTravelling ? travel.moment?.at : undefined}
          />
          <TravelPane run={run} travel={travel} onSelect={select} />
        </div>
        {panel === "test" ? (
          <TestPanel run={run} />
        ) : panel === "again" ? (
          <AgainPanel key={step?.id ?? "run"} run={run} step={step} />
        ) : (
          <Inspector run={run} step={step} travel={travel} />
        )}
      </div>
    </>
  );
}
