// A controller loops until it has its answer or its budget is exhausted. This one follows the links of the documents,
// one step further with each hop, until it finds the page that answers the question.
//
//   npm run example examples/controller-multihop/main.ts
import { readFile } from "node:fs/promises";
import { create, FinalAnswer, mapConcurrent, type Message, node, payloadNode, WM } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);
const START = "docs/learn/1-first-flow.md";

/** A page, the page that links to it, and the hop in which it is read. */
interface Visit {
  readonly page: string;
  readonly from: Visit | undefined;
  readonly hop: number;
}

const ask = payloadNode("ask", ({ phrase, budgetHops }: { phrase: string; budgetHops: number }) => {
  return new WM<Visit>({ query: phrase, budgetHops, facts: [{ page: START, from: undefined, hop: 0 }] });
});

const follow = node(
  { name: "follow", allowCycle: true, policy: { timeoutMs: 10_000 } },
  async (message: Message<WM<Visit>>, ctx) => {
    const { query: phrase, facts: visits, hops } = message.payload;
    const due = visits.filter((visit) => visit.hop === hops);
    const texts = await mapConcurrent(due, ({ page }, _index, signal) => readPage(page, signal), {
      signal: ctx.signal,
    });
    const found = due.find((_, position) => texts[position]?.includes(phrase));
    if (found !== undefined) {
      return new FinalAnswer({ text: `${found.page} says "${phrase}"`, citations: wayTo(found) });
    }

    const next = new Map<string, Visit>();
    for (const [position, from] of due.entries()) {
      for (const page of linksOf(from.page, texts[position] ?? "")) {
        if (!visits.some((visit) => visit.page === page)) next.set(page, { page, from, hop: hops + 1 });
      }
    }
    if (next.size === 0) return new FinalAnswer({ text: `No page says "${phrase}"` });
    return message.payload.with({ facts: [...visits, ...next.values()] });
  },
);

/** Reads the text of a page; empty when a link is broken. */
async function readPage(page: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(new URL(page, REPOSITORY), { encoding: "utf8", signal });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function linksOf(page: string, text: string): string[] {
  const targets = text
    .matchAll(/\]\(([\w./-]+\.md)/g)
    .map(([, target = ""]) => new URL(target, new URL(page, REPOSITORY)));
  return [...targets.map(({ pathname }) => pathname.slice(REPOSITORY.pathname.length))];
}

function wayTo(visit: Visit): string[] {
  return visit.from === undefined ? [visit.page] : [...wayTo(visit.from), visit.page];
}

export function createFlow() {
  return create(ask.to(follow), follow.to(follow), { name: "controller-multihop" });
}

export async function main(phrase = "TRACE_UNWINDING", budgetHops = 5) {
  await using flow = createFlow();
  flow.run();

  const outcome = await flow.outcome({ phrase, budgetHops }, { tenant: "acme", timeoutMs: 30_000 });
  if (outcome.status === "completed") console.log(`${outcome.result.text}\n  ${outcome.result.citations.join(" → ")}`);
  // the budget is exhausted: the runtime ended the loop and names the budget
  if (outcome.status === "exhausted") console.log(outcome.finalAnswer.text);
  return outcome;
}

if (import.meta.main) await main();
