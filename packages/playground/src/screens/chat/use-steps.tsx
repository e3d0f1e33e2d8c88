import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import type { RunSummary, RunView, StepView } from "../../protocol.ts";
import { isOpen, type RunLive } from "../../store/run-state.ts";

/** Returns the steps of a run: live ones while it is followed, else those that were kept. */
export function useSteps(run: RunSummary | undefined, live: RunLive | undefined): readonly StepView[] {
  const kept = useSignal<RunView | undefined>(undefined);
  const isLive = run !== undefined && live?.run.id === run.id;
  useEffect(() => {
    if (run === undefined || isLive || isOpen(run)) return;
    void api.run(run.flow, run.id).then(
      (view) => void (kept.value = view),
      () => void (kept.value = undefined),
    );
  }, [run?.id, isLive]);
  if (isLive) return live.steps;
  return kept.value !== undefined && kept.value.id === run?.id ? kept.value.steps : [];
}
