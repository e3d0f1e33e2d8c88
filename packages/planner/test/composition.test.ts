import { describe, expect, test } from "vitest";
import { create, LoopbackTransport, MemoryCheckpointStore, payloadNode, seededRandom } from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { z } from "zod";
import { createPlanner, flowTool, remoteTools } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, outputs, reads, running } from "./fixtures.ts";

const input = z.object({ text: z.string() });

describe("planners and flows together", () => {
  test("a flow is a tool: it pauses below a planner, goes on where it was, and its result is told", async () => {
    let looked = 0;
    const first = payloadNode("first", ({ text }: { text: string }) => {
      looked += 1;
      return text;
    });
    const second = payloadNode(
      "second",
      async (text: string, ctx) => `${text} ${await ctx.pause<string>({ reason: "sure?" })}`,
    );
    const flow = create(first.to(second), { name: "steps" });
    const made = flowTool(flow, { name: "steps", description: "Steps", input, effects: "writes" });
    const model = scriptedModel([{ calls: [{ tool: "steps", args: { text: "a" } }] }, "Done"]);
    const planner = running(createPlanner({ name: "p", model, tools: [made] }));
    const paused = await planner.run("?");
    const [question] = paused.status === "paused" ? paused.questions : [];
    expect(question).toMatchObject({ kind: "input", reason: "sure?", tool: "second", path: ["steps"] });
    const end = await planner.resume(question?.token ?? "", { value: "b" }, { tenant: "default", by: "ada" });
    expect([outputs(end), looked]).toEqual([[{ kind: "text", text: "a b" }], 1]);
  });

  test("a planner is a node of another flow, and counts for its budget", async () => {
    const model = scriptedModel([{ calls: [{ tool: "look" }] }, "Found"]);
    const planner = createPlanner({ name: "p", model, tools: [reads("look")] });
    const ask = payloadNode("ask", (prompt: string) => ({ prompt, user: "ada" }));
    const tell = payloadNode("tell", (end: { status: string; spent: object }) => [end.status, end.spent]);
    const plan = planner.node("plan");
    await using flow = create(ask.to(plan), plan.to(tell)).run();
    const outcome = await flow.outcome("?", { budget: { steps: 5 } });
    expect(outcome).toMatchObject({
      status: "completed",
      result: ["completed", { steps: 2, toolCalls: 1, tokens: 30 }],
      spent: { steps: 2 },
    });
  });

  test("the skills of another agent are tools", async () => {
    const double = create(payloadNode("double", ({ text }: { text: string }) => text + text).to()).run();
    const transport = new LoopbackTransport({ double });
    const tools = remoteTools({
      transport,
      agentUrl: "https://agent.example",
      skills: [{ name: "double", description: "Doubles", input, effects: "reads" }],
    });
    const model = scriptedModel([{ calls: [{ tool: "double", args: { text: "ab" } }] }, "Done"]);
    const planner = running(createPlanner({ name: "p", model, tools }));
    expect(outputs(await planner.run("?"))).toEqual([{ kind: "text", text: "abab" }]);
    await double.stop();
  });

  test("a planner below has its caller's tenant and user, and its own limits", async () => {
    const callers: unknown[] = [];
    const look = reads("look", (_, { caller }) => {
      callers.push(caller);
      return "seen";
    });
    const below = scriptedModel([{ calls: [{ tool: "look" }] }], { loop: true });
    const sub = createPlanner({ name: "sub", model: below, tools: [look] });
    const model = scriptedModel([{ calls: [{ tool: "ask", args: { task: "t" } }] }, "Done"]);
    const ask = sub.tool({ name: "ask", description: "Asks", budget: { steps: 2 } });
    const top = running(createPlanner({ name: "top", model, tools: [ask] }));
    const end = await top.run("?", { tenant: "acme", user: "ada", runId: "r" });
    expect(callers).toEqual([
      { tenant: "acme", user: "ada", runId: "r" },
      { tenant: "acme", user: "ada", runId: "r" },
    ]);
    expect(outputs(end)).toMatchObject([
      { kind: "error", code: "BUDGET_EXHAUSTED", text: expect.stringContaining("steps") as string },
    ]);
    expect([end.status, below.count]).toEqual(["completed", 2]);
  });

  test("case 9: a stream that is cut is called again, then the run fails with what was said", async () => {
    const clock = new TestClock();
    const cut = { text: "Half a", cut: true };
    const twice = running(createPlanner({ name: "p", model: scriptedModel([cut, cut, "Whole"]), flow: { clock } }));
    const events = all(twice.stream("?"));
    await clock.advance(10_000);
    expect((await events).at(-1)).toMatchObject({ end: { status: "completed", text: "Whole" } });
    const always = running(createPlanner({ name: "p", model: scriptedModel([cut], { loop: true }), flow: { clock } }));
    const failed = all(always.stream("?"));
    await clock.advance(10_000);
    expect((await failed).at(-1)).toMatchObject({
      end: { status: "failed", code: "MODEL_OUTPUT_CUT", text: "Half a" },
    });
  });

  test("case 52: the same seed gives the same trajectory", async () => {
    const trajectory = async (): Promise<unknown> => {
      const clock = new TestClock();
      let tries = 0;
      const flaky = reads(
        "look",
        ({ text }) => {
          tries += 1;
          if (tries % 2 === 1) throw new Error("flaky");
          return text;
        },
        { maxRetries: 3 },
      );
      const calls = ["a", "b", "c"].map((text) => ({ tool: "look", args: { text } }));
      const flow = {
        clock,
        random: seededRandom(7),
        durability: durable({ checkpoints: new MemoryCheckpointStore() }),
      };
      const made = createPlanner({
        name: "p",
        model: scriptedModel([{ calls }, "Done"]),
        tools: [flaky],
        flow,
      }).start();
      const events = all(made.stream("?", { runId: "r" }));
      await clock.advance(60_000);
      await made.flow.stop();
      return await events;
    };
    expect(await trajectory()).toEqual(await trajectory());
  });
});
