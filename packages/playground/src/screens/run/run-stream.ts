import type { RunStreamItem, RunView, StepView } from "../../protocol.ts";

/** Applies an item of a run's stream to the run that the page shows. */
export function applyItem(run: RunView, item: RunStreamItem): RunView {
  switch (item.type) {
    case "snapshot":
      return { ...run, ...item.run, parts: item.parts, steps: item.steps, pauses: item.pauses };
    case "delta":
      return {
        ...run,
        parts: run.parts.map((part, index) =>
          index === item.index && "text" in part ? { ...part, text: part.text + item.text } : part,
        ),
      };
    case "part": {
      const parts = [...run.parts];
      parts[item.index] = item.part;
      return { ...run, parts };
    }
    case "step":
      return { ...run, steps: withStep(run.steps, item.step) };
    case "pauses":
      return { ...run, pauses: item.pauses };
    case "run":
    case "end":
      return { ...run, ...item.run };
  }
}

/** Whether a run goes on. */
export function isOpen({ state }: Pick<RunView, "state">): boolean {
  return state === "running" || state === "paused";
}

function withStep(steps: readonly StepView[], step: StepView): StepView[] {
  const place = steps.findIndex(({ id }) => id === step.id);
  return place === -1 ? [...steps, step] : steps.with(place, step);
}
