// The flow: searches the tenant's documents for a question and streams quotes from them.
import { type Context, create, FinalAnswer, type Instrument, logFlowEvents, payloadNode } from "penguiflow";
import { z } from "zod";
import type { Library, Passage } from "./library.ts";

/** Schema of a question. Strict: a body that names a tenant is rejected, not ignored. */
export const Question = z.strictObject({
  question: z.string().trim().min(3).max(500),
  limit: z.int().min(1).max(20).default(3),
});
/** A question as received. The flow validates it before it accepts it. */
export type Asked = z.input<typeof Question>;

/** Resources of the nodes. The tenant they search for is that of the message. */
export interface ServiceResources {
  readonly libraryOf: (tenant: string) => Library;
}

const find = payloadNode(
  { name: "find", input: Question, policy: { timeoutMs: 5_000, maxRetries: 1, concurrency: 16 } },
  async ({ question, limit }, ctx: Context<ServiceResources>): Promise<readonly Passage[]> =>
    ctx.resources.libraryOf(ctx.tenant).search(question, limit, ctx.signal),
);

// no timeout of its own: backpressure may hold it for as long as the request's limit allows
const quote = payloadNode(
  { name: "quote", policy: { concurrency: 64 } },
  async (passages: readonly Passage[], ctx: Context<ServiceResources>) => {
    const citations = passages.map(({ file, line }) => `${file}:${line}`);
    for (const [index, { text }] of passages.entries()) {
      await ctx.emitChunk({ text: `${text}\n\n`, meta: { citation: citations[index] } });
    }
    return new FinalAnswer({ text: passages.map(({ text }) => text).join("\n\n"), citations });
  },
);

export function createFlow(instrument?: Instrument) {
  const logTrouble = logFlowEvents(undefined, {
    types: ["node_retry", "node_failed", "node_timeout", "node_zombie", "deadline_skip", "result_drop"],
  });
  return create(find.to(quote), {
    name: "answers",
    middlewares: [logTrouble],
    // small, so that a slow reader applies backpressure early
    streamWindow: 8,
    ...(instrument === undefined ? {} : { instrument }),
  });
}

export type AnswerFlow = ReturnType<typeof createFlow>;
