import type { Playbook, Schema, SchemaOutput } from "penguiflow";
import type { PlanBudget } from "../plan/budget.ts";
import type { Caller } from "../plan/caller.ts";
import type { Effects } from "../plan/effects.ts";
import type { Json, JsonSchema } from "../plan/json.ts";
import type { Prompt } from "../plan/log-item.ts";
import type { PlanInput } from "../plan/loop-state.ts";
import type { BareEnd } from "../plan/plan-end.ts";
import type { ToolOutput } from "../plan/tool-output.ts";

export type { Effects } from "../plan/effects.ts";

/** When a call waits for a person, and for how long. */
export type Approval<Args> =
  | boolean
  | ((args: Args, caller: Caller) => boolean | Promise<boolean>)
  | {
      /** @defaultValue always */
      readonly when?: ((args: Args, caller: Caller) => boolean | Promise<boolean>) | undefined;
      /** Milliseconds after which a question without an answer counts as denied. @defaultValue never */
      readonly expiresInMs?: number | undefined;
      /** Whether a person may answer. @defaultValue everyone in the tenant */
      readonly approvers?: ((by: string, caller: Caller) => boolean) | undefined;
    };

/** A question of a tool in the midst of its call. */
export interface ToolQuestion<Value> {
  readonly reason: string;
  /** Context for answering, such as what the tool has found so far. */
  readonly payload?: Json | undefined;
  /** Schema of the answer. It gives a JSON Schema, as zod's does, or `jsonSchema` stands beside it. */
  readonly schema: Schema<unknown, Value>;
  readonly jsonSchema?: JsonSchema | undefined;
  /** Milliseconds until the question expires; the tool's call fails then. @defaultValue never */
  readonly expiresInMs?: number | undefined;
}

/** The runtime's interface to a tool. */
export interface ToolContext<Resources = unknown> {
  readonly callId: string;
  /** Key for other systems: the same for every attempt of this call, and unique to it. */
  readonly idempotencyKey: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly caller: Caller;
  /** Aborts on cancel, deadline and timeout. Created on first access. */
  readonly signal: AbortSignal;
  /** The value of the planner's `credentials` for this caller and source. In no payload, log, event or error. */
  readonly credential: unknown;
  readonly resources: Resources;
  /** Amounts left of the run's budget. */
  readonly left: PlanBudget;
  /** Tells readers of the run's stream how far the call has come. Not stored. */
  progress(data: Json): Promise<void>;
  /**
   * Asks a person and parks: no process waits. When there is an answer, the tool is called again from its beginning, and
   * this call returns it at once. Wrap what must not repeat in {@link ToolContext.once}.
   */
  ask<Value>(init: ToolQuestion<Value>): Promise<Value>;
  /** Runs a side effect of this call at most once, as `ctx.once` of the runtime does. */
  once<Value>(key: string, run: (effectKey: string) => Value | Promise<Value>): Promise<Value>;
  /** Runs another flow, with this run's deadline, budget, cancellation and observers. */
  call<Input, Result>(flow: Playbook<Input, Result>, input: Input): Promise<Result>;
  /**
   * Runs another planner below this one, for the same caller: with its deadline, its budget and its cancellation. Its
   * questions and events come up with its name in their `path`; its messages are in the memory of no thread.
   *
   * @param budget - limits of that run, besides those of the planner and what is left of the whole
   */
  run<Output>(planner: PlannerBelow<Output>, prompt: Prompt, budget?: Partial<PlanBudget>): Promise<BareEnd<Output>>;
}

/** A planner as one above it runs it. */
export interface PlannerBelow<Output> {
  readonly name: string;
  readonly flow: Playbook<PlanInput, BareEnd<Output>>;
}

