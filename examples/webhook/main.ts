// A webhook is delivered at least once: its sender repeats it until it has an answer. Each delivery is a call with the
// event's id. The receiver is killed during the first delivery; the second one finishes the trace in a new process, and
// the third one is given the stored answer. The order is shipped once.
//
//   npm run example examples/webhook/main.ts
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type CheckpointStore, create, payloadNode } from "penguiflow";
import { durable } from "penguiflow/durable";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";

interface OrderPaid {
  readonly id: string;
  readonly item: string;
}

const EVENT: OrderPaid = { id: "event-17", item: "an ice axe" };

/** Makes the receiver's flow. `isStuck`: the carrier does not answer. */
export function createFlow(checkpoints: CheckpointStore, book: string, isStuck: boolean) {
  const pack = payloadNode("pack", async ({ item }: OrderPaid) => {
    await appendFile(book, `packed ${item}\n`);
    return `a box with ${item}`;
  });
  // called when its message is stored: what comes before it is not repeated after a crash
  const ship = payloadNode({ name: "ship", policy: { durable: "before" } }, async (box: string, ctx) => {
    console.log("calling the carrier");
    if (isStuck) await ctx.sleep(60_000);
    const number = await ctx.once("ship", async () => {
      await appendFile(book, `shipped ${box}\n`);
      return "parcel 1";
    });
    return `${box}, ${number}`;
  });
  return create(pack.to(ship), { name: "orders", durability: durable({ checkpoints, leaseMs: 500 }) });
}

/** Receives one delivery in this process, and prints the answer to it. */
async function receive(folder: string, event: OrderPaid, isStuck: boolean): Promise<void> {
  await using checkpoints = await SqliteCheckpointStore.open({ file: path.join(folder, "orders.db") });
  await using flow = createFlow(checkpoints, path.join(folder, "book.txt"), isStuck);
  flow.run();
  try {
    console.log(`200 ${await flow.call(event, { id: event.id })}`);
  } catch (error) {
    // the id was accepted with another order: repeating the delivery would not help
    console.log(`409 ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Delivers an event to a receiver in a process of its own, which is killed as soon as it prints `killAt`. */
async function deliver(folder: string, event: OrderPaid, killAt?: string): Promise<string> {
  const args = ["receive", folder, JSON.stringify(event), ...(killAt === undefined ? [] : ["stuck"])];
  const flags = process.execArgv.filter((flag) => flag.startsWith("--conditions"));
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.on("data", (data: Buffer) => {
    if (killAt !== undefined && data.includes(killAt)) child.kill("SIGKILL");
  });
  const answer = (await text(child.stdout)).split("\n").find((line) => /^\d{3} /.test(line));
  return answer ?? "no answer: the receiver was killed";
}

export async function main(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "penguiflow-webhook-"));
  try {
    console.log(`1st delivery: ${await deliver(folder, EVENT, "calling the carrier")}`);
    console.log(`2nd delivery: ${await deliver(folder, EVENT)}`);
    console.log(`3rd delivery: ${await deliver(folder, EVENT)}`);
    console.log(`another order: ${await deliver(folder, { ...EVENT, item: "a tent" })}`);
    console.log(`the book:\n${(await readFile(path.join(folder, "book.txt"), "utf8")).trimEnd()}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const [command, folder, event, stuck] = process.argv.slice(2);
  if (command === "receive")
    await receive(folder as string, JSON.parse(event as string) as OrderPaid, stuck === "stuck");
  else await main();
}
