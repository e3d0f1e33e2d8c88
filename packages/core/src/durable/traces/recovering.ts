import { describeThrown, type ErrorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { ChangedTrace } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { Trace } from "../../engine/state/trace.ts";
import { fromPlain } from "../form/codec.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import type { ParkedTraces } from "./parked-traces.ts";
import { Placing } from "./placing.ts";
import { readState } from "../form/read-state.ts";
import { restoreFailed, restoreTrace } from "./restore.ts";
import type { SavedTrace } from "../form/saved-trace.ts";
import { STATE_VERSION } from "../form/stored-version.ts";
import { triedAgain } from "../form/tried-again.ts";

/** Parts of a durable run that {@link Recovering} calls. */
export interface RecoveringHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly parked: ParkedTraces;
  kept(error: unknown): ErrorPayload;
}

/** End of the error of a parked trace. */
export const FOR_LATER = "; the checkpoint store keeps it for a later run";

/** Restores traces from the checkpoint store, and detects those that no longer fit the flow. */
export class Recovering {
  readonly #run: RecoveringHost;
  readonly #placing: Placing;

  constructor(run: RecoveringHost) {
    this.#run = run;
    this.#placing = new Placing(run.engine, run.options);
  }

  /**
   * Restores a trace, at the start, when it is loaded or for a retry after its failure; or returns the mismatch. Calls
   * `restored` in the step that restores it, before any of its handlers.
   */
  async restore(
    entry: Checkpoint,
    why: "start" | "load" | "retry",
    restored?: (trace: Trace) => void,
  ): Promise<Trace | ChangedTrace> {
    const { engine, parked } = this.#run;
    const isRetry = why === "retry";
    const { tenant, traceId } = entry;
    let state: SavedTrace;
    try {
      state = readState(entry);
      requireReadable(state);
    } catch (error) {
      if (!isRetry) parked.add(entry);
      return { tenant, traceId, node: "", problem: describeThrown(error), action: "parked" };
    }
    const again = isRetry ? triedAgain(state, engine.clock.epochNow()) : state;
    const placed = await this.#placing.placed(entry, again);
    if ("action" in placed) {
      if (placed.action === "parked" && !isRetry) parked.add(entry);
      return placed;
    }
    // the function that decides on a message may outlast the flow
    if (engine.isEnding) return { tenant, traceId, node: "", problem: "the flow was stopped", action: "parked" };
    const trace = restoreTrace(engine, entry, again, placed, why === "load");
    restored?.(trace);
    return trace;
  }

  /** Returns the unread results and error of a failed trace; `undefined` when its entry cannot be read. */
  left(entry: Checkpoint): { readonly trace: Trace; readonly state: SavedTrace } | undefined {
    try {
      const state = readState(entry);
      requireReadable(state);
      return { trace: restoreFailed(this.#run.engine, entry, state), state };
    } catch {
      // `unfinished` and `retryFailed` report the mismatch
      return undefined;
    }
  }

  /** Returns the entry of a trace that could not be restored and counts as failed. */
  failed(entry: Checkpoint, problem: string): Checkpoint {
    const { tenant, traceId } = entry;
    const error = new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message: problem, tenant, traceId });
    const before = readState(entry);
    const isErrorUnread = this.#run.engine.options.emitErrorsToRookery && before.isOpenEnded === true;
    const kept = this.#run.kept(error);
    const state: SavedTrace = { ...before, error: kept, ...(isErrorUnread ? { isErrorUnread } : {}) };
    return { ...entry, status: "failed", version: STATE_VERSION, state: JSON.stringify(state) };
  }
}

/** Throws unless the whole stored state of a trace is readable, so that nothing is restored in part. */
function requireReadable({ items, results = [], effects = [], pauses = [], calls = [] }: SavedTrace): void {
  for (const { trace, result } of calls) {
    if (trace !== undefined) requireReadable(trace);
    fromPlain(result ?? null);
  }
  for (const item of [...items, ...items.flatMap(({ taken = [] }) => taken), ...results]) {
    fromPlain(item.payload ?? null);
    if (item.meta !== undefined) fromPlain(item.meta);
  }
  for (const [, { value }] of effects) fromPlain(value ?? null);
  for (const { payload, answer } of pauses) {
    fromPlain(payload ?? null);
    fromPlain(answer?.value ?? null);
  }
}

/** Returns the error of a trace that this run cannot finish. */
export function cannotFinish({ traceId, tenant }: TraceKey, problem: string, node?: string): FlowError {
  const message = `Cannot finish trace "${traceId}": ${problem}`;
  return new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message, traceId, tenant, node });
}
