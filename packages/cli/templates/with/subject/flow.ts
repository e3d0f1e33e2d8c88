import { type Context, create, payloadNode } from "penguiflow";
import { flow, type Resources, resources } from "./flows.ts";

const ask = payloadNode("ask", async (text: string, ctx: Context<Resources>) => {
  return await ctx.callPlaybook(flow, { city: text });
});

/** The project's flow with a text in and a text out, as its other programs serve it. */
export const textFlow = create(ask.to(), { name: "{{name}}" });
export const runOptions = { resources };

/** Starts what a chat talks to. */
export const startChat = () => textFlow.start(runOptions);

/** An input, and the beginning of its answer. */
export const example = { text: "Bergen", answer: "Bergen: " };
