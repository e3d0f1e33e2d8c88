import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { channel } from "node:diagnostics_channel";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { createPlanner, type Decision, flowTool, type PlanResult, type Question, tool } from "@penguiflow/planner";
import { scriptedModel } from "@penguiflow/planner/testing";
import { type CheckpointStore, create, MemoryCheckpointStore, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { z } from "zod";
import { all, outputs, running } from "./fixtures.ts";
import { WatchedCheckpoints } from "./watched-checkpoints.ts";

const folder = mkdtempSync(join(tmpdir(), "planner-secret-arguments-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PASSWORD = "canary-password-4714";
const who = { tenant: "default", by: "ada", user: "ada" };
const args = { name: "ada", password: PASSWORD };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Text of anything, with what errors do not enumerate. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each instanceof Error
      ? Object.assign({}, each, { name: each.name, message: each.message, stack: each.stack, cause: each.cause })
      : each,
  );
}

const common = {
  description: "Takes a password",
  input: z.object({ name: z.string(), password: z.string().optional() }),
  secrets: ["password"],
} as const;

/** Tools that tell their secret argument in every way. */
function leaky(got: unknown[]) {
  const fussy = z
    .unknown()
    .superRefine((value, ctx) => ctx.addIssue({ code: "custom", message: `not ${String(value)}` }));
  const picky = common.input.superRefine(({ password }, ctx) =>
    ctx.addIssue({ code: "custom", message: `"${password}" is too weak` }),
  );
  return [
    tool({
      ...common,
      name: "tell",
      effects: "reads",
      run: (given) => {
        got.push(given.password);
        return { deep: [given], [given.password ?? ""]: 1 };
      },
    }),
    tool({
      ...common,
      name: "throw",
      effects: "reads",
      maxRetries: 1,
      run: ({ password }) => {
        throw Object.assign(new Error(`bad ${password}`, { cause: password }), { retryAfterMs: 1 });
      },
    }),
    tool({ ...common, name: "unfit", effects: "reads", output: fussy, run: ({ password }) => password }),
    tool({ ...common, name: "picky", input: picky, effects: "reads", run: () => "never" }),
    tool({
      ...common,
      name: "later",
      effects: "reads",
      background: true,
      run: ({ password }) => `later ${password}`,
    }),
    tool({
      ...common,
      name: "progress",
      effects: "idempotent",
      run: async ({ password }, ctx) => {
        await ctx.progress({ with: password ?? "" });
        return "told";
      },
    }),
    tool({
      ...common,
      name: "ask",
      effects: "writes",
      run: async ({ password }, ctx) => {
        const answer = await ctx.ask({
          reason: `Is ${password} right?`,
          payload: { password: password ?? "" },
          schema: z.string(),
        });
        got.push(password);
        return `${answer} ${password}`;
      },
    }),
    tool({
      ...common,
      name: "write",
      effects: "writes",
      approval: ({ password }) => password === PASSWORD,
      run: (given) => {
        got.push(given);
        return `wrote ${given.password}`;
      },
    }),
  ];
}

describe.each(["native", "json"] as const)("in %s mode", (mode) => {
  test.each(["memory", "SQLite"] as const)(
    "case 50: secret arguments are in no checkpoint, log, event, chunk, error, question or later prompt, with a store in %s",
    async (kind) => {
      const file = join(folder, `${mode}.db`);
      await using sqlite = kind === "SQLite" ? await SqliteCheckpointStore.open({ file }) : undefined;
      const seen: string[] = [];
      const got: unknown[] = [];
      const store: CheckpointStore = new WatchedCheckpoints(sqlite ?? new MemoryCheckpointStore(), (batch) => {
        seen.push(`stored: ${textOf(batch)}`);
      });
      const note = (what: string) => (message: string, fields?: unknown) =>
        void seen.push(`${what}: ${message} ${textOf(fields)}`);
      const turns = [
        [{ tool: "tell", args }],
        ["tell", "throw", "unfit", "picky", "progress", "later", "ask", "write"].map((name) => ({ tool: name, args })),
        // in JSON mode that is no call
        ...(mode === "native" ? [[{ tool: "tell", args: PASSWORD }]] : []),
      ];
      const model = scriptedModel(({ prompt }) => {
        seen.push(`prompt: ${textOf(prompt)}`);
        const calls = turns[prompt.filter(({ role }) => role === "assistant").length];
        if (calls === undefined) return mode === "native" ? "Done" : JSON.stringify({ answer: "Done" });
        return mode === "native" ? { calls } : JSON.stringify({ calls });
      });
      const observe = (call: unknown) => void seen.push(`observed: ${textOf(call)}`);
      channel("penguiflow:model").subscribe(observe);
      const planner = createPlanner({
        name: "p",
        model,
        mode,
        tools: leaky(got),
        flow: {
          durability: durable({ checkpoints: store }),
          middlewares: [(event) => void seen.push(`event: ${textOf(event)}`)],
          logger: { debug: note("log"), info: note("log"), warn: note("log"), error: note("log") },
        },
      }).start();
      const told: unknown[] = await all(planner.stream("?", { runId: "r", user: "ada" }));
      const edited = { approved: true, args: { name: "eve", password: "[secret]" } } as const;
      const refused: Promise<PlanResult>[] = [];
      let end: PlanResult | undefined;
      for (const question of await planner.questions({ tenant: "default" })) {
        const decision: Decision = question.kind === "approval" ? edited : { value: "yes" };
        told.push(question);
        const other: Decision = { approved: true, args };
        if (question.kind === "approval") refused.push(planner.resume(question.token, other, who));
        await Promise.allSettled(refused);
        end = await planner.resume(question.token, decision, who);
      }
      channel("penguiflow:model").unsubscribe(observe);
      seen.push(`told: ${textOf([told, end])}`, `trajectory: ${textOf(await all(planner.trajectory("r", "default")))}`);
      await planner.flow.stop();
      expect(await Promise.allSettled(refused)).toMatchObject([{ reason: { code: "RESUME_INVALID" } }]);
      const leaks = seen.filter((text) => text.includes(PASSWORD));
      expect(
        leaks.map((text) => text.slice(Math.max(0, text.indexOf(PASSWORD) - 200), text.indexOf(PASSWORD) + 60)),
      ).toEqual([]);
      for (const name of kind === "SQLite" ? readdirSync(folder) : [])
        expect(readFileSync(join(folder, name), "latin1"), name).not.toContain("canary");
      expect(seen.filter((text) => text.startsWith("observed")).length).toBe(model.calls.length);
      // the tools had it, also after the questions and with what a person has changed
      expect(got).toHaveLength(4);
      expect(got).toEqual(expect.arrayContaining([PASSWORD, { name: "eve", password: PASSWORD }]));
      expect(end).toMatchObject({ status: "completed", output: "Done" });
      const hidden = { name: "ada", password: "[secret]" };
      const calls = (end?.steps ?? []).flatMap((step) => step.calls);
      expect(calls.slice(0, 9).map((call) => call.args)).toEqual([
        ...Array.from({ length: 8 }, () => hidden),
        { ...hidden, name: "eve" },
      ]);
      expect(calls.map(({ tool: name, output }) => [name, output])).toMatchObject([
        ["tell", { value: { deep: [{ password: "[secret]" }], "[secret]": 1 } }],
        ["tell", { value: { deep: [{ password: "[secret]" }] } }],
        ["throw", { code: "TOOL_FAILED", text: "bad [secret]" }],
        ["unfit", { code: "OUTPUT_INVALID", text: expect.stringContaining("not [secret]") as string }],
        ["picky", { code: "ARGUMENTS_INVALID", text: expect.stringContaining('"[secret]" is too weak') as string }],
        ["progress", { text: "told" }],
        ["later", { text: "later [secret]" }],
        ["ask", { text: "yes [secret]" }],
        ["write", { text: "wrote [secret]" }],
        ...(mode === "native" ? [["tell", { code: "ARGUMENTS_INVALID" }]] : []),
      ]);
    },
  );
});

/** A planner whose model calls one tool with a secret until it has a result. */
function caller(checkpoints: CheckpointStore, run: (given: unknown) => unknown, change: object) {
  const model = scriptedModel(({ prompt }) =>
    prompt.at(-1)?.role === "tool" ? "Done" : { calls: [{ tool: "pay", args }] },
  );
  const pay = tool({ ...common, name: "pay", effects: "writes", run, ...change } as never);
  const flow = { durability: durable({ checkpoints }), graceMs: 5, logger: SILENT };
  return createPlanner({ name: "p", model, tools: [pay], flow });
}

function tokenOf(result: PlanResult): string {
  if (result.status !== "paused") throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return (result.questions[0] as Question).token;
}

test("case 50: an approved call whose secret went with its process does not run, and the model is told", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const got: unknown[] = [];
  const before = caller(checkpoints, (given) => got.push(given), { approval: true }).start();
  const first = await before.run("Pay");
  await before.flow.stop();
  const after = running(caller(checkpoints, (given) => got.push(given), { approval: true }));
  const end = await after.resume(tokenOf(first), { approved: true }, who);
  expect([end.status, outputs(end), got]).toMatchObject(["completed", [{ kind: "error", code: "ARGUMENTS_LOST" }], []]);
});

