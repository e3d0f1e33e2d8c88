import type { Checkpoint, CheckpointBatch, CheckpointPartition, CheckpointStore } from "penguiflow";
import { wrapPartition } from "../../packages/core/src/testing/kit/wrap-partition.ts";

const LATE_MS = 5;
const LOST_EVERY = 10;

/** State of a trace, as far as a defect changes it. */
interface State {
  readonly budget?: { readonly spent: object };
  readonly exclusive?: string;
  readonly items?: readonly { readonly where: string; readonly dueAt?: number }[];
  readonly outcome?: unknown;
  readonly signals?: readonly { readonly receiver?: string }[];
}

/** Returns the members of a partition that have a defect. */
type Plant = (partition: CheckpointPartition) => Partial<CheckpointPartition>;

/** Changes every batch before it is stored. */
const storing =
  (change: (batch: CheckpointBatch) => CheckpointBatch): Plant =>
  (partition) => ({ append: async (batch, sequence) => await partition.append(change(batch), sequence) });

const stateOf = ({ state }: Checkpoint): State => JSON.parse(state) as State;

/** Changes the state of every trace before it is stored. */
export const storingStates = (change: (state: State) => State): Plant =>
  storing((batch) => ({
    ...batch,
    put: batch.put.map((entry) => ({ ...entry, state: JSON.stringify(change(stateOf(entry))) })),
  }));

/** Defects of a checkpoint store that the checks must detect. */
const defects = {
  /** Resolves before a batch is stored, which releases gated output too early. */
  "released-early": (partition) => {
    let last: Promise<unknown> = Promise.resolve();
    return {
      append: async (batch, sequence) => {
        last = last
          .then(() => new Promise((resolve) => setTimeout(resolve, LATE_MS)))
          .then(() => partition.append(batch, sequence));
        last.catch(() => {});
        return sequence + 1;
      },
    };
  },
  /** Stores some batches without their entries. */
  "lost-entries": (partition) => ({
    append: async (batch, sequence) =>
      await partition.append(sequence % LOST_EVERY === 0 ? { ...batch, put: [], remove: [] } : batch, sequence),
  }),
  /** Stores traces without the signals that no handler has received. */
  "lost-signals": storingStates(({ signals, ...state }) => ({
    ...state,
    ...(signals === undefined ? {} : { signals: signals.filter(({ receiver }) => receiver !== undefined) }),
  })),
  /** Stores no outcomes of given ids. */
  "lost-outcomes": storing(({ keep: _, ...batch }) => batch),
  /** Stores no positions of the intake. */
  "lost-positions": storing(({ consumed: _, ...batch }) => batch),
  /** Removes traces whose outcomes are not delivered yet. */
  "lost-deliveries": storing((batch) => ({
    ...batch,
    put: batch.put.filter((entry) => stateOf(entry).outcome === undefined),
    remove: [
      ...batch.remove,
      ...batch.put.flatMap((entry) => (stateOf(entry).outcome === undefined ? [] : [entry.run])),
    ],
  })),
  /** Keeps traces whose outcomes are delivered. */
  "repeated-deliveries": (partition) => {
    const undelivered = new Set<number>();
    return storing((batch) => {
      for (const entry of batch.put) if (stateOf(entry).outcome !== undefined) undelivered.add(entry.run);
      return { ...batch, remove: batch.remove.filter((run) => !undelivered.has(run)) };
    })(partition);
  },
  /** Stores exclusive traces without their keys. */
  "lost-keys": storingStates(({ exclusive: _, ...state }) => state),
  /** Stores messages in backoff as if they were due. */
  "early-retries": storingStates(({ items, ...state }) => ({
    ...state,
    ...(items === undefined
      ? {}
      : { items: items.map((item) => (item.where === "backoff" ? { ...item, dueAt: 0 } : item)) }),
  })),
  /** Finds no trace that has left memory. */
  "lost-rests": (partition) => ({
    async *read(filter) {
      if (filter?.runs === undefined) yield* partition.read(filter);
    },
  }),
} satisfies Readonly<Record<string, Plant>>;

/** Defects of the flow: a limiter that lets two handlers run, and a policy that does not look at its message. */
const ofTheFlow = ["loose-limits", "blind-policies"] as const;

/** Name of a defect that can be planted. */
export type Defect = keyof typeof defects | (typeof ofTheFlow)[number];

/** Names of all defects that can be planted. */
export const defectNames: readonly string[] = [...Object.keys(defects), ...ofTheFlow];

/** Wraps a checkpoint store in a planted defect, if it is one of the store. */
export function defective(checkpoints: CheckpointStore, defect: Defect | undefined): CheckpointStore {
  const plant = (defects as Partial<Record<Defect, Plant>>)[defect as Defect];
  return plant === undefined ? checkpoints : planted(checkpoints, plant);
}

/** Wraps a checkpoint store whose partitions have a defect. */
export function planted(checkpoints: CheckpointStore, plant: Plant): CheckpointStore {
  return {
    async open(lease) {
      const partition = await checkpoints.open(lease);
      return wrapPartition(partition, plant(partition));
    },
  };
}
