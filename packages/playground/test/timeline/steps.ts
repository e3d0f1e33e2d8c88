import type { StepView } from "../../src/protocol.ts";

/** Makes a step that was queued, ran and was done, unless told otherwise. */
export function stepOf(node: string, from: number, to: number, more: Partial<StepView> = {}): StepView {
  return {
    id: `${node}.${more.attempt ?? 1}.${from}`,
    seq: from,
    node,
    path: [],
    attempt: 1,
    state: "done",
    queuedAt: from,
    startedAt: from,
    returnedAt: to,
    endedAt: to,
    waits: [],
    to: [],
    canRunAgain: true,
    ...more,
  };
}
