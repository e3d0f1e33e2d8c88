import type { RunSummary } from "./run.ts";
import type { StepView } from "./step.ts";

/** `GET /api/compare?a=FLOW/ID&b=FLOW/ID` */
export interface CompareView {
  readonly a: RunSummary;
  readonly b: RunSummary;
  /** Steps by node and attempt in the order of the first run; absent where a run has none. */
  readonly rows: readonly {
    readonly node: string;
    readonly a?: StepView;
    readonly b?: StepView;
    readonly differs: readonly Difference[];
  }[];
  readonly first?: { readonly row: number; readonly kind: Difference; readonly text: string };
}
/** Aspect in which two steps differ: where they sent to, their messages, or how they ended. */
export type Difference = "path" | "payload" | "state";
