import { type ErrorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { ChangedTrace } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { OutboxSink } from "../../engine/results/outcome-delivery.ts";
import type { Attempt } from "../../engine/state/attempt.ts";
import type { TraceTurn } from "../../engine/state/trace-turn.ts";
import { Lasting, type Trace } from "../../engine/state/trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { markOf } from "../store/mark.ts";
import { cannotFinish, type Recovering } from "./recovering.ts";
import { readState } from "../form/read-state.ts";
import type { SavedTrace } from "../form/saved-trace.ts";
import type { StoredOutcomes } from "./stored-outcomes.ts";
import { entryOf, isOf } from "../form/trace-entry.ts";
import { stateOf, stateSince } from "../form/trace-state.ts";

/** Parts of a durable run that {@link FailedTraces} calls. */
export interface FailedTracesHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly outcomes: StoredOutcomes;
  readonly recovering: Recovering;
  readonly writer: BatchWriter;
  beCareful(): void;
  kept(error: unknown): ErrorPayload;
}

/** A failed trace that waits for a retry; in memory, unless an earlier process has left it. */
interface Failed {
  readonly entry: Checkpoint;
  readonly trace: Trace | undefined;
}

/** Failed traces that are kept until they are retried, discarded or evicted. */
export class FailedTraces {
  readonly #run: FailedTracesHost;
  /** Oldest first. */
  readonly #failed = new Map<number, Failed>();

  constructor(run: FailedTracesHost) {
    this.#run = run;
  }

  get size(): number {
    return this.#failed.size;
  }

