export type { DurableOptions } from "./durable.ts";
export { durable } from "./durable.ts";
export type { ChangedMessage, Migration, OnChanged } from "./recovering.ts";
