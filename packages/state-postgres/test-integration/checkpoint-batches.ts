// Batches that leave a trace: the contents of a partition reveal which of them it has, and how often.
import {
  FlowError,
  type CheckpointStore,
  type CheckpointBatch,
  type LeaseRequest,
  type Checkpoint,
  type CheckpointPartition,
} from "penguiflow";

/** Builds the batch of a number, from 1. It begins a run, changes the previous one and ends the one before that. */
export function batchOf(number: number): CheckpointBatch {
  const put = [entryOf(number, number), entryOf(number - 1, number)].filter(({ run }) => run > 0);
  return { put, remove: [number - 2], counts: new Map([["node", 1]]) };
}

/** Stores the batches from one number to another. */
export async function append(partition: CheckpointPartition, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number += 1) await partition.append(batchOf(number), number - 1);
}

/** Opens a partition as soon as another writer's lease has ended. */
export async function takeOver(checkpoints: CheckpointStore, lease: LeaseRequest): Promise<CheckpointPartition> {
  for (;;) {
    try {
      return await checkpoints.open(lease);
    } catch (error) {
      if (!(error instanceof FlowError && error.code === "PARTITION_LEASED")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Reads the contents of a partition. */
export async function contentsOf(partition: CheckpointPartition): Promise<Contents> {
  const entries: Checkpoint[] = [];
  for await (const page of partition.read()) entries.push(...page);
  return { sequence: partition.sequence, entries, counts: await partition.counts() };
}

/** Computes the contents of a partition after the batch of a number. */
export function contentsAfter(number: number): Contents {
  const entries = [entryOf(number - 1, number), entryOf(number, number)].filter(({ run }) => run > 0);
  return { sequence: number, entries, counts: new Map([["node", number]]) };
}

interface Contents {
  readonly sequence: number;
  readonly entries: readonly Checkpoint[];
  readonly counts: ReadonlyMap<string, number>;
}

function entryOf(run: number, number: number): Checkpoint {
  const state = JSON.stringify({ number, text: "x".repeat(100) });
  return { run, tenant: "ada", traceId: `t${run}`, status: "open", version: 1, state };
}
