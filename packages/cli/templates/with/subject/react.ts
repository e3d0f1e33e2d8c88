import { create, payloadNode } from "penguiflow";
import { agent } from "./agent.ts";

const ask = payloadNode("ask", async (text: string, ctx) => {
  const end = await ctx.callPlaybook(agent.flow, { prompt: text });
  return end.status === "completed" ? end.text : `The run has ended as ${end.status}`;
});

/** The project's flow with a text in and a text out, as its other programs serve it. */
export const textFlow = create(ask.to(), { name: "{{name}}" });
export const runOptions = {};

/** Starts what a chat talks to. */
export const startChat = () => agent.start();

/** An input, and the beginning of its answer. */
export const example = { text: "Where is order 4471?", answer: "Order 4471 is " };
