// A budget bounds what a request may spend, however many handlers spend at once. This one counts the words of the
// guides, several pages at a time: each reader reserves the largest size of a page before it reads, and settles the
// size it has read. The pages that no budget is left for are named in the report.
//
//   npm run example examples/budget/main.ts
import { readdir, readFile } from "node:fs/promises";
import { type Budget, BudgetExhausted, create, joinK, node, payloadNode, shape, type Message } from "penguiflow";

const GUIDES = new URL("../../docs/guides/", import.meta.url);
/** Maximum size of a page that a reader reserves, in kilobytes. */
const PAGE_KB = 20;

interface Page {
  readonly name: string;
  /** Number of pages of the request. */
  readonly of: number;
}

interface Counted {
  readonly name: string;
  readonly of: number;
  /** `undefined` where the budget did not last for the page. */
  readonly words: number | undefined;
}

/** Counts the words of one page. It runs as a playbook, and spends the budget of the request that calls it. */
const count = create(
  payloadNode("count", async ({ name, of }: Page, ctx): Promise<Counted> => {
    const reservation = ctx.budget.reserve({ pages: 1, kilobytes: PAGE_KB });
    const text = await readFile(new URL(name, GUIDES), { encoding: "utf8", signal: ctx.signal });
    reservation.settle({ kilobytes: Math.min(PAGE_KB, text.length / 1_000) });
    return { name, of, words: text.split(/\s+/).length };
  }).to(),
  { name: "count" },
);

const list = node("list", async (message: Message<{ readonly skips: boolean }>, ctx) => {
  const names = (await readdir(GUIDES)).sort();
  for (const name of names) await ctx.emit({ name, of: names.length, ...message.payload });
});

const read = payloadNode(
  { name: "read", policy: { concurrency: 4 } },
  async ({ skips, ...page }: Page & { readonly skips: boolean }, ctx): Promise<Counted> => {
    try {
      return await ctx.callPlaybook(count, page);
    } catch (error) {
      // without this the trace ends exhausted
      if (skips && error instanceof BudgetExhausted) return { ...page, words: undefined };
      throw error;
    }
  },
);

const gather = joinK("gather", ({ payload }: Message<Counted>) => payload.of, { input: shape<Counted>() });
const report = payloadNode("report", (pages: readonly Counted[]) => ({
  words: pages.reduce((sum, { words = 0 }) => sum + words, 0),
  unread: pages.filter(({ words }) => words === undefined).map(({ name }) => name),
}));

export function createFlow() {
  return create(list.to(read).to(gather).to(report), { name: "budget" });
}

export async function main(budget: Budget = { pages: 12, kilobytes: 90 }, skips = true) {
  await using flow = createFlow();
  flow.run();

  const outcome = await flow.outcome({ skips }, { budget, timeoutMs: 30_000 });
  const spent = Object.entries(outcome.spent).map(([name, amount]) => `${amount} of ${budget[name]} ${name}`);
  if (outcome.status === "completed") {
    const { words, unread } = outcome.result;
    console.log(`${words} words; not read: ${unread.join(", ") || "none"}`);
  }
  if (outcome.status === "exhausted") console.log(`${outcome.finalAnswer.text}: ${outcome.error.message}`);
  console.log(`spent ${spent.join(", ")}`);
  return outcome;
}

if (import.meta.main) await main();
