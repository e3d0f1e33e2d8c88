export type { ChangedMessage, DurableOptions, Migration, OnChanged } from "./durable-options.ts";
export { durable } from "./durable.ts";
export { type KeepLeaseOptions, keepLease, type KeptLease } from "./store/kept-lease.ts";
export { readError, readOutcome, readValue, writeError, writeInput, writeOutcome, writeValue } from "./form/written.ts";
