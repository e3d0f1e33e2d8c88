// Four ways to end a request before its work is done, while a fifth continues undisturbed. The work is real: factoring
// large numbers.
//
//   npm run example examples/cancel-and-deadlines/main.ts
import { create, type Message, node, type Outcome, payloadNode, WM } from "penguiflow";

const SLICE = 100_000n;

/** Divides by every number of the slice that begins at `from`; returns the factor, or the start of the next slice. */
function divide(number: bigint, from: bigint): { readonly factor: bigint } | { readonly next: bigint } {
  for (let divisor = from; divisor < from + SLICE; divisor += 1n) {
    if (divisor * divisor > number) return { factor: number };
    if (number % divisor === 0n) return { factor: divisor };
  }
  return { next: from + SLICE };
}

// between slices the computation yields to the event loop and checks for abort
const factor = payloadNode({ name: "factor", policy: { concurrency: 8 } }, async (number: bigint, ctx) => {
  for (let from = 2n; ;) {
    const step = divide(number, from);
    if ("factor" in step) return step.factor;
    from = step.next;
    await ctx.sleep(0);
  }
});

export function createFlow() {
  return create(factor.to(), { name: "factoring" });
}

// the same as a loop: each hop is a slice, and the budget bounds their number
const search = node({ name: "search", allowCycle: true }, ({ payload: memory }: Message<WM<bigint>>) => {
  const step = divide(BigInt(memory.query), memory.facts[0] ?? 2n);
  return "factor" in step ? step.factor : memory.with({ facts: [step.next] });
});

export function createSearchFlow() {
  return create(search.to(search), { name: "searching" });
}

/** Product of two primes, which takes minutes to factor by trial division. */
const HARD = 1_000_000_000_039n * 1_000_000_000_061n;
const EASY = 99_991n * 1_000_003n;

export async function main() {
  await using flow = createFlow();
  await using searching = createSearchFlow();
  flow.run();
  searching.run();

  const byId = flow.outcome(HARD, { traceId: "order-7", tenant: "acme" });
  const left = new AbortController();
  const bySignal = flow.outcome(HARD, { signal: left.signal, tenant: "acme" });
  const byDeadline = flow.outcome(HARD, { timeoutMs: 50, tenant: "acme" });
  const byBudget = searching.outcome(new WM<bigint>({ query: String(HARD), budgetHops: 3 }), { tenant: "acme" });
  const undisturbed = flow.outcome(EASY, { tenant: "other" });

  left.abort("The customer closed the page");
  const report = await flow.cancel("order-7", { tenant: "acme", reason: "The customer changed their mind" });
  console.log("cancel reports", report);

  const outcomes = {
    byId: await byId,
    bySignal: await bySignal,
    byDeadline: await byDeadline,
    byBudget: await byBudget,
    undisturbed: await undisturbed,
  };
  for (const [name, outcome] of Object.entries(outcomes)) console.log(`${name}: ${describe(outcome)}`);
  return { report, outcomes, running: flow.stats().nodes.reduce((sum, { running }) => sum + running, 0) };
}

function describe(outcome: Outcome<bigint>): string {
  switch (outcome.status) {
    case "completed":
      return `completed, ${outcome.result}`;
    case "cancelled":
      return `cancelled, ${String(outcome.reason)}`;
    case "exhausted":
      return `exhausted, ${outcome.finalAnswer.text} (${outcome.error.code})`;
    case "failed":
    case "empty":
    case "stopped":
    case "paused":
      return `${outcome.status}, ${outcome.error.message}`;
  }
}

if (import.meta.main) await main();
