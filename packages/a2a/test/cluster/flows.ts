import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { create, payloadNode } from "penguiflow";
import { z } from "zod";

/** Name of the worker that a handler runs on. */
export interface Where {
  readonly worker: string;
}

const tell = payloadNode<"tell", string, unknown, Where>("tell", async (text, ctx) => {
  const { worker } = ctx.resources;
  ctx.budget.spend({ calls: 1 });
  await ctx.emitChunk({ text: `${worker} tells ` });
  // worker "one" never comes to an end; the others go on telling until they are told to end
  if (worker === "one") await ctx.sleep(600_000);
  while (ctx.signals("end").take().length === 0) {
    await ctx.emitChunk({ text: "and tells " });
    await ctx.sleep(50);
  }
  await ctx.emitChunk({ text });
  return { by: worker, deadlineAt: ctx.deadlineAt, left: ctx.budget.left };
});

/** Tells a text once it has the signal "end"; never on worker "one". */
export const telling = create(tell.to(), { name: "telling" });

/** Asks for a seat. */
export const booking = create(
  payloadNode<"book", string, unknown, Where>("book", async (flight, ctx) => {
    const asker = await ctx.once("asker", () => ctx.resources.worker);
    const schema = z.enum(["window", "aisle"]);
    const seat = await ctx.pause<string>({ reason: "Seat?", resumeSchema: schema });
    return `${flight} at the ${seat}, asked by ${asker}, booked by ${ctx.resources.worker}`;
  }).to(),
  { name: "booking" },
);

const pay = tool({
  name: "pay",
  description: "Pays",
  input: z.object({ cents: z.number() }),
  effects: "writes",
  approval: { approvers: () => true },
  run: async ({ cents }) => `paid ${cents}`,
});

/** Pays, which a person has to approve. */
export const clerk = createPlanner({
  name: "clerk",
  model: scriptedModel(({ prompt }) =>
    prompt.some(({ role }) => role === "tool") ? "Done." : { calls: [{ tool: "pay", args: { cents: 5 } }] },
  ),
  tools: [pay],
});
