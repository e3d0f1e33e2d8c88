export type { MemoryEventType } from "../event-type.ts";
export { MEMORY_EVENT_TYPES } from "../event-type.ts";
export type { Grant, Level, MemoryEvent, Role } from "../fragment.ts";
export { LEVELS } from "../fragment.ts";
export type { Scope } from "../principal.ts";
export type { ApiKey, Catalog, ModelCard } from "./catalog.ts";
export type { MemoryStore } from "./memory-store.ts";
export type { StoreContractOptions, StoreRule } from "./store-contract.ts";
export { memoryStoreContract } from "./store-contract.ts";
export type { SqliteStoreOptions } from "./sqlite/sqlite-store.ts";
export { sqliteStore } from "./sqlite/sqlite-store.ts";
export type { Synchronous } from "./sqlite/connection.ts";

// Rows of a transaction, for authors of stores.
export type { EventPage, EventRows, NewEvent } from "./event-rows.ts";
export type { FragmentRows, ListPlace, NewFragmentRow, StoredFragment } from "./fragment-rows.ts";
export type { GrantRows } from "./grant-rows.ts";
export type { ClaimedJob, JobFigures, JobReport, JobRows, JobState } from "./job-rows.ts";
export { JOB_STATES } from "./job-rows.ts";
export type { Lexical, LexicalQuery } from "./lexical.ts";
export type { AnsweredRequest, RequestRows } from "./request-rows.ts";
export type { Rows } from "./rows.ts";
export { rowsOver } from "./rows.ts";
export type { SettingName, SettingRows } from "./setting-rows.ts";
export type { FragmentFilter, Viewer } from "./sight.ts";
export type { Sql, SqlRow, SqlValue } from "./sql.ts";
export type { BlockKey, BlockPart, StoredVector, VectorRows } from "./vector-rows.ts";
