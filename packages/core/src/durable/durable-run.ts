import { fnv1a } from "../foundation/fnv.ts";
import type { CheckValue } from "../engine/policies/validation.ts";
import { describeThrown, type ErrorPayload, errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import type { Timer } from "../foundation/timer-wheel.ts";
import { Message } from "../message/message.ts";
import type { PauseTicket } from "../message/outcome.ts";
import type {
  Checkpoint,
  CheckpointFilter,
  CheckpointPartition,
  LogRow,
  StoredOutcome,
} from "../ports/checkpoint-store.ts";
import type { TraceKey } from "../ports/state-store.ts";
import { Lasting, type Origin, type Pause, type Trace, type TraceSink } from "../engine/state/trace.ts";
import { Attempt, AttemptExtras, outermost, outermostTrace, pathOf, State } from "../engine/state/attempt.ts";
import type { LogItems } from "../engine/state/trace-log.ts";
import type { TraceTurn } from "../engine/state/trace-turn.ts";
import { OutboxSink } from "../engine/results/outcome-delivery.ts";
import type {
  ChangedTrace,
  DurableRun,
  Position,
  Recovery,
  UnfinishedTrace,
  UnloadedFilter,
} from "../engine/durability.ts";
import type { DurableHost } from "../engine/durable-host.ts";
import type { KeptOutcome } from "../engine/results/kept-outcomes.ts";
import { fromPlain, toPlain, unfitness } from "./codec.ts";
import type { ResolvedDurableOptions } from "./durable.ts";
import { keptError } from "./kept-error.ts";
import { Recovering } from "./recovering.ts";
import { Positions } from "./positions.ts";
import { readState } from "./read-state.ts";
import { openPausesOf, type RestoredCall, restoreTrace } from "./restore.ts";
import { dueAtOf, type RestingHost, RestingTraces } from "./resting-traces.ts";
import { messageOf } from "./saved-message.ts";
import { endFrom, keptFrom, type SavedEnd, savedEnd, storedOutcome } from "./saved-outcome.ts";
import type { EndedTrace, SavedCall, SavedTrace } from "./saved-trace.ts";
import { StoredGate } from "./stored-gate.ts";
import { STATE_VERSION } from "./stored-version.ts";
import { thisProcess } from "./this-process.ts";
import { savedItem, stateOf, stateSince } from "./trace-state.ts";

/** A failed trace that waits for a retry; in memory, unless an earlier process has left it. */
interface Failed {
  readonly entry: Checkpoint;
  readonly trace: Trace | undefined;
}

/** The storage state of a trace. */
class Mark {
  /** Whether the trace is in the list of changed traces. */
  hasChanged = false;
  /** Whether the checkpoint store has an entry of the trace. */
  isStored = false;
  /** Instant until which the trace rests, as stored. */
  dueAt: number | undefined;
  /** Whether the trace can no longer be serialised. */
  isSpoiled = false;
  /** Saved state of a failed trace, while it is kept. */
  failed: SavedTrace | undefined;
  /** Saved outcome of a trace with a given id that has ended. */
  end: SavedEnd | undefined;
  /** Saved state of a trace that is left to a later run. */
  parked: SavedTrace | undefined;
  /** Whether it was decided if its log is kept, after the end of the trace. */
  hasEnded = false;
}

/** Maximum number of expired outcomes that one batch removes. */
const OUTCOMES_PER_BATCH = 1_000;

const FOR_LATER = "; the checkpoint store keeps it for a later run";

type Told = (failure: Error | undefined) => void;

/**
 * Run numbers reserved per opening. They grow with the fencing token, so that none is reused even when a process ends
 * before it has stored one.
 */
const RUNS_PER_OPENING = 2 ** 32;

/**
 * Interval for checking whether another process renews its lease, in milliseconds; then the tolerance for its expiry.
 */
const LEASE_LOOK_MS = 250;
const LEASE_TOLERANCE_MS = 50;

/** Maximum group-commit delay while messages move between nodes, in milliseconds. */
const LONGEST_GATHERING_MS = 10;

/**
 * Writes the changes of a flow to its checkpoint store, one batch at a time: while one is stored, the next accumulates.
 * A batch contains the traces as of one moment between two steps of the engine; later changes are not in it. Callers
 * that may see an effect only once it is stored wait in `#waiting`.
 *
 * States: opening → ready → sealed, or lost at any time.
 */
export class CheckpointedRun implements DurableRun {
  isReady = false;
  isClosing = false;
  readonly ready: Promise<Recovery>;
  readonly gate: StoredGate = new StoredGate(this);
  readonly #engine: DurableHost;
  readonly #options: ResolvedDurableOptions;
  readonly #recovering: Recovering;
  readonly #resting: RestingTraces;
  #partition: CheckpointPartition | undefined;
  #sequence = 0;
  #changed: Trace[] = [];
  #waiting: Told[] = [];
  /** Waiters for the batch that is being stored. */
  #waitingNow: Told[] = [];
  /** Waiters for traces of which nothing is stored yet. */
  readonly #unstored = new Map<Trace, Told[]>();
  /** Messages completed since the last batch, by node index. */
  #done: number[] = [];
  /** Total number of completed messages. */
  #steps = 0;
  #isDue = false;
  /** The clock's `now()` by which pending changes are written. */
  #writeBy = 0;
  #writing: Promise<void> | undefined;
  #isSealed = false;
  #lost: Error | undefined;
  /** Listeners for the loss of the checkpoint store. */
  readonly #onLost: ((failure: Error) => void)[] = [];
  /** The clock's `now()` at which the lease ends. */
  #leaseEndsAt = Number.NEGATIVE_INFINITY;
  #renewal: Timer | undefined;
  #renewing: Promise<void> | undefined;
  /** Renewal of a lease that is overdue, for which handlers wait. */
  #overdue: { readonly renewed: Promise<void>; readonly release: () => void; retry: Timer | undefined } | undefined;
  /** Entries of failed traces that wait for a retry, oldest first. */
  readonly #failed = new Map<number, Failed>();
  /** Ended traces whose logs are kept, oldest first. */
  readonly #ended = new Map<number, Checkpoint>();
  /** Ended traces with a log that are kept for their unread results. */
  readonly #unread = new Map<number, Checkpoint>();
  /** Entries and runs to store and remove although their traces are not in flight. */
  #put: Checkpoint[] = [];
  #removed: number[] = [];
  /** Runs of outcomes that are kept no longer. */
  #forgotten: number[] = [];
  /** Epoch milliseconds at which the next kept outcome expires, if any is stored. */
  #expiresAt: number | undefined;
  #found: Recovery = { resumed: 0, failed: 0, changed: [] };
  /** Traces that were found changed later, oldest first. */
  readonly #changedSince: ChangedTrace[] = [];
  readonly #positions = new Positions();

  constructor(engine: DurableHost, options: ResolvedDurableOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#recovering = new Recovering(engine, options);
    this.#resting = new RestingTraces(engine, this.#restingHost(), options.unloadAfterMs);
    this.ready = new Promise((resolve, reject) => {
      this.#onLost.push(reject);
      // entries left by an earlier process have no caller whose context could apply
      const opened = engine.options.homeScope.runInAsyncScope(() => this.#open(), undefined);
      opened.then(resolve, (error: unknown) => void this.#lose(error));
    });
    this.ready.catch(() => {});
  }

  changed(trace: Trace): void {
    const outer = outermostTrace(trace);
    const mark = markOf(outer);
    if (mark.hasChanged || this.#isSealed) return;
    mark.hasChanged = true;
    this.#changed.push(outer);
    this.#writeSoon();
  }

  done(attempt: Attempt): void {
    const { index } = attempt.worker;
    // counts are of the flow's own nodes
    if (attempt.trace.origin === null) this.#done[index] = (this.#done[index] ?? 0) + 1;
    this.#steps += 1;
    this.changed(attempt.trace);
  }

  failing(trace: Trace, error: FlowError, attempt: Attempt | undefined): void {
    if (this.#isSealed || trace.origin !== null) return;
    let state: SavedTrace | undefined;
    try {
      state = stateOf(this.#engine, trace, attempt);
    } catch {
      // ignored: the run fails for the same reason
    }
    if (state === undefined) return;
    const failed = { ...state, error: this.kept(error) };
    markOf(trace).failed = failed;
    this.#keepFailed(this.#entryOf(trace, failed, "failed"), trace);
  }

  notAsked(engine: object, attempt: Attempt, pauses: readonly Pause[]): void {
    this.#settleChanged(engine as DurableHost, attempt, pauses).catch((error: unknown) =>
      this.#failOutermost(attempt, error),
    );
  }

  restoreCall(engine: object, left: object, origin: Origin, sink: TraceSink, isWanted: () => boolean): void {
    this.#restoreCall(engine as DurableHost, left as Required<SavedCall>, { origin, sink }, isWanted).catch(
      (error: unknown) => this.#failOutermost(origin.parent, error),
    );
  }

  async #restoreCall(
    engine: DurableHost,
    { run, trace: state }: Required<SavedCall>,
    call: RestoredCall,
    isWanted: () => boolean,
  ): Promise<void> {
    const { name, parent } = call.origin;
    const { traceId, tenant } = parent;
    const recovering = new Recovering(engine, this.#options, [...pathOf(parent.trace), name]);
    const placed = await recovering.placed({ traceId, tenant }, state);
    // its caller may have ended in the meantime; during shutdown, the next run restores it
    if (!isWanted() || this.#isSealed) return;
    if ("action" in placed) this.#endChanged(call.origin.parent, placed);
    else restoreTrace(engine, { run, traceId }, state, placed, false, call);
    engine.agenda.flush();
  }

  /** Fails the outermost trace around an attempt with an error of this run. */
  #failOutermost(attempt: Attempt, error: unknown): void {
    const outer = outermost(attempt);
    this.#engine.ending.fail(outer.trace, this.#engine.failing.explain(outer, error), outer);
    this.#engine.agenda.flush();
  }

  /** Calls `onChanged` for a message that was set aside, and applies its decision. */
  async #settleChanged(engine: DurableHost, attempt: Attempt, pauses: readonly Pause[]): Promise<void> {
    const { trace, node, traceId, tenant } = attempt;
    const unasked = pauses.map(({ name, reason, payload, answer }) => ({
      name,
      reason,
      payload,
      answer: answer?.isExpired === true ? undefined : answer,
    }));
    const names = unasked.map(({ name, reason, answer }) => `"${name ?? reason}"${answer ? " (answered)" : ""}`);
    const problem = `node "${node}" returned without asking for ${names.join(", ")}, which an earlier run asked for`;
    const recovering = new Recovering(engine, this.#options, pathOf(trace));
    const found = await recovering.settled({ traceId, tenant }, savedItem(attempt, "backoff"), problem, unasked);
    // the trace may have ended in the meantime; during shutdown, the next run calls the handler again
    if (!trace.isOpen || attempt.state !== State.PARKED || this.#isSealed) return;
    if (!("action" in found)) {
      const { worker, item } = found;
      engine.pausing.drop(attempt, pauses);
      const message = messageOf(trace, trace.headers, item, trace.deadlineAt);
      const moved = new Attempt(worker, trace, message, null, attempt.high, attempt.low, 1);
      moved.round = attempt.round;
      moved.extras = new AttemptExtras();
      moved.skip(item.sent ?? 0, item.sentTo);
      if (worker === attempt.worker && attempt.extras?.refetch !== undefined)
        moved.more.refetch = attempt.extras.refetch;
      engine.failing.replace(attempt, moved);
      return;
    }
    this.#endChanged(attempt, found);
  }

  /** Ends the outermost trace around a message that no longer fits. */
  #endChanged(changed: Attempt, found: ChangedTrace): void {
    const engine = this.#engine;
    const attempt = outermost(changed);
    const { trace, traceId, tenant } = attempt;
    this.#noteChanged(found);
    const fate = found.action === "failed" ? "" : FOR_LATER;
    const error = this.#cannotFinish({ traceId, tenant }, `${found.problem}${fate}`, found.node);
    if (found.action === "failed") engine.ending.fail(trace, error, attempt);
    else this.#park(trace, error);
    engine.agenda.flush();
  }

  #cannotFinish({ traceId, tenant }: TraceKey, problem: string, node?: string): FlowError {
    const message = `Cannot finish trace "${traceId}": ${problem}`;
    return new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message, traceId, tenant, node });
  }

  /** Ends a trace in this run and keeps its stored state for a later one. */
  #park(trace: Trace, error: FlowError): void {
    const state = stateOf(this.#engine, trace) as SavedTrace;
    if (trace.sink instanceof OutboxSink) trace.sink.isParked = true;
    markOf(trace).parked = state;
    const entry = this.#entryOf(trace, state, "open");
    this.#recovering.parked.set(trace.run, entry);
    this.#engine.ending.leave(trace, error);
    this.#keepParked(entry, error);
  }

  afterStored(told: Told): void {
    if (this.#lost !== undefined) told(this.#lost);
    else if (this.#isSealed) told(this.#stopped());
    else {
      this.#waiting.push(told);
      this.#writeSoon();
    }
  }

  stored(): Promise<void> {
    return toldBy((told) => this.afterStored(told));
  }

  storedTrace(trace: Trace): Promise<void> {
    return toldBy((told) => {
      if (markOf(trace).isStored || this.#isSealed || this.#lost !== undefined) this.afterStored(told);
      else this.#unstored.set(trace, [...(this.#unstored.get(trace) ?? []), told]);
    });
  }

  checked(node: string, check: CheckValue | undefined): CheckValue {
    const fit = (value: unknown): unknown => {
      if (value instanceof Message) this.#requireFitParts(value, node);
      else this.requireFit(value, "payload", node);
      return value;
    };
    if (check === undefined) return fit;
    return (value) => {
      const checked = check(value);
      return checked instanceof Promise ? checked.then(fit) : fit(checked);
    };
  }

  requireFit(value: unknown, what: string, node?: string): void {
    const unfit = unfitness(value, what, this.#options.maxPayloadBytes);
    if (unfit === undefined) return;
    const { code, path, problem } = unfit;
    const where = node === undefined ? "" : ` at node "${node}"`;
    const hint =
      code === "PAYLOAD_TOO_LARGE" ? "; keep it elsewhere and send a reference, or raise maxPayloadBytes" : "";
    throw new FlowError({
      code,
      message: `Cannot store the value sent${where}: ${path} is ${problem}${hint}`,
      node,
      details: { path },
    });
  }

  textOf(items: readonly unknown[]): string {
    return JSON.stringify(toPlain(items));
  }

  async storedLog(run: number): Promise<readonly LogItems[]> {
    const rows = await (this.#partition as CheckpointPartition).readLog(run);
    return rows.map(({ at, items }) => ({ at, items: fromPlain(JSON.parse(items)) as unknown[] }));
  }

  async logOf(traceId: string, tenant: string): Promise<readonly unknown[] | undefined> {
    const failed = [...this.#failed.values()].map(({ entry }) => entry);
    const entries = [...this.#ended.values(), ...this.#unread.values(), ...failed, ...this.#recovering.parked.values()];
    const runs = entries.filter((entry) => entry.traceId === traceId && entry.tenant === tenant).map(({ run }) => run);
    if (runs.length === 0) return undefined;
    await this.stored();
    return (await this.storedLog(Math.max(...runs))).flatMap(({ items }) => items);
  }

  requireFitMessage(message: Message): void {
    this.#requireFitParts(message, undefined);
  }

  kept(error: unknown): ErrorPayload {
    return keptError(error, this.#options.maxPayloadBytes);
  }

  async unfinished(): Promise<UnfinishedTrace[]> {
    return await this.#resting.list(
      {},
      (entry) => [listingOf(entry)],
      () => this.#unfinishedInMemory(),
    );
  }

  #unfinishedInMemory(): UnfinishedTrace[] {
    const running = this.#engine.traces.all().filter(({ isOpen }) => isOpen);
    const listed = [...running].flatMap((trace) => {
      const state = stateOf(this.#engine, trace);
      if (state === undefined) return [];
      return [listing(trace.id, trace.tenant, trace.lasting?.rest === "quiet" ? "paused" : "running", state)];
    });
    const waiting = [...this.#failed.values()].map(({ entry }) => listingOf(entry, "failed"));
    const parked = [...this.#recovering.parked.values()].map((entry) => listingOf(entry, "parked"));
    return [...listed, ...waiting, ...parked];
  }

  get unloaded(): number {
    return this.#resting.unloaded;
  }

  async load(which: UnloadedFilter): Promise<void> {
    await this.#resting.load(which);
  }

  async openPauses(
    tenant: string,
    traceId: string | undefined,
  ): Promise<(PauseTicket & { readonly traceId: string })[]> {
    return await this.#resting.list(
      { tenant, traceId },
      (entry) => openPausesOf(readState(entry)).map((ticket) => ({ ...ticket, traceId: entry.traceId })),
      () => this.#engine.pausing.tickets(tenant, traceId),
    );
  }

  rests(trace: Trace): void {
    this.#resting.rests(trace);
  }

  wakes(trace: Trace): void {
    this.#resting.wakes(trace);
  }

  #restingHost(): RestingHost {
    return {
      partition: () => this.#partition as CheckpointPartition,
      afterStored: (told) => this.afterStored(told),
      stored: () => this.stored(),
      isStored: (trace) => {
        const mark = markOf(trace);
        if (mark.hasChanged) return false;
        if (mark.isStored && mark.dueAt === dueAtOf(trace)) return true;
        this.changed(trace);
        return false;
      },
      forget: (trace) => {
        // as if it were in the list for good: whatever still refers to it must not change its checkpoint
        markOf(trace).hasChanged = true;
      },
      restore: (entry) => this.#load(entry),
    };
  }

  /** Restores a trace that is loaded, or sets it aside because it no longer fits the flow. */
  async #load(entry: Checkpoint): Promise<void> {
    const found = await this.#recovering.restore(entry, "load");
    if ("run" in found) {
      const mark = markOf(found);
      mark.isStored = true;
      mark.dueAt = entry.dueAt;
      if (!found.isOpen) this.changed(found);
      return;
    }
    this.#engine.accepted -= 1;
    this.#noteChanged(found);
    if (found.action === "failed") {
      this.#setAside(entry, found);
    } else if (this.#recovering.parked.has(entry.run)) {
      // without an instant it is read at the start of a later run
      const { dueAt: _, ...parked } = entry;
      this.#recovering.parked.set(entry.run, parked);
      this.#put.push(parked);
    }
    this.#writeSoon();
  }

  /** Keeps a trace that no longer fits the flow as a failed one. */
  #setAside(entry: Checkpoint, { problem }: ChangedTrace): void {
    const failed = this.#recovering.failed(entry, problem);
    this.#put.push(failed);
    this.#keepLeft(failed);
  }

  #noteChanged(found: ChangedTrace): void {
    this.#engine.options.logger.warn("trace_changed", { flow: this.#engine.options.name, ...found });
    this.#changedSince.push(found);
    if (this.#changedSince.length > this.#options.maxFailed) this.#changedSince.shift();
  }

  async keptOutcomes(keys: readonly TraceKey[]): Promise<readonly KeptOutcome[]> {
    if (this.#lost !== undefined) throw this.#lost;
    let stored: readonly StoredOutcome[];
    try {
      const partition = this.#partition as CheckpointPartition;
      stored = await this.#engine.options.homeScope.runInAsyncScope(() => partition.outcomes(keys), undefined);
    } catch (error) {
      // to take the outcome for missing would run the message twice
      throw this.#lose(error);
    }
    return stored.map(keptFrom);
  }

  async retryFailed(traceId: string, tenant: string): Promise<boolean> {
    let changed: ChangedTrace | undefined;
    let count = 0;
    for (const run of this.#failedRuns(traceId, tenant)) {
      const turn = await this.#turnOf(run, tenant);
      try {
        const before = this.#failed.get(run)?.trace?.lasting;
        const [entry] = this.#takeFailed([run]);
        // it was retried or discarded meanwhile
        if (entry === undefined) continue;
        count += 1;
        const found = await this.#recovering.restore(entry, "retry");
        if ("run" in found) {
          // the log of this run may have items that are not stored yet
          if (before?.log !== undefined) (found.lasting ??= new Lasting()).log = before.log;
          // not before: until then nothing else says that the id is taken
          this.#engine.keptOutcomes.release(entry, run);
          markOf(found).isStored = true;
          this.changed(found);
          this.#engine.agenda.flush();
        } else {
          this.#failed.set(run, { entry, trace: undefined });
          changed ??= found;
        }
      } finally {
        if (turn !== undefined) this.#engine.admission.release(turn);
      }
    }
    if (count > 0) await this.stored();
    if (changed === undefined) return count > 0;
    const message = `Cannot retry trace "${traceId}": ${changed.problem}`;
    throw new FlowError({ code: FlowErrorCode.GRAPH_CHANGED, message, traceId, tenant, node: changed.node });
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
    return exclusive === undefined ? undefined : await this.#engine.admission.turnOf(tenant, exclusive);
  }

  async discard(traceId: string, tenant: string): Promise<number> {
    const { keptOutcomes, clock } = this.#engine;
    const failed = this.#failedRuns(traceId, tenant);
    for (const run of failed) {
      const trace = this.#failed.get(run)?.trace;
      if (trace !== undefined) {
        trace.more.given = undefined;
        this.#engine.rookery.withdraw(trace);
      }
      this.#dropFailed(run);
    }
    const parked = this.#recovering.takeParked(traceId, tenant);
    this.#removed.push(...parked.map(({ run }) => run));
    const count = failed.length + parked.length;
    const wasKept = keptOutcomes.discard({ tenant, traceId }) && count === 0;
    await this.stored();
    const stored = await this.keptOutcomes([{ tenant, traceId }]);
    this.#forgotten.push(...stored.map(({ run }) => run));
    if (stored.length > 0) await this.stored();
    const now = clock.epochNow();
    return count + (wasKept ? 1 : 0) + stored.filter(({ expiresAt }) => expiresAt > now).length;
  }

  get consumed(): ReadonlyMap<number, number> {
    return this.#positions.recorded;
  }

  expect(position: Position): (() => void) | undefined {
    const take = this.#positions.expect(position);
    return (
      take &&
      (() => {
        take();
        this.#writeSoon();
      })
    );
  }

  holds(traceId: string, tenant: string): boolean {
    const entries = [...[...this.#failed.values()].map(({ entry }) => entry), ...this.#recovering.parked.values()];
    return entries.some((entry) => entry.traceId === traceId && entry.tenant === tenant);
  }

  /** Returns the runs of the failed traces of one id. */
  #failedRuns(traceId: string, tenant: string): number[] {
    return [...this.#failed]
      .filter(([, { entry }]) => entry.traceId === traceId && entry.tenant === tenant)
      .map(([run]) => run);
  }

  /** Removes and returns failed traces. */
  #takeFailed(runs: readonly number[]): readonly Checkpoint[] {
    const found = runs.flatMap((run) => this.#failed.get(run) ?? []);
    return found.map(({ entry, trace }) => {
      this.#failed.delete(entry.run);
      if (trace === undefined) return entry;
      const mark = markOf(trace);
      const now = this.#entryOf(trace, stateSince(this.#engine, trace, mark.failed as SavedTrace), "failed");
      // the entry now belongs to the trace that replaces it, and so do its results
      mark.failed = undefined;
      mark.isStored = false;
      if (trace.lasting !== null) trace.lasting.log = undefined;
      trace.more.given = undefined;
      this.#engine.rookery.withdraw(trace);
      this.#engine.outcomes.withdraw(trace);
      return now;
    });
  }

  get recovery(): Recovery {
    return { ...this.#found, changed: [...this.#found.changed, ...this.#changedSince] };
  }

  get failure(): Error | undefined {
    return this.#lost;
  }

  async seal(): Promise<void> {
    const { leaseMs } = this.#options;
    let patience: Timer | undefined;
    if (this.#lost === undefined) {
      const givenUp = new Promise<void>((resolve) => {
        this.#onLost.push(() => resolve());
        patience = this.#engine.timers.after(leaseMs, () => {
          this.#lose(new Error(`it has not answered for ${leaseMs} ms`));
        });
      });
      await Promise.race([this.#writeRest(), givenUp]);
      patience?.cancel();
    }
    this.#isSealed = true;
    const waiting = [...this.#waiting.splice(0), ...this.#takeUnstored([...this.#unstored.keys()])];
    this.#release(waiting, this.#lost ?? this.#stopped());
  }

  async close(): Promise<void> {
    this.#renewal?.cancel();
    const closing = this.#closed(this.#partition);
    // a checkpoint store that does not answer writes would not answer this either
    if (this.#writing === undefined) await closing;
  }

  /** Stores the last changes. */
  async #writeRest(): Promise<void> {
    await this.ready.catch(() => {});
    // values delivered from now on would be delivered again by the next run
    this.isClosing = true;
    while (this.#writing !== undefined) await this.#writing;
    // notifies waiters first, then stores the consequences
    if (this.#lost === undefined) await this.#write();
    const written = this.#lost === undefined ? this.#write() : undefined;
    this.#isSealed = true;
    await written;
  }

  async #closed(partition: CheckpointPartition | undefined): Promise<void> {
    try {
      await partition?.close();
    } catch (error) {
      this.#engine.options.logger.warn("checkpoints_close_failed", this.#facts(error));
    }
  }

  async #open(): Promise<Recovery> {
    const engine = this.#engine;
    const { leaseMs } = this.#options;
    const partition = await this.#lease();
    if (this.#lost !== undefined) {
      // the run failed while the lease was pending
      await this.#closed(partition);
      throw this.#lost;
    }
    this.#partition = partition;
    this.#sequence = partition.sequence;
    engine.identity.id = partition.id;
    engine.identity.lineageSeed = fnv1a(partition.id);
    engine.identity.traces.next = partition.fencingToken * RUNS_PER_OPENING;
    this.#renewEvery(leaseMs / 3);
    this.#positions.restore(await partition.consumed());
    const changed: ChangedTrace[] = [];
    const resting = this.#resting;
    let resumed = 0;
    if (resting.isOn) {
      resumed += (await this.#restore(partition, { isAtRest: false }, changed)).resumed;
      const now = engine.clock.epochNow();
      const due = await this.#restore(partition, { dueBy: now }, changed);
      const unloaded = (await partition.countAtRest()) - due.read;
      await resting.takeOver(unloaded, now);
      engine.accepted += unloaded;
      resumed += due.resumed + unloaded;
    } else resumed += (await this.#restore(partition, {}, changed)).resumed;
    const [first] = await partition.expiring(1);
    this.#expiresAt = first?.expiresAt;
    this.isReady = true;
    this.#writeSoon();
    this.#found = { resumed, failed: this.#failed.size, changed };
    return this.#found;
  }

  /** Restores the entries that fit the filter at the start. Adds the traces that no longer fit the flow to `changed`. */
  async #restore(
    partition: CheckpointPartition,
    filter: CheckpointFilter,
    changed: ChangedTrace[],
  ): Promise<{ readonly read: number; readonly resumed: number }> {
    const engine = this.#engine;
    let [read, resumed] = [0, 0];
    for await (const page of partition.read(filter)) {
      for (const entry of page) {
        read += 1;
        if (entry.status === "failed") {
          this.#keepLeft(entry);
          continue;
        }
        if (entry.status === "ended") {
          this.#keepEnded(entry);
          continue;
        }
        const found = await this.#recovering.restore(entry, "start");
        if (!("run" in found)) {
          changed.push(found);
          if (found.action === "failed") this.#setAside(entry, found);
          else this.#keepParked(entry, this.#cannotFinish(entry, `${found.problem}${FOR_LATER}`));
          engine.options.logger.warn("trace_changed", { flow: engine.options.name, ...found });
          continue;
        }
        markOf(found).isStored = true;
        // its results are unread, so that its outcome is not stored by itself yet
        if (!found.isOpen) this.#restoreEnd(found, entry);
        // its state when read may differ from its present one
        if (!found.isOpen) this.changed(found);
        resumed += 1;
      }
      engine.agenda.flush();
    }
    return { read, resumed };
  }

  /**
   * Acquires the partition. Waits for the lease of a dead process to expire; rejects when the other one keeps renewing
   * it.
   */
  async #lease(): Promise<CheckpointPartition> {
    const { clock, options, timers } = this.#engine;
    const { checkpoints, partition = options.name, owner, leaseMs } = this.#options;
    let knownEnd: number | undefined;
    for (;;) {
      try {
        const askedAt = clock.now();
        const opened = await checkpoints.open({ partition, owner, leaseMs });
        this.#confirmLease(askedAt);
        return opened;
      } catch (error) {
        if (!hasCode(error, FlowErrorCode.PARTITION_LEASED) || !options.waitsForLease) throw error;
        const endsInMs = Number(error.details?.["endsInMs"]);
        const end = clock.now() + endsInMs;
        const isAlive = knownEnd !== undefined && end > knownEnd + LEASE_TOLERANCE_MS;
        if (isAlive || this.#engine.isStopping || !Number.isFinite(endsInMs)) throw orOwnedHere(error);
        if (knownEnd === undefined) options.logger.warn("lease_awaited", { flow: options.name, ...error.details });
        knownEnd = end;
        await new Promise<void>((resolve) => timers.after(Math.min(endsInMs + 1, LEASE_LOOK_MS), resolve));
      }
    }
  }

  #renewEvery(ms: number): void {
    this.#renewal = this.#engine.timers.after(ms, () => {
      void this.#renew();
      this.#renewEvery(ms);
    });
  }

  /** Removes the outcomes that have expired, in batches. */
  async #forgetExpired(): Promise<void> {
    const { clock } = this.#engine;
    const isDue = (at: number | undefined): boolean => at !== undefined && at <= clock.epochNow();
    while (isDue(this.#expiresAt) && !this.#isSealed) {
      const page = await (this.#partition as CheckpointPartition).expiring(OUTCOMES_PER_BATCH);
      const due = page.filter(({ expiresAt }) => isDue(expiresAt));
      this.#expiresAt = page[due.length]?.expiresAt ?? (page.length < OUTCOMES_PER_BATCH ? undefined : this.#expiresAt);
      if (due.length === 0) return;
      this.#forgotten.push(...due.map(({ run }) => run));
      const isStored = await this.stored().then(
        () => true,
        () => false,
      );
      if (!isStored) return;
    }
  }

  /** Renews the lease, one request at a time. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#requestRenewal().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #requestRenewal(): Promise<void> {
    const { clock, options } = this.#engine;
    const askedAt = clock.now();
    try {
      await this.#partition?.renew();
      this.#confirmLease(askedAt);
      await this.#forgetExpired();
    } catch (error) {
      if (hasCode(error, FlowErrorCode.PARTITION_FENCED)) this.#lose(error);
      // the lease is still valid for a while, or no handler starts
      else options.logger.warn("lease_renewal_failed", this.#facts(error));
    }
  }

  /** Notes that a lease was stored that was requested at `askedAt`, and lets handlers that waited for it start. */
  #confirmLease(askedAt: number): void {
    this.#leaseEndsAt = Math.max(this.#leaseEndsAt, askedAt + this.#options.leaseMs);
    const { clock, options } = this.#engine;
    if (this.#overdue === undefined || clock.now() >= this.#leaseEndsAt) return;
    const { release, retry } = this.#overdue;
    retry?.cancel();
    this.#overdue = undefined;
    options.logger.info("lease_renewed", { flow: options.name, partition: this.#options.partition ?? options.name });
    release();
  }

  get leaseEndsAt(): number {
    return this.#leaseEndsAt;
  }

  renewedLease(): Promise<void> {
    if (this.#overdue === undefined) {
      const { clock, options } = this.#engine;
      const overdueMs = clock.now() - this.#leaseEndsAt;
      const partition = this.#options.partition ?? options.name;
      options.logger.warn("lease_overdue", { flow: options.name, partition, overdueMs });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#overdue = { renewed: promise, release: resolve, retry: undefined };
      void this.#renewOverdue();
    }
    return this.#overdue.renewed;
  }

  /** Renews an overdue lease, again and again until that succeeds or the run ends. */
  async #renewOverdue(): Promise<void> {
    await this.#renew();
    if (this.#overdue === undefined || this.#lost !== undefined || this.#isSealed) return;
    this.#overdue.retry = this.#engine.timers.after(LEASE_LOOK_MS, () => void this.#renewOverdue());
  }

  #writeSoon(): void {
    if (this.#isDue || this.#writing !== undefined || !this.isReady || this.#isSealed || this.#lost !== undefined)
      return;
    this.#isDue = true;
    this.#writeBy = this.#engine.clock.now() + LONGEST_GATHERING_MS;
    this.#lookNextTurn();
  }

  /**
   * Schedules a write for when messages have come to rest or have moved for long enough: a moving message is worth no
   * write of its own.
   */
  #lookNextTurn(): void {
    const seen = this.#steps;
    this.#engine.scheduler.nextTurn(() => {
      if (this.#writing !== undefined || this.#isSealed || this.#lost !== undefined) this.#isDue = false;
      else if (this.#steps !== seen && this.#engine.clock.now() < this.#writeBy) this.#lookNextTurn();
      else {
        this.#isDue = false;
        this.#write().catch((error: unknown) => void this.#lose(error));
      }
    });
  }

  /** Stores all changes so far. */
  async #write(): Promise<void> {
    this.#waitingNow = this.#waiting.splice(0);
    const put = this.#put.splice(0);
    const logs: LogRow[] = [];
    const remove = this.#removed.splice(0);
    const forget = this.#forgotten.splice(0);
    const keep: StoredOutcome[] = [];
    const spoiled: { readonly trace: Trace; readonly error: unknown }[] = [];
    for (const trace of this.#changed.splice(0)) {
      const mark = markOf(trace);
      mark.hasChanged = false;
      let entry: Checkpoint | undefined;
      try {
        entry = this.#entryNow(trace, mark);
        // the entry of an ended trace has its log alone
        const isOver = entry === undefined || entry.status === "ended";
        const outcome = isOver ? this.#outcomeNow(trace, mark) : undefined;
        if (outcome !== undefined) keep.push(outcome);
      } catch (error) {
        spoiled.push({ trace, error });
        continue;
      }
      if (this.#unstored.size > 0 && (entry !== undefined || !trace.isOpen))
        this.#waitingNow.push(...this.#takeUnstored([trace]));
      if (entry !== undefined) {
        put.push(entry);
        const { run } = trace;
        for (const { at, text } of trace.lasting?.log?.takeUnstored() ?? []) logs.push({ run, at, items: text });
      } else if (mark.isStored) remove.push(trace.run);
      mark.isStored = entry !== undefined;
    }
    for (const { trace, error } of spoiled) this.#failSpoiled(trace, error);
    const counts = this.#countsSinceLast();
    const consumed = this.#positions.changes();
    if (put.length + remove.length + keep.length + forget.length + counts.size + consumed.size === 0) {
      this.#release(this.#waitingNow.splice(0), undefined);
      return;
    }
    this.#writing = (async () => {
      try {
        const partition = this.#partition as CheckpointPartition;
        const batch = {
          put,
          ...(logs.length === 0 ? {} : { logs }),
          remove,
          ...(keep.length + forget.length === 0 ? {} : { keep, forget }),
          counts,
          ...(consumed.size === 0 ? {} : { consumed }),
        };
        const append = (): Promise<number> => partition.append(batch, this.#sequence);
        const askedAt = this.#engine.clock.now();
        this.#sequence = await this.#engine.options.homeScope.runInAsyncScope(append, undefined);
        this.#confirmLease(askedAt);
        for (const outcome of keep) this.#outcomeStored(outcome);
        this.#release(this.#waitingNow.splice(0), undefined);
      } catch (error) {
        this.#lose(error);
      } finally {
        this.#writing = undefined;
        const due = this.#changed.length + this.#waiting.length + this.#removed.length + this.#forgotten.length;
        if (due > 0 || this.#positions.hasMoved) this.#writeSoon();
      }
    })();
    await this.#writing;
  }

  /** Fails a trace whose payload was data when it was sent, but has been mutated since. */
  #failSpoiled(trace: Trace, cause: unknown): void {
    const { ending, agenda } = this.#engine;
    this.changed(trace);
    markOf(trace).isSpoiled = true;
    const message = `Cannot store trace "${trace.id}": a payload was modified after it was sent: ${describeThrown(cause)}; send a copy`;
    const { id: traceId, tenant } = trace;
    ending.fail(trace, new FlowError({ code: FlowErrorCode.NOT_SERIALISABLE, message, traceId, tenant, cause }));
    agenda.flush();
  }

  #entryNow(trace: Trace, mark: Mark): Checkpoint | undefined {
    if (mark.failed !== undefined && this.#failed.has(trace.run)) {
      const entry = this.#entryOf(trace, stateSince(this.#engine, trace, mark.failed), "failed");
      this.#failed.set(trace.run, { entry, trace });
      return entry;
    }
    if (mark.parked !== undefined) {
      if (!this.#recovering.parked.has(trace.run)) return undefined;
      const entry = this.#entryOf(trace, stateSince(this.#engine, trace, mark.parked), "open");
      this.#recovering.parked.set(trace.run, entry);
      return entry;
    }
    if (mark.isSpoiled) return undefined;
    const state = stateOf(this.#engine, trace);
    mark.dueAt = state !== undefined && this.#resting.isOn ? dueAtOf(trace) : undefined;
    if (state === undefined) {
      this.#unread.delete(trace.run);
      return this.#endedEntry(trace, mark);
    }
    const entry = this.#entryOf(trace, state, "open");
    if (!trace.isOpen && state.log !== undefined) this.#unread.set(trace.run, entry);
    return mark.dueAt === undefined ? entry : { ...entry, dueAt: mark.dueAt };
  }

  /** Returns the entry to which the log of an ended trace belongs, while the log is kept or still being read. */
  #endedEntry(trace: Trace, mark: Mark): Checkpoint | undefined {
    const log = trace.lasting?.log;
    if (log === undefined || log.length === 0 || mark.failed !== undefined) return undefined;
    const entry = this.#entryOf(trace, { log: log.length }, "ended");
    if (!mark.hasEnded) this.#keepEnded(entry);
    mark.hasEnded = true;
    return this.#ended.has(trace.run) || log.reading !== undefined ? entry : undefined;
  }

  /** Keeps the log of an ended trace, evicting the oldest when there are too many. */
  #keepEnded(entry: Checkpoint): void {
    const { maxKeptLogs } = this.#engine.options.limits;
    if (maxKeptLogs > 0) this.#ended.set(entry.run, entry);
    else if (!this.isReady) this.#removed.push(entry.run);
    if (this.#ended.size <= maxKeptLogs) return;
    const [oldest] = this.#ended.keys();
    this.#ended.delete(oldest as number);
    this.#removed.push(oldest as number);
  }

  #entryOf(trace: Trace, state: SavedTrace | EndedTrace, status: Checkpoint["status"]): Checkpoint {
    const { run, tenant, id } = trace;
    const before = "given" in state ? state.given : undefined;
    const end = before === undefined ? undefined : this.#endOf(trace);
    const given = before && end && { given: { ...before, end } };
    const text = JSON.stringify(given === undefined ? state : { ...state, ...given });
    return { run, tenant, traceId: id, status, version: STATE_VERSION, state: text };
  }

  /** Returns the outcome to keep for the id of a trace of which nothing else is left. */
  #outcomeNow(trace: Trace, mark: Mark): StoredOutcome | undefined {
    const given = trace.extras?.given;
    const isLeft = mark.parked !== undefined || given?.end === undefined;
    const end = isLeft ? undefined : this.#endOf(trace);
    return given === undefined || end === undefined ? undefined : storedOutcome(trace, given.digest, end);
  }

  /** Returns the outcome of an ended trace in stored form, if it is kept. */
  #endOf(trace: Trace): SavedEnd | undefined {
    const end = trace.extras?.given?.end;
    if (end === undefined) return undefined;
    return (markOf(trace).end ??= savedEnd(end, this.#options.maxPayloadBytes));
  }

  /** Notes that the partition has an outcome: it is read from there from now on. */
  #outcomeStored(outcome: StoredOutcome): void {
    this.#engine.keptOutcomes.release(outcome, outcome.run);
    this.#expiresAt = Math.min(this.#expiresAt ?? Infinity, outcome.expiresAt);
  }

  /** Keeps the outcome of an ended trace of an earlier run whose checkpoint remains. */
  #restoreEnd(trace: Trace, entry: Checkpoint): void {
    const given = trace.extras?.given;
    // a trace whose deadline had passed has ended just now, and its outcome is known
    if (given === undefined || given.end !== undefined) return;
    const { given: saved, error, headers, deadlineAt, isOpenEnded = false } = readState(entry);
    const { keepMs, digest } = given;
    const end = saved?.end ?? {
      // it failed when it was restored
      status: "failed",
      error: error ?? this.kept(undefined),
      expiresAt: this.#engine.clock.epochNow() + keepMs,
      durationMs: 0,
      droppedResults: 0,
      spent: {},
    };
    const { run, tenant, traceId } = entry;
    const { expiresAt } = end;
    markOf(trace).end = end;
    const kept = { expiresAt, outcome: endFrom(entry, headers, deadlineAt, end) };
    given.end = kept;
    this.#engine.keptOutcomes.keep({ run, tenant, traceId, digest, isOpenEnded, trace, ...kept });
  }

  /** Refuses the id of a trace that stays for a later run, and may still be finished by it. */
  #keepParked(entry: Checkpoint, error: FlowError): void {
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
    this.#engine.keptOutcomes.keep({ run, tenant, traceId, digest, isOpenEnded, outcome, expiresAt: Infinity });
  }

  /** Keeps a failed trace, evicting the oldest when there are too many. */
  #keepFailed(entry: Checkpoint, trace?: Trace): void {
    this.#failed.set(entry.run, { entry, trace });
    if (this.#failed.size <= this.#options.maxFailed) return;
    const [oldest] = this.#failed.keys();
    this.#dropFailed(oldest as number);
  }

  /** Gives up a failed trace, which can no longer be retried. Its outcome stays while it is kept or undelivered. */
  #dropFailed(run: number): void {
    const trace = this.#failed.get(run)?.trace;
    this.#failed.delete(run);
    const isUndelivered = trace?.sink instanceof OutboxSink && trace.sink.outcome !== undefined;
    if (trace !== undefined && (isUndelivered || trace.extras?.given !== undefined)) this.changed(trace);
    else this.#removed.push(run);
  }

  /** Keeps a failed trace of an earlier run, with its unread results. */
  #keepLeft(entry: Checkpoint): void {
    const left = this.#recovering.left(entry);
    if (left !== undefined) {
      const mark = markOf(left.trace);
      mark.failed = left.state;
      mark.isStored = true;
      this.#restoreEnd(left.trace, entry);
    } else this.#keepParked(entry, this.#cannotFinish(entry, "its stored state cannot be read"));
    this.#keepFailed(entry, left?.trace);
  }

  #countsSinceLast(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { index, name } of this.#engine.workshop.workers) {
      const count = this.#done[index] ?? 0;
      if (count > 0) counts.set(name, count);
    }
    this.#done = [];
    return counts;
  }

  #takeUnstored(traces: readonly Trace[]): Told[] {
    return traces.flatMap((trace) => {
      const waiting = this.#unstored.get(trace) ?? [];
      this.#unstored.delete(trace);
      return waiting;
    });
  }

  #release(waiting: readonly Told[], failure: Error | undefined): void {
    for (const told of waiting) told(failure);
  }

  /** Abandons the checkpoint store: changes that are not stored are lost, as in a crash. */
  #lose(cause: unknown): Error {
    if (this.#lost !== undefined) return this.#lost;
    const isOwn = hasCode(cause, FlowErrorCode.PARTITION_FENCED) || hasCode(cause, FlowErrorCode.PARTITION_LEASED);
    const { name, logger, waitsForLease } = this.#engine.options;
    this.#lost = isOwn
      ? cause
      : new FlowError({
          code: FlowErrorCode.CHECKPOINT_FAILED,
          message: `Cannot continue flow "${name}": its checkpoint store failed: ${describeThrown(cause)}; run it again to resume from the stored state`,
          retryable: true,
          cause,
        });
    // the caller of a run that does not wait decides what a leased partition means
    const isExpected =
      this.#partition === undefined && !waitsForLease && hasCode(cause, FlowErrorCode.PARTITION_LEASED);
    if (!isExpected) logger.error("checkpoints_lost", this.#facts(cause));
    const lost = this.#lost;
    const unstored = this.#takeUnstored([...this.#unstored.keys()]);
    this.#release([...this.#waitingNow.splice(0), ...this.#waiting.splice(0), ...unstored], lost);
    for (const tell of this.#onLost.splice(0)) tell(lost);
    this.#engine.onCheckpointsLost?.();
    return lost;
  }

  #stopped(): FlowError {
    return new FlowError({
      code: FlowErrorCode.FLOW_STOPPED,
      message: `Flow "${this.#engine.options.name}" was stopped before the change was stored; its traces resume when it runs again`,
      retryable: true,
    });
  }

  #facts(error: unknown): Record<string, unknown> {
    return { flow: this.#engine.options.name, error: errorPayload(error) };
  }

  #requireFitParts({ payload, meta }: Message, node: string | undefined): void {
    this.requireFit(payload, "payload", node);
    this.requireFit(meta, "meta", node);
  }
}

