import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Json, Tool, ToolContext, ToolOutput, ToolSource } from "../../src/index.ts";
import { type ServedTool, toolSourceContract } from "../../src/testing/index.ts";

/** Makes a tool that runs a served one in memory. */
function toolOf({ name, description, inputSchema, run }: ServedTool): Tool {
  return {
    name,
    description,
    inputSchema,
    effects: "reads",
    approval: false,
    timeoutMs: 1_000,
    maxRetries: 2,
    ifUnknown: "tell",
    maxResultChars: 1_000,
    check: async (args) => {
      const { text } = args as { readonly text?: unknown };
      return text === undefined || typeof text === "string"
        ? { ok: true, value: args }
        : { ok: false, problem: '"text" must be a string' };
    },
    run: async (args, { credential, signal }): Promise<ToolOutput> => ({
      kind: "json",
      value: await run(args as Json, { credential: credential as string, signal }),
    }),
  };
}

function sourceOf(tools: readonly ServedTool[]): ToolSource {
  return { name: "it", list: async () => tools.map(toolOf) };
}

const ofSound = toolSourceContract({ make: (tools) => ({ source: sourceOf(tools) }) });

describe("a sound source keeps the contract:", () => {
  test.for(ofSound)("$name", async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

/** Whether a source whose tools are changed obeys a rule of the contract. */
async function keeps(
  rule: string,
  change: (tool: Tool) => Partial<Tool>,
  source: Partial<ToolSource> = {},
): Promise<boolean> {
  const cases = toolSourceContract({
    make(tools) {
      const sound = sourceOf(tools);
      const list: ToolSource["list"] = async (request) =>
        (await sound.list(request)).map((tool) => ({ ...tool, ...change(tool) }));
      return { source: { ...sound, list, ...source } };
    },
  });
  const found = cases.find(({ name }) => name === rule);
  if (found === undefined) throw new Error(`There is no rule "${rule}"`);
  return await found.run().then(
    () => true,
    () => false,
  );
}

type Context = ToolContext<never>;

/** A tool that runs with another context or arguments, or answers something else. */
const running =
  (change: (tool: Tool, args: unknown, ctx: Context) => Promise<ToolOutput>) =>
  (tool: Tool): Partial<Tool> => ({ run: async (args, ctx) => await change(tool, args, ctx) });

const lists = "lists the tools of its server, with description and schema as they are there";
const limits = "gives tools limits that can be held, and what writes no second try";
const unchanged = "brings arguments there and results back unchanged, and leaves out what is not set";
const misfits = "runs no tool with arguments that do not fit, and says what is wrong with them";
const failure = "tells the failure of a tool in its words, and does not try again by itself";
const aborts = "ends a call when its signal aborts, and its server hears of it";
const credentials = "makes each call with the credential of its caller, also side by side";
const secrets = "has no credential in what it lists, returns and throws";

let listed = 0;

const defects: readonly (readonly [defect: string, rule: string, change: (tool: Tool) => Partial<Tool>])[] = [
  ["has names with dots", lists, ({ name }) => ({ name: `it.${name}` })],
  ["has names that are too long", lists, ({ name }) => ({ name: name === "echo" ? "echo" : name.padEnd(64, "x") })],
  ["loses the schema", lists, () => ({ inputSchema: { type: "object" } })],
  ["loses the description", lists, () => ({ description: "a tool" })],
  ["lists another description each time", "lists the same twice", () => ({ description: String((listed += 1)) })],
  ["tries again what writes", limits, () => ({ effects: "writes" })],
  ["has no time", limits, () => ({ timeoutMs: 0 })],
  [
    "sends what is not set as null",
    unchanged,
    running((tool, args, ctx) => tool.run({ mode: null, ...(args as object) }, ctx)),
  ],
  [
    "runs with what does not fit",
    misfits,
    () => ({ check: async (value) => ({ ok: true, value: { text: JSON.stringify(value) } }) }),
  ],
  ["takes a failure for a result", failure, running(async () => ({ kind: "text", text: "fine" }))],
  [
    "hides the words of a failure",
    failure,
    running(async () => ({ kind: "error", code: "TOOL_FAILED", text: "failed" })),
  ],
  [
    "tries again by itself",
    failure,
    running(async (tool, args, ctx) => await tool.run(args, ctx).catch(async () => await tool.run(args, ctx))),
  ],
  [
    "uses the credential of its first caller",
    credentials,
    running(async (tool, args, ctx) => await tool.run(args, { ...ctx, credential: "canary-7f3a" })),
  ],
  [
    "shows its credential in an error",
    secrets,
    running(async (tool, args, ctx) => {
      const { credential } = ctx;
      return await tool.run(args, ctx).catch((error: unknown) => {
        throw new Error("failed", { cause: Object.assign(error as Error, { headers: { credential } }) });
      });
    }),
  ],
  [
    "gives one call the result of another",
    "gives calls side by side their own results",
    (() => {
      let last: Promise<ToolOutput> | undefined;
      return running(async (tool, args, ctx) => await (last ??= tool.run(args, ctx)));
    })(),
  ],
];

describe("the contract finds a source that", () => {
  test.each(defects)("%s", async (_, rule, change) => {
    expect(await keeps(rule, () => ({}))).toBe(true);
    expect(await keeps(rule, change)).toBe(false);
  });

  test("tells its server nothing of an abort", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const deaf = running(
      (tool, args, ctx) =>
        new Promise((resolve, reject) => {
          const { signal } = new AbortController();
          tool.run(args, { ...ctx, signal }).then(resolve, reject);
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
        }),
    );
    const kept = keeps(aborts, deaf);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await kept).toBe(false);
  });

  test("fails to close a second time", async () => {
    let closed = 0;
    const close = async (): Promise<void> => {
      closed += 1;
      if (closed > 1) throw new Error("closed already");
    };
    expect(await keeps("closes, also twice", () => ({}), { close })).toBe(false);
  });
});
