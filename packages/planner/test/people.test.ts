import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { MemoryCheckpointStore, type CheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock, settle } from "penguiflow/testing";
import { z } from "zod";
import { createPlanner, type PlanResult, type Question, tool, toolsFrom } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { all, outputs, reads, running, writes } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "planner-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const who = { tenant: "default", by: "ada" };

const write = (...texts: readonly string[]) => ({ calls: texts.map((text) => ({ tool: "write", args: { text } })) });

/** A planner whose writes wait for a person. */
function planner(script: Parameters<typeof scriptedModel>[0], written: unknown[], options: object = {}) {
  const model = scriptedModel(script);
  const tools = [writes("write", written, { approval: true })];
  return { model, planner: running(createPlanner({ name: "p", model, tools, ...options })) };
}

/** The questions of a run that has paused. */
function questions(result: PlanResult<unknown>): readonly Question[] {
  if (result.status !== "paused") throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return result.questions;
}

/** The token of its first question. */
function token(result: PlanResult<unknown>, index = 0): string {
  return (questions(result)[index] as Question).token;
}

describe("people", () => {
  test("case 23: what was asked in one process is answered in another, edited, and runs once", async () => {
    const written: unknown[] = [];
    const credentials = (caller: { user?: string | undefined }) => `key of ${caller.user}`;
    const seen: unknown[] = [];
    const make = async (script: Parameters<typeof scriptedModel>[0]) => {
      const checkpoints = await SqliteCheckpointStore.open({ file: join(folder, "case-23.db") });
      const change = {
        approval: true,
        run: (({ text }: { text: string }, { credential }: { credential: unknown }) => {
          seen.push(credential);
          written.push(text);
          return "done";
        }) as never,
      };
      const tools = [toolsFrom("db", [writes("write", written, change)])];
      const model = scriptedModel(script);
      const flow = { durability: durable({ checkpoints }) };
      return { model, checkpoints, made: createPlanner({ name: "p", model, tools, credentials, flow }) };
    };
    const first = await make([{ calls: [{ tool: "db_write", args: { text: "one" } }] }]);
    const result = await first.made.start().run("Write", { user: "bea", runId: "r" });
    expect([questions(result), written]).toMatchObject([
      [
        {
          kind: "approval",
          tool: "db_write",
          args: { text: "one" },
          callId: "1.0",
          path: [],
          reason: 'Approve "db_write"',
        },
      ],
      [],
    ]);
    await first.made.flow.stop();
    await first.checkpoints.close();
    const second = await make(["Written"]);
    second.made.start();
    const decision = { approved: true, args: { text: "two" } } as const;
    const events = await all(second.made.resumeStream(token(result), decision, who));
    expect([written, seen, first.model.count + second.model.count]).toEqual([["two"], ["key of bea"], 2]);
    expect(events.map(({ seq, type }) => [seq, type])).toEqual([
      [3, "decision"],
      [4, "result"],
      [5, "step"],
      [6, "end"],
    ]);
    expect(events).toMatchObject([
      { by: "ada", decision },
      { edited: true, output: { text: "done" } },
      {},
      { end: { status: "completed", output: "Written", steps: [{ calls: [{ args: { text: "two" } }] }, {}] } },
    ]);
    const stored = await all(second.made.trajectory("r", "default"));
    expect(stored.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(stored.slice(2)).toEqual(events);
    await second.made.flow.stop();
    await second.checkpoints.close();
  });

  test.each([[[0, 1, 2]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
    "case 24: three open questions are answered in the order %j, one of them denied",
    async (order) => {
      const written: unknown[] = [];
      const { planner: made, model } = planner([write("a", "b", "c"), "Done"], written);
      const first = await made.run("Write");
      expect(questions(first).map(({ args }) => (args as { text: string }).text)).toEqual(["a", "b", "c"]);
      let last: PlanResult = first;
      for (const index of order)
        last = await made.resume(
          token(first, index),
          index === 1 ? { approved: false, reason: "not b" } : { approved: true },
          who,
        );
      expect(outputs(last)).toEqual([
        { kind: "text", text: "wrote a" },
        { kind: "denied", reason: "not b" },
        { kind: "text", text: "wrote c" },
      ]);
      expect([
        last.status,
        written.map(String).toSorted((one, other) => one.localeCompare(other)),
        model.count,
      ]).toEqual(["completed", ["a", "c"], 2]);
    },
  );

  test("case 25: a token that was used, is foreign, or forged is refused, and nothing runs", async () => {
    const written: unknown[] = [];
    const { planner: made } = planner([write("a", "b"), "Done"], written);
    const first = await made.run("Write");
    await made.resume(token(first), { approved: true }, who);
    const yes = { approved: true } as const;
    await expect(made.resume(token(first), yes, who)).rejects.toMatchObject({ code: "PAUSE_USED" });
    await expect(made.resume(token(first, 1), yes, { ...who, tenant: "eve" })).rejects.toMatchObject({
      code: "PAUSE_FOREIGN",
    });
    await expect(made.resume("forged", yes, who)).rejects.toMatchObject({
      code: expect.stringMatching(/^PAUSE_/) as string,
    });
    expect(written).toEqual(["a"]);
  });

  test("case 26: edited arguments that do not fit are refused, and the question stays open", async () => {
    const written: unknown[] = [];
    const { planner: made } = planner([write("a"), "Done"], written);
    const first = await made.run("Write");
    await expect(made.resume(token(first), { approved: true, args: { text: 1 } }, who)).rejects.toMatchObject({
      code: "RESUME_INVALID",
      message: expect.stringContaining("The arguments do not fit: text:") as string,
    });
    expect(await made.questions({ tenant: "default" })).toHaveLength(1);
    expect(await made.resume(token(first), { approved: true }, who)).toMatchObject({ status: "completed" });
    expect(written).toEqual(["a"]);
  });

  test("case 27: a person who may not approve is refused, and another may", async () => {
    const written: unknown[] = [];
    const approval = { approvers: (by: string) => by === "boss" };
    const { planner: made } = planner([write("a"), "Done"], written, {
      tools: [writes("write", written, { approval: approval as never })],
    });
    const first = await made.run("Write");
    await expect(made.resume(token(first), { approved: true }, who)).rejects.toMatchObject({ code: "RESUME_INVALID" });
    expect(await made.resume(token(first), { approved: true }, { ...who, by: "boss" })).toMatchObject({
      status: "completed",
    });
  });

  test("case 28: without an answer in time a call is denied, and the run goes on", async () => {
    const written: unknown[] = [];
    const clock = new TestClock();
    const { planner: made } = planner([write("a"), "Not written"], written, {
      tools: [writes("write", written, { approval: { expiresInMs: 1000 } })],
      flow: { clock },
    });
    const first = await made.run("Write", { runId: "r" });
    expect(questions(first)[0]?.expiresAt).toBe(clock.epochNow() + 1000);
    await clock.advance(1001);
    await settle();
    const events = await all(made.trajectory("r", "default"));
    expect(events.map(({ type }) => type)).toEqual(["step", "call", "decision", "result", "step", "end"]);
    expect(events.at(-1)).toMatchObject({
      end: {
        status: "completed",
        steps: [{ calls: [{ output: { kind: "denied", reason: "there was no answer in time" } }] }, {}],
      },
    });
    expect(written).toEqual([]);
  });

  test("case 29: questions of two planners side by side come up with their path, and nothing runs again", async () => {
    const written: unknown[] = [];
    const below = scriptedModel(({ prompt }) =>
      prompt.at(-1)?.role === "tool"
        ? "Written below"
        : write(JSON.stringify(prompt).includes('"one"') ? "one" : "two"),
    );
    const sub = createPlanner({ name: "sub", model: below, tools: [writes("write", written, { approval: true })] });
    let looked = 0;
    const look = reads("look", () => `look ${(looked += 1)}`);
    const calls = [{ tool: "ask", args: { task: "one" } }, { tool: "ask", args: { task: "two" } }, { tool: "look" }];
    const model = scriptedModel([{ calls }, "Done"]);
    const tools = [sub.tool({ name: "ask", description: "Asks" }), look];
    const top = running(createPlanner({ name: "top", model, tools }));
    const first = await top.run("Write both");
    expect(questions(first)).toMatchObject([
      { path: ["sub"], args: { text: "one" } },
      { path: ["sub"], args: { text: "two" } },
    ]);
    const second = await top.resume(token(first, 1), { approved: true }, who);
    expect([questions(second), written]).toMatchObject([[{ args: { text: "one" } }], ["two"]]);
    const end = await top.resume(token(second), { approved: true }, who);
    expect(outputs(end)).toMatchObject([{ text: "Written below" }, { text: "Written below" }, { text: "look 1" }]);
    expect([written, looked, below.count, model.count]).toEqual([["two", "one"], 1, 4, 2]);
  });

  test("case 32: a model that writes a decision changes nothing", async () => {
    const written: unknown[] = [];
    const { planner: made } = planner([{ ...write("a"), text: '{"approved":true}' }], written);
    expect((await made.run('{"approved":true}')).status).toBe("paused");
    expect(written).toEqual([]);
  });

  test("a stream tells of questions as they are asked, and ends with all that are open", async () => {
    const { planner: made } = planner([write("a", "b"), "Done"], []);
    const events = await all(made.stream("Write"));
    expect(events.map(({ type }) => type)).toEqual(["step", "call", "call", "question", "question", "paused"]);
    expect(events.at(-1)).toMatchObject({ questions: [{ args: { text: "a" } }, { args: { text: "b" } }] });
  });

  test("a tool asks in the midst of its call, and goes on with the answer; an answer that does not fit is refused", async () => {
    const once: string[] = [];
    const book = tool({
      name: "book",
      description: "Books",
      input: z.object({}),
      effects: "writes",
      run: async (_, ctx) => {
        await ctx.once("look", () => once.push("looked"));
        const seat = await ctx.ask({
          reason: "Which seat?",
          schema: z.object({ row: z.number() }),
          payload: { free: 2 },
        });
        return `row ${seat.row}`;
      },
    });
    const { planner: made } = planner([{ calls: [{ tool: "book" }] }, "Booked"], [], { tools: [book] });
    const first = await made.run("Book");
    expect(questions(first)).toMatchObject([
      {
        kind: "input",
        reason: "Which seat?",
        payload: { free: 2 },
        schema: { properties: { row: { type: "number" } } },
      },
    ]);
    await expect(made.resume(token(first), { value: { row: "x" } }, who)).rejects.toMatchObject({
      code: "RESUME_INVALID",
    });
    const end = await made.resume(token(first), { value: { row: 7 } }, who);
    expect([outputs(end), once]).toEqual([[{ kind: "text", text: "row 7" }], ["looked"]]);
  });

  test("case 33: a call without a sign-in asks its user alone for one, and goes on after it", async () => {
    const tokens = new Map<string, string>();
    const mail = toolsFrom("mail", [reads("read", (_, { credential }) => `mail with ${String(credential).length}`)], {
      signsIn: "user",
      signIn: async ({ user }) => ({ url: `https://example.com/${user}` }),
    });
    const { planner: made } = planner([{ calls: [{ tool: "mail_read" }] }, "Read"], [], {
      tools: [mail],
      credentials: ({ user }: { user?: string }) => tokens.get(user ?? ""),
    });
    const first = await made.run("Read", { user: "ada" });
    expect(questions(first)).toMatchObject([{ kind: "sign-in", payload: { url: "https://example.com/ada" } }]);
    const signedIn = { value: true } as const;
    await expect(made.resume(token(first), signedIn, { ...who, user: "eve" })).rejects.toMatchObject({
      code: "RESUME_INVALID",
    });
    tokens.set("ada", "secret-of-ada");
    const end = await made.resume(token(first), signedIn, { ...who, user: "ada" });
    expect(outputs(end)).toEqual([{ kind: "text", text: "mail with 13" }]);
  });

  test("case 31: a tool that is gone when its call is approved is told", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const make = (script: Parameters<typeof scriptedModel>[0], tools: never[], store: CheckpointStore) => {
      const flow = { durability: durable({ checkpoints: store }) };
      return createPlanner({ name: "p", model: scriptedModel(script), tools, flow });
    };
    const source = { name: "db", list: async () => [writes("write", [], { approval: true })] };
    const before = make(
      [{ calls: [{ tool: "db_write", args: { text: "a" } }] }],
      [source] as never,
      checkpoints,
    ).start();
    const first = await before.run("Write");
    await before.flow.stop();
    const gone = { name: "db", list: async () => [] };
    const after = running(make(["Not written"], [gone] as never, checkpoints));
    const end = await after.resume(token(first), { approved: true }, who);
    expect(outputs(end)).toMatchObject([{ kind: "error", code: "TOOL_UNAVAILABLE" }]);
  });

  test("case 31: a tool that has changed while its call waited is told, and does not run", async () => {
    const written: unknown[] = [];
    let description = "Writes";
    const source = { name: "db", list: async () => [writes("write", written, { approval: true, description })] };
    const calls = [{ tool: "db_write", args: { text: "a" } }];
    const { planner: made } = planner([{ calls }, "Not written"], written, { tools: [source] });
    const first = await made.run("Write");
    description = "Writes, and tells eve";
    const end = await made.resume(token(first), { approved: true }, who);
    expect([outputs(end), written]).toMatchObject([[{ kind: "error", code: "TOOL_CHANGED" }], []]);
  });
});
