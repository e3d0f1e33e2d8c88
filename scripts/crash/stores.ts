import type { CheckpointStore } from "penguiflow";
import { PostgresCheckpointStore } from "@penguiflow/state-postgres";
import { SqliteCheckpointStore } from "@penguiflow/state-sqlite";

/** Location of a checkpoint store. */
export type Store =
  | { readonly kind: "sqlite"; readonly file: string; readonly durability: "normal" | "full" }
  | { readonly kind: "postgres"; readonly url: string };

/**
 * Leases of processes that have a successor. Short, so that the next life need not wait long for that of a killed one. A
 * flow gives up a store that does not answer for as long, so a server that crashes must be back by then.
 */
export const LEASES_MS: Readonly<Record<Store["kind"], number>> = { sqlite: 20, postgres: 3_000 };

/** Maximum wait for a process that may have nothing to report. A server takes its time on a busy machine. */
export const PATIENCE_MS: Readonly<Record<Store["kind"], number>> = { sqlite: 500, postgres: 3_000 };

/** A checkpoint store of either kind. */
export interface OpenCheckpoints extends CheckpointStore, AsyncDisposable {
  /** Reports corruption of the file; SQLite only. */
  integrityCheck?(): Promise<readonly string[]>;
}

/** Opens the checkpoint store of a store. */
export async function openCheckpoints(store: Store): Promise<OpenCheckpoints> {
  if (store.kind === "sqlite")
    return await SqliteCheckpointStore.open({ file: store.file, durability: store.durability });
  return await PostgresCheckpointStore.open({ connection: store.url, schema: "crash", patienceMs: 30_000 });
}
