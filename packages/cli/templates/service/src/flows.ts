import { create, type FlowOptions, payloadNode } from "penguiflow";

/** An order as it was understood. */
export interface Order {
  readonly pieces: number;
  readonly item: string;
}

/** Number of pieces from which on a person is asked. */
const MANY = 10;

const read = payloadNode("read", (text: string): Order => {
  const [, pieces, item] = /(\d+)\s+([\p{L} ]*\p{L})/u.exec(text) ?? [];
  if (item === undefined) throw new TypeError('An order needs a number and an item, such as "3 lanterns"');
  return { pieces: Number(pieces), item };
});

// while it waits it holds no slot, and the process may end: the checkpoint store has the order
const approve = payloadNode("approve", async (order: Order, ctx) => {
  if (order.pieces < MANY) return { ...order, isApproved: true };
  const answer: unknown = await ctx.pause({ reason: "May so many be booked?", payload: order });
  return { ...order, isApproved: answer === true };
});

// stands for a call of your warehouse: ctx.once lets it happen once, also when the process ends in the middle
const book = payloadNode(
  { name: "book", effects: "writes", policy: { timeoutMs: 5_000 } },
  async ({ pieces, item, isApproved }: Order & { readonly isApproved: boolean }, ctx) => {
    if (!isApproved) return `${pieces} ${item}: not booked.`;
    return await ctx.once("book", async () => `${pieces} ${item}: booked.`);
  },
);

/** Creates the flow: a text in, a text out. */
export function createFlow(options: FlowOptions = {}) {
  return create(read.to(approve), approve.to(book), { name: "orders", ...options });
}

export const flow = createFlow();
