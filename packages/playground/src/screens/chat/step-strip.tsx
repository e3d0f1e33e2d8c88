import { span } from "../../parts/figures.ts";
import { StateSign, toneOf } from "../../parts/state-badge.tsx";
import { query, setQuery } from "../../routing/router.ts";
import type { StepView } from "../../protocol.ts";
import { nodesOf } from "./steps-of-nodes.ts";

/** The nodes of a run in one line; a click opens the latest step of one at the right. */
export function StepStrip({ steps }: { readonly steps: readonly StepView[] }) {
  const chosen = query.value.get("step");
  if (steps.length === 0) return null;
  return (
    <ul class="strip" aria-label="Nodes of the run">
      {nodesOf(steps).map((node) => (
        <li key={node.node}>
          <button
            type="button"
            class="chip"
            aria-pressed={node.step === chosen}
            onClick={() => setQuery({ step: node.step === chosen ? undefined : node.step })}
          >
            <StateSign tone={toneOf(node.state)} />
            {node.node}
            <span class="sr-only">{node.state}</span>
            {node.retries === 0 ? null : <span class="chip-again num">↻{node.retries}</span>}
            <span class="chip-ms num">{span(node.ms)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
