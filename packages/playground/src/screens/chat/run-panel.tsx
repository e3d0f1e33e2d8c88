import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { query, setQuery } from "../../routing/router.ts";
import type { FlowView, RunSummary, StepView } from "../../protocol.ts";
import { reload } from "../../store/project.ts";
import { RunGraph } from "./run-graph.tsx";
import { StepBars } from "./step-bars.tsx";
import { StepPeek } from "./step-peek.tsx";

/** The run beside the chat: its steps as bars, the step that is chosen, and its graph. */
export function RunPanel({ run, steps }: { readonly run: RunSummary; readonly steps: readonly StepView[] }) {
  const flow = useFlow(run.flow);
  const chosen = query.value.get("step") ?? undefined;
  const step = steps.find(({ id }) => id === chosen);
  const choose = (id: string): void => setQuery({ step: id === chosen ? undefined : id });
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
function useFlow(name: string): FlowView | undefined {
  const flow = useSignal<FlowView | undefined>(undefined);
  useEffect(() => {
    void api.flow(name).then(
      (view) => void (flow.value = view),
      () => void (flow.value = undefined),
    );
  }, [name, reload.value]);
  return flow.value?.name === name ? flow.value : undefined;
}
