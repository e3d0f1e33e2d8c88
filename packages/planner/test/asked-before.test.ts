import { expect, test } from "vitest";
import { createPlanner, type PlanResult, type Question, type Tool, tool, type ToolSource } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { MemoryCheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { z } from "zod";
import { all, outputs, running } from "./fixtures.ts";

const who = { tenant: "default", by: "ada", user: "ada" };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

function planner(checkpoints: MemoryCheckpointStore, source: Partial<ToolSource>, options: object = {}) {
  const model = scriptedModel(({ prompt }) =>
    prompt.at(-1)?.role === "tool" ? "Done" : { calls: [{ tool: "db_book" }] },
  );
  const given = { name: "db", list: async () => [], ...source };
  const flow = { durability: durable({ checkpoints }), graceMs: 5, logger: SILENT };
  return createPlanner({ name: "p", model, tools: [given], flow, ...options });
}

function book(run: (seat: string) => unknown): Tool {
  return tool({
    name: "book",
    description: "Books",
    input: z.object({}),
    effects: "writes",
    run: async (_, ctx) => await run(await ctx.ask({ reason: "Which seat?", schema: z.string() })),
  });
}

function token(result: PlanResult): string {
  if (result.status !== "paused") throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return (result.questions[0] as Question).token;
}

test("case 31: a tool that is gone when its own question is answered is told, and the run goes on", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const before = planner(checkpoints, { list: async () => [book((seat) => seat)] }).start();
  const first = await before.run("Book");
  await before.flow.stop();
  const after = running(planner(checkpoints, {}));
  const end = await after.resume(token(first), { value: "7A" }, who);
  expect([end.status, outputs(end)]).toMatchObject(["completed", [{ kind: "error", code: "TOOL_UNAVAILABLE" }]]);
});

test("case 30: a write that is cut off after its question was answered is told as unknown, and the run goes on", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const seats: string[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const list = async () => [
    book(async (seat) => {
      seats.push(seat);
      begin();
      await new Promise(() => {});
    }),
  ];
  const before = planner(checkpoints, { list }).start();
  const first = await before.run("Book", { runId: "r" });
  const cut = before.resume(token(first), { value: "7A" }, who);
  await begun;
  await before.flow.stop();
  expect(await cut).toMatchObject({ status: "failed", error: { code: "FLOW_STOPPED" } });
  const after = running(planner(checkpoints, { list }));
  await all(await after.flow.recovery.follow("r"));
  const events = await all(after.trajectory("r", "default"));
  expect(events.flatMap((event) => (event.type === "result" ? [event.output.kind] : []))).toEqual(["unknown"]);
  expect([events.at(-1)?.type, seats]).toEqual(["end", ["7A"]]);
});

test("case 33: a source that is gone when its user has signed in is told, and the run goes on", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const signIn = { signsIn: "user", signIn: async () => ({ url: "https://example.com" }) } as const;
  const before = planner(checkpoints, { list: async () => [book((seat) => seat)], ...signIn }).start();
  const first = await before.run("Book", { user: "ada" });
  await before.flow.stop();
  const after = running(planner(checkpoints, signIn));
  const end = await after.resume(token(first), { value: true }, who);
  expect([end.status, outputs(end)]).toMatchObject(["completed", [{ kind: "error", code: "TOOL_UNAVAILABLE" }]]);
});
