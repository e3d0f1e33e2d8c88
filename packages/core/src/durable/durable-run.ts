import { fnv1a } from "../foundation/fnv.ts";
import type { ErrorPayload, FlowError } from "../foundation/flow-error.ts";
import type { Message } from "../message/message.ts";
import type { OpenPause } from "../message/outcome.ts";
import type { Checkpoint } from "../ports/checkpoint-store.ts";
import type { TraceKey } from "../ports/state-store.ts";
import type { CheckValue } from "../engine/policies/validation.ts";
import type {
  DurableRun,
  Gate,
  Position,
  Recovery,
  RunKey,
  UnfinishedTrace,
  UnloadedFilter,
} from "../engine/durability.ts";
import type { DurableHost } from "../engine/durable-host.ts";
import type { KeptOutcome, UnreadableOutcome } from "../engine/results/kept-outcomes.ts";
import { type Attempt, outermostTrace } from "../engine/state/attempt.ts";
import type { LogItems } from "../engine/state/trace-log.ts";
import type { Origin, Pause, Trace, TraceSink } from "../engine/state/trace.ts";
import { BatchWriter } from "./store/batch-writer.ts";
import type { ResolvedDurableOptions } from "./durable-options.ts";
import { FailedTraces } from "./traces/failed-traces.ts";
import { keptError } from "./form/kept-error.ts";
import { KeptLogs } from "./traces/kept-logs.ts";
import { LeftTraces } from "./traces/left-traces.ts";
import { LostOwners } from "./traces/lost-owners.ts";
import { Mismatches } from "./traces/mismatches.ts";
import { ParkedTraces } from "./traces/parked-traces.ts";
import { PartitionLease } from "./store/partition-lease.ts";
import { Positions } from "./store/positions.ts";
import { readState } from "./form/read-state.ts";
import { Recovering } from "./traces/recovering.ts";
import { type RestingHost, RestingTraces } from "./traces/resting-traces.ts";
import { openPausesOf } from "./traces/restore.ts";
import type { SavedCall } from "./form/saved-trace.ts";
import { StoredGate } from "./store/stored-gate.ts";
import { StoredOutcomes } from "./traces/stored-outcomes.ts";
import { keepMarkShape } from "./store/mark.ts";
import type { Told } from "./store/stored-waiters.ts";
import { TraceCheckpoints } from "./traces/trace-checkpoints.ts";
import { isOf } from "./form/trace-entry.ts";
import { listingOf, unfinishedInMemory } from "./traces/unfinished-traces.ts";
import { ValueChecks } from "./value-checks.ts";

/**
 * Run numbers reserved per opening. They grow with the fencing token, so that none is reused even when a process ends
 * before it has stored one.
 */
const RUNS_PER_OPENING = 2 ** 32;

/** Composes a durable run: its parts own its state, each one kind. */
export class CheckpointedRun implements DurableRun {
  readonly engine: DurableHost;
  readonly options: ResolvedDurableOptions;
  readonly ready: Promise<Recovery>;
  readonly gate: Gate = new StoredGate(this);
  readonly positions: Positions = new Positions();
  readonly lease: PartitionLease;
  readonly writer: BatchWriter = new BatchWriter(this);
  readonly outcomes: StoredOutcomes = new StoredOutcomes(this);
  readonly logs: KeptLogs = new KeptLogs(this);
  readonly parked: ParkedTraces = new ParkedTraces(this);
  readonly failed: FailedTraces = new FailedTraces(this);
  readonly checkpoints: TraceCheckpoints = new TraceCheckpoints(this);
  readonly mismatches: Mismatches = new Mismatches(this);
  readonly lostOwners: LostOwners;
  readonly resting: RestingTraces;
  readonly recovering: Recovering;
  readonly #left = new LeftTraces(this);
  readonly #checks: ValueChecks;
  /** Settles when what no handler may overtake is stored. */
  #storing: Promise<void> | undefined;

