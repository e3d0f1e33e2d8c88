// An agent that has two others below it, which share its budget: neither can spend what the other has. They work side by
// side; their events come up with their names.
//
//   npm run example examples/agent-team/main.ts
import { createPlanner, tool } from "@penguiflow/planner";
import { z } from "zod";
import { modelOr } from "../agent-quickstart/model.ts";

const PRICES: Readonly<Record<string, number>> = { train: 89, ferry: 120, tent: 35, hotel: 140 };

const price = tool({
  name: "price",
  description: "Tells the price of a thing in euros",
  input: z.object({ thing: z.enum(["train", "ferry", "tent", "hotel"]) }),
  effects: "reads",
  run: ({ thing }) => PRICES[thing],
});

/** A specialist: the script asks for two prices and takes the lower one. */
function specialist(name: string, [one, other]: readonly [string, string]) {
  return createPlanner({
    name,
    model: modelOr(({ prompt }) => {
      const isAsked = prompt.some(({ role }) => role === "tool");
      if (!isAsked) return { calls: [one, other].map((thing) => ({ tool: "price", args: { thing } })) };
      const cheaper = PRICES[one]! <= PRICES[other]! ? one : other;
      return `Take the ${cheaper}, for ${PRICES[cheaper]} euros.`;
    }),
    instructions: `Compare the prices of ${one} and ${other}, and recommend one.`,
    tools: [price],
  });
}

/** Plans a journey. Returns the answer, and what the whole team has spent. */
export async function main() {
  await using travel = specialist("travel", ["train", "ferry"]);
  await using lodging = specialist("lodging", ["tent", "hotel"]);
  await using lead = createPlanner({
    name: "lead",
    model: modelOr(({ prompt }) => {
      const results = prompt.flatMap(({ role, content }) => (role === "tool" ? content : []));
      if (results.length === 0)
        return {
          calls: [
            { tool: "travel", args: { task: "How do we get to Oslo?" } },
            { tool: "lodging", args: { task: "Where do we sleep?" } },
          ],
        };
      const answers = [...JSON.stringify(results).matchAll(/Take the [^.]*\./g)].map(([text]) => text);
      return answers.join(" ");
    }),
    instructions: "Plan a cheap journey with your specialists.",
    tools: [
      travel.tool({ name: "travel", description: "Knows how to get there" }),
      lodging.tool({ name: "lodging", description: "Knows where to sleep" }),
    ],
    budget: { steps: 6, toolCalls: 6 },
  });
  lead.start();
  let answer = "";
  let spent = { steps: 0, toolCalls: 0 };
  for await (const event of lead.stream("Plan a journey to Oslo")) {
    if (event.type === "call")
      console.log(`${[...event.path, ""].join("/")}${event.tool} ${JSON.stringify(event.args)}`);
    if (event.type !== "end") continue;
    if (event.end.status === "completed") answer = event.end.text;
    spent = event.end.spent;
  }
  console.log(`${answer}\n${spent.steps} model calls and ${spent.toolCalls} tool calls of all three`);
  return { answer, steps: spent.steps, toolCalls: spent.toolCalls };
}

if (import.meta.main) await main();
