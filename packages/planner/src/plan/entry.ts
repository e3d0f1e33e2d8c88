import type { PlanErrorCode } from "./plan-end.ts";
import type { PlanBudget } from "./budget.ts";
import type { Json } from "./json.ts";
import type { PromptPart, TurnPart } from "./log-item.ts";
import type { Loop } from "./loop-state.ts";
import type { Decision } from "./question.ts";
import type { ToolOutput } from "./tool-output.ts";

/** A run of a thread that was over before this run, as its log keeps it. */
interface Remembered {
  readonly runId: string;
  readonly user: string;
  readonly answer: string;
  readonly tools: readonly string[];
}

/**
 * An item of a run's log. It is written once; the prompt, the steps and the events of a run are projections of its
 * entries. `at` is epoch milliseconds, `step` the number of the model call before it; `OUTSIDE` for an end from outside.
 */
export type Entry = { readonly at: number; readonly step: number } & (
  | { readonly type: "memory"; readonly summary?: string | undefined; readonly turns: readonly Remembered[] }
  /** Digests of the tools of sources, by name, when the run began. */
  | { readonly type: "catalogue"; readonly digests: Readonly<Record<string, string>> }
  /** A person's message; `by` names who steered the run with it. */
  | { readonly type: "said"; readonly parts: readonly PromptPart[]; readonly by?: string | undefined }
  | {
      readonly type: "turn";
      readonly parts: readonly TurnPart[];
      readonly text: string;
      readonly finish: "stop" | "cut" | "filtered";
      /** Reason why it has neither calls nor an answer, in words for the model. */
      readonly problem?: string | undefined;
      readonly tokens: number;
      readonly tokensIn: number;
      readonly tokensOut: number;
      readonly model: string;
      readonly provider: string;
      readonly costUsd: number;
      readonly ms: number;
      readonly attempt: number;
    }
  | {
      readonly type: "result";
      readonly callId: string;
      readonly providerId: string;
      readonly tool: string;
      readonly output: ToolOutput;
      readonly ms: number;
      readonly attempt: number;
      /** Arguments of a person, when they replaced those of the model. */
      readonly edited?: Json | undefined;
      /** Whether the call ran in the background: the model hears of it later. */
      readonly isLate?: true | undefined;
      /** Reason of a policy that stops the run for a late result. */
      readonly stop?: string | undefined;
    }
  /** A call goes on in the background. */
  | { readonly type: "started"; readonly callId: string; readonly providerId: string; readonly tool: string }
  /** Calls in the background whose results the model is told with its next call. */
  | { readonly type: "heard"; readonly callIds: readonly string[] }
  /** An end that waits for calls in the background. */
  | { readonly type: "waiting"; readonly loop: Loop; readonly end: Ending }
  | { readonly type: "decision"; readonly callId: string; readonly by: string; readonly decision: Decision }
  /** Feedback to the model. */
  | { readonly type: "repair"; readonly why: string }
  /** Verdict of a critic about the answer before it. */
  | {
      readonly type: "critique";
      readonly score: number;
      readonly feedback: string;
      readonly isSatisfied: boolean;
      readonly tokens: number;
      readonly costUsd: number;
      readonly ms: number;
      readonly attempt: number;
    }
  | { readonly type: "compacted"; readonly from: number; readonly to: number }
  | { readonly type: "end"; readonly end: Ending; readonly spent: PlanBudget }
);

/** The end of a run, as data. */
export type Ending =
  | { readonly status: "cancelled"; readonly reason: string }
  | { readonly status: "completed"; readonly text: string; readonly output: unknown; readonly unsatisfied?: string }
  | {
      readonly status: "exhausted";
      readonly which: keyof PlanBudget | "deadline";
      readonly text?: string | undefined;
    }
  | {
      readonly status: "failed";
      readonly code: PlanErrorCode;
      readonly message: string;
      readonly text?: string | undefined;
    };

/** An entry without the fields that all entries have. */
export type EntryInit = Entry extends infer Each ? (Each extends Entry ? Omit<Each, "at" | "step"> : never) : never;

/** Step of an end that no node of the loop has reached: the run was cancelled, or its deadline has passed. */
export const OUTSIDE = -1;
