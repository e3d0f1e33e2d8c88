export type { PostgresStoreOptions } from "./postgres-store.ts";
export { postgresStore } from "./postgres-store.ts";