  constructor(engine: DurableHost, options: ResolvedDurableOptions) {
    keepMarkShape();
    this.engine = engine;
    this.options = options;
    this.lease = new PartitionLease(this);
    this.lostOwners = new LostOwners(this);
    this.resting = new RestingTraces(engine, this.#restingHost(), options.unloadAfterMs);
    this.recovering = new Recovering(this);
    this.#checks = new ValueChecks(options.maxPayloadBytes);
    this.ready = new Promise((resolve, reject) => {
      this.writer.onLost(reject);
      // entries left by an earlier process have no caller whose context could apply
      const opened = engine.options.homeScope.runInAsyncScope(() => this.#open(), undefined);
      opened.then(resolve, (error: unknown) => void this.writer.lose(error));
    });
    this.ready.catch(() => {});
  }

  async #open(): Promise<Recovery> {
    const { engine, lease, writer } = this;
    const partition = await lease.acquire();
    if (writer.failure !== undefined) {
      // the run failed while the lease was pending
      await lease.release(partition);
      throw writer.failure;
    }
    lease.hold(partition);
    writer.continueAfter(partition);
    engine.identity.id = partition.id;
    engine.identity.lineageSeed = fnv1a(partition.id);
    engine.identity.traces.next = partition.fencingToken * RUNS_PER_OPENING;
    // selects nothing: an adapter that has to load the partition first reports by its pages that it gets on
    const loading = partition.read({ runs: [] })[Symbol.asyncIterator]();
    while ((await loading.next()).done !== true);
    // before the traces, whose outcomes are kept until their positions are recorded
    this.positions.restore(await partition.consumed());
    await this.#left.takeOver();
    await this.outcomes.begin();
    writer.begin();
    return this.recovery;
  }

  #restingHost(): RestingHost {
    const { checkpoints, lease, writer } = this;
    return {
      partition: () => lease.partition,
      afterStored: (told) => writer.afterStored(told),
      stored: () => writer.stored(),
      isStored: (trace) => checkpoints.isCurrent(trace),
      forget: (trace) => writer.pending.ignore(trace),
      restore: (entry) => this.#left.load(entry),
    };
  }

  get isReady(): boolean {
    return this.writer.isReady;
  }

  get isClosing(): boolean {
    return this.writer.isClosing;
  }

  get isOver(): boolean {
    return this.writer.isSealed || this.failure !== undefined;
  }

  get failure(): Error | undefined {
    return this.writer.failure;
  }

  get recovery(): Recovery {
    return this.#left.recovery;
  }

  changed(trace: Trace): void {
    this.writer.changed(trace);
  }

  done(attempt: Attempt): void {
    this.lostOwners.moved(outermostTrace(attempt.trace));
    this.writer.done(attempt);
  }

  afterStored(told: Told): void {
    this.writer.afterStored(told);
  }

  stored(): Promise<void> {
    return this.writer.stored();
  }

  storedTrace(trace: Trace): Promise<void> {
    return this.writer.storedTrace(trace);
  }

  lose(cause: FlowError): void {
    this.writer.lose(cause);
  }

  seal(): Promise<void> {
    this.lostOwners.endWell();
    return this.writer.seal();
  }

  async confirm(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    await this.lease.confirmNow();
  }

  async close(): Promise<void> {
    this.resting.close();
    const closing = this.lease.close();
    // a checkpoint store that does not answer writes would not answer this either
    if (!this.writer.isUnanswered) await closing;
  }

  get leaseEndsAt(): number {
    return this.#storing === undefined ? this.lease.leaseEndsAt : Number.NEGATIVE_INFINITY;
  }

  renewedLease(): Promise<void> {
    return this.#storing ?? this.lease.renewedLease();
  }

  beCareful(): void {
    if (this.lostOwners.isOn) this.storeFirst();
  }

