import type { StepView } from "../../protocol.ts";

/** All attempts of a run at one node, for the strip below the answer. */
export interface NodeOfRun {
  readonly node: string;
  readonly state: StepView["state"];
  readonly retries: number;
  readonly ms: number;
  /** The step that a click opens: the latest. */
  readonly step: string;
}

/** Gathers the steps of a run by node, in the order in which the nodes began. */
export function nodesOf(steps: readonly StepView[]): NodeOfRun[] {
  const nodes = new Map<string, NodeOfRun>();
  for (const step of steps) {
    const name = [...step.path, step.node].join(" / ");
    const before = nodes.get(name);
    nodes.set(name, {
      node: name,
      state: step.state,
      retries: (before?.retries ?? 0) + (step.state === "retried" ? 1 : 0),
      ms: ranMs(step),
      step: step.id,
    });
  }
  return [...nodes.values()];
}

/** Returns how long the handler of a step ran; until now while it runs. */
function ranMs(step: StepView, now: number = Date.now()): number {
  if (step.startedAt === undefined) return 0;
  return Math.max(0, (step.returnedAt ?? step.endedAt ?? now) - step.startedAt);
}
