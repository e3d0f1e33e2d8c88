// An agent that uses an API by its OpenAPI 3.1 document: three of its four operations are tools, and one of them asks a
// person. A mock on loopback answers with the document's examples. Without a key a script plays the model.
//
//   npm run example examples/agent-openapi/main.ts
import { createPlanner } from "@penguiflow/planner";
import { openApiTools } from "@penguiflow/tools-openapi";
import { modelOr } from "../agent-quickstart/model.ts";
import { mockServer } from "./mock-server.ts";
import document from "./petstore.json" with { type: "json" };

/** The key of the shop's API. It reaches the shop alone, and neither the model nor a log. */
const KEY = "the key of the shop";

const model = modelOr([
  { calls: [{ tool: "shop_findPetsByStatus", args: { status: "available" } }] },
  { calls: [{ tool: "shop_getPetById", args: { petId: 7 } }] },
  { calls: [{ tool: "shop_placeOrder", args: { body: { petId: 7, quantity: 2 } } }] },
  "Pingu likes ice. He is ordered.",
]);

/** The agent's answer, and the operations that were called at the server. */
export interface Bought {
  readonly answer: string;
  readonly called: readonly string[];
  readonly order: unknown;
}

/** Lets the agent buy a pet. `by` is the person who approves, of one pet instead of two. */
export async function main(by = "maria"): Promise<Bought> {
  await using mock = await mockServer(document, KEY);
  const shop = openApiTools("shop", {
    document,
    server: mock.url,
    operations: ["findPetsByStatus", "getPetById", "placeOrder"],
    settings: { placeOrder: { approval: true } },
    signsIn: "service",
  });
  await using planner = createPlanner({
    name: "buyer",
    model,
    instructions: "You buy pets. Look at a pet before you order it.",
    tools: [shop],
    credentials: () => KEY,
    budget: { steps: 8, toolCalls: 10 },
  });
  planner.start();
  let result = await planner.run("Buy a pet that likes ice", { tenant: "acme", user: "anna" });
  while (result.status === "paused") {
    const [question] = result.questions;
    if (question === undefined) break;
    const { body } = question.args as { readonly body: { readonly petId: number } };
    const args = { body: { ...body, quantity: 1 } };
    console.log(`${question.reason} ${JSON.stringify(question.args)}? One of them, says ${by}`);
    result = await planner.resume(question.token, { approved: true, args }, { tenant: "acme", by });
  }
  const calls = result.steps.flatMap((step) => step.calls);
  for (const { tool, output } of calls) console.log(`${tool}: ${JSON.stringify(output)}`);
  const answer = result.status === "completed" ? result.text : result.status;
  console.log(`${answer}\n\n${result.spent.steps} model calls, ${result.spent.toolCalls} tool calls`);
  const order = calls.findLast(({ tool }) => tool === "shop_placeOrder")?.output;
  return { answer, called: [...mock.called], order };
}

if (import.meta.main) await main(...process.argv.slice(2));
