import type { AsyncScope } from "../../foundation/async-scope.ts";
import { errorPayload, FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Logger } from "../../events/logger.ts";
import type { FinalOutcome, Outcome, PauseTicket } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { Outbox } from "../../ports/outbox.ts";
import type { TraceKey } from "../../ports/state-store.ts";
import type { DurableRun, Position } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Trace, TraceSink } from "../state/trace.ts";

/** Engine parts that {@link OutcomeDelivery} calls. */
export interface OutcomeDeliveryHost {
  readonly timers: TimerWheel;
  readonly options: {
    readonly name: string;
    readonly logger: Logger;
    readonly homeScope: AsyncScope;
    readonly outbox: Outbox | undefined;
    readonly limits: { readonly maxResults: number; readonly rookeryMaxSize: number };
  };
  readonly durable: DurableRun | undefined;
  readonly ledger: Ledger;
  /** Whether every trace is being ended. An accept that waits for room then fails. */
  readonly isEnding: boolean;
  /** Called when an outcome is delivered. */
  outcomeDelivered(): void;
}

/** Delay before an outcome is delivered again, in milliseconds. It doubles with each failure, up to the longest. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

/** An item of an intake that is being taken. */
interface TakenItem {
  readonly tenant: string;
  readonly position: Position;
}

/**
 * Delivers the outcomes of accepted traces to the outbox of their run. An outcome stays in the checkpoint of its trace
 * until `deliver` has resolved and the positions of its items are recorded: otherwise an intake that is read again after
 * a crash would begin the trace anew. It is delivered at least once, and again after a restart.
 *
 * States of an outcome: kept → stored → delivered → removed. A failed delivery is repeated.
 */
export class OutcomeDelivery {
  readonly #engine: OutcomeDeliveryHost;
  /** Outcomes that are not removed, by trace id. */
  readonly #kept = new Map<string, Set<OutboxSink>>();
  /** Delivered outcomes of which a position is not recorded, because an item before it waits, by that one's lane. */
  readonly #early = new Map<number, Set<OutboxSink>>();
  /** Number of undelivered outcomes. */
  size = 0;
  /** Accepts that wait for room, in order, and retries that wait for the delivery of an outcome. */
  #waiting: (() => void)[] = [];
  /** Items that are being taken, by trace id. */
  readonly #taking = new Map<string, Set<TakenItem>>();

  constructor(engine: OutcomeDeliveryHost) {
    this.#engine = engine;
  }

