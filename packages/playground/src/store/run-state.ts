import type { PauseView, RunStreamItem, RunSummary, StepView, TurnPart } from "../protocol.ts";

/** A run as its stream has told it so far. Parts and steps that did not change stay the same objects. */
export interface RunLive {
  readonly run: RunSummary;
  readonly parts: readonly TurnPart[];
  readonly steps: readonly StepView[];
  readonly pauses: readonly PauseView[];
}

/** Applies an item of the stream of a run. Items before the first snapshot change nothing. */
export function applied(state: RunLive | undefined, item: RunStreamItem): RunLive | undefined {
  if (item.type === "snapshot") {
    return { run: item.run, parts: item.parts, steps: item.steps, pauses: item.pauses };
  }
  if (state === undefined) return undefined;
  switch (item.type) {
    case "delta": {
      const part = state.parts[item.index];
      if (part?.type !== "text" && part?.type !== "reasoning") return state;
      return { ...state, parts: replaced(state.parts, item.index, { ...part, text: part.text + item.text }) };
    }
    case "part":
      return { ...state, parts: replaced(state.parts, item.index, item.part) };
    case "step": {
      const found = state.steps.findIndex((step) => step.id === item.step.id);
      return { ...state, steps: replaced(state.steps, found === -1 ? state.steps.length : found, item.step) };
    }
    case "pauses":
      return { ...state, pauses: item.pauses };
    case "run":
      return { ...state, run: item.run };
    case "end":
      return { ...state, run: item.run, pauses: [] };
  }
}

function replaced<Item>(items: readonly Item[], index: number, item: Item): readonly Item[] {
  const copy = [...items];
  copy[index] = item;
  return copy;
}

/** Whether the run goes on: it runs, or waits for a person. */
export function isOpen(run: RunSummary): boolean {
  return run.state === "running" || run.state === "paused";
}
