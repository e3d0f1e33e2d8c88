// An agent with two tools that answers a question about this repository's guides. It reads what it needs, and streams
// its answer. Without a key a script plays the model; see model.ts for a real one.
//
//   npm run example examples/agent-quickstart/main.ts "How do I wait for a person?"
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { createPlanner, tool } from "@penguiflow/planner";
import { z } from "zod";
import { modelOr } from "./model.ts";

const GUIDES = path.resolve(import.meta.dirname, "../../docs/guides");

const listGuides = tool({
  name: "list_guides",
  description: "Lists the guides by name",
  input: z.object({}),
  effects: "reads",
  run: async () => (await readdir(GUIDES)).filter((file) => file.endsWith(".md")).map((file) => file.slice(0, -3)),
});

const readGuide = tool({
  name: "read_guide",
  description: "Reads a guide as Markdown",
  input: z.object({ name: z.string().regex(/^[a-z0-9-]+$/) }),
  effects: "reads",
  maxResultChars: 8_000,
  run: async ({ name }) => await readFile(path.join(GUIDES, `${name}.md`), "utf8"),
});

/** The script's answer is the first paragraph of the guide that it has read. */
const model = modelOr(({ prompt, index }) => {
  if (index === 0) return { calls: [{ tool: "list_guides" }] };
  if (index === 1)
    return { text: "This looks right.", calls: [{ tool: "read_guide", args: { name: "wait-for-a-person" } }] };
  const [, paragraph] = JSON.stringify(prompt.at(-1)).split(String.raw`\n\n`);
  return `The guide says: ${paragraph?.replaceAll(String.raw`\n`, " ") ?? "nothing"}`;
});

/** Asks, and prints what the agent does. Returns its answer. */
export async function main(question = "How do I wait for a person?"): Promise<string> {
  await using planner = createPlanner({
    name: "librarian",
    model,
    instructions: "Answer from the guides of this repository, in three sentences.",
    tools: [listGuides, readGuide],
    budget: { steps: 6, toolCalls: 8 },
  });
  planner.start();
  let answer = "";
  for await (const event of planner.stream(question)) {
    if (event.type === "call") console.log(`calls ${event.tool} ${JSON.stringify(event.args)}`);
    else if (event.type === "result") console.log(`  result after ${Math.round(event.ms)} ms`);
    else if (event.type === "text") answer += event.delta;
    else if (event.type === "step") answer = event.text;
    else if (event.type === "end") {
      const { status, spent } = event.end;
      console.log(`${answer}\n\n${status}: ${spent.steps} model calls, ${spent.toolCalls} tool calls`);
    }
  }
  return answer;
}

if (import.meta.main) await main(...process.argv.slice(2));
