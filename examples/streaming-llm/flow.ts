// The flow: a model speaks, and each word goes out when it is said.
import { type Context, create, emitStreamEvents, FinalAnswer, payloadNode } from "penguiflow";
import { z } from "zod";

/** What the flow needs of a language model: every vendor's client can be made into this. */
export interface LanguageModel {
  generate(question: string, signal: AbortSignal): AsyncIterable<{ readonly delta: string }>;
}

const answer = payloadNode(
  { name: "answer", input: z.string().trim().min(1).max(500), policy: { timeoutMs: 30_000, concurrency: 32 } },
  async (question, ctx: Context<{ readonly model: LanguageModel }>) => {
    const words = ctx.resources.model.generate(question, ctx.signal);
    // waits while the reader is behind, ends when the reader has left
    return new FinalAnswer({ text: await emitStreamEvents(words, ctx, { text: ({ delta }) => delta }) });
  },
);

export function createFlow() {
  return create(answer.to(), { name: "streaming-llm" });
}
