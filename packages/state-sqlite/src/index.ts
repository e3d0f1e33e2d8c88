export type { Durability, SqliteFileOptions, SqliteStateStoreOptions } from "./options.ts";
export { SqliteJournal } from "./sqlite-journal.ts";
export { SqliteStateStore } from "./sqlite-state-store.ts";
