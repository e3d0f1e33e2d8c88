import type { PlanResult, Prompt } from "@penguiflow/planner";
import { type FlexibleSchema, jsonSchema, tool, type Tool as AiTool } from "ai";

/** A planner, as far as a tool needs it. */
export interface RunnablePlanner<Output> {
  readonly flow: unknown;
  /** Runs a prompt, and resolves with how it ended or what it waits for. */
  run(prompt: Prompt, options?: CallerOptions): Promise<PlanResult<Output>>;
}

/** A flow, as far as a tool needs it. */
export interface CallableFlow<in Input, out Result> {
  /** Calls the flow, and resolves with its result. */
  call(input: Input, options?: CallerOptions): Promise<Result>;
}

/** The identity of a call, and its limits. */
export interface CallerOptions {
  readonly tenant?: string | undefined;
  /** For planners. */
  readonly user?: string | undefined;
  /** For planners. */
  readonly thread?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of `toAiTool`. */
export interface ToAiToolOptions {
  readonly description: string;
  /**
   * Names the caller: from the tool's `context`, never from what the model writes.
   *
   * @defaultValue the default tenant, no user
   */
  readonly caller?: ((given: { readonly context: unknown; readonly toolCallId: string }) => CallerOptions) | undefined;
}

/** The answer of a planner as a tool of the AI SDK. It has no tokens: no model may answer a question. */
export type PlanAnswer<Output> =
  | { readonly status: "completed"; readonly runId: string; readonly output: Output }
  | { readonly status: "paused"; readonly runId: string; readonly questions: readonly string[] };

/** Input of a planner as a tool. */
export interface PlanQuestion {
  readonly prompt: string;
}

/**
 * Makes a planner a tool of the AI SDK. The call's abort cancels the run. An end that is no answer is an error
 * of the tool, never a result.
 */
export function toAiTool<Output>(
  planner: RunnablePlanner<Output>,
  options: ToAiToolOptions,
): AiTool<PlanQuestion, PlanAnswer<Output>>;
/**
 * Makes a flow a tool of the AI SDK. The call's abort cancels its trace, and what it throws is an error of the tool.
 *
 * @throws TypeError without an `inputSchema`
 */
export function toAiTool<Input, Result>(
  flow: CallableFlow<Input, Result>,
  options: ToAiToolOptions & { readonly inputSchema: FlexibleSchema<Input> },
): AiTool<Input, Result>;
export function toAiTool(
  target: RunnablePlanner<unknown> | CallableFlow<unknown, unknown>,
  { description, caller = () => ({}), inputSchema }: ToAiToolOptions & { readonly inputSchema?: FlexibleSchema },
): unknown {
  const optionsOf = ({ context, toolCallId, abortSignal: signal }: Execution): CallerOptions => ({
    ...caller({ context, toolCallId }),
    ...(signal !== undefined && { signal }),
  });
  if ("call" in target) {
    if (inputSchema === undefined) throw new TypeError('Option "inputSchema" of toAiTool is missing: a flow needs it');
    return tool({
      description,
      inputSchema,
      execute: async (input: unknown, given: Execution) => await target.call(input, optionsOf(given)),
    } as never);
  }
  return tool({
    description,
    inputSchema: PROMPT,
    execute: async ({ prompt }: PlanQuestion, given: Execution) => answerOf(await target.run(prompt, optionsOf(given))),
  } as never);
}

interface Execution {
  readonly context: unknown;
  readonly toolCallId: string;
  readonly abortSignal?: AbortSignal | undefined;
}

const PROMPT = jsonSchema<PlanQuestion>(
  {
    type: "object",
    properties: { prompt: { type: "string", description: "The task, with all that is needed to do it" } },
    required: ["prompt"],
    additionalProperties: false,
  },
  {
    validate: (value) =>
      typeof (value as Partial<PlanQuestion> | null)?.prompt === "string"
        ? { success: true, value: value as PlanQuestion }
        : { success: false, error: new TypeError('expected { "prompt": "text" }') },
  },
);

function answerOf(result: PlanResult<unknown>): PlanAnswer<unknown> {
  const { runId } = result;
  switch (result.status) {
    case "completed":
      return { status: "completed", runId, output: result.output };
    case "paused":
      return { status: "paused", runId, questions: result.questions.map(({ reason }) => reason) };
    case "exhausted":
      throw new Error(`The task is not done: its budget of ${result.which} is used up`);
    case "failed":
      throw new Error(`The task is not done: ${result.code}`);
    case "cancelled":
      throw new Error("The task is not done: it was cancelled");
  }
}
