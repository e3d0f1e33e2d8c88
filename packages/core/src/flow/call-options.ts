import type { Position } from "../engine/durability.ts";
import type { NodeOrName } from "../graph/handler.ts";
import type { Budget } from "../message/budget.ts";
import type { Meta } from "../message/meta.ts";
import type { Principal } from "../message/principal.ts";

/** Options of a call. An option left out is taken from the message, if the input is one. */
export interface EmitOptions<Names extends string = string> {
  /** @defaultValue `"default"` */
  readonly tenant?: string | undefined;
  /** The one that the trace acts for, see {@link Principal}. Frozen; handlers read `ctx.principal`. @defaultValue none */
  readonly principal?: Principal | undefined;
  readonly topic?: string | undefined;
  /** A whole number; higher is served sooner. @defaultValue 0 */
  readonly priority?: number | undefined;
  /** @defaultValue a new unique id */
  readonly traceId?: string | undefined;
  /**
   * Trace id for which at most one trace of the tenant is accepted. A further call of the id joins the trace in flight,
   * or is given the kept outcome; one with another payload, `principal`, `topic` or `to` is refused with
   * `ID_CONFLICT`. Excludes `traceId`. @defaultValue none
   */
  readonly id?: string | undefined;
  /** Milliseconds from the end of the trace for which the outcome of an `id` is kept. @defaultValue 86400000, a day */
  readonly keepMs?: number | undefined;
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
  /**
   * Limits of what the trace and the playbooks below it may spend, by name, see `ctx.budget`. Controllers draw on `hops`
   * and `tokens`. @defaultValue no limits
   */
  readonly budget?: Budget | undefined;
  /** One of the entry nodes. @defaultValue all entry nodes */
  readonly to?: Names | { readonly name: Names } | undefined;
}

/** Options of `accept`: the item's id and position in its intake, and those of its message. */
export interface AcceptOptions<Names extends string = string> extends Omit<
  EmitOptions<Names>,
  "traceId" | "signal" | "keepMs"
> {
  /** Id of the trace. At most one trace of an id is in flight or undelivered per tenant. */
  readonly id: string;
  readonly consumed: Position;
  /**
   * Whether no handler starts before the acceptance is stored. For items that were there when the partition was opened: one
   * may have ended its former owner before that could store that it was accepted. @defaultValue false
   */
  readonly storedFirst?: boolean | undefined;
}

/** Options of a streamed call. */
export interface StreamOptions<Names extends string = string> extends EmitOptions<Names> {
  /** Fate of the trace when its reader leaves the loop early. @defaultValue `"cancel"` */
  readonly onLeave?: "cancel" | "detach";
}

/** Asks a stream for an item for whatever is logged as well. */
export interface WithLog {
  readonly log: true;
}

/** Selection of the result to fetch, and limits of the wait for it. */
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

/** The tenant of a trace that is named by its id. */
export interface TraceOptions {
  /** Needed when several tenants use the trace id. */
  readonly tenant?: string | undefined;
}
