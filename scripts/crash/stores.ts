import type { Journal } from "penguiflow";
import { PostgresJournal } from "@penguiflow/state-postgres";
import { SqliteJournal } from "@penguiflow/state-sqlite";

/** Location of a journal. */
export type Store =
  | { readonly kind: "sqlite"; readonly file: string; readonly durability: "normal" | "full" }
  | { readonly kind: "postgres"; readonly url: string };

/** A journal of either kind. */
export interface OpenJournal extends Journal, AsyncDisposable {
  /** Reports corruption of the file; SQLite only. */
  integrityCheck?(): Promise<readonly string[]>;
}

/** Opens the journal of a store. */
export async function openJournal(store: Store): Promise<OpenJournal> {
  if (store.kind === "sqlite") return await SqliteJournal.open({ file: store.file, durability: store.durability });
  return await PostgresJournal.open({ connection: store.url, schema: "crash", patienceMs: 30_000 });
}
