import { create, payloadNode } from "penguiflow";

const pack = payloadNode("pack", async (item: string, ctx): Promise<string> => {
  await ctx.sleep(5);
  return `a box with ${item}`;
});
const ship = payloadNode("ship", (box: string): string => `${box}, shipped`);

/** The flow of the service. Clients need its name and types alone. */
export const orders = create(pack.to(ship), { name: "orders" });