  storeFirst(): void {
    const storing = this.writer
      .stored()
      .catch(() => {})
      .finally(() => {
        if (this.#storing === storing) this.#storing = undefined;
      });
    this.#storing = storing;
  }

  leaseRenewed(): Promise<void> {
    return this.outcomes.forgetExpired();
  }

  failing(trace: Trace, error: FlowError, attempt: Attempt | undefined): void {
    if (!this.writer.isSealed && trace.origin === null) this.failed.failing(trace, error, attempt);
  }

  retryFailed(traceId: string, tenant: string): Promise<boolean> {
    return this.failed.retry(traceId, tenant);
  }

  async discard(traceId: string, tenant: string): Promise<number> {
    const count = this.failed.discard(traceId, tenant) + this.parked.discard(traceId, tenant);
    const wasKept = this.engine.keptOutcomes.discard({ tenant, traceId }) && count === 0;
    await this.stored();
    return count + (wasKept ? 1 : 0) + (await this.outcomes.discard({ tenant, traceId }));
  }

  holds(traceId: string, tenant: string): boolean {
    const known = [...this.failed.entries, ...this.parked.entries, ...this.lostOwners.held];
    return known.some((entry) => isOf(entry, traceId, tenant));
  }

  async unfinished(): Promise<UnfinishedTrace[]> {
    const listed = this.resting.list(
      {},
      (entry) => [listingOf(entry)],
      () => unfinishedInMemory(this),
    );
    return await this.writer.readWhileOpen(listed, "list unfinished traces");
  }

  keptOutcomes(keys: readonly TraceKey[]): Promise<readonly (KeptOutcome | UnreadableOutcome)[]> {
    return this.outcomes.read(keys);
  }

  notAsked(engine: object, attempt: Attempt, pauses: readonly Pause[]): void {
    this.mismatches.notAsked(engine as DurableHost, attempt, pauses);
  }

  restoreCall(engine: object, left: object, origin: Origin, sink: TraceSink, isWanted: () => boolean): void {
    this.mismatches.restoreCall(engine as DurableHost, left as Required<SavedCall>, { origin, sink }, isWanted);
  }

  get consumed(): ReadonlyMap<number, number> {
    return this.positions.recorded;
  }

  expect(position: Position): (() => void) | undefined {
    const take = this.positions.expect(position);
    return (
      take &&
      (() => {
        if (take()) this.engine.outcomes.recorded(position.lane);
        this.writer.writeSoon();
      })
    );
  }

  hasRecorded(position: Position): boolean {
    return this.positions.has(position);
  }

  waitingBefore(position: Position): number {
    return this.positions.before(position);
  }

  get unloaded(): number {
    return this.resting.unloaded;
  }

  get waiting(): number {
    return this.resting.count;
  }

  get unlisted(): number {
    return this.resting.unloaded - this.lostOwners.held.length;
  }

  async load(which: UnloadedFilter): Promise<void> {
    const loaded = this.resting.load(which);
    if ("run" in which) await this.writer.readWhileOpen(loaded, "load the trace of a pause");
    else await this.writer.readWhileOpen(loaded, `load trace "${which.traceId}"`, which);
  }

  async openPauses(tenant: string | undefined, traceId: string | undefined): Promise<OpenPause[]> {
    const listed = this.resting.list(
      { tenant, traceIds: traceId === undefined ? undefined : [traceId] },
      (entry) => pausesOfEntry(entry),
      () => this.engine.pausing.pauses.open(tenant, traceId),
    );
    return await this.writer.readWhileOpen(listed, "list pauses", { tenant, traceId });
  }

  rests(trace: Trace): void {
    this.resting.rests(trace);
  }

  wakes(trace: Trace): void {
    this.resting.wakes(trace);
  }

  checked(node: string, check: CheckValue | undefined): CheckValue {
    return this.#checks.checked(node, check);
  }

  requireFit(value: unknown, what: string, node?: string): void {
    this.#checks.requireFit(value, what, node);
  }

  requireFitMessage(message: Message): void {
    this.#checks.requireFitMessage(message);
  }

  kept(error: unknown): ErrorPayload {
    return keptError(error, this.options.maxPayloadBytes);
  }

  textOf(items: readonly unknown[]): string {
    return this.logs.textOf(items);
  }

  storedLog(of: RunKey): Promise<readonly LogItems[]> {
    return this.logs.read(of);
  }

  async logOf(traceId: string, tenant: string): Promise<readonly unknown[] | undefined> {
    const entries = [...this.logs.entries, ...this.failed.entries, ...this.parked.entries];
    const runs = entries.filter((entry) => isOf(entry, traceId, tenant)).map(({ run }) => run);
    if (runs.length === 0) return undefined;
    await this.stored();
    return (await this.storedLog({ run: Math.max(...runs), traceId, tenant })).flatMap(({ items }) => items);
  }
}

/** Returns the open pauses of a trace that is not in memory; none if this version cannot read it. */
function pausesOfEntry(entry: Checkpoint): OpenPause[] {
  const { traceId, tenant } = entry;
  try {
    return openPausesOf(readState(entry)).map((ticket) => ({ ...ticket, traceId, tenant }));
  } catch {
    // `unfinished` lists the trace with its error, and a load parks it
    return [];
  }
}
