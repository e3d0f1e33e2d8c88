import { onAbort } from "../../foundation/abort.ts";
import { errorPayload } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Checkpoint, CheckpointFilter, CheckpointPartition } from "../../ports/checkpoint-store.ts";
import { needsProcess, type Trace } from "../../engine/state/trace.ts";
import type { TraceTurn } from "../../engine/state/trace-turn.ts";
import type { UnloadedFilter } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { OutboxSink } from "../../engine/results/outcome-delivery.ts";
import { LeftSink } from "../../engine/results/rookery.ts";

/** Parts of a durable run that {@link RestingTraces} calls. */
export interface RestingHost {
  partition(): CheckpointPartition;
  /** Whether the stored state of a trace is its current one. If not, it will be stored. */
  isStored(trace: Trace): boolean;
  /** Stops storing a trace. Its checkpoint stays. */
  forget(trace: Trace): void;
  afterStored(told: (failure: Error | undefined) => void): void;
  stored(): Promise<void>;
  /** Restores a trace that had left memory, or deals with its mismatch. */
  restore(entry: Checkpoint): Promise<void>;
}

/** An unloaded exclusive trace. It holds its key, so that the next trace of the key has to wait. */
interface Held {
  readonly run: number;
  readonly traceId: string;
  readonly tenant: string;
  readonly dueAt: number;
  readonly turn: TraceTurn;
}

/** A trace that a look-up has found. */
type Found = Pick<Checkpoint, "run" | "traceId" | "tenant">;

