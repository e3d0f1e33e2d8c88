import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { readState } from "../form/read-state.ts";
import type { SavedTrace } from "../form/saved-trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import type { PartitionLease } from "../store/partition-lease.ts";

/** Parts of a durable run that {@link LostOwners} calls. */
export interface LostOwnersHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly lease: PartitionLease;
  readonly writer: BatchWriter;
  storeFirst(): void;
}

/** Owners that were lost while a trace did not move, as its checkpoint has them. */
export type Losses = Pick<SavedTrace, "epoch" | "owners">;

/** Openings since a trace last moved from which on it is a suspect. */
const SUSPECT_OPENINGS = 2;
const NONE: readonly Checkpoint[] = [];
/** Milliseconds between the starts of two suspects, so that the one at fault is alone when it ends its owner. */
const PACE_MS = 250;

/**
 * Counts the owners in a row that were lost while a trace was in flight and completed no message: a trace that kills its
 * owners would do so for ever. The checkpoint has the fencing token under which the trace last moved. One that has not
 * moved under the last two is a suspect: its count is stored before it starts, and suspects start one after the other.
 *
 * States of a trace: moving → unmoved (restored once) → suspect, at rest until its turn ⇄ suspect in memory → set aside;
 * back to moving with each message that it completes, and at the end of a run that was stopped.
 */
export class LostOwners {
  readonly #run: LostOwnersHost;
  /** Restored traces that have completed no message in this run. */
  readonly #unmoved = new Map<Trace, Losses>();
  /** Suspects that wait for their turn, by run. An id that is accepted must not wait for a look-up of them. */
  readonly #held = new Map<number, Checkpoint>();
  /** Settles when the next suspect may start. */
  #turn: Promise<void> = Promise.resolve();
  /** The last entry that was looked at, with its state. */
  #looked: { readonly entry: Checkpoint; readonly state: SavedTrace | undefined } | undefined;

  constructor(run: LostOwnersHost) {
    this.#run = run;
  }

  /** Whether owners are counted at all. */
  get isOn(): boolean {
    return this.#run.options.maxLostOwners !== Number.POSITIVE_INFINITY;
  }

  /** Returns what the checkpoint of a trace says of its owners. */
  of(trace: Trace): Losses {
    if (!this.isOn) return {};
    return this.#unmoved.get(trace) ?? { epoch: this.#run.lease.partition.fencingToken };
  }

  /** Notes that a trace has completed a message, or has ended. */
  moved(trace: Trace): void {
    if (this.#unmoved.size > 0) this.#unmoved.delete(trace);
  }

  /** Suspects that wait for their turn. */
  get held(): readonly Checkpoint[] {
    return this.#held.size === 0 ? NONE : [...this.#held.values()];
  }

  /** Notes that a suspect waits no longer: it is in memory, or was set aside. */
  release(run: number): void {
    this.#held.delete(run);
  }

  /** Notes that a trace was restored from an entry: what it does next may end this process. */
  restored(trace: Trace, entry: Checkpoint): void {
    const state = this.#atRisk(entry);
    if (state !== undefined && trace.isOpen) this.#unmoved.set(trace, { epoch: state.epoch, owners: state.owners });
  }

  /** Counts this owner for a suspect that could not wait for its turn, and stores that before a handler starts. */
  restoredAtOnce(trace: Trace, entry: Checkpoint): void {
    this.restored(trace, entry);
    const count = this.countOf(entry);
    if (count === 0 || !trace.isOpen) return;
    this.#unmoved.set(trace, { epoch: this.#atRisk(entry)?.epoch, owners: count + 1 });
    this.#run.writer.changed(trace);
    this.#run.storeFirst();
  }

  /** Returns the number of owners that an entry's trace has outlasted without moving; 0 unless it is a suspect. */
  countOf(entry: Checkpoint): number {
    const state = this.#atRisk(entry);
    if (state?.epoch === undefined) return 0;
    const openings = this.#run.lease.partition.fencingToken - state.epoch;
    return state.owners ?? (openings < SUSPECT_OPENINGS ? 0 : SUSPECT_OPENINGS);
  }

  /** Returns the error of a trace that was counted once too often; `undefined` while it may be tried. */
  verdict(entry: Checkpoint): FlowError | undefined {
    const count = this.countOf(entry);
    if (count < this.#run.options.maxLostOwners) return undefined;
    const { traceId, tenant } = entry;
    return new FlowError({
      code: FlowErrorCode.POISON_MESSAGE,
      message: `Trace "${traceId}" was set aside: ${count} owners in a row were lost while it was in flight, and it completed no message; find out what it does to its process, then retry it`,
      traceId,
      tenant,
      details: { owners: count },
    });
  }

  /** Whether a suspect can wait for its turn in the store alone: not one that holds a key. */
  mayWait(entry: Checkpoint): boolean {
    return this.countOf(entry) > 0 && readState(entry).exclusive === undefined;
  }

  /** Stores suspects as traces at rest, each until its turn: first those that were tried least. */
  hold(suspects: readonly Checkpoint[]): void {
    const now = this.#run.engine.clock.epochNow();
    const counted = suspects.map((entry) => ({ entry, owners: this.countOf(entry) }));
    counted.sort((one, other) => one.owners - other.owners || one.entry.run - other.entry.run);
    for (const [index, { entry, owners }] of counted.entries()) {
      this.#run.writer.pending.put({ ...withOwners(entry, owners), dueAt: now + index * PACE_MS });
      this.#held.set(entry.run, entry);
    }
  }

  /**
   * Counts this owner before a suspect starts, and stores that. Returns the entry to restore, some time after the suspect
   * before it.
   */
  async counted(entry: Checkpoint): Promise<Checkpoint> {
    const count = this.isOn ? this.countOf(entry) : 0;
    if (count === 0) return entry;
    const { engine, writer } = this.#run;
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    engine.timers.after(PACE_MS, resolve);
    // it stays at rest for look-ups until it is in memory
    const counted = withOwners(entry, count + 1);
    writer.pending.put(counted);
    writer.writeSoon();
    await writer.stored();
    return counted;
  }

  /** Notes that this owner ends in good order: no trace is at fault. */
  endWell(): void {
    for (const trace of this.#unmoved.keys()) if (trace.isOpen) this.#run.writer.changed(trace);
    this.#unmoved.clear();
  }

  /** Returns the state of an entry whose trace does something as soon as it is restored. */
  #atRisk(entry: Checkpoint): SavedTrace | undefined {
    if (!this.isOn || entry.status !== "open") return undefined;
    if (this.#looked?.entry !== entry) this.#looked = { entry, state: this.#stateAtRisk(entry) };
    return this.#looked.state;
  }

  #stateAtRisk(entry: Checkpoint): SavedTrace | undefined {
    try {
      const state = readState(entry);
      // a sleep that ends is a first start, unless the trace waits for its turn
      if (state.hasEnded === true || (entry.dueAt !== undefined && state.owners === undefined)) return undefined;
      const now = this.#run.engine.clock.epochNow();
      const isActive = state.items.some(
        ({ where, dueAt = 0 }) => where === "line" || where === "handler" || (where === "backoff" && dueAt <= now),
      );
      return isActive ? state : undefined;
    } catch {
      // recovery parks what it cannot read
      return undefined;
    }
  }
}

function withOwners(entry: Checkpoint, owners: number): Checkpoint {
  return { ...entry, state: JSON.stringify({ ...readState(entry), owners }) };
}
