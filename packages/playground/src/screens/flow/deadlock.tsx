import { useComputed, useSignal } from "@preact/signals";
import { Icon } from "../../parts/icon.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** Names the nodes that wait for one another in a ring, until the reader has seen it. */
export function Deadlock({ watched, flow }: { readonly watched: WatchedFlow; readonly flow: string }) {
  const dismissed = useSignal(0);
  const found = useComputed(() => {
    void watched.beat.value;
    return watched.live.deadlock;
  }).value;
  if (found === undefined || found.at <= dismissed.value) return null;
  return (
    <div class="deadlock" role="alert">
      <Icon name="cross" />
      <p>
        <strong>Deadlock:</strong> <span class="mono">{found.cycle.join(" → ")}</span>. Each waits for room at the next;
        the trace has failed.
      </p>
      <a class="button small" href={pathTo("runs", flow, found.traceId)}>
        Open the run
      </a>
      <button
        type="button"
        class="button small quiet"
        onClick={() => {
          dismissed.value = found.at;
          watched.live.deadlock = undefined;
        }}
      >
        Dismiss
      </button>
    </div>
  );
}
