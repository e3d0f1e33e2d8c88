import { createPlanner } from "@penguiflow/planner";
import { model } from "./model.ts";
import { findOrder, refund } from "./tools.ts";

export const agent = createPlanner({
  name: "support",
  model,
  instructions: "You help customers of a shop. Look an order up before you speak about it. Be brief.",
  tools: [findOrder, refund],
  budget: { steps: 8, toolCalls: 10 },
});
