import type { LanguageModelV4, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { ArtifactStore, Clock, Context, FlowNode, Schema } from "penguiflow";
import type { Memory } from "../memory/thread-memory.ts";
import { ModelError } from "../model/model-error.ts";
import type { ModelSettings, Prices } from "../model/model-turn.ts";
import type { PromptParts, StepInfo } from "../model/prompt-parts.ts";
import type { PlanBudget } from "../plan/budget.ts";
import type { Caller } from "../plan/caller.ts";
import type { Entry, EntryInit } from "../plan/entry.ts";
import type { JsonSchema } from "../plan/json.ts";
import { callerOf, type Loop } from "../plan/loop-state.ts";
import type { Policy } from "../plan/policy.ts";
import type { Catalogue } from "../tools/catalogue.ts";
import type { Gate, GateCaller } from "../tools/gate.ts";

/** Options of a planner with defaults applied, from which its nodes are made. */
export interface PlannerParts {
  readonly name: string;
  readonly model: (step: StepInfo) => LanguageModelV4;
  readonly instructions: (caller: Caller, step: StepInfo) => string;
  readonly catalogue: Catalogue;
  readonly gate: Gate;
  readonly policies: readonly Policy[];
  readonly output: { readonly schema: Schema<unknown, unknown>; readonly jsonSchema: JsonSchema } | undefined;
  readonly budget: PlanBudget;
  readonly onExhausted: "stop" | "answer";
  readonly memory: Memory | undefined;
  readonly prompt: (given: PromptParts, step: StepInfo) => LanguageModelV4Prompt;
  readonly mode: "native" | "json";
  readonly repairs: number;
  readonly settings: ModelSettings | undefined;
  readonly modelTimeoutMs: number;
  readonly prices: Prices | undefined;
  readonly artifacts: ArtifactStore | undefined;
  readonly critic:
    | {
        readonly criteria: string;
        readonly threshold: number;
        readonly revisions: number;
        readonly model: LanguageModelV4 | undefined;
      }
    | undefined;
  readonly clock: Clock;
}

/** A node of the loop. Its edges are checked by the runtime: which tools nodes there are is known at run time alone. */
// oxlint-disable-next-line typescript/no-explicit-any -- a graph made at run time has no types along its edges
export type LoopNode = FlowNode<string, any, any, any>;

/** Names of the nodes. */
export const NODES = {
  begin: "begin",
  model: "model",
  dispatch: "dispatch",
  ask: "ask",
  record: "record",
  gather: "gather",
  critic: "critic",
  answer: "answer",
} as const;

/** Returns the policy of the nodes that call a model. */
export function modelPolicy({ modelTimeoutMs }: PlannerParts) {
  return {
    concurrency: Number.POSITIVE_INFINITY,
    ...(Number.isFinite(modelTimeoutMs) && { timeoutMs: modelTimeoutMs }),
    maxRetries: 2,
    retryIf: (error: unknown): boolean => error instanceof ModelError && error.retryable,
    retryAfterMs: (error: unknown): number | undefined =>
      error instanceof ModelError ? error.retryAfterMs : undefined,
  };
}

/** Name of the node that runs the tools which were given by themselves. */
export const OWN_TOOLS = "tools";

/** Returns the name of the node that runs the tools of a source. */
export function toolsNode(source: string): string {
  return source === "" ? OWN_TOOLS : `tools:${source}`;
}

/** Returns who a message of the loop acts for, and through which planners. */
export function whoOf(loop: Pick<Loop, "user" | "thread" | "path">, ctx: Context): GateCaller {
  return { caller: callerOf(loop, ctx.tenant, ctx.traceId), path: loop.path };
}

/** Appends entries to the log of the run, and resolves with its length. */
export function log(
  ctx: Context,
  { clock }: PlannerParts,
  step: number,
  entries: readonly EntryInit[],
): Promise<number> {
  const at = clock.epochNow();
  return ctx.log.append(entries.map((entry): Entry => ({ at, step, ...entry })));
}
