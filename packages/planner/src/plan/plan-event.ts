import type { Json } from "./json.ts";
import type { PlanEnd } from "./plan-end.ts";
import type { Decision, Question } from "./question.ts";
import type { ToolOutput } from "./tool-output.ts";

/**
 * An event of a run. `seq` counts the stored ones, without a gap. `text`, `reasoning`, `progress`, `question`, `paused`
 * and whatever happens in a planner below are told and not stored: they carry the number of the stored event before
 * them. The last event is `end` or `paused`.
 */
export type PlanEvent<Output = string, Names extends string = string> = {
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly runId: string;
  /** Number of the model call, from 1; 0 before the first. */
  readonly step: number;
  /** Names of the planners below the one that was run, outermost first. */
  readonly path: readonly string[];
} & (
  | { readonly type: "text" | "reasoning"; readonly delta: string }
  | { readonly type: "progress"; readonly callId: string; readonly data: Json }
  | {
      readonly type: "step";
      readonly text: string;
      readonly tokens: number;
      readonly tokensIn: number;
      readonly tokensOut: number;
      /** Id of the model that was asked, and its provider as the AI SDK names it. */
      readonly model: string;
      readonly provider: string;
      readonly costUsd: number;
      readonly ms: number;
      readonly attempt: number;
    }
  | { readonly type: "call"; readonly callId: string; readonly tool: Names; readonly args: Json }
  | { readonly type: "question"; readonly question: Question }
  | { readonly type: "decision"; readonly callId: string; readonly by: string; readonly decision: Decision }
  | {
      readonly type: "result";
      readonly callId: string;
      /** Name of the tool, for readers that begin after the call. */
      readonly tool: Names;
      readonly output: ToolOutput;
      readonly ms: number;
      readonly attempt: number;
      readonly edited?: true | undefined;
    }
  | {
      readonly type: "critique";
      /** From 0 to 1. */
      readonly score: number;
      readonly feedback: string;
      readonly isSatisfied: boolean;
      readonly tokens: number;
      readonly costUsd: number;
      readonly ms: number;
      readonly attempt: number;
    }
  | { readonly type: "repair"; readonly why: string }
  | { readonly type: "compacted"; readonly from: number; readonly to: number }
  | { readonly type: "steered"; readonly by: string }
  | { readonly type: "paused"; readonly questions: readonly Question[] }
  | { readonly type: "end"; readonly end: PlanEnd<Output> }
);
