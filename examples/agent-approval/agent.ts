// The agent of this example: it pays a bill, which a person has to approve. `ask.ts` and `answer.ts` run it in two
// processes, which share its state through a file.
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CheckpointStore } from "penguiflow";
import { durable } from "penguiflow/durable";
import { createPlanner, tool } from "@penguiflow/planner";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { z } from "zod";
import { modelOr } from "../agent-quickstart/model.ts";

/** Folder of the checkpoint store and the bank's book. */
export const FOLDER = process.env["AGENT_FOLDER"] ?? path.join(tmpdir(), "penguiflow-agent");
const BOOK = path.join(FOLDER, "bank.txt");

/** Tenant of this program's users. */
export const TENANT = "acme";

const findBill = tool({
  name: "find_bill",
  description: "Finds an open bill by its sender",
  input: z.object({ from: z.string() }),
  effects: "reads",
  run: ({ from }) => ({ bill: "2026-117", from, cents: 24_050 }),
});

const pay = tool({
  name: "pay",
  description: "Pays a bill",
  input: z.object({ bill: z.string(), cents: z.number().int().positive() }),
  effects: "writes",
  approval: true,
  // the process ended in the midst of a payment: the bank's book tells whether it took place
  ifUnknown: async (key) => (await linesOf(BOOK)).find((line) => line.startsWith(key)),
  run: async ({ bill, cents }, ctx) => {
    const line = `${ctx.idempotencyKey} bill ${bill}: ${(cents / 100).toFixed(2)} €`;
    await appendFile(BOOK, `${line}\n`);
    return line;
  },
});

/** The script asks for the bill, pays it, and says what came of it. */
const script: Parameters<typeof modelOr>[0] = ({ prompt }) => {
  const results = prompt.filter(({ role }) => role === "tool");
  if (results.length === 0) return { calls: [{ tool: "find_bill", args: { from: "the coal merchant" } }] };
  if (results.length === 1) return { calls: [{ tool: "pay", args: { bill: "2026-117", cents: 24_050 } }] };
  const isDenied = JSON.stringify(results.at(-1)).includes("denied");
  return isDenied ? "I have not paid the bill: it was denied." : "The bill of the coal merchant is paid.";
};

/** Creates the agent over a checkpoint store. */
export function createAgent(checkpoints: CheckpointStore) {
  return createPlanner({
    name: "clerk",
    model: modelOr(script),
    instructions: "You pay bills. Find a bill before you pay it.",
    tools: [findBill, pay],
    flow: { durability: durable({ checkpoints }) },
  });
}

/** Runs `work` with the agent as an earlier process has left it. */
export async function withAgent(work: (agent: ReturnType<typeof createAgent>) => Promise<void>): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await using checkpoints = await SqliteCheckpointStore.open({ file: path.join(FOLDER, "agent.db") });
  await using agent = createAgent(checkpoints);
  agent.start();
  await agent.flow.ready();
  await work(agent);
}

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, "utf8").catch(() => "")).split("\n");
}
