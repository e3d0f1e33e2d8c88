import type { CheckpointPartition } from "../../ports/checkpoint-store.ts";

/** Wraps a partition of a checkpoint store: the given members replace its own. */
export function wrapPartition(
  partition: CheckpointPartition,
  replaced: Partial<CheckpointPartition>,
): CheckpointPartition {
  return {
    id: partition.id,
    fencingToken: partition.fencingToken,
    get sequence() {
      return partition.sequence;
    },
    read: (filter) => partition.read(filter),
    countAtRest: () => partition.countAtRest(),
    nextDueAt: (after) => partition.nextDueAt(after),
    readLog: (run) => partition.readLog(run),
    outcomes: (keys) => partition.outcomes(keys),
    expiring: (limit) => partition.expiring(limit),
    counts: () => partition.counts(),
    consumed: () => partition.consumed(),
    append: (batch, expectedSequence) => partition.append(batch, expectedSequence),
    renew: () => partition.renew(),
    close: () => partition.close(),
    ...replaced,
  };
}
