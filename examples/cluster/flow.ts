import { create, payloadNode } from "penguiflow";

/** An order, and who packed it. */
export interface Shipped {
  readonly item: string;
  readonly by: string;
}

// one at a time in each partition, so that there is work for all
const pack = payloadNode({ name: "pack", policy: { concurrency: 1 } }, async (item: string, ctx): Promise<string> => {
  await ctx.sleep(20);
  return `a box with ${item}`;
});

const ship = payloadNode("ship", async (item: string): Promise<Shipped> => {
  return { item, by: process.env["WORKER"] ?? "this process" };
});

/** The flow that the workers run, and whose name and types the client uses. */
export const orders = create(pack.to(ship), { name: "orders" });
