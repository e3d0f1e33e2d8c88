import type { CheckpointBatch, CheckpointStore } from "../packages/core/src/index.ts";

/** A checkpoint store that counts the bytes of the batches that it is given. */
export interface CountedCheckpoints extends CheckpointStore {
  readonly written: number;
}

/** Counts what is written to a checkpoint store. */
export function countedCheckpoints(checkpoints: CheckpointStore): CountedCheckpoints {
  let written = 0;
  return {
    get written() {
      return written;
    },
    async open(lease) {
      const partition = await checkpoints.open(lease);
      const append = partition.append.bind(partition);
      return Object.assign(partition, {
        append: async (batch: CheckpointBatch, sequence: number) => {
          written += bytesOf(batch);
          return await append(batch, sequence);
        },
      });
    },
  };
}

function bytesOf({ put, logs = [] }: CheckpointBatch): number {
  const texts = [
    ...put.map(({ state, tenant, traceId }) => state + tenant + traceId),
    ...logs.map(({ items }) => items),
  ];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
