export type { PostgresConnection, PostgresOptions, PostgresStateStoreOptions } from "./options.ts";
export { PostgresJournal } from "./postgres-journal.ts";
export { PostgresStateStore } from "./postgres-state-store.ts";
