import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { query, setQuery } from "../../routing/router.ts";
import type { FlowView, RunSummary, RunView, StepView, TurnView } from "../../protocol.ts";
import { reload } from "../../store/project.ts";
import { isOpen, type RunLive } from "../../store/run-state.ts";
import { RunGraph } from "./run-graph.tsx";
import { StepBars } from "./step-bars.tsx";
import { StepPeek } from "./step-peek.tsx";

/** The run beside the chat: its steps as bars, the step that is chosen, and its graph. */
export function RunPanel({ turns, live }: { readonly turns: readonly TurnView[]; readonly live: RunLive | undefined }) {
  const run = turns.at(-1)?.run;
  const flow = useFlow(run?.flow);
  const steps = useSteps(run, live);
  const chosen = query.value.get("step") ?? undefined;
  const step = steps.find(({ id }) => id === chosen);
  const choose = (id: string): void => setQuery({ step: id === chosen ? undefined : id });
  if (run === undefined) return null;
  return (
    <aside class="side" aria-label="Run">
      <section class="side-part">
        <header>
          <h2 class="label">Steps</h2>
          <StateBadge state={run.state} />
        </header>
        <StepBars run={run} steps={steps} chosen={chosen} choose={choose} />
      </section>
      {step === undefined ? null : <StepPeek key={`${run.id} ${step.id}`} run={run} step={step} />}
      <section class="side-part side-graph">
        <header>
          <h2 class="label">Graph</h2>
        </header>
        {flow === undefined ? null : (
          <RunGraph
            key={run.flow}
            flow={flow}
            steps={steps}
            chosen={step?.node}
            choose={(node) => {
              const last = steps.findLast((one) => one.path.length === 0 && one.node === node);
              if (last !== undefined) choose(last.id);
            }}
          />
        )}
      </section>
    </aside>
  );
}

/** Reads a flow, and again when code was loaded. */
function useFlow(name: string | undefined): FlowView | undefined {
  const flow = useSignal<FlowView | undefined>(undefined);
  useEffect(() => {
    if (name === undefined) return;
    void api.flow(name).then(
      (view) => void (flow.value = view),
      () => void (flow.value = undefined),
    );
  }, [name, reload.value]);
  return flow.value?.name === name ? flow.value : undefined;
}

/** Returns the steps of a run: live ones while it is followed, else those that were kept. */
function useSteps(run: RunSummary | undefined, live: RunLive | undefined): readonly StepView[] {
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
