import { LOOK_WORDS, type GraphPaint, type NodeLook, type NodePaint } from "../../graph/graph-paint.ts";
import type { StepState, StepView } from "../../protocol.ts";

const LOOKS: Readonly<Record<StepState, NodeLook>> = {
  waiting: "idle",
  running: "running",
  sending: "held",
  done: "done",
  retried: "backoff",
  failed: "failed",
  cancelled: "cancelled",
  paused: "paused",
  sleeping: "paused",
};

/** Draws the steps of a run onto its graph: each node as its latest step is. Playbooks have graphs of their own. */
export function paintOfSteps(steps: readonly StepView[]): GraphPaint {
  const nodes = new Map<string, NodePaint>();
  for (const step of steps) {
    if (step.path.length > 0) continue;
    const look = LOOKS[step.state];
    nodes.set(step.node, { look, parts: step.state === "waiting" ? ["waiting"] : [LOOK_WORDS[look]] });
  }
  return { nodes, edges: new Map() };
}