  /** Makes the sink of a trace that was accepted from these positions. */
  sinkFor(positions: readonly Position[]): OutboxSink {
    return new OutboxSink(this, this.#engine, [...positions]);
  }

  /** Makes the sink of a new trace. Items of its id that are being taken will find it known. */
  sinkOf(key: TraceKey, position: Position): OutboxSink {
    const sink = this.sinkFor([position]);
    this.#adopt(sink, key);
    return sink;
  }

  /**
   * Notes an item that is being taken, however long that has to wait: an outcome of its id stays meanwhile. Returns the
   * function to call when the item is known or has begun a trace.
   */
  taking({ traceId, tenant }: TraceKey, position: Position): () => void {
    const item = { tenant, position };
    const items = this.#taking.get(traceId) ?? new Set();
    this.#taking.set(traceId, items.add(item));
    return () => {
      items.delete(item);
      if (items.size === 0) this.#taking.delete(traceId);
    };
  }

  /** Notes a further item of a known id, so that it remains known until its position is recorded. */
  takenAgain(traces: readonly Trace[], { traceId, tenant }: TraceKey, position: Position): void {
    if (this.#engine.durable?.hasRecorded(position) !== false) return;
    const sinks = new Set<TraceSink>([...traces.map(({ sink }) => sink), ...(this.#kept.get(traceId) ?? [])]);
    for (const sink of sinks) {
      if (!(sink instanceof OutboxSink) || sink.trace?.tenant !== tenant || sink.isFrom(position)) continue;
      sink.positions.push(position);
      this.#engine.ledger.changed(sink.trace);
    }
  }

  /** Whether an outcome of that trace id is not removed. */
  holds(traceId: string, tenant: string): boolean {
    for (const { trace } of this.#kept.get(traceId) ?? []) if (trace?.tenant === tenant) return true;
    return false;
  }

  /** Resolves once another outcome may be kept, and not too many items of its lane wait for one before it. */
  async room(position: Position): Promise<void> {
    const { durable, options } = this.#engine;
    const isFull = (): boolean =>
      Math.max(this.size, durable?.waitingBefore(position) ?? 0) >= options.limits.rookeryMaxSize;
    while (isFull() && !this.#engine.isEnding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Keeps an outcome, and delivers it once it is stored. */
  keep(sink: OutboxSink, outcome: FinalOutcome): void {
    const { id } = sink.trace as Trace;
    sink.outcome = outcome;
    sink.isUndelivered = true;
    const kept = this.#kept.get(id) ?? new Set();
    this.#kept.set(id, kept.add(sink));
    this.size += 1;
    this.#engine.durable?.afterStored((failure) => {
      if (failure === undefined) void this.deliver(sink, outcome, FIRST_RETRY_MS);
    });
  }

  /**
   * Has the outbox give up the outcome of a failed trace that is to be retried, once it is delivered: delivered later, it
   * would be taken for that of the retry.
   *
   * @throws FlowError `FLOW_STOPPED`; what the outbox throws
   */
  async withdraw(outbox: Outbox, { traceId, tenant }: TraceKey, sink: TraceSink | undefined): Promise<void> {
    const isEarly = (): boolean => sink instanceof OutboxSink && sink.isUndelivered;
    while (isEarly()) {
      if (this.#engine.isEnding)
        throw new FlowError({
          code: FlowErrorCode.FLOW_STOPPED,
          message: `Cannot retry trace "${traceId}": its outcome was not delivered before the run was stopped`,
          traceId,
          tenant,
        });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    await this.#engine.options.homeScope.runInAsyncScope(() => outbox.withdraw?.({ traceId, tenant }), undefined);
  }

  /** Forgets the delivered outcome of a failed trace that is retried, should a position of it not be recorded yet. */
  forget({ sink }: Trace): void {
    if (!(sink instanceof OutboxSink) || sink.outcome === undefined) return;
    for (const { lane } of sink.positions) this.#early.get(lane)?.delete(sink);
    this.#forget(sink);
  }

  /** Lets accepts that wait for room fail, because the run ends. */
  close(): void {
    this.#goOn();
  }

  /** Delivers an outcome, again and again until the outbox has taken it. */
  async deliver(sink: OutboxSink, outcome: FinalOutcome, retryMs: number): Promise<void> {
    const { durable, options, timers } = this.#engine;
    const { outbox, homeScope, logger, name } = options;
    if (outbox === undefined || durable?.isClosing !== false) return;
    try {
      await homeScope.runInAsyncScope(() => outbox.deliver(outcome), undefined);
    } catch (error) {
      const { traceId, tenant } = outcome;
      logger.warn("deliver_failed", { flow: name, traceId, tenant, error: errorPayload(error) });
      // a later run delivers it
      if (this.#engine.isEnding) return;
      timers.after(retryMs, () => void this.deliver(sink, outcome, Math.min(2 * retryMs, LONGEST_RETRY_MS)));
      return;
    }
    this.acknowledge(sink);
  }

  /** Notes that an outcome is delivered, and removes it once its positions are recorded. */
  acknowledge(sink: OutboxSink): void {
    sink.isUndelivered = false;
    this.#removeOnceRecorded(sink);
    this.size -= 1;
    this.#goOn();
    this.#engine.outcomeDelivered();
  }

  /** Removes the delivered outcomes whose positions are recorded now that a lane has moved. */
  recorded(lane: number): void {
    const early = this.#early.get(lane);
    this.#early.delete(lane);
    for (const sink of early ?? []) this.#removeOnceRecorded(sink);
    this.#goOn();
  }

  /** Adds the positions of items that are being taken to those of their trace. Returns whether there were any. */
  #adopt(sink: OutboxSink, { traceId, tenant }: TraceKey): boolean {
    const before = sink.positions.length;
    for (const item of this.#taking.get(traceId) ?? [])
      if (item.tenant === tenant && !sink.isFrom(item.position)) sink.positions.push(item.position);
    return sink.positions.length > before;
  }

  /** Removes a delivered outcome from the checkpoint of its trace, at once or when a lane has moved. */
  #removeOnceRecorded(sink: OutboxSink): void {
    const trace = sink.trace as Trace;
    if (this.#adopt(sink, { traceId: trace.id, tenant: trace.tenant })) this.#engine.ledger.changed(trace);
    const missing = sink.positions.find((position) => this.#engine.durable?.hasRecorded(position) === false);
    if (missing === undefined) {
      this.#forget(sink);
      this.#engine.ledger.changed(trace);
      return;
    }
    const { lane } = missing;
    this.#early.set(lane, (this.#early.get(lane) ?? new Set()).add(sink));
  }

  #forget(sink: OutboxSink): void {
    const { id } = sink.trace as Trace;
    sink.outcome = undefined;
    const kept = this.#kept.get(id);
    kept?.delete(sink);
    if (kept?.size === 0) this.#kept.delete(id);
  }

  #goOn(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}

/** Sink of an accepted trace. Its outcome, chunks and pauses go to the outbox of the run. */
export class OutboxSink implements TraceSink {
  readonly keepResults: number;
  trace: Trace | undefined;
  /** Outcome that is not removed yet. */
  outcome: FinalOutcome | undefined;
  /** Whether it has an outcome that the outbox has not taken. */
  isUndelivered = false;
  /** Whether the checkpoint keeps the trace for a later run, although it has ended in this one. */
  isParked = false;
  /** Positions of the items that the trace was accepted from: one, and those that found its id known. */
  readonly positions: Position[];
  readonly #delivery: OutcomeDelivery;
  readonly #engine: OutcomeDeliveryHost;

  constructor(delivery: OutcomeDelivery, engine: OutcomeDeliveryHost, positions: Position[]) {
    this.#delivery = delivery;
    this.#engine = engine;
    this.positions = positions;
    this.keepResults = engine.options.limits.maxResults;
  }

  get isLeft(): boolean {
    return true;
  }

  opened(trace: Trace): void {
    this.trace = trace;
  }

  isFrom({ lane, sequence }: Position): boolean {
    return this.positions.some((known) => known.lane === lane && known.sequence === sequence);
  }

  hasRoomForResult(): boolean {
    return true;
  }

  result(): boolean {
    return true;
  }

  hasRoom(): boolean {
    return true;
  }

  chunk(chunk: StreamChunk): void {
    const { outbox } = this.#engine.options;
    if (outbox?.chunk !== undefined) this.#call("chunk", () => outbox.chunk?.(chunk, this.#place));
  }

  /** Announces a pause once it is stored: an answer may come days later. */
  pause(pause: PauseTicket): void {
    const { durable, options } = this.#engine;
    const { outbox } = options;
    if (outbox?.pause === undefined) return;
    durable?.afterStored((failure) => {
      if (failure === undefined) this.#call("pause", () => outbox.pause?.(pause, this.#place));
    });
  }

  reopened(pause: PauseTicket): void {
    this.pause(pause);
  }

  ended(outcome: Outcome): void {
    if (outcome.status !== "stopped" && outcome.status !== "paused" && !this.isParked)
      this.#delivery.keep(this, outcome);
  }

  get #place(): { readonly tenant: string; readonly traceId: string } {
    const { id: traceId, tenant } = this.trace as Trace;
    return { tenant, traceId };
  }

  #call(what: string, call: () => unknown): void {
    const { logger, name, homeScope } = this.#engine.options;
    const failed = (error: unknown): void =>
      logger.warn("outbox_failed", { flow: name, what, ...this.#place, error: errorPayload(error) });
    try {
      const called: unknown = homeScope.runInAsyncScope(call, undefined);
      if (called instanceof Promise) called.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
