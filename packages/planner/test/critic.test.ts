import { describe, expect, test } from "vitest";
import { MemoryLog } from "penguiflow";
import { createPlanner, type Critic } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { z } from "zod";
import { all, reads, running } from "./fixtures.ts";

const verdict = (score: number, feedback = ""): string => JSON.stringify({ score, feedback });

/** A planner whose model and critic play scripts of their own. */
function planner(
  answers: Parameters<typeof scriptedModel>[0],
  verdicts: Parameters<typeof scriptedModel>[0],
  { critic = {}, ...options }: { critic?: Partial<Critic>; [option: string]: unknown } = {},
) {
  const model = scriptedModel(answers);
  const judge = scriptedModel(verdicts, { modelId: "judge" });
  const rules: Critic = { criteria: ["It names a price", "It is polite"], threshold: 0.8, model: judge, ...critic };
  const tools = [reads("look")];
  return { model, judge, planner: running(createPlanner({ name: "p", model, tools, critic: rules, ...options })) };
}

describe("a critic", () => {
  test("takes an answer that meets the criteria, with one model call, in the budget of the run", async () => {
    const { planner: made, model, judge } = planner(["It costs 35, please."], [verdict(0.8)]);
    const end = await made.run("What does the tent cost?");
    expect(end).toMatchObject({ status: "completed", text: "It costs 35, please." });
    expect(end).not.toHaveProperty("unsatisfied");
    expect([model.count, judge.count]).toEqual([1, 1]);
    expect(end.spent).toMatchObject({ steps: 2, tokens: 30 });
  });

  test("sees the criteria, what the user said, the results and the answer, and no tools", async () => {
    const calls = [{ tool: "look", args: { text: "tent" } }];
    const { planner: made, judge } = planner([{ calls }, "35"], [verdict(1)]);
    await made.run("What does the tent cost?");
    const [asked] = judge.calls;
    expect(asked?.tools).toBeUndefined();
    expect(asked?.prompt[0]?.content).toContain("- It names a price\n- It is polite");
    const [record] = (asked?.prompt[1]?.content ?? []) as readonly { readonly text: string }[];
    expect(JSON.parse(record?.text ?? "")).toEqual({
      user: ["What does the tent cost?"],
      results: [{ tool: "look", result: "look: tent" }],
      answer: "35",
    });
  });

  test("sends an answer back with its feedback, and readers are told", async () => {
    const { planner: made, model } = planner(["Much.", "35, please."], [verdict(0.2, "Name a price"), verdict(1)]);
    const events = await all(made.stream("What does the tent cost?", { runId: "r" }));
    expect(events.filter(({ type }) => type !== "text")).toMatchObject([
      { type: "step", text: "Much.", step: 1 },
      { type: "critique", score: 0.2, feedback: "Name a price", isSatisfied: false, step: 2 },
      { type: "repair", step: 2 },
      { type: "step", text: "35, please.", step: 3 },
      { type: "critique", score: 1, isSatisfied: true, step: 4 },
      { type: "end", end: { status: "completed", text: "35, please.", spent: { steps: 4 } } },
    ]);
    expect(JSON.stringify(model.calls[1]?.prompt.slice(-2))).toMatch(/Much\..*Name a price/);
    const stored = await all(made.trajectory("r", "default"));
    expect(stored).toEqual(events.filter(({ type }) => type !== "text"));
  });

  test("that stays unsatisfied asks for as many revisions as it may; the last answer says so", async () => {
    const answers = ["One", "Two", "Three"];
    const { planner: made, judge } = planner(answers, [verdict(0, "a"), verdict(0, "b"), verdict(0, "c")], {
      critic: { revisions: 2 },
    });
    expect(await made.run("?")).toMatchObject({ status: "completed", text: "Three", unsatisfied: "c" });
    expect(judge.count).toBe(3);
    const { planner: never, model } = planner(["One"], [verdict(0, "a")], { critic: { revisions: 0 } });
    expect(await never.run("?")).toMatchObject({ text: "One", unsatisfied: "a" });
    expect(model.count).toBe(1);
  });

  test("takes no answer away: with no budget for it or for a revision, or when it fails, the answer stands", async () => {
    const stands = async (verdicts: Parameters<typeof scriptedModel>[0], steps: number) =>
      await planner(["Answer", "Better"], verdicts, { budget: { steps } }).planner.run("?");
    const unjudged = (why: string) =>
      expect.stringMatching(new RegExp(`^The critic could not judge: .*${why}`)) as string;
    const kept = { status: "completed", text: "Answer" };
    expect(await stands([verdict(0, "Bad")], 1)).toMatchObject({ ...kept, unsatisfied: unjudged("no steps are left") });
    expect(await stands([verdict(0, "Bad")], 2)).toMatchObject({ ...kept, unsatisfied: "Bad", spent: { steps: 2 } });
    expect(await stands(["I like it"], 20)).toMatchObject({ ...kept, unsatisfied: unjudged("cannot be read") });
    expect(await stands(() => new Error("gone"), 20)).toMatchObject({ ...kept, unsatisfied: unjudged("gone") });
  });

  test("judges typed answers, and a revision is held to the schema and to the policies", async () => {
    const typed = { output: z.object({ price: z.number() }) };
    const { planner: made, judge } = planner(
      ['{"price":1}', '{"price":"two"}', '{"price":2}'],
      [verdict(0, "Too cheap"), verdict(1)],
      typed,
    );
    expect(await made.run("?")).toMatchObject({ status: "completed", output: { price: 2 } });
    expect(judge.count).toBe(2);
    const { planner: guarded } = planner(["One", "A secret"], [verdict(0, "More")], {
      policy: (call: { readonly text?: string }) => (call.text?.includes("secret") === true ? { stop: "no" } : "allow"),
    });
    expect(await guarded.run("?")).toMatchObject({ status: "failed", code: "POLICY_STOPPED" });
  });

  test("is by default the planner's own model, and the thread remembers the last answer alone", async () => {
    const store = new MemoryLog();
    const { planner: made, model } = planner(["One", verdict(0, "More"), "Two", verdict(1), "Three", verdict(1)], [], {
      critic: { model: undefined },
      memory: { store },
    });
    const who = { user: "anna", thread: "t" };
    expect(await made.run("First", who)).toMatchObject({ text: "Two" });
    await made.run("Second", who);
    const asked = JSON.stringify(model.calls[4]?.prompt);
    expect(asked).toContain("Two");
    expect(asked).not.toContain("One");
  });

  test.for([
    [{ criteria: [] }, "critic.criteria"],
    [{ threshold: 80 }, 'critic.threshold" of planner "p" must be a number from 0 to 1: got 80'],
    [{ revisions: -1 }, "critic.revisions"],
    [{ treshold: 1 }, "treshold"],
    [{ model: "gpt" }, "must be a language model of version v4"],
  ] as const)("whose option %o is out of range is refused", ([critic, message]) => {
    expect(() => planner([], [], { critic: critic as never })).toThrow(message);
  });
});
