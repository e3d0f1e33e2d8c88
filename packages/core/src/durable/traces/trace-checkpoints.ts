import { describeThrown, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { BatchWriter, StoredParts } from "../store/batch-writer.ts";
import type { FailedTraces } from "./failed-traces.ts";
import type { KeptLogs } from "./kept-logs.ts";
import type { LostOwners } from "./lost-owners.ts";
import { markOf } from "../store/mark.ts";
import type { ParkedTraces } from "./parked-traces.ts";
import { dueAtOf, type RestingTraces } from "./resting-traces.ts";
import type { StoredOutcomes } from "./stored-outcomes.ts";
import { entryOf } from "../form/trace-entry.ts";
import { stateOf } from "../form/trace-state.ts";

/** Parts of a durable run that {@link TraceCheckpoints} calls. */
export interface TraceCheckpointsHost {
  readonly engine: DurableHost;
  readonly failed: FailedTraces;
  readonly logs: KeptLogs;
  readonly lostOwners: LostOwners;
  readonly outcomes: StoredOutcomes;
  readonly parked: ParkedTraces;
  readonly resting: RestingTraces;
  readonly writer: BatchWriter;
}

/** Makes the checkpoint of a changed trace: as it failed or was parked, as it is now, or of its log alone. */
export class TraceCheckpoints {
  readonly #run: TraceCheckpointsHost;

  constructor(run: TraceCheckpointsHost) {
    this.#run = run;
  }

  /** Returns what to store of a trace now. Throws if it can no longer be serialised. */
  partsOf(trace: Trace): StoredParts {
    const entry = this.#entryOf(trace);
    // the entry of an ended trace has its log alone
    const isOver = entry === undefined || entry.status === "ended";
    return { entry, outcome: isOver ? this.#run.outcomes.outcomeOf(trace) : undefined };
  }

  /** Fails a trace whose payload was data when it was sent, but has been mutated since. */
  fail(trace: Trace, cause: unknown): void {
    const { engine, writer } = this.#run;
    writer.changed(trace);
    markOf(trace).isSpoiled = true;
    const message = `Cannot store trace "${trace.id}": a payload was modified after it was sent: ${describeThrown(cause)}; send a copy`;
    const { id: traceId, tenant } = trace;
    engine.ending.fail(trace, new FlowError({ code: FlowErrorCode.NOT_SERIALISABLE, message, traceId, tenant, cause }));
    engine.agenda.flush();
  }

  /** Whether the stored state of a trace at rest is its current one. If not, it will be stored. */
  isCurrent(trace: Trace): boolean {
    const mark = markOf(trace);
    if (mark.hasChanged) return false;
    if (mark.isStored && mark.dueAt === dueAtOf(trace)) return true;
    this.#run.writer.changed(trace);
    return false;
  }

  /** Notes that the store has the current state of a trace. */
  restored(trace: Trace, dueAt?: number): void {
    const mark = markOf(trace);
    mark.isStored = true;
    mark.dueAt = dueAt;
  }

  #entryOf(trace: Trace): Checkpoint | undefined {
    const { engine, failed, logs, lostOwners, outcomes, parked, resting } = this.#run;
    if (!trace.isOpen) lostOwners.moved(trace);
    const mark = markOf(trace);
    if (mark.failed !== undefined && failed.has(trace.run)) return failed.entryOf(trace, mark.failed);
    if (mark.parked !== undefined) return parked.entryOf(trace, mark.parked);
    if (mark.isSpoiled) return undefined;
    const state = stateOf(engine, trace);
    mark.dueAt = state !== undefined && resting.isOn ? dueAtOf(trace) : undefined;
    if (state === undefined) return logs.entryOf(trace);
    const ofOwners = trace.isOpen ? lostOwners.of(trace) : {};
    const entry = entryOf(trace, { ...outcomes.withEnd(trace, state), ...ofOwners }, "open");
    if (!trace.isOpen && state.log !== undefined) logs.unread(entry);
    return mark.dueAt === undefined ? entry : { ...entry, dueAt: mark.dueAt };
  }
}
