import { describe, expect, test } from "vitest";
import { MemoryLog } from "penguiflow";
import { createPlanner, type PlanRunOptions } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, reads, running, writes } from "./fixtures.ts";

function planner(script: Parameters<typeof scriptedModel>[0], options: object = {}) {
  const model = scriptedModel(script);
  const memory = { store: new MemoryLog() };
  return { model, planner: running(createPlanner({ name: "p", model, memory, ...options })) };
}

describe("threads", () => {
  test("case 43: a thread is that of its tenant and user, and without a thread there is no memory", async () => {
    const { planner: made, model } = planner(() => "Noted");
    const seen = async (options: PlanRunOptions): Promise<boolean> => {
      await made.run("And?", options);
      return JSON.stringify(model.calls.at(-1)?.prompt).includes("I am Ada");
    };
    await made.run("I am Ada", { user: "ada", thread: "t" });
    expect(await seen({ user: "ada", thread: "t" })).toBe(true);
    expect(await seen({ user: "bea", thread: "t" })).toBe(false);
    expect(await seen({ thread: "t" })).toBe(false);
    expect(await seen({ user: "ada" })).toBe(false);
    expect(await seen({ user: "ada", thread: "t", tenant: "other" })).toBe(false);
    expect(await seen({ user: 'ada","t', thread: "" })).toBe(false);
  });

  test("case 44: of two messages at once on one thread, the second sees the first's answer", async () => {
    const { planner: made, model } = planner(["Answer one", "Answer two"]);
    const options = { user: "ada", thread: "t" };
    await Promise.all([made.run("One", options), made.run("Two", options)]);
    expect(JSON.stringify(model.calls[1]?.prompt)).toContain("Answer one");
  });

  test("case 45: a run that failed is not remembered; one that was resumed is, once", async () => {
    const written: unknown[] = [];
    const { planner: made, model } = planner(
      [{ text: "Half", finish: "length" }, { calls: [{ tool: "write", args: { text: "a" } }] }, "Written", "Third"],
      { tools: [writes("write", written, { approval: true })] },
    );
    const options = { user: "ada", thread: "t" };
    await made.run("First", options);
    const paused = await made.run("Second", options);
    const [question] = paused.status === "paused" ? paused.questions : [];
    await made.resume(question?.token ?? "", { approved: true }, { tenant: "default", by: "ada" });
    await made.run("Third", options);
    const record = JSON.stringify(model.calls.at(-1)?.prompt);
    expect([record.includes("First"), record.split("Second").length, record.includes("Written")]).toEqual([
      false,
      2,
      true,
    ]);
  });

  test("a message on a thread that waits for an answer is refused with its questions", async () => {
    const { planner: made } = planner([{ calls: [{ tool: "write", args: { text: "a" } }] }], {
      tools: [writes("write", [], { approval: true })],
    });
    const options = { user: "ada", thread: "t" };
    await made.run("First", options);
    expect(await made.run("Second", options)).toMatchObject({
      status: "failed",
      code: "THREAD_PAUSED",
      error: { details: { questions: [{ tool: "write" }] } },
    });
    expect((await all(made.stream("Second", options))).at(-1)).toMatchObject({ end: { code: "THREAD_PAUSED" } });
  });

  test("a message into a plan is seen by it, and not by the planner below that runs meanwhile", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
    const look = reads("look", async () => {
      begin();
      await go;
    });
    const below = scriptedModel([{ calls: [{ tool: "look" }] }, "Seen"]);
    const sub = createPlanner({ name: "sub", model: below, tools: [look] });
    const calls = [{ tool: "ask", args: { task: "t" } }];
    const { planner: made, model } = planner([{ calls }, "Done"], {
      tools: [sub.tool({ name: "ask", description: "Asks" })],
    });
    const end = made.run("Look", { runId: "r" });
    await begun;
    await made.steer("r", "Be brief", { tenant: "default", by: "ada" });
    goOn();
    await end;
    expect(JSON.stringify(below.calls)).not.toContain("Be brief");
    expect(JSON.stringify(model.calls[1]?.prompt)).toContain("Be brief");
  });

  test("a message into a running plan is seen once, with the next model call", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
    const look = reads("look", async () => {
      begin();
      await go;
    });
    const calls = [{ tool: "look" }];
    const { planner: made, model } = planner([{ calls }, { calls }, "Done"], { tools: [look] });
    const events = all(made.stream("Look", { runId: "r" }));
    await begun;
    await made.steer("r", "Be brief", { tenant: "default", by: "ada" });
    goOn();
    expect((await events).filter(({ type }) => type === "steered")).toMatchObject([{ by: "ada", step: 1 }]);
    const times = model.calls.map(({ prompt }) => JSON.stringify(prompt).split("Be brief").length - 1);
    expect(times).toEqual([0, 1, 1]);
  });
});
