// A conversation. What one turn says is in the log of its trace, each line stored once, however often nodes pass it on.
// A log that outlasts them has what all turns have said. Of two turns at once, one is refused and is taken again.
//
//   npm run example examples/conversation/main.ts
import { readFile } from "node:fs/promises";
import { create, FlowError, type Log, type LogKey, MemoryLog, payloadNode } from "penguiflow";

const REPOSITORY = new URL("../../", import.meta.url);

type Line =
  | { readonly who: "user" | "assistant"; readonly text: string }
  | { readonly who: "tool"; readonly file: string; readonly unit: Unit; readonly count: number };

type Unit = "lines" | "words";

interface Question {
  readonly file: string;
  readonly unit: Unit;
}

/** Reads a question such as "How many words has LICENSE?" or, after it, "And AGENTS.md?". */
const hear = payloadNode(
  "hear",
  async ({ text, earlier }: { text: string; earlier: readonly Line[] }, ctx): Promise<Question> => {
    await ctx.log.append([{ who: "user", text }]);
    const before = earlier.findLast((line) => line.who === "tool")?.unit ?? "lines";
    const unit = text.includes("words") ? "words" : text.includes("lines") ? "lines" : before;
    return { unit, file: /([\w./-]+)\?$/.exec(text)?.[1] ?? "README.md" };
  },
);

// a retry appends at the same place: what the failed attempt has appended is undone
const count = payloadNode(
  { name: "count", policy: { maxRetries: 1, timeoutMs: 5_000 } },
  async ({ file, unit }: Question, ctx) => {
    const text = await readFile(new URL(file, REPOSITORY), { encoding: "utf8", signal: ctx.signal });
    const found = unit === "words" ? text.split(/\s+/).length : text.trimEnd().split("\n").length;
    const line: Line = { who: "tool", file, unit, count: found };
    // the message says how far the log has come, and does not carry it
    return await ctx.log.append([line]);
  },
);

const say = payloadNode("say", async (length: number, ctx) => {
  const line = (await ctx.log.read<Line>(length)).findLast(({ who }) => who === "tool");
  const text = line?.who === "tool" ? `${line.file} has ${line.count} ${line.unit}.` : "I do not know.";
  await ctx.log.append([{ who: "assistant", text }]);
  return text;
});

export function createFlow() {
  return create(hear.to(count), count.to(say), { name: "conversation" });
}

/** Takes one turn of a conversation; once more when another turn was faster. Returns the number of tries. */
async function turn(flow: ReturnType<typeof createFlow>, log: Log, thread: LogKey, text: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const { items, length } = await log.read(thread);
    const outcome = await flow.outcome({ text, earlier: items as readonly Line[] }, { tenant: thread.tenant });
    if (outcome.status !== "completed") throw outcome.error;
    try {
      await log.append(thread, length, (await outcome.log?.read()) ?? []);
      return tries;
    } catch (error) {
      if (!(error instanceof FlowError && error.code === "LOG_CONFLICT")) throw error;
    }
  }
}

export async function main(log: Log = new MemoryLog()) {
  await using flow = createFlow();
  flow.run();
  const thread: LogKey = { tenant: "acme", name: "files" };
  await turn(flow, log, thread, "How many words has LICENSE?");
  const atOnce = ["And AGENTS.md?", "And CONTRIBUTING.md?"].map((text) => turn(flow, log, thread, text));
  const tries = await Promise.all(atOnce);

  const { items, length } = await log.read(thread);
  for (const line of items as readonly Line[])
    if (line.who !== "tool") console.log(`${line.who.padEnd(9)}  ${line.text}`);
  const refused = tries.reduce((sum, tried) => sum + tried - 1, 0);
  console.log(`${length} lines in the log, ${refused} turn refused`);
  return { items, refused };
}

if (import.meta.main) await main();
