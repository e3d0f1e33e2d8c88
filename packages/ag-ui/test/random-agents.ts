import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel, type ScriptedTurn } from "@penguiflow/planner/testing";
import { type Context, create, joinK, payloadNode } from "penguiflow";
import * as fc from "fast-check";
import { z } from "zod";

/** One act of a handler. */
export type Act =
  | { readonly act: "say"; readonly stream: number; readonly text: string; readonly thinking: boolean }
  | { readonly act: "end"; readonly stream: number }
  | { readonly act: "pause" | "cancel" | "fail" | "fail once" | "yield" | "below" | "fail below" };

/** Acts of two branches that run at once, and when the client leaves. */
export interface FlowScript {
  readonly left: readonly Act[];
  readonly right: readonly Act[];
  readonly results: boolean;
  /** Number of events after which the client leaves; none for a client that stays. */
  readonly leaves: number | undefined;
}

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant("say" as const),
      stream: fc.nat(2),
      text: fc.constantFrom("", "a", "b ", "\n\ndata: {}", "ü🐧"),
      thinking: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("end" as const), stream: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.constantFrom<Act>({ act: "pause" }, { act: "yield" }, { act: "fail once" }) },
  { weight: 2, arbitrary: fc.constantFrom<Act>({ act: "below" }, { act: "fail below" }) },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ act: "cancel" }, { act: "fail" }) },
);

/** Any flow script. */
export const flowScript: fc.Arbitrary<FlowScript> = fc.record({
  left: fc.array(act, { maxLength: 6 }),
  right: fc.array(act, { maxLength: 6 }),
  results: fc.boolean(),
  leaves: fc.option(fc.nat(6), { nil: undefined, freq: 6 }),
});

/** Makes a flow whose input is a script as JSON: it does what the script says. */
export function scriptedFlow() {
  const below = (name: string, isFailing: boolean) => {
    const playbook = create(
      payloadNode("deeper", async (asks: boolean, ctx: Context) => {
        await ctx.emitChunk({ streamId: `${name} below`, text: "deep" });
        if (isFailing) throw new Error("always");
        return asks ? await ctx.pause({ reason: `${name} below`, name: `${name} below` }) : "";
      }).to(),
      { name: isFailing ? "broken" : "below" },
    );
    return () => playbook;
  };
  const playbooks = {
    left: { below: below("left", false), "fail below": below("left", true) },
    right: { below: below("right", false), "fail below": below("right", true) },
  };
  const begin = payloadNode("begin", (text: string) => text);
  const branch = (name: "left" | "right") =>
    payloadNode(
      { name, policy: { maxRetries: 1, backoffBaseMs: 1, validate: "none" } },
      async (text: string, ctx: Context) => {
        const script = JSON.parse(text) as FlowScript;
        for (const [index, one] of script[name].entries()) await play(name, index, one, ctx);
        return text;
      },
    );
  const play = async (name: "left" | "right", index: number, one: Act, ctx: Context): Promise<void> => {
    switch (one.act) {
      case "say": {
        const meta = one.thinking ? { meta: { channel: "thinking" } } : {};
        await ctx.emitChunk({ streamId: `${name}-${one.stream}`, text: one.text, ...meta });
        return;
      }
      case "end":
        await ctx.emitChunk({ streamId: `${name}-${one.stream}`, text: "", done: true });
        return;
      case "pause":
        await ctx.pause({ reason: `${name} ${index}`, name: `${name} ${index}` });
        return;
      case "below":
        await ctx.callPlaybook(playbooks[name].below, index % 2 === 0);
        return;
      case "fail below":
        await ctx.callPlaybook(playbooks[name]["fail below"], false).catch(() => {});
        return;
      case "cancel":
        flow.cancel(ctx.traceId, { tenant: ctx.tenant }).catch(() => {});
        await ctx.sleep(60_000);
        return;
      case "fail once":
        if (ctx.attempt > 1) return;
        throw new Error("once");
      case "fail":
        throw new Error("always");
      case "yield":
        await ctx.sleep(1);
    }
  };
  const left = branch("left");
  const right = branch("right");
  const join = joinK("join", 2);
  const last = payloadNode("last", ([text]: readonly unknown[]) => {
    const { results } = JSON.parse(text as string) as FlowScript;
    return results ? "the result" : { results };
  });
  const flow = create(begin.to(left, right), left.to(join), right.to(join), join.to(last), last.to());
  return flow;
}

/** A call that a planner's script asks for. */
type Wish = "read" | "fail" | "approve" | "ask" | "below";

/** A step of a planner's script. */
export interface PlanStepScript {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly Wish[];
  readonly isCut: boolean;
  readonly isFailed: boolean;
}

/** Steps of a planner, and when the client leaves. */
export interface PlanScript {
  readonly steps: readonly PlanStepScript[];
  readonly leaves: number | undefined;
}

/** Any planner script. */
export const planScript: fc.Arbitrary<PlanScript> = fc.record({
  steps: fc.array(
    fc.record({
      text: fc.constantFrom("", "one", "one two three", "ü🐧 x"),
      reasoning: fc.constantFrom("", "hm", "I think so"),
      calls: fc.array(fc.constantFrom<Wish>("read", "fail", "approve", "ask", "below"), { minLength: 1, maxLength: 3 }),
      isCut: fc.boolean().map((is) => is),
      isFailed: fc.integer({ min: 0, max: 9 }).map((given) => given === 0),
    }),
    { maxLength: 3 },
  ),
  leaves: fc.option(fc.nat(8), { nil: undefined, freq: 6 }),
});

/** Makes a planner whose prompt is a script as JSON: its model answers as the script says. */
export function scriptedPlanner() {
  const cut = new Set<string>();
  const model = scriptedModel(({ prompt }) => {
    const [part] = prompt.findLast(({ role }) => role === "user")?.content ?? [];
    const { text } = part as { readonly text: string };
    const { steps } = JSON.parse(text) as PlanScript;
    const done = prompt.filter(({ role }) => role === "assistant").length;
    const step = steps[done];
    if (step === undefined) return "The end";
    if (step.isFailed) return Object.assign(new Error("no"), { isRetryable: false });
    const key = `${text}/${done}/${prompt.length}`;
    const calls = step.calls.map((wish) => ({ tool: wish, args: wish === "below" ? { task: "look" } : { wish } }));
    const turn: ScriptedTurn = { text: step.text, reasoning: step.reasoning, calls };
    if (!step.isCut || cut.has(key)) return turn;
    cut.add(key);
    return { ...turn, cut: true };
  });
  const make = (name: Wish, run: Parameters<typeof tool>[0]["run"], approval = false) =>
    tool({
      name,
      description: name,
      input: z.object({ wish: z.string() }),
      effects: approval ? "writes" : "reads",
      approval,
      maxRetries: 0,
      run,
    });
  const below = createPlanner({
    name: "reader",
    model: scriptedModel(({ prompt }) =>
      prompt.at(-1)?.role === "tool" ? "read" : { text: "I read", calls: [{ tool: "read", args: { wish: "read" } }] },
    ),
    tools: [make("read", () => "page")],
  });
  return createPlanner({
    name: "scripted",
    model,
    tools: [
      make("read", () => ({ found: 1 })),
      make("fail", () => {
        throw new Error("broken");
      }),
      make("approve", () => "done", true),
      make("ask", async (_, ctx) => await ctx.ask({ reason: "Which?", schema: z.string() })),
      below.tool({ name: "below", description: "Reads" }),
    ],
  });
}
