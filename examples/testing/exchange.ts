// The flow under test: requests a rate, retries when the bank is busy, and converts.
import { type Context, create, type FlowOptions, payloadNode } from "penguiflow";

/** External dependency of the flow; a test passes its own. */
export interface Bank {
  readonly rate: (currency: string, signal: AbortSignal) => Promise<number>;
}

export const quote = payloadNode(
  { name: "quote", policy: { timeoutMs: 2_000, maxRetries: 2, backoffBaseMs: 1_000, jitter: 0 } },
  async ({ cents, to }: { cents: number; to: string }, ctx: Context<Bank>) => {
    return { cents, rate: await ctx.resources.rate(to, ctx.signal) };
  },
);

export const convert = payloadNode("convert", ({ cents, rate }: { cents: number; rate: number }) => {
  return Math.round(cents * rate);
});

export function createFlow(options: FlowOptions = {}) {
  return create(quote.to(convert), { name: "exchange", ...options });
}
