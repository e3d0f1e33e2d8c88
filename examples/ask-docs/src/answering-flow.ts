import { type Context, create, FinalAnswer, node, payloadNode, WM, type Message } from "penguiflow";
import { composeAnswer } from "./compose-answer.ts";
import type { Hit, Library, Search } from "./library.ts";
import { keywords, tokenise } from "./tokenise.ts";
import { type Findings, weigh, type WeighedHit } from "./weigh.ts";

/** Resources of the nodes. */
export interface AnsweringResources {
  readonly library: Library;
}

/** A passage that an answer quotes. */
export interface Citation {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly headings: readonly string[];
  readonly worth: number;
}

interface Wanted extends Search {
  /** Hits of earlier searches. */
  readonly known: readonly Hit[];
}

/** Share of the question the best passage must cover before the controller stops. */
const ENOUGH_CONFIDENCE = 0.75;

/** One search per hop, each wider than the one before. */
const SEARCHES: readonly {
  readonly by: string;
  readonly nearSpellings: boolean;
  readonly related: (memory: WM<WeighedHit>, library: Library) => readonly string[];
}[] = [
  { by: "the words of the question", nearSpellings: false, related: () => [] },
  { by: "near spellings as well", nearSpellings: true, related: () => [] },
  {
    by: "telling words of the best passages as well",
    nearSpellings: true,
    related: (memory, library) => library.tellingTerms(memory.facts.slice(0, 3), 6),
  },
];

const search = payloadNode("search", ({ known, ...wanted }: Wanted, ctx: Context<AnsweringResources>) => {
  const found = ctx.resources.library.search(wanted);
  const isElsewhere = (hit: Hit) => !found.some((other) => other.passage === hit.passage);
  return { terms: wanted.terms, hits: [...found, ...known.filter(isElsewhere)] };
});

const weighHits = payloadNode(
  "weigh",
  ({ terms, hits }: { terms: readonly string[]; hits: readonly Hit[] }, ctx: Context<AnsweringResources>) =>
    weigh(terms, hits, ctx.resources.library),
);

/** Builds the playbook of the controller: one search of the library. */
export function createRetrievingFlow() {
  return create(search.to(weighHits), { name: "retrieving" });
}

const ask = payloadNode("ask", (question: string) => {
  return new WM<WeighedHit>({ query: question, budgetHops: SEARCHES.length });
});

const plan = node(
  { name: "plan", allowCycle: true },
  async (message: Message<WM<WeighedHit>>, ctx: Context<AnsweringResources>) => {
    const memory = message.payload;
    const { library } = ctx.resources;
    const { by, nearSpellings, related } = SEARCHES[memory.hops] as (typeof SEARCHES)[number];
    await ctx.emitChunk({ text: `Search ${memory.hops + 1}: by ${by}` });

    const terms = [...new Set(keywords(memory.query).flatMap(tokenise))];
    const wanted: Wanted = { terms, nearSpellings, related: related(memory, library), known: memory.facts };
    const findings = await ctx.callPlaybook(createRetrievingFlow, wanted);

    const isDone = findings.confidence >= ENOUGH_CONFIDENCE || memory.hops + 1 === SEARCHES.length;
    if (isDone) return { ...findings, question: memory.query };
    return memory.with({ facts: findings.hits, confidence: findings.confidence });
  },
);

const compose = payloadNode(
  "compose",
  async ({ question, hits }: Findings & { question: string }, ctx: Context<AnsweringResources>) => {
    const quotes = composeAnswer(hits, ctx.resources.library);
    const lines: string[] = [];
    const say = async (text: string, citation?: string) => {
      lines.push(citation === undefined ? text : `${text} (${citation})`);
      await ctx.emitChunk({ text: `${lines.at(-1)}\n`, meta: { citation } });
    };

    const met = new Set(hits.flatMap((hit) => hit.questionTerms));
    const unmet = keywords(question).filter((word) => !tokenise(word).some((term) => met.has(term)));
    if (quotes.length > 0 && unmet.length > 0)
      await say(`Nothing was found for ${quoted(unmet)}; this is about the rest.`);
    for (const { text, hit, line } of quotes) await say(text, `${hit.passage.file}:${line}`);

    const cited = hits.filter((hit) => quotes.some((quote) => quote.hit === hit));
    const citations = cited.map(({ worth, passage: { blocks: _, ...place } }): Citation => ({ ...place, worth }));
    return new FinalAnswer({ text: lines.join("\n"), citations });
  },
);

/**
 * Builds the flow that answers a question. The controller `plan` searches, wider with every hop, until the best passage
 * covers enough of the question or all searches are done. Then `compose` streams the best sentences.
 */
export function createAnsweringFlow() {
  return create(ask.to(plan), plan.to(plan, compose), { name: "answering" });
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}
