import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { createPlanner, type PlanEvent, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { durable } from "penguiflow/durable";
import { z } from "zod";
import { all, outputs, reads, running, writes } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "planner-background-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A promise with its resolver, for a call that ends when the test says so. */
function held() {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { promise, finish: resolve };
}

const text = (request: { readonly prompt: unknown }): string => JSON.stringify(request.prompt);

describe("a call in the background", () => {
  test("leaves the loop going on, and its result reaches the model at the next step, once", async () => {
    const { promise, finish } = held();
    const prompts: string[] = [];
    const model = scriptedModel(({ prompt, index }) => {
      prompts.push(text({ prompt }));
      if (index === 0)
        return {
          calls: [
            { tool: "render", args: { text: "a" } },
            { tool: "look", args: {} },
          ],
        };
      if (index === 1) return { calls: [{ tool: "finish", args: {} }] };
      if (index === 2) return { calls: [{ tool: "look", args: {} }] };
      return "answer";
    });
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [
          reads("render", () => promise, { background: true }),
          reads("look", () => "seen"),
          reads("finish", async () => {
            finish("rendered a");
            for (let isThere = false; !isThere; await new Promise((resolve) => setImmediate(resolve)))
              isThere = (await all(planner.trajectory("r", "default"))).some(
                (event) => event.type === "result" && event.callId === "1.0",
              );
            return "finished";
          }),
        ],
      }),
    );
    const end = await planner.run("go", { runId: "r" });
    expect(end).toMatchObject({ status: "completed", output: "answer" });
    expect(outputs(end)).toMatchObject([
      { kind: "text", text: "rendered a" },
      { text: "seen" },
      { text: "finished" },
      { text: "seen" },
    ]);
    expect(prompts[1]).toContain("Call 1.0 goes on in the background");
    const told = prompts.map((prompt) => prompt.split("rendered a").length - 1);
    expect(told).toEqual([0, 0, 1, 1]);
    const events = await all(planner.trajectory("r", "default"));
    expect(events.filter(({ type }) => type === "result")).toHaveLength(4);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  });

  test("holds the end back: an answer before its result is no end, and the model is asked again with it", async () => {
    const { promise, finish } = held();
    const model = scriptedModel(({ prompt, index }) => {
      if (index === 0) return { calls: [{ tool: "render", args: { text: "a" } }] };
      if (index === 1) {
        finish("rendered a");
        return "It renders";
      }
      return text({ prompt }).includes("rendered a") ? "It is rendered" : "not heard";
    });
    const planner = running(
      createPlanner({ name: "p", model, tools: [reads("render", () => promise, { background: true })] }),
    );
    const end = await planner.run("go");
    expect([end.status, end.steps.map((step) => step.text), end.spent.steps]).toEqual([
      "completed",
      ["", "It renders", "It is rendered"],
      3,
    ]);
  });

  test("of several, each result is told with the first model call after it", async () => {
    const renders = [held(), held(), held()];
    const prompts: string[] = [];
    const model = scriptedModel(({ prompt, index }) => {
      prompts.push(text({ prompt }));
      if (index === 0) return { calls: ["0", "1", "2"].map((which) => ({ tool: "render", args: { text: which } })) };
      renders[index - 1]?.finish(`rendered ${index - 1}`);
      return `answer ${index}`;
    });
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [reads("render", ({ text: which }) => renders[Number(which)]?.promise, { background: true })],
      }),
    );
    const end = await planner.run("go");
    expect(end).toMatchObject({ status: "completed", output: "answer 4" });
    expect(prompts.map((prompt) => prompt.match(/rendered \d/g) ?? [])).toEqual([
      [],
      [],
      ["rendered 0"],
      ["rendered 0", "rendered 1"],
      ["rendered 0", "rendered 1", "rendered 2"],
    ]);
  });

  test("that fails is told as an error, and one that a person has denied as denied", async () => {
    const prompts: string[] = [];
    const model = scriptedModel(({ prompt, index }) => {
      prompts.push(text({ prompt }));
      return index > 0 ? "answer" : { calls: ["fails", "sign"].map((name) => ({ tool: name, args: { text: "a" } })) };
    });
    const written: unknown[] = [];
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [
          reads("fails", () => Promise.reject(new Error("out of paper")), { background: true }),
          writes("sign", written, { approval: true, background: true }),
        ],
      }),
    );
    const waits = await planner.run("go");
    if (waits.status !== "paused") throw new Error(`expected a question, got ${waits.status}`);
    const [question] = waits.questions;
    const decision = { approved: false, reason: "too dear" } as const;
    const end = await planner.resume(question?.token ?? "", decision, { tenant: "default", by: "ada" });
    expect(end).toMatchObject({ status: "completed", output: "answer" });
    expect(outputs(end)).toMatchObject([{ kind: "error", code: "TOOL_FAILED" }, { kind: "denied" }]);
    expect([prompts.at(-1)?.includes("out of paper"), prompts.at(-1)?.includes("too dear"), written]).toEqual([
      true,
      true,
      [],
    ]);
  });

  test("ends before a run that has failed, so that the end is the last event", async () => {
    const { promise, finish } = held();
    const model = scriptedModel(({ index }) => {
      if (index === 0) return { calls: [{ tool: "render", args: { text: "a" } }] };
      setImmediate(() => finish("rendered"));
      return { text: "cut", finish: "length" };
    });
    const planner = running(
      createPlanner({ name: "p", model, tools: [reads("render", () => promise, { background: true })] }),
    );
    const types: string[] = [];
    for await (const { type } of planner.stream("go") as AsyncIterable<PlanEvent>) types.push(type);
    expect(types.filter((type) => type !== "text")).toEqual(["step", "call", "step", "result", "end"]);
    expect(model.count).toBe(2);
  });

  test("is judged by the policies like any other, and the one that stops ends the run with the next step", async () => {
    const model = scriptedModel([{ calls: [{ tool: "render", args: { text: "a" } }] }, "answer"]);
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [reads("render", () => "a secret", { background: true })],
        policy: (call) => (call.at === "result" ? { stop: "no secrets" } : "allow"),
      }),
    );
    expect(await planner.run("go")).toMatchObject({ status: "failed", code: "POLICY_STOPPED" });
  });

  test("is taken into the answer before a critic judges it", async () => {
    const { promise, finish } = held();
    const judged: string[] = [];
    const critic = scriptedModel(({ prompt }) => {
      judged.push(text({ prompt }));
      return JSON.stringify({ score: 1, feedback: "" });
    });
    const model = scriptedModel(({ index }) => {
      if (index === 0) return { calls: [{ tool: "render", args: { text: "a" } }] };
      finish("rendered");
      return index === 1 ? "draft" : "final";
    });
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [reads("render", () => promise, { background: true })],
        critic: { criteria: "It is good", threshold: 0.5, model: critic },
      }),
    );
    expect(await planner.run("go")).toMatchObject({ status: "completed", output: "final" });
    expect([judged.length, judged[0]?.includes("rendered")]).toEqual([1, true]);
  });

  test("of a planner below goes on while the one above works", async () => {
    const { promise, finish } = held();
    const below = createPlanner({
      name: "below",
      model: scriptedModel([{ calls: [{ tool: "render", args: {} }] }, "below is done"]),
      tools: [reads("render", () => promise)],
    });
    const model = scriptedModel(({ prompt, index }) => {
      if (index === 0) return { calls: [{ tool: "delegate", args: { task: "render" } }] };
      if (index === 1) return { calls: [{ tool: "finish", args: {} }] };
      return text({ prompt }).includes("below is done") ? "heard" : "not yet";
    });
    const planner = running(
      createPlanner({
        name: "p",
        model,
        tools: [
          below.tool({ name: "delegate", description: "Delegates", background: true }),
          reads("finish", () => finish("rendered")),
        ],
      }),
    );
    expect(await planner.run("go")).toMatchObject({ status: "completed", output: "heard" });
  });

  test("outlives its process: its result reaches the model in the next one, once", async () => {
    const file = join(folder, "checkpoints.db");
    const started: string[] = [];
    const make = (checkpoints: SqliteCheckpointStore, renders: () => Promise<string>) => {
      const prompts: string[] = [];
      const model = scriptedModel(({ prompt }) => {
        prompts.push(text({ prompt }));
        const turns = prompt.filter(({ role }) => role === "assistant").length;
        return turns === 0 ? { calls: [{ tool: "render", args: { text: "a" } }] } : `answer ${turns}`;
      });
      const render = tool({
        name: "render",
        description: "Renders",
        input: z.object({ text: z.string() }),
        effects: "idempotent",
        background: true,
        run: async (_, { idempotencyKey }) => {
          started.push(idempotencyKey);
          return await renders();
        },
      });
      const flow = { durability: durable({ checkpoints, leaseMs: 200 }) };
      return { prompts, planner: createPlanner({ name: "p", model, tools: [render], flow }) };
    };
    const first = await SqliteCheckpointStore.open({ file });
    const one = make(first, () => new Promise(() => {}));
    one.planner.start();
    const { promise: answered, resolve: noteAnswer } = Promise.withResolvers<void>();
    const reading = (async () => {
      for await (const event of one.planner.stream("go", { runId: "r", onLeave: "detach" }))
        if (event.type === "step" && event.text === "answer 1") noteAnswer();
    })();
    await answered;
    await one.planner.flow.stop({ drainMs: 0 });
    await reading;
    await first.close();

    const second = await SqliteCheckpointStore.open({ file });
    const two = make(second, () => Promise.resolve("rendered a"));
    running(two.planner);
    await two.planner.flow.ready();
    const end = (await two.planner.flow.fetch()) as { readonly payload: unknown };
    expect(end.payload).toMatchObject({ status: "completed", output: "answer 2" });
    const events = await all(two.planner.trajectory("r", "default"));
    expect(events.filter(({ type }) => type === "result" || type === "end")).toMatchObject([
      { type: "result", output: { text: "rendered a" } },
      { type: "end" },
    ]);
    expect([two.prompts.length, two.prompts[0]?.split("rendered a").length]).toEqual([1, 2]);
    expect([started.length, new Set(started).size]).toEqual([2, 1]);
    await two.planner[Symbol.asyncDispose]();
    await second.close();
  });

  test('an option "background" that is no boolean is refused', () => {
    expect(() => reads("render", () => "", { background: "yes" as never })).toThrow(
      'Option "background" of tool "render" must be a boolean: got "yes"',
    );
  });
});