  get entries(): Checkpoint[] {
    return [...this.#failed.values()].map(({ entry }) => entry);
  }

  has(run: number): boolean {
    return this.#failed.has(run);
  }

  /** Keeps a trace that is about to fail, so that it can be retried. */
  failing(trace: Trace, error: FlowError, attempt: Attempt | undefined): void {
    let state: SavedTrace | undefined;
    try {
      state = stateOf(this.#run.engine, trace, attempt);
    } catch {
      // ignored: the run fails for the same reason
    }
    if (state === undefined) return;
    const failed = { ...state, error: this.#run.kept(error) };
    markOf(trace).failed = failed;
    this.#keep(this.#entryWith(trace, failed), trace);
  }

  /** Keeps a failed trace of an earlier run, with its unread results. */
  restore(entry: Checkpoint): void {
    const { recovering, outcomes } = this.#run;
    const left = recovering.left(entry);
    if (left !== undefined) {
      const mark = markOf(left.trace);
      mark.failed = left.state;
      mark.isStored = true;
      outcomes.restore(left.trace, entry);
    } else outcomes.refuse(entry, cannotFinish(entry, "its stored state cannot be read"));
    this.#keep(entry, left?.trace);
  }

  /** Keeps a trace that no longer fits the flow as a failed one. */
  setAside(entry: Checkpoint, { problem }: ChangedTrace): void {
    const failed = this.#run.recovering.failed(entry, problem);
    this.#run.writer.pending.put(failed);
    this.restore(failed);
  }

  /** Returns the entry of a kept trace that failed in this run, updated with later changes. */
  entryOf(trace: Trace, failed: SavedTrace): Checkpoint {
    const entry = this.#entryWith(trace, stateSince(this.#run.engine, trace, failed));
    this.#failed.set(trace.run, { entry, trace });
    return entry;
  }

  /**
   * Restores the failed traces of an id as they were stored. Returns whether there was one.
   *
   * @throws FlowError `GRAPH_CHANGED` if one no longer fits: it stays failed
   */
  async retry(traceId: string, tenant: string): Promise<boolean> {
    const { engine, recovering, writer } = this.#run;
    let changed: ChangedTrace | undefined;
    let count = 0;
    for (const run of this.#runsOf(traceId, tenant)) {
      const turn = await this.#turnOf(run, tenant);
      try {
        const { outbox } = engine.options;
        if (outbox !== undefined)
          await engine.outcomes.withdraw(outbox, { traceId, tenant }, this.#failed.get(run)?.trace?.sink);
        const before = this.#failed.get(run)?.trace?.lasting;
        const entry = this.#take(run);
        // it was retried or discarded meanwhile
        if (entry === undefined) continue;
        count += 1;
        const found = await recovering.restore(entry, "retry", () => this.#run.beCareful());
        if ("run" in found) {
          // the log of this run may have items that are not stored yet
          if (before?.log !== undefined) (found.lasting ??= new Lasting()).log = before.log;
          // not before: until then nothing else says that the id is taken
          engine.keptOutcomes.release(entry, run);
          markOf(found).isStored = true;
          writer.changed(found);
          engine.agenda.flush();
        } else {
          this.#failed.set(run, { entry, trace: undefined });
          changed ??= found;
        }
      } finally {
        if (turn !== undefined) engine.admission.release(turn);
      }
    }
    if (count > 0) await writer.stored();
    if (changed === undefined) return count > 0;
    const message = `Cannot retry trace "${traceId}": ${changed.problem}`;
    throw new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message, traceId, tenant, node: changed.node });
  }

  /** Gives up the failed traces of an id. Returns their number. */
  discard(traceId: string, tenant: string): number {
    const runs = this.#runsOf(traceId, tenant);
    for (const run of runs) {
      const trace = this.#failed.get(run)?.trace;
      if (trace !== undefined) {
        trace.more.given = undefined;
        this.#run.engine.rookery.withdraw(trace);
      }
      this.#drop(run);
    }
    return runs.length;
  }

  /** Keeps a failed trace, evicting the oldest when there are too many. */
  #keep(entry: Checkpoint, trace?: Trace): void {
    this.#failed.set(entry.run, { entry, trace });
    if (this.#failed.size <= this.#run.options.maxFailed) return;
    const [oldest] = this.#failed.keys();
    this.#drop(oldest as number);
  }

  /** Gives up a failed trace, which can no longer be retried. Its outcome stays while it is kept or undelivered. */
  #drop(run: number): void {
    const { writer } = this.#run;
    const trace = this.#failed.get(run)?.trace;
    this.#failed.delete(run);
    const isUndelivered = trace?.sink instanceof OutboxSink && trace.sink.outcome !== undefined;
    if (trace !== undefined && (isUndelivered || trace.extras?.given !== undefined)) writer.changed(trace);
    else writer.pending.remove([run]);
  }

  /** Removes and returns a failed trace. */
  #take(run: number): Checkpoint | undefined {
    const { engine } = this.#run;
    const found = this.#failed.get(run);
    this.#failed.delete(run);
    const trace = found?.trace;
    if (trace === undefined) return found?.entry;
    const mark = markOf(trace);
    const now = this.#entryWith(trace, stateSince(engine, trace, mark.failed as SavedTrace));
    // the entry now belongs to the trace that replaces it, and so do its results
    mark.failed = undefined;
    mark.isStored = false;
    if (trace.lasting !== null) trace.lasting.log = undefined;
    trace.more.given = undefined;
    engine.rookery.withdraw(trace);
    engine.outcomes.forget(trace);
    return now;
  }

  /** Waits until no trace of a failed trace's exclusive key runs, if it has one. */
  async #turnOf(run: number, tenant: string): Promise<TraceTurn | undefined> {
    const failed = this.#failed.get(run);
    if (failed === undefined) return undefined;
    let exclusive: string | undefined;
    try {
      ({ exclusive } = readState(failed.entry));
    } catch {
      // `restore` reports the mismatch
    }
    return exclusive === undefined ? undefined : await this.#run.engine.admission.turnOf(tenant, exclusive);
  }

  /** Returns the runs of the failed traces of one id. */
  #runsOf(traceId: string, tenant: string): number[] {
    return [...this.#failed].filter(([, { entry }]) => isOf(entry, traceId, tenant)).map(([run]) => run);
  }

  #entryWith(trace: Trace, state: SavedTrace): Checkpoint {
    return entryOf(trace, this.#run.outcomes.withEnd(trace, state), "failed");
  }
}
