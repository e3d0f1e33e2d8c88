import type { PackedThrown } from "./packed-thrown.ts";
import type { TaskFacts } from "./thread-context.ts";
import type { Uncloneable } from "./find-uncloneable.ts";

/** To a thread: call a function. A thread runs one call at a time. */
export interface TaskCall {
  readonly kind: "call";
  /** The module's URL. */
  readonly module: string;
  /** The name of the exported function. */
  readonly run: string;
  readonly payload: unknown;
  readonly facts: TaskFacts;
}

/** To a thread: abort the call in progress. */
export interface TaskStop {
  readonly kind: "stop";
  readonly reason: PackedThrown;
}

/** From a thread: the result of the call. */
export type TaskAnswer =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly thrown: PackedThrown }
  /** The function could not be called. */
  | { readonly kind: "unavailable"; readonly problem: string; readonly thrown?: PackedThrown }
  /** The result cannot be sent. */
  | { readonly kind: "unsendable"; readonly part: Uncloneable };
