import type { Journal, JournalBatch, JournalPartition } from "penguiflow";

const LATE_MS = 5;
const LOST_EVERY = 10;

type Append = JournalPartition["append"];

/** How a journal can be broken, so that it is seen whether anybody notices. */
const defects = {
  /** Answers before a batch is stored: what waits for the answer is released too early. */
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
  /** Of some batches it stores only that they were there. */
  "lost-entries": (append: Append): Append => {
    return async (batch: JournalBatch, sequence) => {
      const isLost = sequence % LOST_EVERY === 0;
      return await append(isLost ? { put: [], remove: [], counts: batch.counts } : batch, sequence);
    };
  },
};

/** What can be planted. */
export type Defect = keyof typeof defects;

/** The names of what can be planted. */
export const defectNames: readonly string[] = Object.keys(defects);

/** A journal with a planted defect. */
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
