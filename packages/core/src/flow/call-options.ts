import type { NodeOrName } from "../graph/handler.ts";
import type { Meta } from "../message/meta.ts";

/** How a message is sent into a flow. Each option left out is taken from the message, if one is given. */
export interface EmitOptions<Names extends string = string> {
  /** @defaultValue `"default"` */
  readonly tenant?: string | undefined;
  readonly topic?: string | undefined;
  /** A whole number; higher is served sooner. @defaultValue 0 */
  readonly priority?: number | undefined;
  /** @defaultValue a new unique id */
  readonly traceId?: string | undefined;
  /** Epoch milliseconds after which the trace is given up. @defaultValue none */
  readonly deadlineAt?: number | undefined;
  /** Milliseconds after which the trace is given up. The sooner of this and `deadlineAt` counts. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly meta?: Meta | undefined;
  /** Cancels the trace when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Runs the traces of one tenant and key one after the other, in the order of their calls. A trace keeps its key until
   * its handlers have returned, also while it waits for an answer. @defaultValue none
   */
  readonly exclusive?: string | undefined;
  /** One of the entry nodes. @defaultValue all entry nodes */
  readonly to?: Names | { readonly name: Names } | undefined;
}

/** How a trace is streamed. */
export interface StreamOptions<Names extends string = string> extends EmitOptions<Names> {
  /** What leaving the loop early does with the trace. @defaultValue `"cancel"` */
  readonly onLeave?: "cancel" | "detach";
}

/** Which result is fetched and how long that may take. */
export interface FetchOptions {
  /** Only results of that trace. @defaultValue the next of any trace */
  readonly traceId?: string | undefined;
  /** Needed when several tenants use the trace id. */
  readonly tenant?: string | undefined;
  /** Only results of these exit nodes. */
  readonly from?: NodeOrName | readonly NodeOrName[] | undefined;
  /** Milliseconds after which the wait is given up. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which trace is meant. */
export interface TraceOptions {
  /** Needed when several tenants use the trace id. */
  readonly tenant?: string | undefined;
}
