import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { append, contentsAfter, contentsOf, takeOver } from "./checkpoint-batches.ts";
import { TestSchema } from "./server.ts";

const program = path.join(import.meta.dirname, "appending-process.ts");

/** A process that appends, with its output. */
class Writer implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly ended: Promise<unknown>;
  readonly #child: ChildProcess;

  constructor(schema: TestSchema, owner: string, leaseMs: number) {
    const args = ["--conditions=@penguiflow/source", program, schema.name, owner, String(leaseMs)];
    this.#child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.ended = once(this.#child, "close");
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => this.lines.push(line));
  }

  /** Number of the last batch it reported as stored. */
  get stored(): number {
    return Number(this.lines.at(-1) ?? 0);
  }

  async untilStored(number: number): Promise<void> {
    while (!(this.stored >= number)) await pause();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 10));
}

test("the partition of a process that was killed is taken over when its lease ends, with each batch it knew to be stored", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  await using victim = new Writer(schema, "victim", 1_000);
  await victim.untilStored(30);
  victim.signal("SIGKILL");
  await victim.ended;
  await expect(checkpoints.open({ partition: "orders", owner: "heir", leaseMs: 60_000 })).rejects.toThrow(
    'Cannot open partition "orders" of the checkpoint store: "victim" writes it',
  );
  const partition = await takeOver(checkpoints, { partition: "orders", owner: "heir", leaseMs: 60_000 });
  expect(partition.fencingToken).toBe(2);
  // the answer to one more batch may have been in flight
  expect([victim.stored, victim.stored + 1]).toContain(partition.sequence);
  expect(await contentsOf(partition)).toEqual(contentsAfter(partition.sequence));
});

test("a process that stood still for longer than its lease lasts is refused, and leaves nothing", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  await using victim = new Writer(schema, "victim", 200);
  await victim.untilStored(10);
  victim.signal("SIGSTOP");
  const partition = await takeOver(checkpoints, { partition: "orders", owner: "heir", leaseMs: 60_000 });
  const from = partition.sequence + 1;
  await append(partition, from, from + 10);
  victim.signal("SIGCONT");
  await victim.ended;
  expect(victim.lines.at(-1)).toBe("PARTITION_FENCED");
  await append(partition, from + 11, from + 20);
  expect(await contentsOf(partition)).toEqual(contentsAfter(from + 20));
});

test("two processes write a partition each, and neither is in the other's way", async () => {
  await using schema = await TestSchema.create();
  const checkpoints = await schema.openCheckpoints();
  const mine = await checkpoints.open({ partition: "invoices", owner: "one", leaseMs: 60_000 });
  await using other = new Writer(schema, "two", 60_000);
  await other.untilStored(1);
  await append(mine, 1, 50);
  await other.untilStored(other.stored + 10);
  expect(await contentsOf(mine)).toEqual(contentsAfter(50));
});
