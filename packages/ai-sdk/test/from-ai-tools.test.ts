import { fromAiTools } from "@penguiflow/ai-sdk";
import { jsonSchema, tool, type ToolSet } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { callTool, contextOf, toolsOf } from "./run-tool.ts";

const weather = tool({
  description: "Says the weather",
  inputSchema: z.object({ city: z.string(), days: z.number().default(1) }),
  execute: async ({ city, days }, { abortSignal, toolCallId }) => ({
    ...{ city, days, toolCallId, hasSignal: abortSignal instanceof AbortSignal, until: new Date(0) },
    missing: undefined,
  }),
});

test("a tool keeps its description and schema, and has the effects that it is given", async () => {
  const set = { weather, book: tool({ inputSchema: z.object({}), execute: () => "booked" }) };
  const source = fromAiTools("web", set, {
    effects: "reads",
    settings: { book: { effects: "writes", secrets: ["card"], approval: true, timeoutMs: 5, maxResultChars: 9 } },
    concurrency: 2,
  });

  const tools = await toolsOf(source);

  expect(source).toMatchObject({ name: "web", concurrency: 2 });
  expect(tools["weather"]).toMatchObject({ description: "Says the weather", effects: "reads", maxRetries: 2 });
  expect(tools["weather"]?.inputSchema).toMatchObject({
    ...{ type: "object", required: ["city"] },
    properties: { city: { type: "string" } },
  });
  expect(tools["book"]).toMatchObject({
    ...{ effects: "writes", secrets: ["card"], maxRetries: 0, approval: true, timeoutMs: 5 },
  });
});

test("the schema of a tool checks arguments and fills in defaults; its result is JSON", async () => {
  const { weather: adapted } = await toolsOf(fromAiTools("", { weather }, { effects: "reads" }));

  expect(await callTool(adapted, { city: "Bergen" })).toEqual({
    kind: "json",
    value: { city: "Bergen", days: 1, toolCallId: "1.0", hasSignal: true, until: "1970-01-01T00:00:00.000Z" },
  });
  const checked = await adapted?.check({ city: 3 });
  expect(checked).toMatchObject({ ok: false });
  expect(JSON.stringify(checked)).toContain("expected string, received number");
});

test("a schema without a check accepts everything, as in the AI SDK", async () => {
  const open = tool({ inputSchema: jsonSchema({ type: "object" }), execute: (input) => input });
  const tools = await toolsOf(fromAiTools("", { open }, { effects: "reads" }));

  expect(tools["open"]).toMatchObject({ description: "", inputSchema: { type: "object" } });
  expect(await callTool(tools["open"], { a: [1] })).toEqual({ kind: "json", value: { a: [1] } });
});

test("a schema is made once, however often tools are listed", async () => {
  let made = 0;
  const lazy = (): ReturnType<typeof jsonSchema<object>> => {
    made += 1;
    return jsonSchema<object>({ type: "object" });
  };
  const source = fromAiTools("", { lazy: tool({ inputSchema: lazy, execute: () => "x" }) }, { effects: "reads" });

  await toolsOf(source);
  await toolsOf(source);

  expect(made).toBe(1);
});

test("all but the last result of a generator are progress", async () => {
  const search = tool({
    inputSchema: z.object({}),
    async *execute() {
      yield { found: 1 };
      yield { found: 2 };
      yield "done";
    },
  });
  const tools = await toolsOf(fromAiTools("", { search }, { effects: "reads" }));
  const ctx = contextOf();

  expect(await callTool(tools["search"], {}, ctx)).toEqual({ kind: "text", text: "done" });
  expect(ctx.told).toEqual([{ found: 1 }, { found: 2 }]);
});

