export { postgresBackend, type PostgresBackendOptions } from "./cluster/postgres-backend.ts";
export type { PostgresConnection, PostgresOptions, PostgresStateStoreOptions } from "./options.ts";
export { PostgresCheckpointStore } from "./postgres-checkpoint-store.ts";
export { PostgresLog } from "./postgres-log.ts";
export { PostgresStateStore } from "./postgres-state-store.ts";
