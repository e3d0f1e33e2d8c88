import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { GraphCanvas } from "../../graph/graph-canvas.tsx";
import { useDrawing } from "../../graph/use-drawing.tsx";
import type { FlowView, StepView } from "../../protocol.ts";
import { paintOfSteps } from "./paint-of-steps.ts";

const LAYOUT = { direction: "TB", nodeHeight: 42, rankGap: 22, nodeGap: 18 } as const;

/** The graph of a flow with the state of a run on it. */
export function RunGraph(props: {
  readonly flow: FlowView;
  readonly steps: readonly StepView[];
  readonly chosen: string | undefined;
  readonly choose: (node: string) => void;
}) {
  const drawn = useDrawing(props.flow, LAYOUT)?.drawn;
  const steps = useSignal(props.steps);
  useEffect(() => {
    steps.value = props.steps;
  }, [props.steps]);
  const paint = useComputed(() => paintOfSteps(steps.value));
  if (drawn === undefined) return null;
  return (
    <div class="run-graph" style={{ height: `${Math.min(560, drawn.height + 8)}px` }}>
      <GraphCanvas
        drawn={drawn}
        paint={paint}
        label={`Graph of ${props.flow.name} with the state of the run`}
        selected={props.chosen}
        onSelect={props.choose}
      />
    </div>
  );
}
