import { tool } from "@penguiflow/planner";
import { z } from "zod";

const ORDERS = new Map([
  ["4471", { order: "4471", item: "snow boots", euros: 49.9, state: "on its way, with you on Tuesday" }],
  ["4472", { order: "4472", item: "a lantern", euros: 19, state: "delivered" }],
]);

export const findOrder = tool({
  name: "find_order",
  description: "Finds an order by its number",
  input: z.object({ order: z.string() }),
  effects: "reads",
  run: ({ order }) => ORDERS.get(order) ?? { order, state: "unknown" },
});

// it writes, so that a person is asked first, and it runs at most once
export const refund = tool({
  name: "refund",
  description: "Pays an order back",
  input: z.object({ order: z.string(), euros: z.number().positive() }),
  effects: "writes",
  approval: true,
  run: ({ order, euros }) => `${euros.toFixed(2)} € are paid back for order ${order}`,
});
