import type { Context, EmitTarget, HandlerResult } from "../../graph/handler.ts";
import type { Schema, SchemaInput, SchemaOutput } from "../../foundation/schema.ts";
import { type FlowNode, node, type NodeOptions, type WithInput, type WithOutput } from "../../graph/node.ts";
import type { Message } from "../../message/message.ts";
import { type Fault, suffer } from "./fault.ts";

/** One action of a scripted node in an attempt. */
export type Step =
  | Fault
  /** Streams a piece of text. */
  | { readonly type: "chunk"; readonly text: string }
  /** Sends a further message. */
  | { readonly type: "emit"; readonly value: unknown; readonly to?: EmitTarget["to"] };

/** The actions of a scripted node in one attempt, in sequence. A step that throws or returns comes last. */
export type Steps = Step | readonly Step[];

/** The attempt for which a script is evaluated. */
export interface ScriptedAttempt<Input> {
  readonly payload: Input;
  readonly message: Message<Input>;
  readonly traceId: string;
  readonly tenant: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
}

/** Steps for each attempt in turn, the last repeated, or a function that returns the steps of an attempt. */
export type Script<Input> = readonly Steps[] | ((attempt: ScriptedAttempt<Input>) => Steps);

/**
 * Creates a node that follows a script, in place of one that needs a network or a model. When the script does not
 * `return` a value, the node forwards its input. `shape<Type>()` is a schema that only carries a type.
 *
 * @example
 * ```ts
 * const model = scriptedNode({ name: "model", input: shape<string>(), output: shape<string>(), policy: { maxRetries: 1 } }, [
 *   { type: "throw", error: new Error("overloaded") },
 *   [{ type: "slow", byMs: 800 }, { type: "chunk", text: "pin" }, { type: "return", value: "pingu" }],
 * ]);
 * ```
 * @throws TypeError when the script is an empty list
 */
export function scriptedNode<
  const Name extends string,
  Input extends Schema<unknown, unknown>,
  Output extends Schema<unknown, unknown>,
  const Loops extends boolean = false,
>(
  options: NodeOptions<Name, Loops, SchemaInput<Input>, HandlerResult<SchemaInput<Output>>> &
    WithInput<Input> &
    WithOutput<Output>,
  script: Script<SchemaOutput<Input>>,
): FlowNode<Name, SchemaInput<Input>, SchemaOutput<Output>, unknown, Loops> {
  if (typeof script !== "function" && script.length === 0)
    throw new TypeError(
      `The script of node "${options.name}" must have steps for at least one attempt: got an empty list`,
    );
  const handler = (message: Message<SchemaOutput<Input>>, ctx: Context): Promise<never> => {
    const { payload, traceId } = message;
    const { attempt, tenant } = ctx;
    const steps =
      typeof script === "function"
        ? script({ payload, message, traceId, tenant, attempt })
        : (script[Math.min(attempt, script.length) - 1] as Steps);
    return perform(Array.isArray(steps) ? (steps as readonly Step[]) : [steps as Step], message, ctx) as Promise<never>;
  };
  return node(options, handler);
}

/** Performs the steps in sequence; the steps after a fault are the work that it affects. */
async function perform([step, ...rest]: readonly Step[], message: Message, ctx: Context): Promise<unknown> {
  if (step === undefined) return message;
  if (step.type === "chunk") await ctx.emitChunk({ text: step.text });
  else if (step.type === "emit") await ctx.emit(step.value, step.to === undefined ? {} : { to: step.to });
  else return suffer(step, ctx, () => perform(rest, message, ctx));
  return perform(rest, message, ctx);
}
