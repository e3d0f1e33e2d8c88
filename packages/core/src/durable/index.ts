export type { ChangedMessage, DurableOptions, Migration, OnChanged } from "./durable-options.ts";
export { durable } from "./durable.ts";
