import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";

/** A call of a tool in a script. */
export interface ScriptedCall {
  readonly tool: string;
  /** Arguments; a string goes to the planner as it is, so that it can be malformed. @defaultValue none */
  readonly args?: unknown;
  /** The provider's id. @defaultValue unique in the model */
  readonly id?: string | undefined;
}

/** An answer in a script: reasoning first, then text, then calls. */
export interface ScriptedAnswer {
  readonly reasoning?: string | undefined;
  readonly text?: string | undefined;
  readonly calls?: readonly ScriptedCall[] | undefined;
  /** Further parts, such as files or those of a provider's own tools. */
  readonly content?: readonly LanguageModelV4Content[] | undefined;
  /** @defaultValue `"tool-calls"` with calls, else `"stop"` */
  readonly finish?: LanguageModelV4FinishReason["unified"] | undefined;
  /** Tokens in and out. @defaultValue 10 and 5 */
  readonly tokens?: readonly [input: number, output: number] | undefined;
  /** Whether the answer breaks off: a stream ends without its `finish` part. @defaultValue false */
  readonly cut?: boolean | undefined;
}

/** An answer, its text alone, or an error that the model throws. */
export type ScriptedTurn = string | ScriptedAnswer | Error;

/** A call of a scripted model. */
export interface ScriptedRequest {
  readonly prompt: LanguageModelV4Prompt;
  readonly options: LanguageModelV4CallOptions;
  /** Number of the call, from 0. */
  readonly index: number;
}

/** The answers in their order, or a function that gives each: of the prompt, to be the same after a crash. */
export type ModelScript =
  | readonly ScriptedTurn[]
  | ((request: ScriptedRequest) => ScriptedTurn | Promise<ScriptedTurn>);

/** Options of {@link scriptedModel}. */
export interface ScriptedModelOptions {
  /** Whether the script begins anew after its last answer. @defaultValue false */
  readonly loop?: boolean | undefined;
  /** @defaultValue `"scripted"` */
  readonly modelId?: string | undefined;
  /** Number of the last calls that are kept. @defaultValue 100 */
  readonly keep?: number | undefined;
}

/** A model for tests. */
export interface ScriptedModel extends LanguageModelV4 {
  /** The last calls, oldest first. */
  readonly calls: readonly LanguageModelV4CallOptions[];
  /** Number of all calls. */
  readonly count: number;
}

/**
 * Makes a model that answers from a script, without a network. It streams word by word.
 *
 * @throws an error that is not worth a retry, on a call for which the script has no answer
 */
export function scriptedModel(script: ModelScript, options: ScriptedModelOptions = {}): ScriptedModel {
  const { loop = false, modelId = "scripted", keep = 100 } = options;
  const calls: LanguageModelV4CallOptions[] = [];
  let count = 0;
  const ask = async (callOptions: LanguageModelV4CallOptions): Promise<Scripted> => {
    callOptions.abortSignal?.throwIfAborted();
    const index = count;
    count += 1;
    calls.push(callOptions);
    if (calls.length > keep) calls.shift();
    const turn =
      typeof script === "function"
        ? await script({ prompt: callOptions.prompt, options: callOptions, index })
        : turnAt(script, index, loop);
    if (turn instanceof Error) throw turn;
    return scripted(typeof turn === "string" ? { text: turn } : turn, index);
  };
  return {
    specificationVersion: "v4",
    provider: "scripted",
    modelId,
    supportedUrls: {},
    calls,
    get count() {
      return count;
    },
    async doGenerate(callOptions) {
      const { content, finish, usage, cut } = await ask(callOptions);
      return { content, finishReason: cut ? { unified: "interrupted", raw: undefined } : finish, usage, warnings: [] };
    },
    async doStream(callOptions) {
      return { stream: streamOf(await ask(callOptions)) };
    },
  };
}

interface Scripted {
  readonly content: LanguageModelV4Content[];
  readonly finish: LanguageModelV4FinishReason;
  readonly usage: LanguageModelV4Usage;
  readonly cut: boolean;
}

function turnAt(script: readonly ScriptedTurn[], index: number, loop: boolean): ScriptedTurn {
  const turn = script[loop ? index % script.length : index];
  if (turn !== undefined) return turn;
  const error = new Error(
    `Cannot answer call ${index + 1}: the script has ${script.length} answers; add one, or set "loop"`,
  );
  return Object.assign(error, { isRetryable: false });
}

function scripted(answer: ScriptedAnswer, index: number): Scripted {
  const { reasoning, text, calls = [], content = [], tokens = [10, 5], cut = false } = answer;
  const all: LanguageModelV4Content[] = [];
  if (reasoning !== undefined) all.push({ type: "reasoning", text: reasoning });
  if (text !== undefined) all.push({ type: "text", text });
  all.push(...content);
  for (const [position, { tool, args = {}, id = `call-${index}-${position}` }] of calls.entries()) {
    const input = typeof args === "string" ? args : JSON.stringify(args);
    all.push({ type: "tool-call", toolCallId: id, toolName: tool, input });
  }
  return {
    content: all,
    finish: { unified: answer.finish ?? (calls.length > 0 ? "tool-calls" : "stop"), raw: undefined },
    usage: {
      inputTokens: { total: tokens[0], noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
      outputTokens: { total: tokens[1], text: undefined, reasoning: undefined },
    },
    cut,
  };
}

function streamOf({ content, finish, usage, cut }: Scripted): ReadableStream<LanguageModelV4StreamPart> {
  const parts = streamParts(content);
  return new ReadableStream({
    pull(controller) {
      const part = parts.next();
      if (part.done !== true) {
        controller.enqueue(part.value);
        return;
      }
      if (!cut) controller.enqueue({ type: "finish", finishReason: finish, usage });
      controller.close();
    },
  });
}

function* streamParts(content: readonly LanguageModelV4Content[]): Generator<LanguageModelV4StreamPart, undefined> {
  yield { type: "stream-start", warnings: [] };
  for (const [index, part] of content.entries()) {
    if (part.type !== "text" && part.type !== "reasoning") {
      yield part;
      continue;
    }
    const { type, text, providerMetadata } = part;
    const id = String(index);
    yield { type: `${type}-start`, id };
    for (const delta of text.match(/\S*\s*/g) ?? []) if (delta !== "") yield { type: `${type}-delta`, id, delta };
    yield { type: `${type}-end`, id, ...(providerMetadata && { providerMetadata }) };
  }
  return undefined;
}
