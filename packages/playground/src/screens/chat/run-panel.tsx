import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import type { RunView, StepView, TurnView } from "../../protocol.ts";
import { isOpen, type RunLive } from "../../store/run-state.ts";

/** The run beside the chat: its steps and its graph. */
export function RunPanel({ turns, live }: { readonly turns: readonly TurnView[]; readonly live: RunLive | undefined }) {
  const run = turns.at(-1)?.run;
  const ended = useSignal<RunView | undefined>(undefined);
  const isLive = run !== undefined && live?.run.id === run.id;
  useEffect(() => {
    if (run === undefined || isLive || isOpen(run)) return;
    void api.run(run.flow, run.id).then(
      (view) => void (ended.value = view),
      () => void (ended.value = undefined),
    );
  }, [run?.id, isLive]);
  if (run === undefined) return null;
  const steps: readonly StepView[] = isLive ? live.steps : ended.value?.id === run.id ? ended.value.steps : [];
  return (
    <aside class="side" aria-label="Run">
      <section class="side-part">
        <header>
          <h2 class="label">Steps</h2>
          <StateBadge state={run.state} />
        </header>
        <p>{steps.length}</p>
      </section>
    </aside>
  );
}