/** Rewrites the refusal of a partition; when this very process owns it, the error names the flow at fault. */
function orOwnedHere(error: FlowError): FlowError {
  const { details } = error;
  if (details?.["owner"] !== thisProcess()) return error;
  return new FlowError({
    code: FlowErrorCode.PARTITION_LEASED,
    message: `Cannot open partition "${String(details["partition"])}" of the checkpoint store: another flow of this process holds it, such as one from before a module reload; stop that flow first, or use another partition`,
    retryable: true,
    details,
    cause: error,
  });
}

/** Whether a thrown value is a FlowError with a given code. */
function hasCode(thrown: unknown, code: FlowErrorCode): thrown is FlowError {
  try {
    return thrown instanceof FlowError && thrown.code === code;
  } catch {
    // a revoked proxy
    return false;
  }
}

/** Returns a promise of a listener's call. */
function toldBy(listen: (told: Told) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    listen((failure) => {
      if (failure === undefined) resolve();
      else reject(failure);
    });
  });
}

function markOf(trace: Trace): Mark {
  return (trace.more.checkpointed ??= new Mark()) as Mark;
}

/** Lists a trace that is not in memory. Without a status it is an unloaded one. */
function listingOf(entry: Checkpoint, status?: "failed" | "parked"): UnfinishedTrace {
  const { traceId, tenant } = entry;
  try {
    const state = readState(entry);
    const isAsked = state.pauses?.some(({ token, answer }) => token !== undefined && answer === undefined);
    return listing(traceId, tenant, status ?? (isAsked === true ? "paused" : "running"), state);
  } catch (error) {
    return { tenant, traceId, status: status ?? "paused", startedAt: 0, nodes: [], error: errorPayload(error) };
  }
}

function listing(
  traceId: string,
  tenant: string,
  status: UnfinishedTrace["status"],
  { items, startedAt, error }: SavedTrace,
): UnfinishedTrace {
  const nodes = [...new Set(items.map(({ node }) => node))];
  return { tenant, traceId, status, startedAt, nodes, error };
}
