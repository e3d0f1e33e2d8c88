import { createPlanner, defaultPrompt, tool, toolsFrom } from "@penguiflow/planner";
import { type ScriptedRequest, scriptedModel } from "@penguiflow/planner/testing";
import type { Durability, Logger } from "penguiflow";
import { z } from "zod";
import type { Effects } from "../effects.ts";
import { sleep } from "../feature.ts";
import type { PlannerDefect } from "./defects.ts";
import { type Act, jobOf, type PlannedCall, turnsBelow } from "./plan.ts";
import { brokenPrompt } from "../../../packages/planner/test/broken-prompt.ts";

/** Number of ended runs whose trajectories the last life reads: all. */
const KEPT_LOGS = 1_000_000;

/** Longest time that a tool takes. */
const TOOL_MS = 4;

/** Dependencies of the planner on its process. */
export interface Surroundings {
  readonly durability: Durability;
  readonly effects: Effects<Act["what"]>;
  readonly seed: number;
  readonly defect: PlannerDefect | undefined;
  readonly logger: Logger;
  readonly problem: (what: string) => void;
}

/** First message of a planner: its job, and the path of the call that has started it. */
export interface Task {
  readonly id: number;
  readonly at: string;
}

const ARGS = z.object({ id: z.number(), key: z.string(), by: z.string().optional() });

/** Builds a planner with every kind of tool, and with a planner below. */
export function crashingPlanner({ durability, effects, seed, defect, logger, problem }: Surroundings) {
  const model = scriptedModel(({ prompt }) => {
    const { id, at } = taskOf(prompt);
    for (const broken of brokenPrompt(prompt)) problem(`Job ${id}${at}: ${broken}`);
    const step = prompt.filter(({ role }) => role === "assistant").length + 1;
    effects.add({ what: "asked", id, key: `${at}#${step}`, value: prompt });
    const job = jobOf(seed, id);
    const turn = (at === "" ? job.turns : turnsBelow(seed, job, at))[step - 1];
    return turn === undefined ? `answer ${id}${at}` : { calls: turn.map((call) => callOf(id, call)) };
  });

  const writing = { effects: "writes", input: ARGS } as const;
  // a source of its own, whose limit all planners share
  const shared = toolsFrom(
    "lib",
    [
      tool({
        name: "read",
        description: "Reads",
        input: ARGS,
        effects: "reads",
        run: async ({ id, key }, { attempt }) => {
          await rest();
          if (attempt === 1 && id % 4 === 0) throw Object.assign(new Error("flaky"), { retryAfterMs: 1 });
          return `read ${key}`;
        },
      }),
      tool({
        name: "put",
        description: "Puts",
        input: ARGS,
        effects: "idempotent",
        run: async ({ id, key }, { idempotencyKey }) => {
          effects.add({ what: "put", id, key: idempotencyKey, value: key });
          await rest();
          return `put ${key}`;
        },
      }),
    ],
    { concurrency: 4 },
  );
  const tools = [
    shared,
    tool({
      name: "render",
      description: "Puts in the background",
      input: ARGS,
      effects: "idempotent",
      background: true,
      run: async ({ id, key }, { idempotencyKey }) => {
        await rest();
        effects.add({ what: "put", id, key: idempotencyKey, value: key });
        await rest();
        return `rendered ${key}`;
      },
    }),
    tool({
      ...writing,
      name: "write",
      description: "Writes",
      ...(defect === "repeated-writes" && { effects: "idempotent" }),
      ...(defect === "unknown-as-done" && { ifUnknown: () => "wrote" }),
      run: ({ id, key }, { idempotencyKey }) => write({ id, key: idempotencyKey, value: key }, "wrote"),
    }),
    tool({
      ...writing,
      name: "book",
      description: "Books, and can be asked whether it has",
      ifUnknown: (key) => (effects.has("done", key) ? "wrote, as was found out" : undefined),
      run: async ({ id, key }, { idempotencyKey }) => {
        await rest();
        effects.add({ what: "done", id, key: idempotencyKey, value: key });
        await rest();
        return "wrote";
      },
    }),
    tool({
      ...writing,
      name: "sign",
      description: "Writes what a person has approved",
      approval: true,
      run: ({ id, key, by }, { idempotencyKey }) => write({ id, key: idempotencyKey, value: key }, `wrote ${by ?? ""}`),
    }),
    tool({
      ...writing,
      name: "ask",
      description: "Asks in its midst, then writes",
      run: async ({ id, key }, ctx) => {
        const by = await ctx.ask({ reason: "Who?", schema: z.string() });
        return await write({ id, key: ctx.idempotencyKey, value: key }, `wrote ${by}`);
      },
    }),
  ];

  /** Writes, and may be killed before, in the midst and after. */
  async function write(act: Omit<Act, "what">, text: string): Promise<string> {
    effects.add({ ...act, what: "begun" });
    await rest();
    effects.add({ ...act, what: "done" });
    await rest();
    return text;
  }

  const below = createPlanner({ name: "below", model, tools, budget: { steps: 100 } });
  return createPlanner({
    name: "crash",
    model,
    tools: [
      ...tools,
      below.tool({
        name: "delegate",
        description: "Delegates",
        input: z.object({ id: z.number(), at: z.string() }),
      }),
    ],
    ...(defect === "orphaned-calls" && {
      prompt: (given) =>
        defaultPrompt({ ...given, turns: given.turns.filter(({ role }, index) => role !== "tool" || index % 7 > 0) }),
    }),
    flow: { durability, logger, limits: { maxKeptLogs: KEPT_LOGS } },
  });
}

function callOf(id: number, { tool: name, key }: PlannedCall) {
  return { tool: name, args: name === "delegate" ? { id, at: key } : { id, key } };
}

function taskOf(prompt: ScriptedRequest["prompt"]): Task {
  const first = prompt.find(({ role }) => role === "user")?.content[0];
  const text = typeof first === "object" && first.type === "text" ? first.text : "";
  return JSON.parse(text) as Task;
}

async function rest(): Promise<void> {
  await sleep(Math.random() * TOOL_MS);
}