/** A tool that a planner can call. Made by `tool`, or by a source. */
export interface Tool<out Name extends string = string> {
  /** 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly name: Name;
  readonly description: string;
  /** The arguments as the model is told of them. */
  readonly inputSchema: JsonSchema;
  /**
   * Names of arguments whose values reach the tool alone: prompts, logs, checkpoints, events and questions have
   * `"[secret]"` in their place. A restart loses them, and the model is told to call again.
   *
   * @defaultValue none
   */
  readonly secrets?: readonly string[] | undefined;
  readonly effects: Effects;
  readonly approval: Approval<never>;
  /** Milliseconds of an attempt, a person's time not counted. */
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly ifUnknown: IfUnknown;
  /** Characters of a result that the model gets. */
  readonly maxResultChars: number;
  /** Whether the model goes on without the result, and is told it in a later step. @defaultValue false */
  readonly background?: boolean | undefined;
  /**
   * Whether a call that was cut off goes on where it was by itself, as a flow does. The gate repeats it then, and keeps
   * nothing of it.
   *
   * @defaultValue false
   */
  readonly goesOn?: boolean | undefined;
  /** Whether the model sees it only after a search has given its name. @defaultValue false */
  readonly isDeferred?: boolean | undefined;
  /**
   * Makes the same search among the tools that a caller may see. Present on a tool that finds others: its result is JSON,
   * a list of `{ name }`, and shows the model those that are deferred.
   */
  readonly findsAmong?: ((isVisible: (name: string) => boolean) => Tool) | undefined;
  /** Checks arguments. Returns the value for `run`, or what does not fit, in words for the model. */
  check(args: Json): Checked | Promise<Checked>;
  /** Runs a call with checked arguments, and gives its result as the model reads it. */
  run(args: unknown, ctx: ToolContext<never>): Promise<ToolOutput>;
}

/** The outcome of a check. */
export type Checked = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string };

/**
 * Behaviour after a crash in the midst of a call that writes: tell the model that nothing is known, run it again, or ask
 * the other system by the call's idempotency key. The function returns the result, or `undefined` if it never arrived
 * there, and then the call is run.
 */
export type IfUnknown = "tell" | "run" | ((key: string) => Promise<ToolOutput | undefined>);

/** Options of {@link tool}. */
export interface ToolInit<Name extends string, In extends Schema<unknown, unknown>, Out, Resources> {
  /** 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly name: Name;
  readonly description: string;
  /** Schema of the arguments. It gives a JSON Schema, as zod's does, or `jsonSchema` stands beside it. */
  readonly input: In;
  readonly jsonSchema?: JsonSchema | undefined;
  /**
   * Names of arguments whose values reach `run` alone: prompts, logs, checkpoints, events and questions have `"[secret]"`
   * in their place, and so have results and errors of the call. A restart loses them, and the model is told to call again.
   *
   * @defaultValue none
   */
  readonly secrets?: readonly string[] | undefined;
  /** Schema of the output. What does not fit is told to the model as an error. @defaultValue anything */
  readonly output?: Schema<unknown, Out> | undefined;
  readonly effects: Effects;
  /** @defaultValue false */
  readonly approval?: Approval<SchemaOutput<In>> | undefined;
  /** @defaultValue 30_000 */
  readonly timeoutMs?: number | undefined;
  /** @defaultValue 2; 0 with `effects: "writes"` */
  readonly maxRetries?: number | undefined;
  /** @defaultValue `"tell"` */
  readonly ifUnknown?: "tell" | "run" | ((key: string) => Out | undefined | Promise<Out | undefined>) | undefined;
  /** @defaultValue 20_000 */
  readonly maxResultChars?: number | undefined;
  /**
   * Whether the model goes on while the call runs. It is told the result with its next step; a run ends after the last of
   * them.
   *
   * @defaultValue false
   */
  readonly background?: boolean | undefined;
  /** The result as the model reads it. @defaultValue text for a string, JSON for the rest */
  readonly toModel?: ((value: Out) => ToolOutput) | undefined;
  readonly run: (args: SchemaOutput<In>, ctx: ToolContext<Resources>) => Out | Promise<Out>;
}
