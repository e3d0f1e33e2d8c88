import type { ChangedTrace } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { Attempt, AttemptExtras, outermost, pathOf, State } from "../../engine/state/attempt.ts";
import type { Pause } from "../../engine/state/trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import type { ParkedTraces } from "./parked-traces.ts";
import { Placing } from "./placing.ts";
import { cannotFinish, FOR_LATER } from "./recovering.ts";
import { type RestoredCall, restoreTrace } from "./restore.ts";
import { messageOf } from "../form/saved-message.ts";
import type { SavedCall } from "../form/saved-trace.ts";
import { savedItem } from "../form/trace-state.ts";

/** Parts of a durable run that {@link Mismatches} calls. */
export interface MismatchesHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly parked: ParkedTraces;
  readonly writer: BatchWriter;
}

/** Deals with traces in flight that turn out not to fit the flow any more, as `onChanged` decides. */
export class Mismatches {
  readonly #run: MismatchesHost;
  /** Traces that were found since the start, oldest first. */
  readonly #found: ChangedTrace[] = [];

  constructor(run: MismatchesHost) {
    this.#run = run;
  }

  /** The last `maxFailed` traces that were found since the start. */
  get found(): readonly ChangedTrace[] {
    return this.#found;
  }

  /** Handles a handler that has returned without requesting the pauses of an earlier run. */
  notAsked(engine: DurableHost, attempt: Attempt, pauses: readonly Pause[]): void {
    this.#settle(engine, attempt, pauses).catch((error: unknown) => this.#failOutermost(attempt, error));
  }

  /** Restores a playbook's trace that an earlier process left, or ends the outermost trace. */
  restoreCall(engine: DurableHost, left: Required<SavedCall>, call: RestoredCall, isWanted: () => boolean): void {
    this.#restoreCall(engine, left, call, isWanted).catch((error: unknown) =>
      this.#failOutermost(call.origin.parent, error),
    );
  }

  note(found: ChangedTrace): void {
    const { engine, options } = this.#run;
    engine.options.logger.warn("trace_changed", { flow: engine.options.name, ...found });
    this.#found.push(found);
    if (this.#found.length > options.maxFailed) this.#found.shift();
  }

  async #restoreCall(
    engine: DurableHost,
    { run, trace: state }: Required<SavedCall>,
    call: RestoredCall,
    isWanted: () => boolean,
  ): Promise<void> {
    const { name, parent } = call.origin;
    const { traceId, tenant } = parent;
    const placing = new Placing(engine, this.#run.options, [...pathOf(parent.trace), name]);
    const placed = await placing.placed({ traceId, tenant }, state);
    // its caller may have ended in the meantime; during shutdown, the next run restores it
    if (!isWanted() || this.#run.writer.isSealed) return;
    if ("action" in placed) this.#end(call.origin.parent, placed);
    else restoreTrace(engine, { run, traceId }, state, placed, false, call);
    engine.agenda.flush();
  }

  /** Calls `onChanged` for a message that was set aside, and applies its decision. */
  async #settle(engine: DurableHost, attempt: Attempt, pauses: readonly Pause[]): Promise<void> {
    const { trace, node, traceId, tenant } = attempt;
    const unasked = pauses.map(({ name, reason, payload, answer }) => ({
      name,
      reason,
      payload,
      answer: answer?.isExpired === true ? undefined : answer,
    }));
    const names = unasked.map(({ name, reason, answer }) => `"${name ?? reason}"${answer ? " (answered)" : ""}`);
    const problem = `node "${node}" returned without asking for ${names.join(", ")}, which an earlier run asked for`;
    const placing = new Placing(engine, this.#run.options, pathOf(trace));
    const found = await placing.settled({ traceId, tenant }, savedItem(attempt, "backoff"), problem, unasked);
    // the trace may have ended in the meantime; during shutdown, the next run calls the handler again
    if (!trace.isOpen || attempt.state !== State.PARKED || this.#run.writer.isSealed) return;
    if (!("action" in found)) {
      const { worker, item } = found;
      engine.pausing.drop(attempt, pauses);
      const message = messageOf(trace, trace.headers, item, trace.deadlineAt);
      const moved = new Attempt(worker, trace, message, null, attempt.high, attempt.low, 1);
      if (worker === attempt.worker) moved.via = attempt.via;
      moved.round = attempt.round;
      moved.extras = new AttemptExtras();
      moved.skip(item.sent ?? 0, item.sentTo);
      if (worker === attempt.worker && attempt.extras?.refetch !== undefined)
        moved.more.refetch = attempt.extras.refetch;
      engine.failing.replace(attempt, moved);
      return;
    }
    this.#end(attempt, found);
  }

  /** Ends the outermost trace around a message that no longer fits. */
  #end(changed: Attempt, found: ChangedTrace): void {
    const { engine, parked } = this.#run;
    const attempt = outermost(changed);
    const { trace, traceId, tenant } = attempt;
    this.note(found);
    const fate = found.action === "failed" ? "" : FOR_LATER;
    const error = cannotFinish({ traceId, tenant }, `${found.problem}${fate}`, found.node);
    if (found.action === "failed") engine.ending.fail(trace, error, attempt);
    else parked.park(trace, error);
    engine.agenda.flush();
  }

  /** Fails the outermost trace around an attempt with an error of this run. */
  #failOutermost(attempt: Attempt, error: unknown): void {
    const { engine } = this.#run;
    const outer = outermost(attempt);
    engine.ending.fail(outer.trace, engine.failing.explain(outer, error), outer);
    engine.agenda.flush();
  }
}