test("what toModelOutput shows is what the model reads", async () => {
  const shows = (shown: unknown): ToolSet[string] =>
    tool({ inputSchema: z.object({}), execute: () => "x", toModelOutput: () => shown as never });
  const bytes = new Uint8Array([1, 2, 3]);
  const tools = await toolsOf(
    fromAiTools(
      "",
      {
        text: shows({ type: "text", value: "t" }),
        json: shows({ type: "json", value: { a: null } }),
        error: shows({ type: "error-text", value: "no" }),
        errorJson: shows({ type: "error-json", value: { code: 1 } }),
        denied: shows({ type: "execution-denied", reason: "never" }),
        content: shows({
          type: "content",
          value: [
            { type: "text", text: "see" },
            { type: "file", mediaType: "image/png", data: { type: "data", data: bytes }, filename: "a.png" },
            { type: "file", mediaType: "text/plain", data: { type: "text", text: "hé" } },
            { type: "file", mediaType: "image/png", data: { type: "url", url: "https://example.com/a.png" } },
          ],
        }),
      },
      { effects: "reads" },
    ),
  );
  const outputs = await Promise.all(Object.values(tools).map((one) => callTool(one, {})));

  expect(outputs).toEqual([
    { kind: "text", text: "t" },
    { kind: "json", value: { a: null } },
    { kind: "error", code: "TOOL_FAILED", text: "no" },
    { kind: "error", code: "TOOL_FAILED", text: '{"code":1}' },
    { kind: "denied", reason: "never" },
    {
      kind: "content",
      parts: [
        { type: "text", text: "see" },
        { type: "file", mediaType: "image/png", data: "AQID", filename: "a.png" },
        { type: "file", mediaType: "text/plain", data: "aMOp" },
        { type: "text", text: '{"mediaType":"image/png","type":"url","url":"https://example.com/a.png"}' },
      ],
    },
  ]);
});

test("a tool's context is made from the caller and the credential, for descriptions, approvals and calls", async () => {
  const own = tool({
    description: ({ context }: { context: { user: string } }) => `For ${context.user}`,
    inputSchema: z.object({ amount: z.number() }),
    contextSchema: z.object({ user: z.string(), key: z.unknown() }),
    // oxlint-disable-next-line typescript/no-deprecated -- tools that have it keep it
    needsApproval: ({ amount }, { context }) => amount > 100 && context.user === "ann",
    execute: (_, { context }) => ({ ...context }),
  });
  const source = fromAiTools(
    "",
    { own },
    {
      effects: "writes",
      context: ({ caller, credential }) => ({ user: caller.user, key: credential }),
    },
  );

  const { own: adapted } = await toolsOf(source);
  const approval = adapted?.approval as unknown as (args: unknown, caller: object) => Promise<boolean>;

  expect(adapted?.description).toBe("For ann");
  expect(await approval({ amount: 101 }, { user: "ann" })).toBe(true);
  expect(await approval({ amount: 100 }, { user: "ann" })).toBe(false);
  expect(await callTool(adapted, { amount: 1 }, contextOf({ credential: "k" }))).toEqual({
    kind: "json",
    value: { user: "ann", key: "k" },
  });
});

test("what a tool throws reaches the runtime unchanged", async () => {
  const error = new Error("no network");
  const broken = tool({
    inputSchema: z.object({}),
    execute: (): string => {
      throw error;
    },
  });
  const tools = await toolsOf(fromAiTools("", { broken }, { effects: "reads" }));

  await expect(callTool(tools["broken"], {})).rejects.toBe(error);
});

test.each<[string, ToolSet, object, string]>([
  ["no effects", { weather }, { effects: undefined }, 'Option "effects" must be one of'],
  ["an unknown option", { weather }, { effect: "reads" }, 'Unknown option "effect" of fromAiTools'],
  ["a setting of no tool", { weather }, { settings: { wether: {} } }, 'Cannot set "wether" of tools "web"'],
  ["an unknown setting", { weather }, { settings: { weather: { aproval: true } } }, 'Unknown option "aproval"'],
  ["a bad name", { "a.b": weather }, {}, 'must be 1 to 64 of A-Z a-z 0-9 _ -: got "a.b"'],
  ["a tool of a client", { ask: tool({ inputSchema: z.object({}), outputSchema: z.string() }) }, {}, "Cannot run tool"],
])("%s is refused at once", (_, set, options, message) => {
  expect(() => fromAiTools("web", set, { effects: "reads", ...options })).toThrow(message);
});
