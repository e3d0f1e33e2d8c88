// The language model of the agent workloads: it answers at once, from its prompt alone.
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";

/** Number of times that the model calls the tool before it answers. */
export const toolCalls = 10;

/** Name of the tool, whose argument is `{ n: number }` and whose result is `n + 1`. */
export const toolName = "add_one";
export const toolText = "Adds one to a number";

/** Answer of the model when it has seen all results. */
export const answer = "All numbers are counted, and the last one is ten.";
/** Pieces in which a stream gives it. */
export const pieces: readonly string[] = answer.split(/(?<= )/);

const usage: LanguageModelV4Usage = {
  inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 5, text: 5, reasoning: 0 },
};

const finish = (unified: "stop" | "tool-calls") => ({ unified, raw: unified }) as const;

/** Returns the next call, or `undefined` when it is time to answer. */
function nextCall({ prompt }: LanguageModelV4CallOptions) {
  let results = 0;
  for (const { role, content } of prompt) {
    if (role === "tool") for (const part of content) if (part.type === "tool-result") results += 1;
  }
  if (results >= toolCalls) return undefined;
  return { type: "tool-call", toolCallId: `call-${results}`, toolName, input: `{"n":${results}}` } as const;
}

function streamOf(parts: readonly LanguageModelV4StreamPart[]): ReadableStream<LanguageModelV4StreamPart> {
  let next = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (next < parts.length) controller.enqueue(parts[next++]!);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

const textParts: readonly LanguageModelV4StreamPart[] = [
  { type: "stream-start", warnings: [] },
  { type: "text-start", id: "0" },
  ...pieces.map((delta) => ({ type: "text-delta", id: "0", delta }) as const),
  { type: "text-end", id: "0" },
  { type: "finish", usage, finishReason: finish("stop") },
];

/** A model of the AI SDK. @param delayMs - time of each call; none: it answers at once */
export function languageModel(delayMs = 0): LanguageModelV4 {
  const wait = () => (delayMs === 0 ? undefined : new Promise<void>((resolve) => void setTimeout(resolve, delayMs)));
  return {
    specificationVersion: "v4",
    provider: "bench",
    modelId: "scripted",
    supportedUrls: {},
    async doGenerate(options) {
      await wait();
      const call = nextCall(options);
      const content: LanguageModelV4Content[] = [call ?? { type: "text", text: answer }];
      return { content, usage, finishReason: finish(call === undefined ? "stop" : "tool-calls"), warnings: [] };
    },
    async doStream(options) {
      await wait();
      const call = nextCall(options);
      if (call === undefined) return { stream: streamOf(textParts) };
      return {
        stream: streamOf([
          { type: "stream-start", warnings: [] },
          { type: "tool-input-start", id: call.toolCallId, toolName },
          { type: "tool-input-delta", id: call.toolCallId, delta: call.input },
          { type: "tool-input-end", id: call.toolCallId },
          call,
          { type: "finish", usage, finishReason: finish("tool-calls") },
        ]),
      };
    },
  };
}
