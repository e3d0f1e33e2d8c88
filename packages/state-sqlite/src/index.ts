export type { Durability, SqliteFileOptions, SqliteStateStoreOptions } from "./options.ts";
export { SqliteCheckpointStore } from "./sqlite-checkpoint-store.ts";
export { SqliteLog } from "./sqlite-log.ts";
export { SqliteStateStore } from "./sqlite-state-store.ts";
