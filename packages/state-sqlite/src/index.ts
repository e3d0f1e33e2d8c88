export type { Durability, SqliteStateStoreOptions } from "./options.ts";
export { SqliteStateStore } from "./sqlite-state-store.ts";
