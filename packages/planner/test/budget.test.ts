import { describe, expect, test } from "vitest";
import { createPlanner, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { TestClock, settle } from "penguiflow/testing";
import { z } from "zod";
import { all, outputs, reads, running } from "./fixtures.ts";

const look = (...texts: readonly string[]) => ({ calls: texts.map((text) => ({ tool: "look", args: { text } })) });

function planner(script: Parameters<typeof scriptedModel>[0], options: object = {}) {
  const model = scriptedModel(script, { loop: true });
  return { model, planner: running(createPlanner({ name: "p", model, tools: [reads("look")], ...options })) };
}

describe("budgets", () => {
  test("case 17: of three calls with two left, two run and one is told", async () => {
    const { planner: made } = planner([look("a", "b", "c"), "Done"], { budget: { toolCalls: 2 } });
    const end = await made.run("?");
    expect(outputs(end)).toMatchObject([{ text: "look: a" }, { text: "look: b" }, { code: "BUDGET_EXHAUSTED" }]);
    expect(end).toMatchObject({ status: "completed", spent: { steps: 2, toolCalls: 2 } });
  });

  test("steps, tokens and dollars that are used up end the run, and the end says which", async () => {
    const { planner: steps, model } = planner([look("a")], { budget: { steps: 3 } });
    expect(await steps.run("?")).toMatchObject({ status: "exhausted", which: "steps", spent: { steps: 3 } });
    expect(model.count).toBe(3);
    const { planner: tokens } = planner([look("a")], { budget: { tokens: 40 } });
    expect(await tokens.run("?")).toMatchObject({ status: "exhausted", which: "tokens", steps: [{}, {}, {}] });
    const prices = { scripted: { input: 1e6, output: 1e6 } };
    const { planner: dollars } = planner([look("a")], { budget: { costUsd: 20 }, prices });
    expect(await dollars.run("?")).toMatchObject({ status: "exhausted", which: "costUsd", spent: { costUsd: 20 } });
  });

  test("a run may have less than its planner, and not more", async () => {
    const { planner: made } = planner([look("a")], { budget: { steps: 3 } });
    expect((await made.run("?", { budget: { steps: 1 } })).steps).toHaveLength(1);
    expect((await made.run("?", { budget: { steps: 9 } })).steps).toHaveLength(3);
  });

  test("case 19: with steps used up, exactly one call without tools follows", async () => {
    const { planner: made, model } = planner([look("a"), look("b"), "That is all"], {
      budget: { steps: 2 },
      onExhausted: "answer",
    });
    expect(await made.run("?")).toMatchObject({ status: "exhausted", which: "steps", text: "That is all" });
    expect(model.calls.map(({ tools }) => tools?.length ?? 0)).toEqual([1, 1, 0]);
  });

  test("case 18: two planners side by side share the steps of the one above", async () => {
    const below = scriptedModel([look("a")], { loop: true });
    const sub = createPlanner({ name: "sub", model: below, tools: [reads("look")] });
    const task = { tool: "ask", args: { task: "t" } };
    const model = scriptedModel([{ calls: [task, task] }, "Done"], { loop: true });
    const top = running(
      createPlanner({
        name: "top",
        model,
        tools: [sub.tool({ name: "ask", description: "Asks" })],
        budget: { steps: 6 },
      }),
    );
    const end = await top.run("?");
    expect([below.count + model.count, end.status, end.spent.steps]).toEqual([6, "exhausted", 6]);
    expect(outputs(end)).toMatchObject([{ code: "BUDGET_EXHAUSTED" }, { code: "BUDGET_EXHAUSTED" }]);
  });

  test("case 20: a deadline reaches a tool and a model that ignore their signal; the end has the steps so far", async () => {
    const clock = new TestClock();
    const tools = [reads("look", async () => await new Promise(() => {}))];
    const { planner: made } = planner([look("a")], { tools, flow: { clock, graceMs: 5 } });
    const end = made.run("?", { timeoutMs: 60 });
    const events = all(made.stream("?", { timeoutMs: 60 }));
    await clock.advance(100);
    expect(await end).toMatchObject({ status: "exhausted", which: "deadline", steps: [{ calls: [{ tool: "look" }] }] });
    expect((await events).at(-1)).toMatchObject({
      seq: 3,
      end: { status: "exhausted", which: "deadline", steps: [{}] },
    });
    const { planner: deaf } = planner(() => new Promise<never>(() => {}), { flow: { clock, graceMs: 5 } });
    const silent = deaf.run("?", { timeoutMs: 60 });
    await clock.advance(100);
    expect(await silent).toMatchObject({ status: "exhausted", which: "deadline", steps: [] });
  });

  test("cancelling a run aborts its tool, and its end says why", async () => {
    let heard: unknown;
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const tools = [
      reads("look", async (_, { signal }) => {
        begin();
        await new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => {
            heard = signal.reason;
            reject(new Error("stopped"));
          }),
        );
      }),
    ];
    const { planner: made } = planner([look("a")], { tools });
    const controller = new AbortController();
    const end = made.run("?", { signal: controller.signal });
    await begun;
    controller.abort("enough");
    expect(await end).toMatchObject({ status: "cancelled", reason: "enough", steps: [{}] });
    expect(heard).toMatchObject({ code: "TRACE_CANCELLED" });
  });

  test("case 21: after a 429 that says when to come back, the model is called no sooner", async () => {
    const clock = new TestClock();
    const tooMany = Object.assign(new Error("429"), {
      statusCode: 429,
      isRetryable: true,
      responseHeaders: { "retry-after": "1" },
    });
    const times: number[] = [];
    const script = () => {
      times.push(clock.now());
      return times.length === 1 ? tooMany : "Done";
    };
    const { planner: made } = planner(script, { flow: { clock } });
    const end = made.run("?");
    await clock.advance(2000);
    expect([(await end).status, times]).toEqual(["completed", [0, 1000]]);
  });

  test("case 22: a context that is too long is compacted once, then the run fails", async () => {
    const tooLong = Object.assign(new Error("maximum context length"), { statusCode: 400, isRetryable: false });
    const { planner: made, model } = planner([look("a"), look("b"), tooLong, "Done"]);
    const events = await all(made.stream("?"));
    expect(events.filter(({ type }) => type === "compacted" || type === "end")).toMatchObject([
      { from: 1, to: 3 },
      { end: { status: "completed" } },
    ]);
    expect(model.count).toBe(4);
    const { planner: given } = planner([look("a"), look("b"), tooLong, look("c"), tooLong, tooLong]);
    expect(await given.run("?")).toMatchObject({ status: "failed", code: "CONTEXT_TOO_LONG" });
  });

  test("a read that fails is tried again, as often as its tool says", async () => {
    const clock = new TestClock();
    let tries = 0;
    const flaky = tool({
      name: "look",
      description: "Looks",
      input: z.object({ text: z.string() }),
      effects: "reads",
      run: (_, { attempt }) => {
        tries += 1;
        if (attempt < 3) throw new Error("flaky");
        return `attempt ${attempt}`;
      },
    });
    const { planner: made } = planner([look("a"), "Done"], { tools: [flaky], flow: { clock } });
    const end = made.run("?");
    await settle();
    await clock.advance(5000);
    expect([outputs(await end), tries]).toEqual([[{ kind: "text", text: "attempt 3" }], 3]);
  });

  test("case 37: a write that takes too long is told, and not tried again", async () => {
    const clock = new TestClock();
    let tries = 0;
    const slow = tool({
      name: "look",
      description: "Writes",
      input: z.object({ text: z.string() }),
      effects: "writes",
      maxRetries: 3,
      timeoutMs: 100,
      run: async () => {
        tries += 1;
        await new Promise(() => {});
      },
    });
    const { planner: made } = planner([look("a"), "Done"], { tools: [slow], flow: { clock, graceMs: 5 } });
    const end = made.run("?");
    await clock.advance(5000);
    expect([outputs(await end), tries]).toMatchObject([[{ kind: "error", code: "TOOL_TIMEOUT" }], 1]);
  });
});
