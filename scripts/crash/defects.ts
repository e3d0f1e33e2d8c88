import type { Checkpoint, CheckpointBatch, CheckpointPartition, CheckpointStore } from "penguiflow";
import { wrapPartition } from "../../packages/core/src/testing/kit/wrap-partition.ts";

const LATE_MS = 5;
const LOST_EVERY = 10;

type Append = CheckpointPartition["append"];

/** Defects of a checkpoint store that the checks must detect. */
const defects = {
  /** Resolves before a batch is stored, which releases gated output too early. */
  "released-early": (append: Append): Append => {
    let last: Promise<unknown> = Promise.resolve();
    return async (batch, sequence) => {
      last = last
        .then(() => new Promise((resolve) => setTimeout(resolve, LATE_MS)))
        .then(() => append(batch, sequence));
      last.catch(() => {});
      return sequence + 1;
    };
  },
  /** Stores some batches without their entries. */
  "lost-entries": (append: Append): Append => {
    return async (batch: CheckpointBatch, sequence) => {
      const isLost = sequence % LOST_EVERY === 0;
      return await append(isLost ? { ...batch, put: [], remove: [] } : batch, sequence);
    };
  },
  /** Stores traces without the signals that no handler has received. */
  "lost-signals": (append: Append): Append => {
    return async (batch: CheckpointBatch, sequence) =>
      await append({ ...batch, put: batch.put.map(withoutSignals) }, sequence);
  },
};

function withoutSignals(checkpoint: Checkpoint): Checkpoint {
  const state = JSON.parse(checkpoint.state) as { readonly signals?: readonly { readonly receiver?: string }[] };
  const signals = state.signals?.filter(({ receiver }) => receiver !== undefined);
  return signals === undefined ? checkpoint : { ...checkpoint, state: JSON.stringify({ ...state, signals }) };
}

/** Name of a defect that can be planted. */
export type Defect = keyof typeof defects;

/** Names of all defects that can be planted. */
export const defectNames: readonly string[] = Object.keys(defects);

/** Wraps a checkpoint store in a planted defect. */
export function defective(checkpoints: CheckpointStore, defect: Defect): CheckpointStore {
  return {
    async open(lease) {
      const partition = await checkpoints.open(lease);
      const append = defects[defect]((batch, sequence) => partition.append(batch, sequence));
      return wrapPartition(partition, { append });
    },
  };
}
