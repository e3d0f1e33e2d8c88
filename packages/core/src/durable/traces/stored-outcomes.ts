import type { FlowError } from "../../foundation/flow-error.ts";
import type { Checkpoint, StoredOutcome } from "../../ports/checkpoint-store.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import type { KeptOutcome, UnreadableOutcome } from "../../engine/results/kept-outcomes.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { BatchWriter } from "../store/batch-writer.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { keptError } from "../form/kept-error.ts";
import { markOf } from "../store/mark.ts";
import type { PartitionLease } from "../store/partition-lease.ts";
import { readState } from "../form/read-state.ts";
import { endFrom, keptFrom, type SavedEnd, savedEnd, storedOutcome } from "../form/saved-outcome.ts";
import type { StoredLogs } from "../form/stored-log.ts";
import type { SavedTrace } from "../form/saved-trace.ts";

/** Parts of a durable run that {@link StoredOutcomes} calls. */
export interface StoredOutcomesHost extends StoredLogs {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly lease: PartitionLease;
  readonly writer: BatchWriter;
}

/** Maximum number of expired outcomes that one batch removes. */
const OUTCOMES_PER_BATCH = 1_000;

/**
 * Outcomes of given ids in the partition. While the checkpoint of its trace remains, an outcome is in there; then the
 * partition has it by itself until it expires.
 */
export class StoredOutcomes {
  readonly #run: StoredOutcomesHost;
  /** Epoch milliseconds at which the next kept outcome expires, if any is stored. */
  #expiresAt: number | undefined;
  #forgetting: Promise<void> | undefined;

  constructor(run: StoredOutcomesHost) {
    this.#run = run;
  }

  /** Finds out when the next outcome expires. */
  async begin(): Promise<void> {
    const [first] = await this.#run.lease.partition.expiring(1);
    this.#expiresAt = first?.expiresAt;
  }

  /** Returns the outcome to keep for the id of a trace of which nothing else is left. */
  outcomeOf(trace: Trace): StoredOutcome | undefined {
    const given = trace.extras?.given;
    const isLeft = markOf(trace).parked !== undefined || given?.end === undefined;
    const end = isLeft ? undefined : this.#endOf(trace);
    return given === undefined || end === undefined ? undefined : storedOutcome(trace, given.digest, end);
  }

  /** Adds the outcome of an ended trace to its state, if it is kept. */
  withEnd(trace: Trace, state: SavedTrace): SavedTrace {
    const { given } = state;
    const end = given === undefined ? undefined : this.#endOf(trace);
    return given === undefined || end === undefined ? state : { ...state, given: { ...given, end } };
  }

