import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";
import type { FlowError, CheckpointPartition } from "penguiflow";
import { describe, expect, test } from "vitest";
import { batchOf, requireChain } from "./fixtures/chained.ts";
import { newFile } from "./fixtures/new-file.ts";

const program = path.join(import.meta.dirname, "fixtures/leasing-process.ts");
const LEASE_MS = 400;

interface Writer {
  readonly child: ChildProcess;
  /** Lines printed so far. */
  readonly lines: () => string[];
  /** Resolves when the process has ended. */
  readonly over: Promise<void>;
}

/** Starts a process that writes a chain and stops itself after `lastBatch`. Resolves after `batches` answers. */
async function writing(file: string, owner: string, batches: number, lastBatch?: number): Promise<Writer> {
  const told = [file, owner, String(LEASE_MS), String(lastBatch)];
  const args = ["--conditions=@penguiflow/source", "--no-warnings", program, ...told];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const lines = () => said.trimEnd().split("\n");
  const over = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await new Promise<void>((resolve) => {
    void over.then(resolve);
    child.stdout.on("data", (text: Buffer) => {
      said += text.toString();
      if (lines().length >= batches) resolve();
    });
  });
  return { child, lines, over };
}

/** Opens the partition once the previous lease has ended; returns for how long it was refused, in milliseconds. */
async function takenOver(
  checkpoints: SqliteCheckpointStore,
): Promise<{ partition: CheckpointPartition; refusedMs: number }> {
  const begunAt = performance.now();
  for (;;) {
    try {
      const partition = await checkpoints.open({ partition: "orders", owner: "successor", leaseMs: 60_000 });
      return { partition, refusedMs: performance.now() - begunAt };
    } catch (error) {
      const { code, details } = error as FlowError;
      if (code !== "PARTITION_LEASED" || details?.["owner"] !== "writer") throw error;
      await new Promise((resolve) => setTimeout(resolve, Number(details["endsInMs"])));
    }
  }
}

describe("a process that has a partition", () => {
  test(
    "and is killed leaves every answered batch, no part of another, and a lease that ends",
    { timeout: 60_000 },
    async () => {
      const file = newFile();
      for (const batches of [1, 7, 60]) {
        const writer = await writing(file, "writer", batches);
        writer.child.kill("SIGKILL");
        await writer.over;
        await using checkpoints = await SqliteCheckpointStore.open({ file });
        const { partition, refusedMs } = await takenOver(checkpoints);
        expect(refusedMs).toBeGreaterThan(0);
        expect(await requireChain(partition)).toBeGreaterThanOrEqual(Number(writer.lines().at(-1)));
        expect(await checkpoints.integrityCheck()).toEqual([]);
        await partition.close();
      }
    },
  );

  test("and stands still is overtaken, and refused when it goes on", { timeout: 60_000 }, async () => {
    const file = newFile();
    const writer = await writing(file, "writer", 5, 5);
    try {
      await using checkpoints = await SqliteCheckpointStore.open({ file });
      const { partition } = await takenOver(checkpoints);
      const { sequence } = partition;
      writer.child.kill("SIGCONT");
      await writer.over;
      expect(writer.lines().at(-1)).toBe("PARTITION_FENCED");
      expect(await requireChain(partition)).toBe(sequence);
      expect(await partition.append(batchOf(sequence + 1), sequence)).toBe(sequence + 1);
      expect(await requireChain(partition)).toBe(sequence + 1);
    } finally {
      writer.child.kill("SIGKILL");
    }
  });

  test("keeps others out while it writes", { timeout: 60_000 }, async () => {
    const file = newFile();
    const writer = await writing(file, "writer", 1);
    const other = await writing(file, "other", Infinity);
    expect(other.lines()).toEqual(["PARTITION_LEASED"]);
    writer.child.kill("SIGKILL");
    await writer.over;
  });

  test(
    "and ends while the file system has only a part of its last batches leaves those before",
    { timeout: 60_000 },
    async () => {
      const file = newFile();
      const writer = await writing(file, "writer", 10);
      writer.child.kill("SIGKILL");
      await writer.over;
      const log = readFileSync(`${file}-wal`);
      const size = statSync(`${file}-wal`).size;
      const left = new Set<number>();
      for (const [index, bytes] of [1, 1_000, 9_000, 40_000, 1, 1_000, 9_000, 40_000].entries()) {
        const copy = newFile();
        copyFileSync(file, copy);
        writeFileSync(`${copy}-wal`, index < 4 ? log : Buffer.from(log).fill(0x5a, size - bytes));
        if (index < 4) truncateSync(`${copy}-wal`, size - bytes);
        await using checkpoints = await SqliteCheckpointStore.open({ file: copy });
        const { partition } = await takenOver(checkpoints);
        left.add(await requireChain(partition));
      }
      // some processes lost a batch, none lost all
      expect(left.size).toBeGreaterThan(1);
      expect(Math.min(...left)).toBeGreaterThan(0);
    },
  );
});
