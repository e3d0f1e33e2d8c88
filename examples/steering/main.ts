// Counts the words of the repository's pages while a person steers: one signal narrows the work down between two steps,
// another says who gets the report. If that comes late, the handler waits for it, parked.
//
//   npm run example examples/steering/main.ts
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { create, payloadNode } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);

interface Survey {
  readonly left: readonly string[];
  readonly words: number;
  readonly pages: number;
}

const list = payloadNode("list", (folder: string): Survey => {
  const files = globSync(`${folder}/**/*.md`, { cwd: REPOSITORY });
  return { left: files.toSorted(), words: 0, pages: 0 };
});

// each page is a message of its own: the signals it has received are consumed with it
const survey = payloadNode(
  { name: "survey", allowCycle: true },
  async ({ left, words, pages }: Survey, ctx): Promise<void> => {
    const skipped = ctx.signals<string>("skip").take();
    const [file, ...rest] = left.filter((each) => skipped.every((folder) => !each.includes(folder)));
    if (file === undefined) return await ctx.emit({ left: [], words, pages }, { to: "report" });
    await ctx.emitChunk({ text: file });
    const text = await readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal });
    const next = { left: rest, words: words + text.split(/\s+/).length, pages: pages + 1 };
    await ctx.emit(next, { to: "survey" });
  },
);

const report = payloadNode("report", async ({ words, pages }: Survey, ctx) => {
  const { value, done } = await ctx.signals<string>("recipient", { expiresAt: ctx.message.createdAt + 5_000 }).next();
  return `to ${done ? "nobody in particular" : value}: ${pages} pages, ${words} words`;
});

export function createFlow() {
  return create(list.to(survey), survey.to(survey, report), { name: "steering" });
}

export async function main(folder = "docs") {
  await using flow = createFlow();
  flow.run();

  const traceId = "survey-1";
  const read: string[] = [];
  let result: string | undefined;
  for await (const item of flow.stream(folder, { traceId, tenant: "acme" })) {
    if (item.type === "result") result = item.result;
    if (item.type !== "chunk" || item.chunk.text === undefined || item.chunk.text === "") continue;
    read.push(item.chunk.text);
    if (read.length !== 2) continue;
    // the person has thought of something, and goes for lunch
    await flow.signal(traceId, "skip", "guides/", { tenant: "acme" });
    await flow.signal(traceId, "recipient", "Maria", { tenant: "acme" });
  }
  console.log(`${read.length} pages were read, among them ${read.at(0)}`);
  console.log(result);
  return { read, result };
}

if (import.meta.main) await main();
