// The flow of this example: an expense of more than 100 € waits for a person, then it is paid, once. `request.ts` and
// `approve.ts` run it in two processes, which share its state through a file.
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { create, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import { z } from "zod";

const FREE_UP_TO_CENTS = 10_000;
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

/** Folder of the checkpoint store and the bank's book. */
export const FOLDER = process.env["APPROVAL_FOLDER"] ?? path.join(tmpdir(), "penguiflow-approval");
const BOOK = path.join(FOLDER, "bank.txt");

interface Expense {
  readonly who: string;
  readonly what: string;
  readonly cents: number;
}

/** Schema of a person's decision. */
const Decision = z.object({ isApproved: z.boolean(), by: z.string().min(1) });

// once there is an answer, the handler runs again from its beginning, and `ctx.pause` returns the answer
const decide = payloadNode("decide", async (expense: Expense, ctx) => {
  if (expense.cents <= FREE_UP_TO_CENTS) return { expense, isApproved: true, by: "the rules" };
  const answer = await ctx.pause({
    reason: `${expense.who} wants ${euros(expense.cents)} for ${expense.what}`,
    payload: expense,
    resumeSchema: Decision,
    expiresAt: Date.now() + WEEK_MS,
    ifExpired: { isApproved: false, by: "the deadline" },
  });
  return { expense, ...answer };
});

const pay = payloadNode(
  "pay",
  async ({ expense, isApproved, by }: { expense: Expense; isApproved: boolean; by: string }, ctx) => {
    if (!isApproved) return `${by} said no: ${expense.who} gets nothing for ${expense.what}`;
    const number = await ctx.once("transfer", (key) => transfer(key, expense), {
      // the process ended in the middle of a transfer: the bank's book tells whether it took place
      ifUnknown: async (key) => (await numberOf(key)) ?? (await transfer(key, expense)),
    });
    return `${by} said yes: ${expense.who} gets ${euros(expense.cents)} for ${expense.what}, transfer ${number}`;
  },
);

/**
 * Runs `work` with the flow as an earlier process has left it, then stops the flow and closes its file. Prints failures
 * on standard error.
 */
export async function withFlow(work: (flow: ReturnType<typeof createFlow>) => Promise<void>): Promise<void> {
  try {
    await mkdir(FOLDER, { recursive: true });
    await using checkpoints = await SqliteCheckpointStore.open({
      file: path.join(FOLDER, "flow.db"),
      durability: "full",
    });
    await using flow = createFlow(checkpoints);
    flow.run();
    await flow.ready();
    await work(flow);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

function createFlow(checkpoints: SqliteCheckpointStore) {
  return create(decide.to(pay), { name: "expenses", durability: durable({ checkpoints }) });
}

/** Writes a line to the bank's book for each transfer. The bank does not deduplicate: a second call pays twice. */
async function transfer(key: string, { who, cents }: Expense): Promise<number> {
  const number = (await transfers()).length + 1;
  await appendFile(BOOK, `${number} ${key} ${euros(cents)} to ${who}\n`);
  return number;
}

async function numberOf(key: string): Promise<number | undefined> {
  const line = (await transfers()).find((each) => each.split(" ")[1] === key);
  return line === undefined ? undefined : Number.parseInt(line, 10);
}

async function transfers(): Promise<string[]> {
  const book = await readFile(BOOK, "utf8").catch(() => "");
  return book.split("\n").filter((line) => line !== "");
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}
