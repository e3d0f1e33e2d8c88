import { describeThrown, errorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type {
  Checkpoint,
  CheckpointBatch,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
} from "../../ports/checkpoint-store.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { type Attempt, outermostTrace } from "../../engine/state/attempt.ts";
import type { Trace } from "../../engine/state/trace.ts";
import type { ResolvedDurableOptions } from "../durable-options.ts";
import { markOf } from "./mark.ts";
import { hasCode } from "./lease-errors.ts";
import type { PartitionLease } from "./partition-lease.ts";
import { Unanswered } from "./patient-partition.ts";
import { PendingChanges } from "./pending-changes.ts";
import type { Positions } from "./positions.ts";
import { StoredWaiters, type Told, toldBy } from "./stored-waiters.ts";

/** Parts of a trace that a batch stores: none, if nothing is left of it. */
export interface StoredParts {
  readonly entry: Checkpoint | undefined;
  readonly outcome: StoredOutcome | undefined;
}

/** Parts of a durable run that {@link BatchWriter} calls. */
export interface BatchWriterHost {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly ready: Promise<unknown>;
  readonly lease: PartitionLease;
  readonly positions: Positions;
  readonly checkpoints: {
    /** Returns what to store of a trace now. Throws if it can no longer be serialised. */
    partsOf(trace: Trace): StoredParts;
    /** Fails a trace that can no longer be serialised. */
    fail(trace: Trace, cause: unknown): void;
  };
  readonly outcomes: {
    /** Called for each outcome that is stored. */
    stored(outcome: StoredOutcome): void;
  };
}

/** Maximum group-commit delay while messages move between nodes, in milliseconds. */
const LONGEST_GATHERING_MS = 10;

/**
 * Writes the changes of a flow to its checkpoint store, one batch at a time: while one is stored, the next accumulates.
 * A batch contains the traces as of one moment between two steps of the engine; later changes are not in it. Callers
 * that may see an effect only once it is stored wait in {@link StoredWaiters}.
 *
 * States: opening → ready → sealed, or lost at any time.
 */
export class BatchWriter {
  isReady = false;
  /** Whether the last changes are being stored. */
  isClosing = false;
  readonly pending: PendingChanges = new PendingChanges();
  readonly #run: BatchWriterHost;
  readonly #waiters = new StoredWaiters();
  /** Callbacks that give pending reads up. */
  readonly #reads = new Set<() => void>();
  #sequence = 0;
  /** Total number of completed messages. */
  #steps = 0;
  #isDue = false;
  /** The clock's `now()` by which pending changes are written. */
  #writeBy = 0;
  #writing: Promise<void> | undefined;
  /** Whether a batch was not answered in time. */
  #isGivenUp = false;
  #isSealed = false;
  #lost: Error | undefined;
  /** Listeners for the loss of the checkpoint store. */
  readonly #onLost: ((failure: Error) => void)[] = [];

  constructor(run: BatchWriterHost) {
    this.#run = run;
  }

  /** Whether later changes are not stored. */
  get isSealed(): boolean {
    return this.#isSealed;
  }

  /** Error that prevents all further storing. */
  get failure(): Error | undefined {
    return this.#lost;
  }

  /** Whether the checkpoint store has not answered a batch, yet or in time. */
  get isUnanswered(): boolean {
    return this.#writing !== undefined || this.#isGivenUp;
  }

  /** Marks a trace as changed since it was last stored. A playbook's is part of the outermost one. */
  changed(trace: Trace): void {
    if (!this.#isSealed && this.pending.change(outermostTrace(trace))) this.writeSoon();
  }

  /** Marks a message as done at its node. */
  done({ trace, worker }: Attempt): void {
    // counts are of the flow's own nodes
    if (trace.origin === null) this.pending.done(worker);
    this.#steps += 1;
    this.changed(trace);
  }

  /** Calls `told` once every change so far is stored, or with the error that prevents it. */
  afterStored(told: Told): void {
    if (this.#lost !== undefined) told(this.#lost);
    else if (this.#isSealed) told(this.#stopped());
    else {
      this.#waiters.add(told);
      this.writeSoon();
    }
  }

  /** Resolves once every change so far is stored. */
  stored(): Promise<void> {
    return toldBy((told) => this.afterStored(told));
  }

  /** Resolves once a trace is stored with its changes so far, or has ended. */
  storedTrace(trace: Trace): Promise<void> {
    return toldBy((told) => {
      if (markOf(trace).isStored || this.#isSealed || this.#lost !== undefined) this.afterStored(told);
      else this.#waiters.addFor(trace, told);
    });
  }

  /** Settles as a read does, or rejects when the run ends first: a checkpoint store may never answer. */
  whileOpen<Value>(reading: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(this.#lost ?? this.#stopped("the checkpoint store answered"));
      if (this.#isSealed) giveUp();
      else this.#reads.add(giveUp);
      void reading.then(resolve, reject).finally(() => this.#reads.delete(giveUp));
    });
  }

  /**
   * Settles as {@link BatchWriter.whileOpen} does.
   *
   * @param what - the purpose of the read, for its error
   * @param of - the trace that it is about, if it is one
   * @throws FlowError `CHECKPOINT_FAILED` when the checkpoint store fails: the flow goes on, and the read may be repeated
   */
  async readWhileOpen<Value>(
    reading: Promise<Value>,
    what: string,
    of: { readonly [Name in keyof TraceKey]?: string | undefined } = {},
  ): Promise<Value> {
    try {
      return await this.whileOpen(reading);
    } catch (cause) {
      if (cause instanceof FlowError) throw cause;
      throw new FlowError({
        code: FlowErrorCode.CHECKPOINT_FAILED,
        message: `Cannot ${what}: the checkpoint store failed: ${describeThrown(cause)}; try again`,
        traceId: of.traceId,
        tenant: of.tenant,
        retryable: true,
        cause,
      });
    }
  }

  /** Begins behind the last batch of a partition. */
  continueAfter({ sequence }: CheckpointPartition): void {
    this.#sequence = sequence;
  }

  /** Writes from now on. */
  begin(): void {
    this.isReady = true;
    this.writeSoon();
  }

  writeSoon(): void {
    if (this.#isDue || this.#writing !== undefined || !this.isReady || this.#isSealed || this.#lost !== undefined)
      return;
    this.#isDue = true;
    this.#writeBy = this.#run.engine.clock.now() + LONGEST_GATHERING_MS;
    this.#lookNextTurn();
  }

  /**
   * Schedules a write for when messages have come to rest or have moved for long enough: a moving message is worth no
   * write of its own.
   */
  #lookNextTurn(): void {
    const seen = this.#steps;
    const { scheduler, clock } = this.#run.engine;
    scheduler.nextTurn(() => {
      if (this.#writing !== undefined || this.#isSealed || this.#lost !== undefined) this.#isDue = false;
      else if (this.#steps !== seen && clock.now() < this.#writeBy) this.#lookNextTurn();
      else {
        this.#isDue = false;
        this.#write().catch((error: unknown) => void this.lose(error));
      }
    });
  }

  /** Stores all changes so far. */
  async #write(): Promise<void> {
    this.#waiters.begin();
    const batch = this.#batchNow();
    if (batch === undefined) {
      this.#waiters.release();
      return;
    }
    this.#writing = this.#append(batch);
    await this.#writing;
  }

  /** Returns the changes so far as a batch, if there are any. */
  #batchNow(): CheckpointBatch | undefined {
    const { engine, positions, checkpoints } = this.#run;
    const { put, remove, forget } = this.pending.take();
    const logs: LogRow[] = [];
    const keep: StoredOutcome[] = [];
    const spoiled: { readonly trace: Trace; readonly error: unknown }[] = [];
    for (const trace of this.pending.takeTraces()) {
      this.pending.storing(trace);
      let parts: StoredParts;
      try {
        parts = checkpoints.partsOf(trace);
      } catch (error) {
        spoiled.push({ trace, error });
        continue;
      }
      const { entry, outcome } = parts;
      if (outcome !== undefined) keep.push(outcome);
      if (entry !== undefined || !trace.isOpen) this.#waiters.join(trace);
      const mark = markOf(trace);
      const { run } = trace;
      // an ended trace may leave its outcome alone, whose log it is
      if (entry !== undefined || outcome !== undefined)
        for (const { at, text } of trace.lasting?.log?.takeUnstored() ?? []) logs.push({ run, at, items: text });
      if (entry !== undefined) put.push(entry);
      else if (mark.isStored) remove.push(run);
      mark.isStored = entry !== undefined;
    }
    for (const { trace, error } of spoiled) checkpoints.fail(trace, error);
    const counts = this.pending.takeCounts(engine.workshop.workers);
    const consumed = positions.changes();
    if (put.length + remove.length + keep.length + forget.length + counts.size + consumed.size === 0) return undefined;
    return {
      put,
      ...(logs.length === 0 ? {} : { logs }),
      remove,
      ...(keep.length + forget.length === 0 ? {} : { keep, forget }),
      counts,
      ...(consumed.size === 0 ? {} : { consumed }),
    };
  }

  async #append(batch: CheckpointBatch): Promise<void> {
    const { engine, lease, outcomes, positions } = this.#run;
    try {
      const append = (): Promise<number> => lease.partition.append(batch, this.#sequence);
      const askedAt = engine.clock.now();
      this.#sequence = await engine.options.homeScope.runInAsyncScope(append, undefined);
      lease.confirm(askedAt);
      for (const outcome of batch.keep ?? []) outcomes.stored(outcome);
      this.#waiters.release();
    } catch (error) {
      this.#isGivenUp = error instanceof Unanswered;
      this.lose(error);
    } finally {
      this.#writing = undefined;
      if (this.pending.isDue || this.#waiters.isAwaited || positions.hasMoved) this.writeSoon();
    }
  }

  /** Calls `tell` when the checkpoint store is abandoned. */
  onLost(tell: (failure: Error) => void): void {
    this.#onLost.push(tell);
  }

  /** Abandons the checkpoint store: changes that are not stored are lost, as in a crash. */
  lose(cause: unknown): Error {
    if (this.#lost !== undefined) return this.#lost;
    const { engine, lease } = this.#run;
    const isOwn = hasCode(cause, FlowErrorCode.PARTITION_FENCED) || hasCode(cause, FlowErrorCode.PARTITION_LEASED);
    const { name, logger, waitsForLease } = engine.options;
    const lost = isOwn
      ? cause
      : new FlowError({
          code: FlowErrorCode.CHECKPOINT_FAILED,
          message: `Cannot continue flow "${name}": its checkpoint store failed: ${describeThrown(cause)}; run it again to resume from the stored state`,
          retryable: true,
          cause,
        });
    this.#lost = lost;
    // the caller of a run that does not wait decides what a leased partition means
    const isExpected = !lease.isHeld && !waitsForLease && hasCode(cause, FlowErrorCode.PARTITION_LEASED);
    if (!isExpected) logger.error("checkpoints_lost", { flow: name, error: errorPayload(cause) });
    this.#waiters.fail(lost);
    for (const tell of this.#onLost.splice(0)) tell(lost);
    engine.onCheckpointsLost?.();
    return lost;
  }

  /** Stores the current state. Later changes are not stored, and waits for them reject. */
  async seal(): Promise<void> {
    const { engine, options } = this.#run;
    const { leaseMs } = options;
    let patience: Timer | undefined;
    if (this.#lost === undefined) {
      const givenUp = new Promise<void>((resolve) => {
        this.onLost(() => resolve());
        patience = engine.timers.after(leaseMs, () => {
          this.lose(new Error(`it has not answered for ${leaseMs} ms`));
        });
      });
      await Promise.race([this.#writeRest(), givenUp]);
      patience?.cancel();
    }
    this.#isSealed = true;
    this.#waiters.fail(this.#lost ?? this.#stopped());
    for (const giveUp of this.#reads) giveUp();
  }

  /** Stores the last changes. */
  async #writeRest(): Promise<void> {
    await this.#run.ready.catch(() => {});
    // values delivered from now on would be delivered again by the next run
    this.isClosing = true;
    while (this.#writing !== undefined) await this.#writing;
    // notifies waiters first, then stores the consequences
    if (this.#lost === undefined) await this.#write();
    const written = this.#lost === undefined ? this.#write() : undefined;
    this.#isSealed = true;
    await written;
  }

  #stopped(before = "the change was stored"): FlowError {
    return new FlowError({
      code: FlowErrorCode.FLOW_STOPPED,
      message: `Flow "${this.#run.engine.options.name}" was stopped before ${before}; its traces resume when it runs again`,
      retryable: true,
    });
  }
}
