import type { PackedThrown } from "./packed-thrown.ts";
import type { TaskFacts } from "./thread-context.ts";
import type { Uncloneable } from "./find-uncloneable.ts";

/** To a thread: call a function. A thread has one call at a time. */
export interface TaskCall {
  readonly kind: "call";
  /** The module's URL. */
  readonly module: string;
  /** The name of the exported function. */
  readonly run: string;
  readonly payload: unknown;
  readonly facts: TaskFacts;
}

/** To a thread: the call it works on is not wanted any more. */
export interface TaskStop {
  readonly kind: "stop";
  readonly reason: PackedThrown;
}

/** From a thread: what became of the call. */
export type TaskAnswer =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly thrown: PackedThrown }
  /** The function could not be called. */
  | { readonly kind: "unavailable"; readonly problem: string; readonly thrown?: PackedThrown }
  /** What it returned cannot be sent. */
  | { readonly kind: "unsendable"; readonly part: Uncloneable };
