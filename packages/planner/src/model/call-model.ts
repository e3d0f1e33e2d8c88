import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4GenerateResult,
  LanguageModelV4Prompt,
  LanguageModelV4StreamResult,
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
import { costOf, estimatedUsage, knownUsage, requirePrice } from "./usage.ts";
import { type AskingAttempt, type HideArguments, watchModel } from "./watch-model.ts";

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
  /** The attempt that makes the call, for tools that watch. @defaultValue the call is not watched */
  readonly askedBy?: AskingAttempt | undefined;
  /** Masks secret arguments where the call is watched. @defaultValue there are none */
  readonly hide?: HideArguments | undefined;
  /** Receives what the model says while it speaks. @defaultValue the model does not stream */
  readonly onDelta?: OnDelta | undefined;
}

/**
 * Calls a model once, and resolves with its turn. It does not retry.
 *
 * @throws ModelError when the provider fails, or the model's stream ends before it is finished
 * @throws TypeError when there are prices and none for the model
 * @throws the reason of the signal when it is aborted, also when the model ignores it
 */
export function callModel(model: LanguageModelV4, request: ModelRequest): Promise<ModelTurn> {
  const { onDelta } = request;
  const watched = watchModel(model, request);
  return onDelta === undefined ? generated(watched, request) : streamed(watched, request, onDelta);
}

/** Asks a model for its turn as a whole. */
function generated(model: LanguageModelV4, request: ModelRequest): Promise<ModelTurn> {
  return asked(model, request, generate, (result, options) => {
    const { content, finishReason, usage, response, structuredOutputText: outputText } = result;
    const answer = { content, finish: finishReason, usage, modelId: response?.modelId, outputText };
    return turnOf(model, request, options, answer);
  });
}

/** Asks a model for its turn, and tells it while the model speaks. */
async function streamed(model: LanguageModelV4, request: ModelRequest, onDelta: OnDelta): Promise<ModelTurn> {
  const { signal, mode } = request;
  const { stream, options } = await asked(model, request, openStream, streamOf);
  const heard = await readStream(model.modelId, stream, signal, mode === "json" ? withoutText(onDelta) : onDelta);
  const turn = turnOf(model, request, options, heard);
  // as one piece: an action is known once it is whole
  if (mode === "json" && turn.problem === undefined && turn.text !== "") await onDelta("text", turn.text);
  return turn;
}

function turnOf(
  { modelId: askedId }: LanguageModelV4,
  { mode, output, prices, step }: ModelRequest,
  options: LanguageModelV4CallOptions,
  answer: ModelAnswer,
): ModelTurn {
  const said = answerParts(answer.content, step);
  const read: ReadParts = mode === "json" ? readJsonTurn(said, step) : { parts: said };
  const { parts } = read;
  let all = "";
  for (const part of parts) if (part.type === "text") all += part.text;
  const text = mode === "native" && output !== undefined ? (answer.outputText ?? all) : all;
  const problem = read.problem ?? emptyProblem(parts, text);
  const finish = finishOf(askedId, answer, text);
  const usage =
    knownUsage(answer.usage) ?? estimatedUsage(answer.usage, JSON.stringify(options.prompt), JSON.stringify(said));
  const modelId = answer.modelId ?? askedId;
  const turn: ModelTurn = {
    parts,
    text,
    finish,
    tokensIn: usage.tokensIn,
    tokensOut: usage.tokensOut,
    costUsd: prices === undefined ? 0 : costOf(usage, prices, [modelId, askedId]),
    modelId,
  };
  return problem === undefined ? turn : { ...turn, problem };
}

function withoutText(onDelta: OnDelta): OnDelta {
  return async (kind, delta) => (kind === "reasoning" ? await onDelta(kind, delta) : undefined);
}

function emptyProblem(parts: readonly TurnPart[], text: string): string | undefined {
  if (text.trim() !== "" || parts.some((part) => part.type === "call" || part.type === "other")) return undefined;
  return "Your last answer was empty: answer with text, or call a tool";
}

/** A way to ask a model. */
type Ask<Result> = (model: LanguageModelV4, options: LanguageModelV4CallOptions) => PromiseLike<Result>;

const generate: Ask<LanguageModelV4GenerateResult> = (model, options) => model.doGenerate(options);

const openStream: Ask<LanguageModelV4StreamResult> = (model, options) => model.doStream(options);

const streamOf = ({ stream }: LanguageModelV4StreamResult, options: LanguageModelV4CallOptions) => ({
  stream,
  options,
});

/**
 * Asks a model, and reads what it gives. Stops waiting when the signal is aborted: some models do not listen to it. It is
 * one promise for each call, because a run makes as many as it has steps.
 */
function asked<Result, Read>(
  model: LanguageModelV4,
  request: ModelRequest,
  ask: Ask<Result>,
  read: (result: Result, options: LanguageModelV4CallOptions) => Read,
): Promise<Read> {
  const { signal } = request;
  return new Promise((resolve, reject) => {
    const options = optionsOf(model, request);
    const abort = (): void => reject(signal.reason as Error);
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", abort);
      reject(signal.aborted ? (signal.reason as Error) : providerFailure(model.modelId, error, undefined));
    };
    const answer = (result: Result): void => {
      signal.removeEventListener("abort", abort);
      try {
        resolve(read(result, options));
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      ask(model, options).then(answer, fail);
    } catch (error) {
      fail(error);
    }
  });
}

function optionsOf(
  { modelId }: LanguageModelV4,
  { prompt, tools, mode, settings, prices, output, signal }: ModelRequest,
): LanguageModelV4CallOptions {
  signal.throwIfAborted();
  requirePrice(prices, modelId);
  if (mode === "json") return { ...settings, prompt: jsonPrompt(prompt, tools, output), abortSignal: signal };
  const options: LanguageModelV4CallOptions = {
    ...settings,
    prompt: output === undefined ? prompt : withOutputRule(prompt, output),
    abortSignal: signal,
  };
  // an empty list is refused by some providers
  if (tools.length > 0) options.tools = tools.map(functionTool);
  if (output !== undefined) options.responseFormat = { type: "json", schema: output };
  return options;
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
