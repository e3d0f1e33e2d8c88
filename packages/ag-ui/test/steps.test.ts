import { type AGUIEvent, EventType } from "@ag-ui/core";
import { HttpAgent } from "@ag-ui/client";
import { aguiHandler, observeFlows } from "@penguiflow/ag-ui";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { HttpAgent as EarlierAgent } from "ag-ui-client-v0";
import { create, FinalAnswer, joinK, type Message, node, payloadNode, WM } from "penguiflow";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { requireOrder } from "./order.ts";
import { closed, events, interruptsOf, runInput, serve } from "./serve.ts";

const caller = () => ({ tenant: "acme", user: "ann" });
const early = create(payloadNode("only", (text: string) => text).to(), { name: "early" });
early.run();
afterAll(async () => await early.stop());
observeFlows();

/** Shows events as text: steps and texts by their names. */
function told(all: readonly AGUIEvent[]): string[] {
  return all.flatMap((event) => {
    if (event.type === EventType.STEP_STARTED) return [`+${event.stepName}`];
    if (event.type === EventType.STEP_FINISHED) return [`-${event.stepName}`];
    return event.type === EventType.TEXT_MESSAGE_CONTENT ? [event.delta] : [];
  });
}

describe("nodes as steps", () => {
  test("each is one while a message is in it, in one order with what it streams", async () => {
    const first = payloadNode("first", async (text: string, ctx) => {
      await ctx.emitChunk({ text: "a" });
      return text;
    });
    const second = payloadNode("second", async (text: string, ctx) => {
      await ctx.emitChunk({ text: "b" });
      await ctx.emitChunk({ text: "c", done: true });
      return text;
    });
    const flow = closed(create(first.to(second), { name: "line" }).run());
    const url = await serve(aguiHandler(flow, { caller, steps: true }));
    const all = await events(url, runInput("why?"));
    requireOrder(all, { hasNestedSteps: false });
    expect(told(all)).toEqual(["+first", "a", "-first", "+second", "b", "c", "-second"]);
  });

  test("two messages in a node are one step, and a step of one node goes on while another's ends", async () => {
    const split = node("split", async ({ payload }: Message<string>, ctx) => {
      await ctx.emit(payload, { to: "slow" });
      await ctx.emit(payload, { to: "slow" });
      await ctx.emit(payload, { to: "fast" });
    });
    const fastIsDone = Promise.withResolvers<void>();
    const slow = payloadNode({ name: "slow", policy: { concurrency: 2 } }, async (text: string) => {
      await fastIsDone.promise;
      return text;
    });
    const fast = payloadNode("fast", (text: string) => text);
    const gather = joinK<"gather", string, 3>("gather", 3, {});
    const open = payloadNode("open", (text: string) => {
      fastIsDone.resolve();
      return text;
    });
    const graph = [split.to(slow, fast), slow.to(gather), fast.to(open), open.to(gather)] as const;
    const flow = closed(create(...(graph as unknown as [(typeof graph)[0]]), { name: "branches" }).run());
    const url = await serve(aguiHandler(flow as never, { caller, steps: true, input: () => "x" as never }));
    const all = await events(url, runInput("why?"));
    requireOrder(all, { hasNestedSteps: false });
    const steps = told(all);
    expect(steps.filter((step) => step === "+slow")).toHaveLength(1);
    expect(steps.filter((step) => step === "-slow")).toHaveLength(1);
    expect(steps.indexOf("-fast")).toBeLessThan(steps.indexOf("-slow"));
  });

  test("a step ends at a pause and a retry, and begins again after them", async () => {
    let attempts = 0;
    const shaky = payloadNode(
      { name: "shaky", policy: { maxRetries: 1, backoffBaseMs: 1 } },
      async (text: string, ctx) => {
        attempts += 1;
        if (attempts === 1) throw new Error("once");
        return (await ctx.pause({ reason: "Go on?" })) === true ? text : "";
      },
    );
    const flow = closed(create(shaky.to(), { name: "shaky" }).run());
    const url = await serve(aguiHandler(flow, { caller, steps: true }));
    const paused = await events(url, runInput("why?"));
    expect(told(paused)).toEqual(["+shaky", "-shaky", "+shaky", "-shaky"]);
    const [{ id } = { id: "" }] = interruptsOf(paused);
    const resume = [{ interruptId: id, status: "resolved" as const, payload: true }];
    const ended = await events(url, runInput("", { resume, messages: [] }));
    expect(told(ended)).toEqual(["+shaky", "-shaky", "why?"]);
    requireOrder(ended, { hasNestedSteps: false });
  });

  test("a flow that runs unobserved is refused, with what to do", () => {
    expect(() => aguiHandler(early, { caller, steps: true })).toThrow(
      'Options "steps" and "state" need flow "early" to be observed: call observeFlows before it runs',
    );
    expect(() => aguiHandler(early, { caller, steps: 1 as never })).toThrow('"steps" must be true or false: got 1');
  });

  test("steps are not told unless they are asked for", async () => {
    const flow = closed(create(payloadNode("only", (text: string) => text).to(), { name: "quiet" }).run());
    expect(told(await events(await serve(aguiHandler(flow, { caller })), runInput("why?")))).toEqual(["why?"]);
  });
});

