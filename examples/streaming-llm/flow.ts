// The flow: a model produces words, and each is streamed as it arrives.
import { type Context, create, emitStreamEvents, FinalAnswer, payloadNode } from "penguiflow";
import { z } from "zod";

/** Interface to a language model; any vendor's client can be adapted to it. */
export interface LanguageModel {
  generate(question: string, signal: AbortSignal): AsyncIterable<{ readonly delta: string }>;
}

const answer = payloadNode(
  { name: "answer", input: z.string().trim().min(1).max(500), policy: { timeoutMs: 30_000, concurrency: 32 } },
  async (question, ctx: Context<{ readonly model: LanguageModel }>) => {
    const words = ctx.resources.model.generate(question, ctx.signal);
    // waits while the reader is slow, and ends when the reader disconnects
    return new FinalAnswer({ text: await emitStreamEvents(words, ctx, { text: ({ delta }) => delta }) });
  },
);

export function createFlow() {
  return create(answer.to(), { name: "streaming-llm" });
}
