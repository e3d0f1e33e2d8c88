export type { ChangedMessage, DurableOptions, Migration, OnChanged } from "./durable-options.ts";
export { durable } from "./durable.ts";
export { readError, readOutcome, readValue, writeError, writeOutcome, writeValue } from "./form/written.ts";