describe.for(["1.0.0", "0.0.59"] as const)("the state of a client %s", (version) => {
  /** Runs once, and returns the client's state with the types of the events that made it. */
  async function stateOf(url: string) {
    const config = { url, initialState: { mine: "kept" } };
    const client = version === "1.0.0" ? new HttpAgent(config) : (new EarlierAgent(config) as unknown as HttpAgent);
    client.addMessage({ id: "1", role: "user", content: "Where?" });
    const types: string[] = [];
    await client.runAgent({}, { onEvent: ({ event }) => void types.push(event.type) });
    return { state: client.state as unknown, types: types.filter((type) => type.startsWith("STATE")) };
  }

  test("is the working memory of a flow, first whole and then as what has changed", async () => {
    const ask = payloadNode("ask", (query: string) => new WM<string>({ query, budgetHops: 5 }));
    // the chunk between keeps two memories from being told as one
    const look = node({ name: "look", allowCycle: true }, async ({ payload: memory }: Message<WM<string>>, ctx) => {
      await ctx.emitChunk({ text: "." });
      if (memory.hops === 2) return new FinalAnswer({ text: "There." });
      return memory.with({ facts: [...memory.facts, `fact ${memory.hops}`] });
    });
    const flow = closed(create(ask.to(look), look.to(look), { name: `loop ${version}` }).run());
    const state = ({ query, facts, hops }: WM) => ({ query, facts, hops });
    const seen = await stateOf(await serve(aguiHandler(flow, { caller, state })));
    expect(seen.state).toEqual({ query: "Where?", facts: ["fact 0", "fact 1"], hops: 2 });
    expect(seen.types).toEqual(["STATE_SNAPSHOT", "STATE_DELTA", "STATE_DELTA"]);
  });

  test("is what a planner's program folds of its events, and keeps what the client has", async () => {
    const find = tool({
      name: "find",
      description: "Finds",
      input: z.object({}),
      effects: "reads",
      run: () => "here",
    });
    const model = scriptedModel(({ prompt }) =>
      prompt.at(-1)?.role === "tool" ? "There." : { calls: [{ tool: "find", args: {} }] },
    );
    const planner = closed(createPlanner({ name: `finder ${version}`, model, tools: [find] }).start());
    const url = await serve(
      aguiHandler(planner, {
        caller,
        state: (state, event) => {
          if (event.type !== "call" && event.type !== "result") return state;
          const { calls = [] } = state as { readonly calls?: readonly string[] };
          return { ...(state as object), calls: [...calls, `${event.type} ${event.tool}`] };
        },
      }),
    );
    const seen = await stateOf(url);
    expect(seen.state).toEqual({ mine: "kept", calls: ["call find", "result find"] });
    expect(seen.types).toEqual(["STATE_SNAPSHOT", "STATE_DELTA"]);
  });
});
