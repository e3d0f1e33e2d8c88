import type { Journal, JournalBatch, JournalPartition } from "penguiflow";

const LATE_MS = 5;
const LOST_EVERY = 10;

type Append = JournalPartition["append"];

/** Defects of a journal that the checks must detect. */
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
    return async (batch: JournalBatch, sequence) => {
      const isLost = sequence % LOST_EVERY === 0;
      return await append(isLost ? { put: [], remove: [], counts: batch.counts } : batch, sequence);
    };
  },
};

/** Name of a defect that can be planted. */
export type Defect = keyof typeof defects;

/** Names of all defects that can be planted. */
export const defectNames: readonly string[] = Object.keys(defects);

/** Wraps a journal in a planted defect. */
export function defective(journal: Journal, defect: Defect): Journal {
  return {
    async open(claim) {
      const partition = await journal.open(claim);
      const append = defects[defect]((batch, sequence) => partition.append(batch, sequence));
      return {
        id: partition.id,
        epoch: partition.epoch,
        sequence: partition.sequence,
        read: () => partition.read(),
        counts: () => partition.counts(),
        append,
        renew: () => partition.renew(),
        close: () => partition.close(),
      };
    },
  };
}
