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

/** Shows events as text: steps, subagents and texts by their names. */
function told(all: readonly AGUIEvent[]): string[] {
  const names = new Map<string | undefined, string>();
  return all.flatMap((event) => {
    if (event.type === EventType.SUBAGENT_STARTED) {
      const { subagentRunId, name, parentSubagentRunId } = event;
      names.set(subagentRunId, `${names.get(parentSubagentRunId) ?? ""}${name}/`);
      return [`+${names.get(subagentRunId)}`];
    }
    if (event.type === EventType.SUBAGENT_FINISHED)
      return [`-${names.get(event.subagentRunId)}${event.outcome?.type ?? ""}`];
    if (event.type === EventType.SUBAGENT_ERROR) return [`-${names.get(event.subagentRunId)} ${event.message}`];
    if (event.type === EventType.STEP_STARTED || event.type === EventType.STEP_FINISHED) {
      const sign = event.type === EventType.STEP_STARTED ? "+" : "-";
      return [`${sign}${names.get(event.subagentRunId) ?? ""}${event.stepName}`];
    }
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
      'Options "steps", "state" and "events" need flow "early" to be observed: call observeFlows before it runs',
    );
    expect(() => aguiHandler(early, { caller, steps: 1 as never })).toThrow('"steps" must be true or false: got 1');
  });

  test("a flow that a tool has observed may be running", async () => {
    const flow = closed(create(payloadNode("only", (text: string) => text).to(), { name: "watched" }).run());
    observeFlows([flow]);
    const url = await serve(aguiHandler(flow, { caller, steps: true }));
    expect(told(await events(url, runInput("why?")))).toEqual(["+only", "-only", "why?"]);
  });

  test("steps are not told unless they are asked for", async () => {
    const flow = closed(create(payloadNode("only", (text: string) => text).to(), { name: "quiet" }).run());
    expect(told(await events(await serve(aguiHandler(flow, { caller })), runInput("why?")))).toEqual(["why?"]);
  });
});

describe("playbooks as subagents", () => {
  test("each call is one, with the steps of its nodes, nested as the calls are", async () => {
    const deep = () => create(payloadNode("read", (text: string) => `${text}!`).to(), { name: "deep" });
    const ask = payloadNode("ask", async (text: string, ctx) => await ctx.callPlaybook(deep, text));
    const lookUp = () => create(ask.to(), { name: "lookUp" });
    const outer = payloadNode("outer", async (text: string, ctx) => await ctx.callPlaybook(lookUp, text));
    const flow = closed(create(outer.to(), { name: "nested" }).run());
    const all = await events(await serve(aguiHandler(flow, { caller, steps: true })), runInput("why?"));
    requireOrder(all, { hasNestedSteps: false });
    expect(told(all)).toEqual([
      ...["+outer", "+lookUp/", "+lookUp/ask", "+lookUp/deep/", "+lookUp/deep/read", "-lookUp/deep/read"],
      ...["-lookUp/deep/", "-lookUp/ask", "-lookUp/", "-outer", "why?!"],
    ]);
  });

  test("one that fails ends with its code, and not its cause", async () => {
    const secret = () => {
      throw new Error("secret");
    };
    const shaky = () => create(payloadNode("inner", secret).to(), { name: "shaky" });
    const outer = payloadNode("outer", async (text: string, ctx) => {
      const answer = await ctx.callPlaybook(shaky, text).catch(() => undefined);
      return answer ?? "went on";
    });
    const flow = closed(create(outer.to(), { name: "caught" }).run());
    const all = await events(await serve(aguiHandler(flow, { caller, steps: true })), runInput("why?"));
    requireOrder(all, { hasNestedSteps: false });
    expect(told(all)).toEqual([
      ...["+outer", "+shaky/", "+shaky/inner", "-shaky/inner", "-shaky/ It has failed with NODE_EXCEPTION"],
      ...["-outer", "went on"],
    ]);
    expect(JSON.stringify(all)).not.toContain("secret");
  });

  test("one that pauses is suspended by its interrupt, and begins again with the answer", async () => {
    const ask = () =>
      create(payloadNode("ask", async (_: string, ctx) => await ctx.pause({ reason: "Which?" })).to(), {
        name: "form",
      });
    const outer = payloadNode("outer", async (text: string, ctx) => String(await ctx.callPlaybook(ask, text)));
    const flow = closed(create(outer.to(), { name: "asking" }).run());
    const url = await serve(aguiHandler(flow, { caller, steps: true }));
    const paused = await events(url, runInput("why?"));
    requireOrder(paused, { hasNestedSteps: false });
    expect(told(paused)).toEqual(["+outer", "+form/", "+form/ask", "-form/ask", "-outer", "-form/suspended"]);
    const [asked] = interruptsOf(paused);
    const started = paused.find(({ type }) => type === EventType.SUBAGENT_STARTED);
    expect(asked).toMatchObject({ subagentRunId: (started as { subagentRunId: string }).subagentRunId });
    const resume = [{ interruptId: asked?.id ?? "", status: "resolved" as const, payload: "this" }];
    const ended = await events(url, runInput("", { resume, messages: [] }));
    requireOrder(ended, { hasNestedSteps: false });
    expect(told(ended)).toEqual(["+outer", "+form/", "+form/ask", "-form/ask", "-form/", "-outer", "this"]);
  });
});

describe("events of nodes", () => {
  const custom = (all: readonly AGUIEvent[]): unknown[] =>
    all.flatMap((event) => (event.type === EventType.CUSTOM ? [[event.name, event.value as unknown]] : []));

  test("a retry, and each message that a join gathers, are told if they are asked for", async () => {
    let attempts = 0;
    const shaky = payloadNode({ name: "shaky", policy: { maxRetries: 1, backoffBaseMs: 1 } }, (text: string) => {
      attempts += 1;
      if (attempts % 2 === 1) throw new Error("once");
      return text;
    });
    const twice = node("twice", async ({ payload }: Message<string>, ctx) => {
      await ctx.emit(payload);
      await ctx.emit(payload);
    });
    const both = joinK<"both", string, 2>("both", 2, {});
    const graph = [shaky.to(twice), twice.to(both)] as const;
    const flow = closed(create(...(graph as unknown as [(typeof graph)[0]]), { name: "eventful" }).run());
    const asked = await serve(aguiHandler(flow as never, { caller, events: true, input: () => "x" as never }));
    expect(custom(await events(asked, runInput("why?")))).toEqual([
      ["penguiflow.event", { type: "retry", node: "shaky", path: [] }],
      ["penguiflow.event", { type: "join", node: "both", path: [] }],
      ["penguiflow.event", { type: "join", node: "both", path: [] }],
    ]);
    const quiet = await serve(aguiHandler(flow as never, { caller, input: () => "x" }));
    expect(custom(await events(quiet, runInput("why?")))).toEqual([]);
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
