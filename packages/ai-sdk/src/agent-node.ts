import type { ModelMessage, TextStreamPart, ToolSet } from "ai";
import { type FlowNode, payloadNode, type Policy } from "penguiflow";

/** An agent of the AI SDK, such as a `ToolLoopAgent`, as far as a node needs it. */
export interface StreamingAgent<Output> {
  /** Streams an answer: its parts, its text and its typed output. */
  stream(options: { readonly prompt: string | ModelMessage[]; readonly abortSignal: AbortSignal }): PromiseLike<{
    readonly stream: AsyncIterable<{ readonly type: string }>;
    readonly text: PromiseLike<string>;
    readonly output: PromiseLike<Output>;
  }>;
}

/** Input of an {@link agentNode}: a text, or messages. */
export type AgentPrompt = string | readonly ModelMessage[];

/** Result of an {@link agentNode}. */
export interface AgentAnswer<Output> {
  readonly text: string;
  /** The typed output of an agent that has one, or else the text. */
  readonly output: Output;
  /** Tokens in and out, of all model calls. */
  readonly tokens: number;
}

/**
 * Creates a node that runs an agent of the AI SDK. Its text is streamed as chunks; abort, deadline and timeout reach the
 * agent's model and tools. Tokens are spent from the budget `tokens` of the trace. Give it no retries if the agent's tools
 * write: the runtime knows nothing of what the agent does.
 *
 * The node fails unless the agent has finished: a stream that was cut, a limit of length or steps, a filter, and a call
 * that waits for an approval are errors.
 */
export function agentNode<const Name extends string, Output>(
  init: Name | { readonly name: Name; readonly policy?: Policy },
  agent: StreamingAgent<Output>,
): FlowNode<Name, AgentPrompt, AgentAnswer<Output>> {
  const options = typeof init === "string" ? { name: init } : init;
  return payloadNode(options, async (prompt: AgentPrompt, ctx): Promise<AgentAnswer<Output>> => {
    const given = typeof prompt === "string" ? prompt : [...prompt];
    const result = await agent.stream({ prompt: given, abortSignal: ctx.signal });
    let tokens = 0;
    let finish: FinishPart | undefined;
    for await (const any of result.stream) {
      const part = any as TextStreamPart<ToolSet>;
      if (part.type === "text-delta") await ctx.emitChunk({ text: part.text });
      else if (part.type === "error") throw part.error;
      else if (part.type === "finish-step") {
        const used = part.usage.totalTokens ?? 0;
        tokens += used;
        if (used > 0) ctx.budget.spend({ tokens: used });
      } else if (part.type === "finish") finish = part;
    }
    ctx.signal.throwIfAborted();
    requireFinished(options.name, finish);
    return { text: await result.text, output: await result.output, tokens };
  });
}

type FinishPart = Extract<TextStreamPart<ToolSet>, { type: "finish" }>;

/** Throws unless the agent has said that it is done. */
function requireFinished(name: string, finish: FinishPart | undefined): void {
  const { finishReason = "other", rawFinishReason } = finish ?? {};
  // a model that ends for a reason of its own says which; a stream that was cut says nothing
  if (finishReason === "stop" || (finishReason === "other" && rawFinishReason !== undefined)) return;
  const cause =
    finishReason === "tool-calls"
      ? "its last step asks for tools; it has used up its steps, or a call waits for its approval"
      : finishReason === "other"
        ? "its stream ended without a finish"
        : `it finished with "${finishReason}"`;
  throw new Error(`Cannot take the answer of agent "${name}": ${cause}`);
}
