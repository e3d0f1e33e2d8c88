// A controller that calls a playbook: a flow of its own that finds passages. While they are not good enough, the
// controller searches again and accepts less.
//
//   npm run example examples/playbook-retrieval/main.ts
import { glob, readFile } from "node:fs/promises";
import { type Context, create, FinalAnswer, type Message, node, payloadNode, WM } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);

interface Passage {
  readonly file: string;
  readonly text: string;
  readonly words: ReadonlySet<string>;
}
interface Resources {
  readonly passages: readonly Passage[];
}
interface Wanted {
  readonly question: string;
  /** Share of the question's words that a passage must have. */
  readonly share: number;
}
interface Found {
  readonly passage: Passage;
  readonly share: number;
}

const wordsOf = (text: string) => new Set(text.toLowerCase().match(/\p{L}{4,}/gu));

export function passagesOf(file: string, text: string): Passage[] {
  return text.split(/\n{2,}/).map((paragraph) => ({ file, text: paragraph, words: wordsOf(paragraph) }));
}

const match = payloadNode("match", ({ question, share }: Wanted, ctx: Context<Resources>) => {
  const asked = wordsOf(question);
  const found = ctx.resources.passages.map((passage): Found => {
    return { passage, share: asked.intersection(passage.words).size / asked.size };
  });
  return found.filter((item) => item.share >= share);
});

// most matching words first; of equals, the shorter one
const rank = payloadNode("rank", (found: Found[]) =>
  found.toSorted((a, b) => b.share - a.share || a.passage.text.length - b.passage.text.length).slice(0, 3),
);

/** Creates the playbook. It is built on its first call and lives as long as the calling flow. */
export function createRetrieval() {
  return create(match.to(rank), { name: "retrieval" });
}

const SHARES = [1, 0.75, 0.5];

const ask = payloadNode("ask", (question: string) => new WM({ query: question, budgetHops: SHARES.length + 1 }));

const answer = node(
  { name: "answer", allowCycle: true, policy: { timeoutMs: 10_000 } },
  async ({ payload: memory }: Message<WM>, ctx: Context<Resources>) => {
    const share = SHARES[memory.hops];
    if (share === undefined) return new FinalAnswer({ text: "Nothing is said about that." });
    // trace, tenant, deadline, resources and cancellation are passed on
    const found = await ctx.callPlaybook(createRetrieval, { question: memory.query, share }, { timeoutMs: 2_000 });
    await ctx.emitChunk({ text: `${share * 100} % of the words: ${found.length} passages` });
    const [best] = found;
    if (best === undefined) return memory;
    return new FinalAnswer({ text: best.passage.text, citations: found.map(({ passage }) => passage.file) });
  },
);

export function createFlow() {
  return create(ask.to(answer), answer.to(answer), { name: "playbook-retrieval" });
}

export async function main(question = "What happens to messages when a trace is cancelled by its tenant?") {
  const passages: Passage[] = [];
  for await (const file of glob("docs/{guides,explain}/*.md", { cwd: REPOSITORY })) {
    passages.push(...passagesOf(file, await readFile(new URL(file, REPOSITORY), "utf8")));
  }

  await using flow = createFlow();
  flow.run({ resources: { passages } });

  const searches: string[] = [];
  let found: FinalAnswer | undefined;
  for await (const item of flow.stream(question, { tenant: "acme", timeoutMs: 30_000 })) {
    if (item.type === "result") found = item.result;
    else if (item.type === "chunk" && item.chunk.text !== "") searches.push(item.chunk.text);
  }
  console.log([question, searches.join("\n"), found?.text, found?.citations.join("\n")].join("\n\n"));
  return { searches, answer: found };
}

if (import.meta.main) await main();
