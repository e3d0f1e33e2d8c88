import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, test } from "vitest";

const program = path.join(import.meta.dirname, "cut-process.ts");

/** Runs a part in a process of its own, cut after each byte; resolves to the number of cuts once it has succeeded. */
async function cutEverywhere(part: string): Promise<number> {
  const args = ["--conditions=@penguiflow/source", program, part];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [answer, complaints] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (answer += text.toString()));
  child.stderr.on("data", (text: Buffer) => (complaints += text.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`The process ended with ${status}:\n${complaints}`);
  return Number(answer);
}

test.each([
  ["the greeting of a store that is opened", "opening", 400],
  ["the greeting of a connection for a transaction", "transaction", 800],
  ["an idle line", "idle line", 80],
  ["a save, a binding and reads of the store", "store", 1_000],
  ["a lease, batches and reads of the checkpoint store", "checkpoints", 1_000],
  ["the migrations of a new schema", "migrations", 500],
  ["pruning, also in the background of a save", "pruning", 800],
])(
  "a connection that ends after any byte of %s ends neither the process nor what it does",
  // thousands of connections: a slow machine only takes longer
  { timeout: 600_000 },
  async (_, part, atLeast) => {
    expect(await cutEverywhere(part)).toBeGreaterThan(atLeast);
  },
);
