import { errorPayload } from "../../foundation/flow-error.ts";
import type { Checkpoint, CheckpointFilter } from "../../ports/checkpoint-store.ts";
import type { ChangedTrace, Recovery } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { FailedTraces } from "./failed-traces.ts";
import type { KeptLogs } from "./kept-logs.ts";
import type { LostOwners } from "./lost-owners.ts";
import type { Mismatches } from "./mismatches.ts";
import type { ParkedTraces } from "./parked-traces.ts";
import type { PartitionLease } from "../store/partition-lease.ts";
import { cannotFinish, FOR_LATER, type Recovering } from "./recovering.ts";
import type { RestingTraces } from "./resting-traces.ts";
import type { StoredOutcomes } from "./stored-outcomes.ts";
import type { TraceCheckpoints } from "./trace-checkpoints.ts";
import type { BatchWriter } from "../store/batch-writer.ts";

/** Parts of a durable run that {@link LeftTraces} calls. */
export interface LeftTracesHost {
  readonly engine: DurableHost;
  readonly checkpoints: TraceCheckpoints;
  readonly failed: FailedTraces;
  readonly lease: PartitionLease;
  readonly lostOwners: LostOwners;
  readonly logs: KeptLogs;
  readonly mismatches: Mismatches;
  readonly outcomes: StoredOutcomes;
  readonly parked: ParkedTraces;
  readonly recovering: Recovering;
  readonly resting: RestingTraces;
  readonly writer: BatchWriter;
}

/** Takes over the traces that earlier runs have left in the checkpoint store: hands the entry of each to its owner. */
export class LeftTraces {
  readonly #run: LeftTracesHost;
  #found: Recovery = { resumed: 0, failed: 0, changed: [] };

  constructor(run: LeftTracesHost) {
    this.#run = run;
  }

  /** Traces recovered so far, and mismatches found since. */
  get recovery(): Recovery {
    return { ...this.#found, changed: [...this.#found.changed, ...this.#run.mismatches.found] };
  }

  /** Takes over the traces at the start. */
  async takeOver(): Promise<void> {
    const { engine, failed, lease, lostOwners, resting } = this.#run;
    const changed: ChangedTrace[] = [];
    let resumed = 0;
    if (resting.isOn) {
      const suspects: Checkpoint[] = [];
      resumed += (await this.#restore({ isAtRest: false }, changed, suspects)).resumed;
      const now = engine.clock.epochNow();
      const due = await this.#restore({ dueBy: now }, changed, suspects);
      lostOwners.hold(suspects);
      const unloaded = (await lease.partition.countAtRest()) - due.read + suspects.length;
      await resting.takeOver(unloaded, now);
      if (suspects.length > 0) resting.takeOverStoring(now);
      engine.accepted += unloaded;
      resumed += due.resumed + unloaded;
    } else resumed += (await this.#restore({}, changed)).resumed;
    this.#found = { resumed, failed: failed.size, changed };
  }

  /** Restores a trace that is loaded, or sets it aside because it no longer fits the flow. */
  async load(entry: Checkpoint): Promise<void> {
    const { engine, checkpoints, failed, lostOwners, mismatches, parked, recovering, writer } = this.#run;
    const counted = await lostOwners.counted(entry);
    const found = await recovering.restore(counted, "load", (trace) => {
      lostOwners.restored(trace, counted);
      lostOwners.release(entry.run);
    });
    lostOwners.release(entry.run);
    if ("run" in found) {
      checkpoints.restored(found, entry.dueAt);
      if (!found.isOpen) writer.changed(found);
      return;
    }
    engine.accepted -= 1;
    mismatches.note(found);
    if (found.action === "failed") {
      failed.setAside(entry, found);
    } else if (parked.has(entry.run)) {
      // without an instant it is read at the start of a later run
      const { dueAt: _, ...kept } = entry;
      parked.add(kept);
      writer.pending.put(kept);
    }
    writer.writeSoon();
  }

  /**
   * Restores the entries that fit the filter. Adds the traces that no longer fit the flow to `changed`, and those that may
   * have ended their owners to `suspects`.
   */
  async #restore(
    filter: CheckpointFilter,
    changed: ChangedTrace[],
    suspects: Checkpoint[] = [],
  ): Promise<{ readonly read: number; readonly resumed: number }> {
    const { engine, checkpoints, failed, lease, logs, lostOwners, outcomes, recovering, resting, writer } = this.#run;
    let [read, resumed] = [0, 0];
    for await (const page of lease.partition.read(filter)) {
      if (writer.failure !== undefined) throw writer.failure;
      for (const entry of page) {
        read += 1;
        if (entry.status === "failed") {
          failed.restore(entry);
          continue;
        }
        if (entry.status === "ended") {
          logs.restore(entry);
          continue;
        }
        const verdict = lostOwners.verdict(entry);
        if (verdict === undefined && resting.isOn && lostOwners.mayWait(entry)) {
          suspects.push(entry);
          continue;
        }
        const found = await recovering.restore(entry, "start", (trace) => {
          if (verdict === undefined) lostOwners.restoredAtOnce(trace, entry);
          else engine.ending.fail(trace, verdict);
        });
        if (!("run" in found)) {
          changed.push(found);
          if (found.action === "failed") failed.setAside(entry, found);
          else outcomes.refuse(entry, cannotFinish(entry, `${found.problem}${FOR_LATER}`));
          engine.options.logger.warn("trace_changed", { flow: engine.options.name, ...found });
          continue;
        }
        checkpoints.restored(found);
        if (verdict !== undefined)
          engine.options.logger.error("trace_set_aside", { flow: engine.options.name, error: errorPayload(verdict) });
        // its results are unread, so that its outcome is not stored by itself yet
        if (!found.isOpen) outcomes.restore(found, entry);
        // its state when read may differ from its present one
        if (!found.isOpen) writer.changed(found);
        resumed += 1;
      }
      engine.agenda.flush();
    }
    return { read, resumed };
  }
}
