import type { ErrorPayload } from "penguiflow";
import type { PlanBudget } from "./budget.ts";
import type { Ending } from "./entry.ts";
import type { Json } from "./json.ts";
import type { Question } from "./question.ts";
import type { ToolOutput } from "./tool-output.ts";

/** Reasons why a run fails. */
export type PlanErrorCode =
  | "MODEL_FAILED"
  | "MODEL_OUTPUT_UNUSABLE"
  | "MODEL_OUTPUT_CUT"
  | "MODEL_OUTPUT_FILTERED"
  | "CONTEXT_TOO_LONG"
  | "OUTPUT_INVALID"
  | "POLICY_STOPPED"
  | "THREAD_PAUSED"
  | "RUN_FAILED";

/** One model call with the tool calls that it asked for. */
export interface Step {
  readonly index: number;
  readonly text: string;
  readonly calls: readonly StepCall[];
  readonly tokens: number;
  readonly costUsd: number;
}

/** A call of a tool, with its result once it has one. */
export interface StepCall {
  readonly callId: string;
  readonly tool: string;
  readonly args: Json;
  readonly output?: ToolOutput | undefined;
}

/** Fields of every end. */
export interface PlanBase {
  readonly runId: string;
  readonly steps: readonly Step[];
  readonly spent: PlanBudget;
}

/** The end of a run. Output that is unusable, cut or filtered is `failed`; a budget or deadline is `exhausted`. */
export type PlanEnd<Output = string> =
  | (PlanBase & {
      readonly status: "completed";
      readonly output: Output;
      readonly text: string;
      /** Reason of a critic that is not satisfied, or could not judge; absent without. */
      readonly unsatisfied?: string | undefined;
    })
  | (PlanBase & {
      readonly status: "exhausted";
      readonly which: keyof PlanBudget | "deadline";
      readonly text?: string | undefined;
    })
  | (PlanBase & {
      readonly status: "failed";
      readonly code: PlanErrorCode;
      readonly error: ErrorPayload;
      readonly text?: string | undefined;
    })
  | (PlanBase & { readonly status: "cancelled"; readonly reason: unknown });

/** An end, or a pause with the open questions. */
export type PlanResult<Output = string> =
  | PlanEnd<Output>
  | (PlanBase & { readonly status: "paused"; readonly questions: readonly Question[] });

/**
 * The end of a run as its flow gives it on: without the steps, which stand in the log of the run, so that they are not
 * stored twice. `steps` is empty.
 */
export type BareEnd<Output = string> = Exclude<PlanEnd<Output>, { readonly status: "cancelled" }>;

/** Makes an end from its data. */
export function planEnd<Output>(end: Ending, base: PlanBase): PlanEnd<Output> {
  if (end.status !== "failed") return { ...base, ...end } as PlanEnd<Output>;
  const { status, code, message, text } = end;
  return { ...base, status, code, error: { name: "PlanError", message, code }, ...(text !== undefined && { text }) };
}
