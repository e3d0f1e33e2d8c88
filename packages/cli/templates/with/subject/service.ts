import { create, payloadNode } from "penguiflow";
import { flow } from "./flows.ts";

const ask = payloadNode("ask", async (text: string, ctx) => {
  return await ctx.callPlaybook(flow, text);
});

/** The project's flow with a text in and a text out, as its other programs serve it. */
export const textFlow = create(ask.to(), { name: "{{name}}" });
export const runOptions = {};

/** Starts what a chat talks to. */
export const startChat = () => textFlow.start(runOptions);

/** An input, and the beginning of its answer. */
export const example = { text: "3 lanterns", answer: "3 lanterns: booked." };