/** A look-up that waits for the next read. */
interface LookUp {
  readonly which: UnloadedFilter;
  readonly resolve: (found: readonly Found[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Maximum number of traces that one read looks up. */
const TRACES_PER_READ = 1_000;

/** Maximum number of traces that are checked in one go, so that a burst does not block the event loop. */
const TRACES_PER_SWEEP = 1_000;

/** Delay before another read after one that failed, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * Unloads traces that have been at rest for some time, and loads them again when they are asked for or due. The store
 * alone keeps an unloaded trace: memory holds their number, and one timer for the earliest instant at which one of them
 * continues.
 *
 * States of a trace: at work ⇄ at rest in memory → unloaded → at rest in memory, or restored in a later run.
 */
export class RestingTraces {
  /** Number of unloaded traces. */
  unloaded = 0;
  readonly #engine: DurableHost;
  readonly #host: RestingHost;
  readonly #unloadAfterMs: number;
  /** Traces at rest in memory, each with the clock's time of its last check, oldest first. */
  readonly #resting = new Map<Trace, number>();
  #sweep: Timer | undefined;
  /** Unloaded exclusive traces by run. The store has no instant of theirs, so that a start reads them with their keys. */
  readonly #held = new Map<number, Held>();
  /** Look-ups of the next read. */
  readonly #asked: LookUp[] = [];
  /** Traces of the next read, by run. */
  readonly #wanted = new Map<number, PromiseWithResolvers<void>>();
  /** Traces that are being read, by run. */
  readonly #loading = new Map<number, Promise<void>>();
  /**
   * Number of pending look-ups. A trace that left memory meanwhile might be found in neither place, and what they load
   * must stay until they have used it.
   */
  #lookUps = 0;
  /** Signals of callers that cancel unloaded traces, by run. */
  readonly #signals = new Map<number, { readonly signal: AbortSignal; readonly stop: () => void }>();
  #alarm: Timer | undefined;
  /** Settles when the store has all traces that are counted as unloaded. Absent when it has. */
  #storing: Promise<void> | undefined;
  /** Epoch milliseconds of the alarm. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(engine: DurableHost, host: RestingHost, unloadAfterMs: number) {
    this.#engine = engine;
    this.#host = host;
    this.#unloadAfterMs = unloadAfterMs;
  }

  /** Whether traces are unloaded at all. */
  get isOn(): boolean {
    return this.#unloadAfterMs !== Number.POSITIVE_INFINITY;
  }

  /** Number of traces at rest, unloaded or not. */
  get count(): number {
    return this.unloaded + this.#resting.size;
  }

  /** Takes over the traces at rest that an earlier process has left in the store. */
  async takeOver(unloaded: number, now: number): Promise<void> {
    this.unloaded = unloaded;
    await this.#armNext(now);
  }

  /** Takes over traces that the next batch stores as at rest. They are looked up after that, and loaded when due. */
  takeOverStoring(dueAt: number): void {
    this.#storing = this.#whenStored(dueAt);
  }

  async #whenStored(dueAt: number): Promise<void> {
    try {
      await this.#host.stored();
    } catch {
      // the run is lost
      return;
    }
    this.#storing = undefined;
    this.armAlarm(dueAt);
  }

  /** Notes that a trace rests from now on. */
  rests(trace: Trace): void {
    if (!this.isOn) return;
    this.#resting.delete(trace);
    this.#resting.set(trace, this.#engine.clock.now());
    this.#sweep ??= this.#engine.timers.after(this.#unloadAfterMs, () => this.#sweepUp());
  }

  /** Notes that a trace continues, or has ended. */
  wakes(trace: Trace): void {
    if (this.#resting.delete(trace) && this.#resting.size === 0) this.#disarmSweep();
  }

  #disarmSweep(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  /** Unloads the traces that have rested long enough, once their state is stored. */
  #sweepUp(): void {
    const { clock, timers } = this.#engine;
    const now = clock.now();
    const found: Trace[] = [];
    for (const [trace, since] of this.#resting) {
      if (since + this.#unloadAfterMs > now || found.length === TRACES_PER_SWEEP) break;
      found.push(trace);
    }
    // a trace that has to stay is checked again after the same time
    for (const trace of found) {
      this.#resting.delete(trace);
      this.#resting.set(trace, now);
    }
    const [oldest = now] = this.#resting.values();
    this.#sweep = timers.after(Math.max(1, oldest + this.#unloadAfterMs - now), () => this.#sweepUp());
    if (found.length === 0 || this.#lookUps > 0) return;
    this.#host.afterStored((failure) => {
      if (failure !== undefined) return;
      for (const trace of found) if (this.#resting.has(trace) && this.#mayLeave(trace)) this.#unload(trace);
      if (this.#resting.size === 0) this.#disarmSweep();
    });
  }

  /** Whether nothing in this process needs a trace, and the store has all of it. */
  #mayLeave(trace: Trace): boolean {
    const { rookery } = this.#engine;
    const { lasting, extras, sink } = trace;
    if (!trace.isOpen || this.#lookUps > 0) return false;
    if (restsUntil(trace) === undefined || !(sink instanceof LeftSink)) return false;
    if (lasting === null || lasting.watchers.length > 0 || rookery.isAwaited(trace)) return false;
    for (const { status } of lasting.effects.values()) if (status === "started") return false;
    const releases = (extras?.releases?.size ?? 0) - (extras?.signal === undefined ? 0 : 1);
    const isHeld = releases + (extras?.entrySends?.size ?? 0) > 0 || trace.isUnread;
    return !isHeld && this.#host.isStored(trace);
  }

  #unload(trace: Trace): void {
    const dueAt = restsUntil(trace) as number;
    const { run, id: traceId, tenant, extras } = trace;
    if (extras?.turn?.exclusive !== undefined) this.#held.set(run, { run, traceId, tenant, dueAt, turn: extras.turn });
    this.#resting.delete(trace);
    this.#host.forget(trace);
    this.#listen(trace);
    this.#engine.ending.unload(trace);
    this.unloaded += 1;
    this.armAlarm(dueAt);
  }

  /** Has the caller's signal cancel the trace as before, without keeping the trace in memory. */
  #listen({ run, id, tenant, extras }: Trace): void {
    if (extras?.signal === undefined) return;
    const { signal, release } = extras.signal;
    release();
    const stop = onAbort(signal, (reason) => {
      this.#cancel(run, id, tenant, reason).catch((error: unknown) => this.#warn(error));
    });
    this.#signals.set(run, { signal, stop });
  }

  /** Returns the signal of its caller to a trace that was loaded: it is listened to no longer than the trace is open. */
  #returnSignal({ run, traceId, tenant }: Found): void {
    const listening = this.#signals.get(run);
    if (listening === undefined) return;
    listening.stop();
    this.#signals.delete(run);
    const trace = this.#engine.traces.find(traceId, tenant).find((found) => found.run === run);
    if (trace?.isOpen === true) this.#engine.cancelOn(trace, listening.signal);
  }

  /** Listens to callers no longer: the next run continues their traces. */
  close(): void {
    for (const { stop } of this.#signals.values()) stop();
    this.#signals.clear();
  }

  async #cancel(run: number, id: string, tenant: string, reason: unknown): Promise<void> {
    // a flow that is stopped leaves the trace to its next run
    if (this.#engine.isStopping) return;
    await this.load({ run });
    const trace = this.#engine.traces.find(id, tenant).find((found) => found.run === run);
    if (trace !== undefined) await this.#engine.ending.cancel(trace, reason);
  }

  /**
   * Loads the unloaded traces that match. Resolves once they are in memory: the calling code must use them before it
   * waits again.
   */
  async load(which: UnloadedFilter): Promise<void> {
    if (this.unloaded === 0) return;
    this.#lookUps += 1;
    try {
      if (this.#storing !== undefined) await this.#storing;
      await this.#loadAll(await this.#find(which));
    } finally {
      this.#lookUps -= 1;
    }
  }

  /** Finds the unloaded traces that match. All look-ups of a turn share one read. */
  #find(which: UnloadedFilter): Promise<readonly Found[]> {
    return new Promise((resolve, reject) => {
      if (this.#asked.push({ which, resolve, reject }) === 1) this.#nextStep(() => this.#findAll());
    });
  }

  async #findAll(): Promise<void> {
    const asked = this.#asked.splice(0);
    const byRun = new Map<number, Found[]>();
    const byId = new Map<string, Found[]>();
    for (const { which } of asked) {
      if ("run" in which) byRun.set(which.run, []);
      else byId.set(which.traceId, []);
    }
    const add = (entry: Found): void => {
      const { run, traceId, tenant } = entry;
      byRun.get(run)?.push({ run, traceId, tenant });
      byId.get(traceId)?.push({ run, traceId, tenant });
    };
    try {
      for (const held of this.#held.values()) add(held);
      for (const runs of pagesOf([...byRun.keys()])) await this.#eachEntry({ runs, isAtRest: true }, add);
      for (const traceIds of pagesOf([...byId.keys()])) await this.#eachEntry({ traceIds, isAtRest: true }, add);
    } catch (error) {
      for (const { reject } of asked) reject(error);
      return;
    }
    for (const { which, resolve } of asked) {
      if ("run" in which) resolve(byRun.get(which.run) ?? []);
      else resolve((byId.get(which.traceId) ?? []).filter(({ tenant }) => (which.tenant ?? tenant) === tenant));
    }
  }

  async #eachEntry(filter: CheckpointFilter, act: (entry: Checkpoint) => void): Promise<void> {
    for await (const page of this.#host.partition().read(filter)) for (const entry of page) act(entry);
  }

  /** Runs a step after the current one. The traces it loads have no caller whose async context could apply. */
  #nextStep(step: () => Promise<void>): void {
    queueMicrotask(() => void this.#engine.options.homeScope.runInAsyncScope(step, undefined));
  }

  #heldThatFit({ tenant, traceIds, dueBy }: CheckpointFilter): Found[] {
    return [...this.#held.values()].filter(
      (held) =>
        traceIds?.includes(held.traceId) !== false &&
        (tenant ?? held.tenant) === held.tenant &&
        held.dueAt <= (dueBy ?? Number.POSITIVE_INFINITY),
    );
  }

  async #loadAll(found: readonly Found[]): Promise<void> {
    this.#lookUps += 1;
    try {
      await Promise.all(found.map((entry) => this.#loadOne(entry)));
    } finally {
      this.#lookUps -= 1;
    }
  }

  /** Lists what `stored` returns for the checkpoint of each unloaded trace that matches, then what `inMemory` returns. */
  async list<Item>(
    filter: Pick<CheckpointFilter, "tenant" | "traceIds">,
    stored: (entry: Checkpoint) => readonly Item[],
    inMemory: () => readonly Item[],
  ): Promise<Item[]> {
    if (this.unloaded === 0) return [...inMemory()];
    this.#lookUps += 1;
    try {
      await this.#host.stored();
      const found: { readonly entry: Found; readonly items: readonly Item[] }[] = [];
      const lookAt = (entry: Checkpoint): void => {
        const { run, traceId, tenant } = entry;
        if (!this.#isInMemory(entry)) found.push({ entry: { run, traceId, tenant }, items: stored(entry) });
      };
      await this.#eachEntry({ ...filter, isAtRest: true }, lookAt);
      const held = this.#heldThatFit(filter).map(({ run }) => run);
      for (const runs of pagesOf(held)) await this.#eachEntry({ runs }, lookAt);
      // a trace may have been loaded since it was found
      const unloaded = found.filter(({ entry }) => !this.#isInMemory(entry)).flatMap(({ items }) => items);
      return [...unloaded, ...inMemory()];
    } finally {
      this.#lookUps -= 1;
    }
  }

  #isInMemory({ run, traceId, tenant }: Found): boolean {
    return this.#engine.traces.find(traceId, tenant).some((trace) => trace.run === run);
  }

  async #loadOne(entry: Found): Promise<void> {
    if (this.#isInMemory(entry)) return;
    let loading = this.#loading.get(entry.run);
    if (loading === undefined) {
      const wanted = Promise.withResolvers<void>();
      this.#wanted.set(entry.run, wanted);
      if (this.#wanted.size === 1) this.#nextStep(() => this.#readWanted());
      loading = wanted.promise.finally(() => this.#loading.delete(entry.run));
      this.#loading.set(entry.run, loading);
    }
    await loading;
  }

  /**
   * Reads the wanted traces and restores them. The entries found before may be out of date: a trace may have been loaded
   * and have ended in between. From here on only this call can load them.
   */
  async #readWanted(): Promise<void> {
    const wanted = new Map(this.#wanted);
    this.#wanted.clear();
    try {
      await this.#host.stored();
      for (const runs of pagesOf([...wanted.keys()]))
        await this.#eachEntry({ runs }, (entry) => {
          // the checkpoint of an exclusive trace has no instant
          if (entry.dueAt !== undefined || this.#held.has(entry.run))
            wanted.get(entry.run)?.resolve(this.#restore(entry));
        });
      for (const { resolve } of wanted.values()) resolve();
    } catch (error) {
      for (const { reject } of wanted.values()) reject(error);
    }
  }

  async #restore(entry: Checkpoint): Promise<void> {
    const held = this.#held.get(entry.run);
    await this.#host.restore(entry);
    this.unloaded -= 1;
    this.#held.delete(entry.run);
    // the restored trace has taken the key, too
    if (held !== undefined) this.#engine.admission.release(held.turn);
    this.#returnSignal(entry);
    if (this.unloaded === 0) this.#disarmAlarm();
    this.#engine.agenda.flush();
  }

  /** Sets the alarm for an instant at which an unloaded trace continues, unless it is set for an earlier one. */
  armAlarm(dueAt: number): void {
    if (dueAt >= this.#alarmAt) return;
    this.#disarmAlarm();
    this.#alarmAt = dueAt;
    const { clock, timers } = this.#engine;
    this.#alarm = timers.after(Math.max(0, dueAt - clock.epochNow()), () => {
      this.#disarmAlarm();
      this.#loadDue().catch((error: unknown) => this.#retry(error));
    });
  }

  #disarmAlarm(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
    this.#alarmAt = Number.POSITIVE_INFINITY;
  }

  async #loadDue(): Promise<void> {
    const now = this.#engine.clock.epochNow();
    await this.#loadAll(this.#heldThatFit({ dueBy: now }));
    // page by page, because a million may be due at once
    for await (const page of this.#host.partition().read({ isAtRest: true, dueBy: now })) await this.#loadAll(page);
    await this.#armNext(now);
  }

  async #armNext(after: number): Promise<void> {
    if (this.unloaded === 0) return;
    const next = await this.#host.partition().nextDueAt(after);
    // the last of them may have been loaded meanwhile
    if (this.unloaded === 0) return;
    if (next !== undefined) this.armAlarm(next);
    for (const { dueAt } of this.#held.values()) if (dueAt > after) this.armAlarm(dueAt);
  }

  #retry(error: unknown): void {
    const { isStopping, clock } = this.#engine;
    if (isStopping) return;
    this.#warn(error);
    this.armAlarm(clock.epochNow() + RETRY_MS);
  }

  #warn(error: unknown): void {
    const { logger, name } = this.#engine.options;
    logger.warn("load_failed", { flow: name, error: errorPayload(error) });
  }
}

/**
 * Returns {@link restsUntil} of a trace that a start need not read. An exclusive one has to take its key then, and of an
 * accepted one the outbox is told what it waits for.
 */
export function dueAtOf(trace: Trace): number | undefined {
  const isReadAtStart = trace.extras?.turn?.exclusive !== undefined || trace.sink instanceof OutboxSink;
  return isReadAtStart ? undefined : restsUntil(trace);
}

/**
 * Returns the instant until which a trace at rest needs no memory: `Infinity` if only an answer continues it,
 * `undefined` if it has to be in memory. A trace of `emit` may receive further messages at any time.
 */
function restsUntil(trace: Trace): number | undefined {
  const { lasting } = trace;
  if (!trace.isOpen || lasting === null || lasting.rest === "none") return undefined;
  if (trace.isOpenEnded || trace.origin !== null) return undefined;
  if (trace.firstMember !== null || trace.lanes !== null || trace.entry !== null) return undefined;
  if (trace.live !== trace.joined + lasting.pausedCount) return undefined;
  for (const call of lasting.calls?.values() ?? []) if (needsProcess(call, trace)) return undefined;
  let dueAt = trace.deadlineAt ?? Number.POSITIVE_INFINITY;
  for (const group of trace.gathered ?? []) dueAt = Math.min(dueAt, group.dueAt ?? Number.POSITIVE_INFINITY);
  for (const { answer, expiresAt = Number.POSITIVE_INFINITY } of lasting.pauses.values())
    if (answer === undefined) dueAt = Math.min(dueAt, expiresAt);
  return dueAt;
}

/** Splits the keys of a look-up into those of one read each. */
function pagesOf<Key>(keys: readonly Key[]): Key[][] {
  const count = Math.ceil(keys.length / TRACES_PER_READ);
  return Array.from({ length: count }, (_, page) => keys.slice(page * TRACES_PER_READ, (page + 1) * TRACES_PER_READ));
}