  /** Returns the outcome of an ended trace in stored form, if it is kept. */
  #endOf(trace: Trace): SavedEnd | undefined {
    const end = trace.extras?.given?.end;
    if (end === undefined) return undefined;
    return (markOf(trace).end ??= savedEnd(end, this.#run.options.maxPayloadBytes));
  }

  /** Notes that the partition has an outcome: it is read from there from now on. */
  stored(outcome: StoredOutcome): void {
    this.#run.engine.keptOutcomes.release(outcome, outcome.run);
    this.#expiresAt = Math.min(this.#expiresAt ?? Infinity, outcome.expiresAt);
  }

  /** Keeps the outcome of an ended trace of an earlier run whose checkpoint remains. */
  restore(trace: Trace, entry: Checkpoint): void {
    const given = trace.extras?.given;
    // a trace whose deadline had passed has ended just now, and its outcome is known
    if (given === undefined || given.end !== undefined) return;
    const { engine, options } = this.#run;
    const { given: saved, error, headers, deadlineAt, isOpenEnded = false, log } = readState(entry);
    const { keepMs, digest } = given;
    const end = saved?.end ?? {
      // it failed when it was restored
      status: "failed",
      error: error ?? keptError(undefined, options.maxPayloadBytes),
      expiresAt: engine.clock.epochNow() + keepMs,
      durationMs: 0,
      droppedResults: 0,
      spent: {},
      ...(log === undefined ? {} : { log }),
    };
    const { run, tenant, traceId } = entry;
    const { expiresAt } = end;
    markOf(trace).end = end;
    const kept = { expiresAt, outcome: endFrom(entry, headers, deadlineAt, end, this.#run) };
    given.end = kept;
    engine.keptOutcomes.keep({ run, tenant, traceId, digest, isOpenEnded, trace, ...kept });
  }

  /** Refuses the id of a trace that stays for a later run, and may still be finished by it. */
  refuse(entry: Checkpoint, error: FlowError): void {
    const { run, tenant, traceId } = entry;
    let digest: string | undefined;
    let isOpenEnded = false;
    try {
      const { given, ...state } = readState(entry);
      if (given === undefined) return;
      digest = given.digest;
      isOpenEnded = state.isOpenEnded === true;
    } catch {
      // the id may be a given one: taking it for free could run its message twice
    }
    const base = { traceId, tenant, messages: [], results: [], droppedResults: 0, durationMs: 0, spent: {} };
    const outcome = Object.freeze({ status: "failed" as const, ...base, error });
    this.#run.engine.keptOutcomes.keep({ run, tenant, traceId, digest, isOpenEnded, outcome, expiresAt: Infinity });
  }

  /** Reads the stored outcomes of these ids, including expired ones. */
  async read(keys: readonly TraceKey[]): Promise<readonly (KeptOutcome | UnreadableOutcome)[]> {
    const stored = await this.#find(keys);
    return stored.map((outcome) => {
      try {
        return keptFrom(outcome, this.#run);
      } catch (error) {
        const { tenant, traceId, run, expiresAt } = outcome;
        return { tenant, traceId, run, expiresAt, error };
      }
    });
  }

  async #find(keys: readonly TraceKey[]): Promise<readonly StoredOutcome[]> {
    const { engine, lease, writer } = this.#run;
    if (writer.failure !== undefined) throw writer.failure;
    try {
      const read = engine.options.homeScope.runInAsyncScope(() => lease.partition.outcomes(keys), undefined);
      return await writer.whileOpen(read);
    } catch (error) {
      if (writer.isSealed) throw error;
      // to take the outcome for missing would run the message twice
      throw writer.lose(error);
    }
  }

  /** Removes the stored outcomes of an id. Resolves with the number of those that were not expired. */
  async discard(key: TraceKey): Promise<number> {
    const { engine, writer } = this.#run;
    const stored = await this.#find([key]);
    writer.pending.forget(stored.map(({ run }) => run));
    if (stored.length > 0) await writer.stored();
    const now = engine.clock.epochNow();
    return stored.filter(({ expiresAt }) => expiresAt > now).length;
  }

  /** Removes the outcomes that have expired, in batches. */
  forgetExpired(): Promise<void> {
    this.#forgetting ??= this.#forgetDue().finally(() => (this.#forgetting = undefined));
    return this.#forgetting;
  }

  async #forgetDue(): Promise<void> {
    const { engine, lease, writer } = this.#run;
    const isDue = (at: number | undefined): boolean => at !== undefined && at <= engine.clock.epochNow();
    while (isDue(this.#expiresAt) && !writer.isSealed) {
      const page = await lease.partition.expiring(OUTCOMES_PER_BATCH);
      const due = page.filter(({ expiresAt }) => isDue(expiresAt));
      this.#expiresAt = page[due.length]?.expiresAt ?? (page.length < OUTCOMES_PER_BATCH ? undefined : this.#expiresAt);
      if (due.length === 0) return;
      writer.pending.forget(due.map(({ run }) => run));
      const isStored = await writer.stored().then(
        () => true,
        () => false,
      );
      if (!isStored) return;
    }
  }
}
