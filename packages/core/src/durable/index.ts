export type { DurableOptions } from "./durable-options.ts";
export { durable } from "./durable.ts";
export type { ChangedMessage, Migration, OnChanged } from "./placing.ts";
