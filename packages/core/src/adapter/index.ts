export { type Channel, subscribedTap, type TapName } from "../events/diagnostics-channels.ts";
export { isAppEvent } from "../events/app-event.ts";
export { digestOf } from "../foundation/digest.ts";
export { fnv1a } from "../foundation/fnv.ts";
export {
  requireFunction,
  requireInteger,
  requireKnownKeys,
  requireNumber,
  requireOneOf,
  shown,
} from "../foundation/options.ts";
export { flowOfNode } from "../flow/flow.ts";
export { summarize } from "../history/summarize.ts";
export type { BackendFigures, ClusterBackend } from "../ports/cluster-backend.ts";
export type { Intake, IntakeLimit, Offer, Offered } from "../ports/intake.ts";
export type { Registry, RegistryEntry } from "../ports/registry.ts";
export type { KeptResult, ResultKey, ResultRevision, ResultStore, StoredResult } from "../ports/result-store.ts";
export type { Wire } from "../ports/wire.ts";
export { partitionFenced, partitionLeased, sharedLeaseEnded } from "../ports/checkpoint-errors.ts";
export { requireLogAppend, requireLogRange, requireLogTrim } from "../ports/log-arguments.ts";
export { logConflict } from "../ports/log-errors.ts";
export { requireRetention, RETENTION_OPTIONS } from "./retention-options.ts";
export { fromStorable, toStorable } from "./storable-text.ts";
export { summaryOf } from "./trace-row.ts";
export { watchByLooking, type WatchSource } from "./watch-by-looking.ts";
