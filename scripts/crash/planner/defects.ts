import type { CheckpointStore } from "penguiflow";
import { defective, planted, storingStates } from "../defects.ts";

/** Defects of the planner, its tools and its store that the checks must detect. */
const defects = {
  /** Has a tool that writes say that it is idempotent. */
  "repeated-writes": (store: CheckpointStore) => store,
  /** Has a tool that writes say that what is unknown is done. */
  "unknown-as-done": (store: CheckpointStore) => store,
  /** Leaves results out of prompts. */
  "orphaned-calls": (store: CheckpointStore) => store,
  /** Resolves before a batch is stored. */
  "released-early": (store: CheckpointStore) => defective(store, "released-early"),
  /** Stores some batches without their entries. */
  "lost-entries": (store: CheckpointStore) => defective(store, "lost-entries"),
  /** Stores runs without what they have spent. */
  "lost-budgets": (store: CheckpointStore) =>
    planted(
      store,
      storingStates(({ budget, ...state }) => ({
        ...state,
        ...(budget === undefined ? {} : { budget: { ...budget, spent: {} } }),
      })),
    ),
  /** Stores runs without the messages that steer them. */
  "lost-signals": (store: CheckpointStore) => defective(store, "lost-signals"),
};

/** Name of a defect that can be planted. */
export type PlannerDefect = keyof typeof defects;

/** Names of all defects that can be planted. */
export const plannerDefectNames: readonly string[] = Object.keys(defects);

/** Wraps a checkpoint store in a planted defect. */
export function defectiveStore(store: CheckpointStore, defect: PlannerDefect): CheckpointStore {
  return defects[defect](store);
}