const CUT_OFF: readonly (readonly [ifUnknown: unknown, output: object])[] = [
  ["tell", { kind: "unknown" }],
  ["run", { kind: "unknown" }],
  [async () => "it is paid", { kind: "text", text: "it is paid" }],
  [async () => undefined, { kind: "error", code: "ARGUMENTS_LOST" }],
];
test.each(CUT_OFF)(
  "case 50: a write with a secret that was cut off is not repeated without it, with ifUnknown %s",
  async (ifUnknown, output) => {
    const checkpoints = new MemoryCheckpointStore();
    const got: unknown[] = [];
    const begun = Promise.withResolvers<void>();
    const hang = async (given: unknown) => {
      got.push(given);
      begun.resolve();
      await new Promise(() => {});
    };
    const before = caller(checkpoints, hang, { ifUnknown }).start();
    const cut = before.run("Pay", { runId: "r" });
    await begun.promise;
    await before.flow.stop();
    await cut;
    const after = running(caller(checkpoints, hang, { ifUnknown }));
    await expect
      .poll(async () => (await all(after.trajectory("r", "default"))).at(-1))
      .toMatchObject({ type: "end", end: { status: "completed", steps: [{ calls: [{ output }] }, {}] } });
    expect(got).toEqual([args]);
  },
);

