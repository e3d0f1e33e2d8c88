import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createPlanner, tool, toolsFrom } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { TestClock } from "penguiflow/testing";
import { all, outputs, reads, running, writes } from "./fixtures.ts";

/** A planner that has the tools, and whose model says what it is given. */
function planner(script: Parameters<typeof scriptedModel>[0], options: object = {}) {
  const model = scriptedModel(script);
  return { model, planner: running(createPlanner({ name: "p", model, tools: [reads("look")], ...options })) };
}

const look = (...texts: readonly string[]) => ({ calls: texts.map((text) => ({ tool: "look", args: { text } })) });

describe("the loop", () => {
  test("case 1: one tool, then an answer: two steps in order", async () => {
    const { planner: made } = planner([{ text: "I look", ...look("up") }, "Found it"]);
    expect(await made.run("Where?", { runId: "r" })).toEqual({
      runId: "r",
      status: "completed",
      output: "Found it",
      text: "Found it",
      steps: [
        {
          index: 0,
          text: "I look",
          calls: [{ callId: "1.0", tool: "look", args: { text: "up" }, output: { kind: "text", text: "look: up" } }],
          tokens: 15,
          costUsd: 0,
        },
        { index: 1, text: "Found it", calls: [], tokens: 15, costUsd: 0 },
      ],
      spent: { steps: 2, toolCalls: 1, tokens: 30, costUsd: 0 },
    });
  });

  test("a model that does not answer in time fails the run; the next run is not held up", async () => {
    const clock = new TestClock();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { planner: made, model } = planner(
      ({ index }) => {
        if (index > 0) return "Here I am";
        ask();
        return new Promise<string>(() => {});
      },
      { flow: { clock }, modelTimeoutMs: 5_000 },
    );
    const run = made.run("Hello?");
    await asked;
    await clock.advance(5_001);
    expect(await run).toMatchObject({ status: "failed", code: "MODEL_FAILED" });
    expect([await made.run("Hello?"), model.count]).toMatchObject([{ status: "completed", output: "Here I am" }, 2]);
    expect(() => planner([], { modelTimeoutMs: 0 })).toThrow('Option "modelTimeoutMs" of planner "p"');
  });

  test("a stream tells it as it happens, and its last event is the end", async () => {
    const { planner: made } = planner([look("up"), "Found it"]);
    const events = await all(made.stream("Where?", { runId: "r" }));
    expect(events.map(({ seq, step, type }) => [seq, step, type])).toEqual([
      [1, 1, "step"],
      [2, 1, "call"],
      [3, 1, "result"],
      [3, 2, "text"],
      [3, 2, "text"],
      [4, 2, "step"],
      [5, 2, "end"],
    ]);
    expect(await all(made.trajectory("r", "default"))).toEqual(events.filter(({ type }) => type !== "text"));
  });

  test("case 2: what cannot work is refused when the planner is made", () => {
    const model = scriptedModel([]);
    const make = (options: object) => () => createPlanner({ name: "p", model, ...options });
    expect(make({ model: undefined })).toThrow('Option "model" of planner "p" must be a language model of version v4');
    expect(make({ model: "gpt" })).toThrow('got "gpt"');
    expect(make({ tools: [reads("a_b"), toolsFrom("a", [reads("b")])] })).toThrow(
      'Cannot use two tools named "a_b": the planner itself and source "a" have one; rename one',
    );
    expect(make({ tools: [toolsFrom("a", []), toolsFrom("a", [])] })).toThrow('two sources of tools named "a"');
    expect(() => reads("a.b")).toThrow('must be 1 to 64 of A-Z, a-z, 0-9, "_" and "-": got "a.b"');
    expect(make({ budget: { steps: -1 } })).toThrow('Option "budget.steps" must be a number of 0 or more: got -1');
    expect(make({ budget: { stpes: 1 } })).toThrow('has no limit "stpes"');
    expect(make({ tool: [] })).toThrow('"tool"');
    expect(() => reads("look", undefined, { retries: 1 } as never)).toThrow('"retries"');
    expect(() => toolsFrom("s", [], { concurrency: 0 })).toThrow("must be a whole number of 1 or more: got 0");
    expect(make({ mode: "text" })).toThrow('Option "mode" of planner "p" must be one of native, json: got "text"');
  });

  test("case 3: a call of an unknown tool is told with the names there are, and the run goes on", async () => {
    const { planner: made } = planner([{ calls: [{ tool: "loook" }] }, "Done"]);
    const end = await made.run("Where?");
    expect([end.status, outputs(end)]).toEqual([
      "completed",
      [{ kind: "error", code: "TOOL_UNKNOWN", text: 'There is no tool "loook"; there are: look' }],
    ]);
  });

  test("case 4: arguments that are no JSON or do not fit are told, and nothing runs", async () => {
    const written: unknown[] = [];
    const calls = ["{bad", { text: 1 }, ""].map((args) => ({ tool: "write", args }));
    const { planner: made } = planner([{ calls }, "Done"], { tools: [writes("write", written)] });
    const end = await made.run("Write");
    expect(outputs(end)).toMatchObject([
      { code: "ARGUMENTS_INVALID", text: "The arguments are no JSON: {bad" },
      { code: "ARGUMENTS_INVALID", text: expect.stringContaining("text: ") as string },
      { code: "ARGUMENTS_INVALID", text: expect.stringContaining("text: ") as string },
    ]);
    expect([end.status, written]).toEqual(["completed", []]);
  });

  test("case 5: a tool that throws is told; the results of the others beside it stand", async () => {
    const tools = [
      reads("look", ({ text }) => {
        if (text === "b") throw new Error("no b");
        return text;
      }),
    ];
    const { planner: made } = planner([look("a", "b", "c"), "Done"], { tools });
    expect(outputs(await made.run("Where?"))).toEqual([
      { kind: "text", text: "a" },
      { kind: "error", code: "TOOL_FAILED", text: "no b" },
      { kind: "text", text: "c" },
    ]);
  });

  test("case 6: output that breaks its schema is not passed on", async () => {
    const counts = tool({
      name: "look",
      description: "Counts",
      input: z.object({}),
      output: z.object({ count: z.number() }),
      effects: "reads",
      run: () => ({ count: "secret" }) as never,
    });
    const { planner: made } = planner([{ calls: [{ tool: "look" }] }, "Done"], { tools: [counts] });
    const [output] = outputs(await made.run("Count"));
    expect(output).toMatchObject({ kind: "error", code: "OUTPUT_INVALID" });
    expect(JSON.stringify(output)).not.toContain("secret");
  });

  test("case 7: unusable output is repaired with the reason; past the limit the run fails with the text", async () => {
    const { planner: repaired, model } = planner(['{"answr": 1}', '{"answer": "Yes"}'], { mode: "json" });
    expect(await repaired.run("Sure?")).toMatchObject({ status: "completed", text: "Yes" });
    expect(JSON.stringify(model.calls[1]?.prompt)).toContain("answr");
    const { planner: given } = planner(["{", "{", "{"], { mode: "json" });
    const events = await all(given.stream("Sure?"));
    expect(events.map(({ type }) => type)).toEqual(["step", "repair", "step", "repair", "step", "end"]);
    expect(events.at(-1)).toMatchObject({ end: { status: "failed", code: "MODEL_OUTPUT_UNUSABLE" } });
  });

  test.each(["stop", "other", "length"] as const)("case 8: calls with finish reason %s are run", async (finish) => {
    const { planner: made } = planner([{ ...look("up"), finish }, "Done"]);
    expect(outputs(await made.run("Where?"))).toEqual([{ kind: "text", text: "look: up" }]);
  });

  test("an answer that was cut or filtered is a failure with its text", async () => {
    const { planner: cut } = planner([{ text: "Half", finish: "length" }]);
    expect(await cut.run("?")).toMatchObject({ status: "failed", code: "MODEL_OUTPUT_CUT", text: "Half" });
    const { planner: filtered } = planner([{ text: "Ba", finish: "content-filter" }]);
    expect(await filtered.run("?")).toMatchObject({ status: "failed", code: "MODEL_OUTPUT_FILTERED", text: "Ba" });
  });

  test("case 11: a typed answer that does not fit is asked for once more, then the run fails", async () => {
    const output = z.object({ count: z.number() });
    const { planner: made } = planner(['{"count":"two"}', '{"count":2}'], { output });
    expect(await made.run("How many?")).toMatchObject({ status: "completed", output: { count: 2 } });
    const { planner: bad } = planner(['{"count":"two"}', "two"], { output });
    expect(await bad.run("How many?")).toMatchObject({ status: "failed", code: "OUTPUT_INVALID", text: "two" });
  });

  test("case 12: one id of a call in two turns is two calls", async () => {
    const call = (text: string) => ({ calls: [{ tool: "look", args: { text }, id: "same" }] });
    const { planner: made } = planner([call("a"), call("b"), "Done"]);
    const { steps } = await made.run("Where?");
    expect(steps.map(({ calls }) => calls.map(({ callId, output }) => [callId, output]))).toEqual([
      [["1.0", { kind: "text", text: "look: a" }]],
      [["2.0", { kind: "text", text: "look: b" }]],
      [],
    ]);
  });

  test("case 13: calls of a turn run side by side, and their results stand in the order of the calls", async () => {
    const waiting: (() => void)[] = [];
    const tools = [
      reads("look", async ({ text }) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.push(resolve);
        if (waiting.length === 3) for (const go of waiting.toReversed()) go();
        await promise;
        return text;
      }),
    ];
    const { planner: made, model } = planner([look("a", "b", "c"), "Done"], { tools });
    expect(outputs(await made.run("Where?"))).toMatchObject([{ text: "a" }, { text: "b" }, { text: "c" }]);
    expect(model.calls[1]?.prompt.at(-1)?.content).toMatchObject([
      { output: { value: "a" } },
      { output: { value: "b" } },
      { output: { value: "c" } },
    ]);
  });

  test("case 14: no call begins before all calls of its turn are checked", async () => {
    const order: unknown[] = [];
    const policy = async ({ at, args }: { at: string; args?: unknown }) => {
      if (at !== "call") return "allow" as const;
      await Promise.resolve();
      order.push((args as { text: string }).text);
      return "allow" as const;
    };
    const calls = ["a", 7, "b"].map((text) => ({ tool: "write", args: { text } }));
    const tools = [
      writes("write", order, { run: (({ text }: { text: string }) => order.push(`wrote ${text}`)) as never }),
    ];
    const { planner: made } = planner([{ calls }, "Done"], { tools, policy });
    await made.run("Write");
    expect(order).toEqual(["a", "b", "wrote a", "wrote b"]);
  });
});
