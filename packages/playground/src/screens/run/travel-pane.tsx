import { useComputed, useSignal } from "@preact/signals";
import { api } from "../../api/routes.ts";
import { GraphCanvas } from "../../graph/graph-canvas.tsx";
import { paintOfMoment } from "../../graph/graph-paint.ts";
import type { LayoutOptions } from "../../graph/layout-graph.ts";
import { useDrawing } from "../../graph/use-drawing.tsx";
import { JsonView } from "../../parts/json-view.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import type { RunView } from "../../protocol.ts";
import { Scrubber } from "./scrubber.tsx";
import type { Travel } from "./use-travel.ts";

/** The picture is small: there is no room for depth labels between ranks. */
const COMPACT: LayoutOptions = { rankGap: 32, nodeGap: 20, nodeHeight: 46 };

interface TravelPaneProps {
  readonly run: RunView;
  readonly travel: Travel;
  readonly onSelect: (step: string | undefined) => void;
}

/** Graph, messages, queues and memory as they were after a record. */
export function TravelPane({ run, travel, onSelect }: TravelPaneProps) {
  const { value: view } = useLoaded(`flow ${run.flow}`, () => api.flow(run.flow));
  const drawn = useDrawing(view, COMPACT)?.drawn;
  const moment = useSignal(travel.moment);
  moment.value = travel.moment;
  const paint = useComputed(() =>
    moment.value === undefined ? { nodes: new Map(), edges: new Map() } : paintOfMoment(moment.value),
  );
  const selectNode = (node: string): void => onSelect(run.steps.findLast((step) => step.node === node)?.id);
  return (
    <section class="travel" aria-label="Time travel">
      <Scrubber run={run} travel={travel} />
      {travel.error === undefined ? null : <Problem error={travel.error} />}
      <div class="travel-body">
        <div class="travel-graph">
          {drawn === undefined ? null : (
            <GraphCanvas
              key={run.flow}
              drawn={drawn}
              paint={paint}
              label={`Graph of ${run.flow} as it was`}
              onSelect={selectNode}
            />
          )}
        </div>
        <Then travel={travel} hasEnded={run.endedAt !== undefined} />
      </div>
    </section>
  );
}

/** Messages under way at an instant, those that waited on the edges, and the memory. */
function Then({ travel, hasEnded }: { readonly travel: Travel; readonly hasEnded: boolean }) {
  const { moment } = travel;
  if (moment === undefined) return null;
  return (
    <div class="travel-then">
      <h3 class="label">{travel.isTravelling ? "Then" : hasEnded ? "At the end" : "Now"}</h3>
      {moment.status === undefined ? null : <p class="small">The run was {moment.status}.</p>}
      {moment.messages.length === 0 && moment.edges.size === 0 ? (
        <p class="quiet small">Nothing was under way.</p>
      ) : (
        <ul class="travel-list">
          {moment.messages.map(({ lineage, node, state, attempt }) => (
            <li key={`${node} ${lineage}`}>
              <span>{node}</span>
              <span class="quiet">
                {state}
                {attempt > 1 ? `, attempt ${attempt}` : ""}
              </span>
            </li>
          ))}
          {[...moment.edges].map(([edge, depth]) => (
            <li key={edge}>
              <span>{edge.replace(">", " → ")}</span>
              <span class="quiet">{depth} waiting</span>
            </li>
          ))}
        </ul>
      )}
      {moment.memory === undefined ? null : (
        <>
          <h3 class="label">Memory</h3>
          <JsonView value={moment.memory} openDepth={1} />
        </>
      )}
    </div>
  );
}
