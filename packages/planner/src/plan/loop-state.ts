import type { Transient } from "penguiflow";
import type { PlanBudget } from "./budget.ts";
import type { Caller } from "./caller.ts";
import type { Ending } from "./entry.ts";
import type { Json } from "./json.ts";
import type { Prompt } from "./log-item.ts";
import type { Effects } from "./effects.ts";
import type { ToolOutput } from "./tool-output.ts";

/**
 * Input of a planner's flow. User and thread are named by the program: it never passes a client's body on as it is.
 */
export interface PlanInput {
  readonly prompt: Prompt;
  readonly user?: string | undefined;
  readonly thread?: string | undefined;
  /** Limits besides those of the planner; the lower one counts. */
  readonly budget?: Partial<PlanBudget> | undefined;
  /** Names of the planners above it, outermost first. Its messages are in the memory of no thread then. */
  readonly path?: readonly string[] | undefined;
  /** Whether the model streams, for a reader of its text. @defaultValue false */
  readonly streams?: boolean | undefined;
}

/** State that each message of the loop carries: how far the run has come, and not what was said. */
export interface Loop extends Pick<PlanInput, "user" | "thread"> {
  /** Names of the planners on the way down to this one; empty for the one that was run. */
  readonly path: readonly string[];
  readonly streams: boolean;
  /** Length of the log. */
  readonly at: number;
  readonly budget: PlanBudget;
  /** Spent by this planner itself. */
  readonly spent: PlanBudget;
  /** Number of unusable turns that the model was told of. */
  readonly repairs: number;
  /** Whether the model was told that its answer does not fit. */
  readonly isAskedAgain: boolean;
  /** Number of answers that a critic has sent back. */
  readonly revisions: number;
  /** Names of the sources that could not be reached when the run began. */
  readonly unavailable: readonly string[];
  /** Position in the memory of its thread. */
  readonly memoryAt: number;
  /** Whether a call in the background has begun: the run does not end before it. */
  readonly hasBackground?: true | undefined;
}

/** A turn of the model that is in the log, or an end without one. */
export interface Turned {
  readonly loop: Loop;
  readonly end?: Ending | undefined;
  /** Whether a critic has sent the answer back: the model is called again. */
  readonly isRevised?: true | undefined;
  /** The text of the turn as the policies let it pass; absent without policies. */
  readonly screened?: { readonly text: string; readonly stop?: string | undefined } | undefined;
  /** Arguments of the turn's calls as the model wrote them, by call, where the log has them masked. */
  readonly unmasked?: Transient<Readonly<Record<string, string>>> | undefined;
}

/** An end that waits until no call in the background is open. */
export interface Ended {
  readonly loop: Loop;
  readonly end: Ending;
}

/** An answer on its way to a critic. */
export interface Drafted {
  readonly loop: Loop;
  readonly end: Extract<Ending, { readonly status: "completed" }>;
}

/** A call on its way to its tool. */
export interface Call {
  readonly loop: Loop;
  /** Number of calls in its turn. */
  readonly of: number;
  readonly callId: string;
  readonly providerId: string;
  readonly tool: string;
  readonly args: Json;
  /** Arguments of a person in their place. */
  readonly edited?: Json | undefined;
  /** The arguments with those that are secret, which `args` and `edited` have masked. */
  readonly unmasked?: Transient<Json> | undefined;
  /** Reason for which a person is asked first; absent without a question. */
  readonly asks?: string | undefined;
  readonly digest: string;
  readonly effects: Effects;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  /** Whether the loop goes on without its result. */
  readonly background?: true | undefined;
}

/** A call with its result. */
export interface Done extends Pick<Call, "loop" | "of" | "callId" | "providerId" | "tool" | "edited"> {
  readonly output: ToolOutput;
  readonly ms: number;
  readonly attempt: number;
  /** `"begun"`: of a call in the background, before its result; `"over"`: with its result. */
  readonly background?: "begun" | "over" | undefined;
  /** Reason why the run is to stop. */
  readonly stop?: string | undefined;
}

/** Makes the result of a call. */
export function doneOf(call: Call, output: ToolOutput, ms: number, attempt: number, stop?: string): Done {
  const { loop, of, callId, providerId, tool, edited, background } = call;
  const done: Done = { loop, of, callId, providerId, tool, output, ms, attempt };
  if (edited === undefined && stop === undefined && background !== true) return done;
  return {
    ...done,
    ...(edited !== undefined && { edited }),
    ...(stop !== undefined && { stop }),
    ...(background === true && { background: "over" }),
  };
}

/** A result that is in the log. */
export interface Recorded {
  readonly loop: Loop;
  readonly of: number;
  readonly stop?: string | undefined;
}

/** Returns who the run acts for. */
export function callerOf(loop: Pick<Loop, "user" | "thread">, tenant: string, runId: string): Caller {
  const { user, thread } = loop;
  if (user === undefined && thread === undefined) return { tenant, runId };
  return { tenant, runId, ...(user !== undefined && { user }), ...(thread !== undefined && { thread }) };
}
