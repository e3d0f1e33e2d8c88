import type { FlowError } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { OutboxSink } from "../../engine/results/outcome-delivery.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import { markOf } from "../store/mark.ts";
import type { SavedTrace } from "../form/saved-trace.ts";
import type { StoredOutcomes } from "./stored-outcomes.ts";
import { entryOf, isOf } from "../form/trace-entry.ts";
import { stateOf, stateSince } from "../form/trace-state.ts";

/** Parts of a durable run that {@link ParkedTraces} calls. */
export interface ParkedTracesHost {
  readonly engine: DurableHost;
  readonly outcomes: StoredOutcomes;
  readonly writer: BatchWriter;
}

/** Traces that stay in the checkpoint store for a later run, because they do not fit the flow. */
export class ParkedTraces {
  readonly #run: ParkedTracesHost;
  readonly #parked = new Map<number, Checkpoint>();

  constructor(run: ParkedTracesHost) {
    this.#run = run;
  }

  get entries(): Checkpoint[] {
    return [...this.#parked.values()];
  }

  has(run: number): boolean {
    return this.#parked.has(run);
  }

  /** Parks a trace that is not in flight. Replaces its earlier entry. */
  add(entry: Checkpoint): void {
    this.#parked.set(entry.run, entry);
  }

  /** Ends a trace in this run and keeps its stored state for a later one. */
  park(trace: Trace, error: FlowError): void {
    const { engine, outcomes } = this.#run;
    const state = stateOf(engine, trace) as SavedTrace;
    if (trace.sink instanceof OutboxSink) trace.sink.isParked = true;
    markOf(trace).parked = state;
    const entry = entryOf(trace, outcomes.withEnd(trace, state), "open");
    this.add(entry);
    engine.ending.leave(trace, error);
    outcomes.refuse(entry, error);
  }

  /** Returns the entry of a trace that was parked in this run; `undefined` if it has been discarded. */
  entryOf(trace: Trace, parked: SavedTrace): Checkpoint | undefined {
    if (!this.#parked.has(trace.run)) return undefined;
    const state = stateSince(this.#run.engine, trace, parked);
    const entry = entryOf(trace, this.#run.outcomes.withEnd(trace, state), "open");
    this.add(entry);
    return entry;
  }

  /** Gives up the traces of one id. Returns their number. */
  discard(traceId: string, tenant: string): number {
    const runs = this.entries.filter((entry) => isOf(entry, traceId, tenant)).map(({ run }) => run);
    for (const run of runs) this.#parked.delete(run);
    this.#run.writer.pending.remove(runs);
    return runs.length;
  }
}