test("a model that gives the text which stands for a secret is asked for the value", async () => {
  const got: unknown[] = [];
  const model = scriptedModel([
    { calls: [{ tool: "pay", args: { name: "ada", password: "[secret]" } }] },
    { calls: [{ tool: "pay", args }] },
    "Done",
  ]);
  const pay = tool({ ...common, name: "pay", effects: "reads", run: (given) => void got.push(given) });
  const end = await running(createPlanner({ name: "p", model, tools: [pay] })).run("Pay");
  expect([outputs(end)[0], got]).toMatchObject([{ code: "ARGUMENTS_INVALID" }, [args]]);
});

test("a run is replayed with the arguments that were kept: secret ones need not fit", async () => {
  const model = scriptedModel([{ calls: [{ tool: "pay", args: { pin: "[secret]" } }] }, "Done"]);
  const input = z.object({ pin: z.number() });
  const pay = tool({ ...common, name: "pay", input, secrets: ["pin"], effects: "writes", run: () => "paid" });
  const planner = createPlanner({ name: "p", model, tools: [pay] });
  const replayed = running(planner.withModel(model, { pay: [{ kind: "text", text: "paid before" }] }));
  expect(outputs(await replayed.run("Pay"))).toEqual([{ kind: "text", text: "paid before" }]);
});

test("secrets that a tool cannot keep are refused when it is made", () => {
  expect(() => tool({ ...common, name: "t", secrets: ["pasword"], effects: "reads", run: () => 1 })).toThrow(
    'Option "secrets" of tool "t" names "pasword", which its input does not have',
  );
  const flow = create(payloadNode("pay", (input: object) => Object.keys(input)).to());
  const init = { ...common, name: "t", effects: "reads" } as const;
  expect(() => flowTool(flow, init)).toThrow("the input of a flow is stored");
});
