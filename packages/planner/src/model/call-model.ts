import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4GenerateResult,
  LanguageModelV4Prompt,
} from "@ai-sdk/provider";
import type { JsonSchema } from "../plan/json.ts";
import type { Tool } from "../tools/tool.ts";
import type { TurnPart } from "../plan/log-item.ts";
import { answerParts } from "./answer-parts.ts";
import { type ReadParts, readJsonTurn } from "./json-mode.ts";
import { jsonPrompt } from "./json-prompt.ts";
import { ModelError } from "./model-error.ts";
import type { ModelSettings, ModelTurn, Prices } from "./model-turn.ts";
import { withOutputRule } from "./output.ts";
import { providerFailure } from "./provider-failure.ts";
import { type ModelAnswer, type OnDelta, readStream } from "./read-stream.ts";
import { costOf, requirePrice, usageOf } from "./usage.ts";

/** A call of a model. */
export interface ModelRequest {
  readonly prompt: LanguageModelV4Prompt;
  readonly tools: readonly Tool[];
  readonly mode: "native" | "json";
  readonly settings?: ModelSettings | undefined;
  readonly prices?: Prices | undefined;
  /** Schema of the answer, for providers that can hold a model to it. */
  readonly output?: JsonSchema | undefined;
  readonly signal: AbortSignal;
  /** Number of the call in its run. It makes ids of tool calls unique. */
  readonly step: number;
  /** Receives what the model says while it speaks. @defaultValue the model does not stream */
  readonly onDelta?: OnDelta | undefined;
}

/**
 * Calls a model once, and returns its turn. It does not retry.
 *
 * @throws ModelError when the provider fails, or the model's stream ends before it is finished
 * @throws TypeError when there are prices and none for the model
 * @throws the reason of the signal when it is aborted, also when the model ignores it
 */
export async function callModel(model: LanguageModelV4, request: ModelRequest): Promise<ModelTurn> {
  const { signal, onDelta, prices, mode, output, step } = request;
  signal.throwIfAborted();
  requirePrice(prices, model.modelId);
  const options = optionsOf(request);
  const answer =
    onDelta === undefined
      ? answerOf(await asked(model, () => model.doGenerate(options), signal))
      : await streamed(model, options, signal, mode === "json" ? withoutText(onDelta) : onDelta);
  const said = answerParts(answer.content, step);
  const read: ReadParts = mode === "json" ? readJsonTurn(said, step) : { parts: said };
  const { parts } = read;
  let all = "";
  for (const part of parts) if (part.type === "text") all += part.text;
  const text = mode === "native" && output !== undefined ? (answer.outputText ?? all) : all;
  const problem = read.problem ?? emptyProblem(parts, text);
  const finish = finishOf(model.modelId, answer, text);
  const usage = usageOf(answer.usage, () => ({
    asked: JSON.stringify(options.prompt),
    answered: JSON.stringify(said),
  }));
  const modelId = answer.modelId ?? model.modelId;
  // as one piece: an action is known once it is whole
  if (mode === "json" && problem === undefined && text !== "") await onDelta?.("text", text);
  return {
    parts,
    text,
    finish,
    ...(problem !== undefined && { problem }),
    tokensIn: usage.tokensIn,
    tokensOut: usage.tokensOut,
    costUsd: costOf(usage, prices, [modelId, model.modelId]),
    modelId,
  };
}

function withoutText(onDelta: OnDelta): OnDelta {
  return async (kind, delta) => (kind === "reasoning" ? await onDelta(kind, delta) : undefined);
}

function emptyProblem(parts: readonly TurnPart[], text: string): string | undefined {
  if (text.trim() !== "" || parts.some((part) => part.type === "call" || part.type === "other")) return undefined;
  return "Your last answer was empty: answer with text, or call a tool";
}

async function streamed(
  model: LanguageModelV4,
  options: LanguageModelV4CallOptions,
  signal: AbortSignal,
  onDelta: OnDelta,
): Promise<ModelAnswer> {
  const { stream } = await asked(model, () => model.doStream(options), signal);
  return await readStream(model.modelId, stream, signal, onDelta);
}

function answerOf(result: LanguageModelV4GenerateResult): ModelAnswer {
  const { content, finishReason, usage, response, structuredOutputText } = result;
  return { content, finish: finishReason, usage, modelId: response?.modelId, outputText: structuredOutputText };
}

/** Asks a model, and stops waiting when the signal is aborted: some models do not listen to it. */
async function asked<Result>(
  model: LanguageModelV4,
  ask: () => PromiseLike<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    ask().then(resolve, reject);
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    throw providerFailure(model.modelId, error, undefined);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function optionsOf({ prompt, tools, mode, settings, output, signal }: ModelRequest): LanguageModelV4CallOptions {
  if (mode === "json") return { ...settings, prompt: jsonPrompt(prompt, tools, output), abortSignal: signal };
  return {
    ...settings,
    prompt: output === undefined ? prompt : withOutputRule(prompt, output),
    // an empty list is refused by some providers
    ...(tools.length > 0 && { tools: tools.map(functionTool) }),
    ...(output !== undefined && { responseFormat: { type: "json" as const, schema: output } }),
    abortSignal: signal,
  };
}

function functionTool({ name, description, inputSchema }: Tool): LanguageModelV4FunctionTool {
  return { type: "function", name, description, inputSchema };
}

function finishOf(modelId: string, { finish, content }: ModelAnswer, text: string): ModelTurn["finish"] {
  switch (finish.unified) {
    case "length":
      return "cut";
    case "content-filter":
      return "filtered";
    case "interrupted":
      throw new ModelError({
        code: "MODEL_OUTPUT_CUT",
        message: `Cannot use the answer of model "${modelId}": the provider's stream was interrupted`,
        retryable: true,
        text,
      });
    case "error":
      // calls decide: a provider that gave calls has answered
      if (content.some((part) => part.type === "tool-call")) return "stop";
      throw new ModelError({
        code: "MODEL_FAILED",
        message: `Cannot use the answer of model "${modelId}": it stopped with an error${finish.raw === undefined ? "" : ` (${finish.raw})`}`,
        retryable: true,
        text,
      });
    case "stop":
    case "tool-calls":
    case "other":
  }
  return "stop";
}
