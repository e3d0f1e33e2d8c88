export type { PostgresConnection, PostgresStateStoreOptions } from "./options.ts";
export { PostgresStateStore } from "./postgres-state-store.ts";
