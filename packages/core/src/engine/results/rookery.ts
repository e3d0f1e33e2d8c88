import { onAbort } from "../../foundation/abort.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { carry, Message } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import { OutcomeSink } from "./sink.ts";
import type { StreamSink } from "./stream-sink.ts";
import type { Trace, TraceSink } from "../state/trace.ts";
import type { Send } from "../state/attempt.ts";
import { UnreadResults } from "./unread-results.ts";
import type { Clock } from "../../foundation/clock.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { DurableRun } from "../durability.ts";
import type { Sending } from "../delivery/sending.ts";
import type { TraceTable } from "../state/trace-table.ts";

/** Engine parts that {@link Rookery} calls. */
export interface RookeryHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: { readonly limits: { readonly rookeryMaxSize: number }; readonly queueMaxSize: number };
  readonly traces: TraceTable;
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly ledger: Ledger;
  readonly sending: Sending;
  /** Whether every trace is being ended. A fetch that starts now gets nothing. */
  readonly isEnding: boolean;
  resultDropped(trace: Trace, node: string, reason: string): void;
}

/** Item that `fetch` returns: a result, or the error of a trace with `emitErrorsToRookery`. */
export type RookeryItem = Message | FlowError;

/** Filter of a `fetch`. */
export interface FetchWish {
  readonly traceId?: string | undefined;
  readonly tenant?: string | undefined;
  /** Names of exit nodes. */
  readonly from?: ReadonlySet<string> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Item that no `fetch` has returned yet. */
export interface Unread {
  readonly item: RookeryItem;
  readonly node: string | undefined;
  readonly sink: RookerySink;
}

interface Fetcher {
  readonly wish: FetchWish;
  readonly resolve: (unread: Unread) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Buffer of the results of `emit`ted messages until `fetch` returns them, in order of arrival. It is bounded as a whole
 * and for each trace, so an unread trace delays no other. When full, it first evicts the results of ended traces whose
 * caller fetched by id or is gone; otherwise senders block.
 *
 * States: open → closed by the flow's stop, which rejects every fetch.
 */
export class Rookery {
  readonly #engine: RookeryHost;
  readonly #unread = new UnreadResults();
  /** Pending fetches of any trace, and of one trace by its id, in order of arrival. */
  readonly #anyTrace = new Set<Fetcher>();
  readonly #oneTrace = new Map<string, Set<Fetcher>>();
  /** Errors of ended traces that left no item, oldest first, for a later fetch by trace id. */
  readonly #endings = new Map<string, { run: number; tenant: string; error: FlowError }[]>();
  #endingCount = 0;
  readonly #waiting = new Set<RookerySink>();
  /** Messages from outside that wait until results are fetched. */
  readonly #heldBack: Send[] = [];
  #closed: Error | undefined;

  constructor(engine: RookeryHost) {
    this.#engine = engine;
    if (engine.isEnding) this.#closed = fetchStopped();
  }

  get size(): number {
    return this.#unread.size;
  }

  get fetchers(): number {
    return [...this.#oneTrace.values()].reduce((sum, fetchers) => sum + fetchers.size, this.#anyTrace.size);
  }

  /** Whether `emit` must wait until results are fetched. Evicts first. */
  isFull(): boolean {
    return this.#heldBack.length > 0 || !this.#hasRoom();
  }

  sinkFor(): RookerySink {
    return new RookerySink(this, this.#engine);
  }

  /** Whether a result of the sink's trace would be kept. */
  hasRoomFor(sink: RookerySink): boolean {
    const { limits, queueMaxSize } = this.#engine.options;
    const { rookeryMaxSize } = limits;
    return this.#unread.size < rookeryMaxSize && sink.unread < (queueMaxSize === 0 ? rookeryMaxSize : queueMaxSize);
  }

  /** Sends a message from outside once there is room for its results. */
  holdBack(send: Send): void {
    this.#heldBack.push(send);
  }

  /** Resolves with the next item that matches the wish. */
  fetch(asked: FetchWish): Promise<RookeryItem> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const wish = this.#pinned(asked);
      const waiting = this.#take(wish);
      if (waiting !== undefined) {
        this.#hand(waiting, resolve, reject);
        return;
      }
      const refusal = this.#refusal(wish);
      if (refusal !== undefined) {
        const { durable } = this.#engine;
        if (durable === undefined) reject(refusal);
        else durable.afterStored((failure) => reject(failure ?? refusal));
        return;
      }
      const undo: (() => void)[] = [];
      const finish = (): void => {
        const fetchers = this.#fetchersOf(wish.traceId);
        fetchers.delete(fetcher);
        if (wish.traceId !== undefined && fetchers.size === 0) this.#oneTrace.delete(wish.traceId);
        for (const step of undo) step();
      };
      const fetcher: Fetcher = {
        wish,
        resolve: (unread) => {
          finish();
          this.#hand(unread, resolve, reject);
        },
        reject: (error) => {
          finish();
          reject(error);
        },
      };
      this.#fetchersOf(wish.traceId).add(fetcher);
      const { timeoutMs, signal } = wish;
      if (timeoutMs !== undefined) {
        const timer = this.#engine.timers.after(timeoutMs, () =>
          fetcher.reject(waitError(FlowErrorCode.WAIT_TIMEOUT, `nothing came within ${timeoutMs} ms`, wish)),
        );
        undo.push(() => timer.cancel());
      }
      if (signal !== undefined) {
        undo.push(
          onAbort(signal, (reason) =>
            fetcher.reject(waitError(FlowErrorCode.WAIT_ABORTED, "its signal was aborted", wish, reason)),
          ),
        );
        if (signal.aborted) finish();
      }
    });
  }

  /** Hands an item to a pending fetch, or keeps it if there is room. */
  offer(unread: Unread, isLast: boolean): boolean {
    const trace = unread.sink.trace as Trace;
    for (const fetcher of [...(this.#oneTrace.get(trace.id) ?? []), ...this.#anyTrace]) {
      if (!fits(fetcher.wish, unread)) continue;
      unread.sink.wasReadById ||= fetcher.wish.traceId !== undefined;
      unread.sink.kept?.add(unread);
      fetcher.resolve(unread);
      return true;
    }
    const { limits, queueMaxSize } = this.#engine.options;
    const { rookeryMaxSize } = limits;
    const perTrace = queueMaxSize === 0 ? rookeryMaxSize : queueMaxSize;
    if (!isLast && unread.sink.unread >= perTrace) {
      unread.sink.lendsSlot = true;
      return false;
    }
    if (!this.#hasRoom()) {
      if (!isLast) {
        // only the common bound may block the node: a trace at its own bound must not hold a slot that other traces
        // need
        unread.sink.lendsSlot = this.#waiting.size < rookeryMaxSize;
        this.#waiting.add(unread.sink);
        return false;
      }
      // errors and final answers have room of their own: refusing them would leave a fetch without an end
      if (this.#unread.size >= 2 * rookeryMaxSize) {
        this.#engine.resultDropped(trace, unread.node ?? "", "the Rookery is full");
        return true;
      }
    }
    this.#keep(unread);
    return true;
  }

  /** Keeps the results of a trace whose caller is gone, for a fetch by its id, until the room is needed. */
  keep(trace: Trace, outcome: Outcome): void {
    const sink = this.#sinkOfEnded(trace);
    for (const item of outcome.messages) this.offer({ item, node: undefined, sink }, true);
    this.ended(sink, outcome);
  }

  /**
   * Keeps the results of a trace in the checkpoint store until its caller can have been told: a process that ends in
   * between leaves them to a fetch by its id.
   */
  keepUntilTold(trace: Trace, outcome: Outcome): void {
    const { durable } = this.#engine;
    if (durable === undefined || outcome.messages.length === 0) return;
    const sink = this.#sinkOfEnded(trace);
    const results = outcome.messages.map((item): Unread => ({ item, node: undefined, sink }));
    for (const result of results) sink.kept?.add(result);
    durable.afterStored((failure) => {
      if (failure === undefined) for (const result of results) this.#forget(result);
    });
  }

  /** Whether a fetch by the trace's id is pending. */
  isAwaited({ id, tenant }: Trace): boolean {
    for (const { wish } of this.#oneTrace.get(id) ?? [])
      if (wish.tenant === undefined || wish.tenant === tenant) return true;
    return false;
  }

  /** Restores the results from before a restart. */
  restore(trace: Trace, results: readonly { readonly message: Message; readonly node: string | undefined }[]): void {
    const sink = trace.sink instanceof RookerySink ? trace.sink : this.#sinkOfEnded(trace);
    for (const { message, node } of results) this.#keep({ item: message, node, sink });
  }

  /** Restores what a failed trace had left before a restart. `isErrorUnread` says that its error is an unread item. */
  restoreFailed(
    trace: Trace,
    results: readonly { readonly message: Message; readonly node: string | undefined }[],
    error: FlowError,
    isErrorUnread: boolean,
  ): void {
    const sink = trace.sink as RookerySink;
    sink.hasEnded = true;
    sink.error = error;
    // no caller remains of a trace that `emit` did not open: without this its results would never be evicted
    sink.wasReadById = !trace.isOpenEnded;
    this.restore(trace, results);
    if (isErrorUnread) this.#keep({ item: error, node: undefined, sink });
    else if (results.length === 0) this.#leaveWord(trace, error);
  }

  /**
   * Passes the remaining results of an ended trace to a reader.
   *
   * @throws FlowError the trace's error, or `TRACE_UNKNOWN` if nothing remains
   */
  async readLeft(traceId: string, tenant: string, reader: StreamSink): Promise<void> {
    let left: Unread | undefined;
    do {
      left = this.#leftOf(traceId, tenant);
      const item = await this.fetch({ traceId, tenant });
      if (item instanceof FlowError) throw item;
      reader.begin([item]);
    } while (this.#leftOf(traceId, tenant) !== undefined);
    if (left?.sink.error !== undefined) throw left.sink.error;
  }

  /** Whether an ended trace has left results or an error. */
  hasLeft(traceId: string, tenant: string): boolean {
    const hasEnding = this.#endings.get(traceId)?.some((ending) => ending.tenant === tenant) === true;
    return hasEnding || this.#leftOf(traceId, tenant) !== undefined;
  }

  #leftOf(traceId: string, tenant: string): Unread | undefined {
    for (const unread of this.#unread.of(traceId)) if (unread.sink.trace?.tenant === tenant) return unread;
    return undefined;
  }

  /** Withdraws the remaining items of a failed trace that is restored for a retry. */
  withdraw(trace: Trace): void {
    for (const unread of [...this.#unread.of(trace.id)]) {
      if (unread.sink.trace !== trace) continue;
      this.#unread.delete(unread);
      unread.sink.unread -= 1;
      unread.sink.kept?.delete(unread);
    }
    const words = this.#endings.get(trace.id) ?? [];
    const index = words.findIndex(({ run }) => run === trace.run);
    if (index !== -1) this.#takeWord(trace.id, words, index);
    this.#goOn();
  }

  #sinkOfEnded(trace: Trace): RookerySink {
    const sink = this.sinkFor();
    sink.trace = trace;
    sink.hasEnded = true;
    // its caller may never return: without this its results would never be evicted
    sink.wasReadById = true;
    trace.sink = sink;
    return sink;
  }

  #keep(unread: Unread): void {
    this.#unread.add(unread);
    unread.sink.unread += 1;
    unread.sink.kept?.add(unread);
  }

  /** Hands an item out. A durable flow first stores the state that led to it, then stops keeping the item. */
  #hand(unread: Unread, resolve: (item: RookeryItem) => void, reject: (error: unknown) => void): void {
    const { durable } = this.#engine;
    if (durable === undefined) {
      resolve(unread.item);
      return;
    }
    if (durable.isClosing) {
      reject(this.#closed ?? fetchStopped());
      return;
    }
    durable.afterStored((failure) => {
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      this.#forget(unread);
      resolve(unread.item);
    });
  }

  /** Stops keeping an item for the checkpoint store. */
  #forget(unread: Unread): void {
    const { sink } = unread;
    if (sink.kept?.delete(unread) === true) this.#engine.ledger.changed(sink.trace as Trace);
  }

  /** Rejects the fetches that an ended trace leaves without an item. */
  ended(sink: RookerySink, outcome: Outcome): void {
    const { traceId, tenant } = outcome;
    if (outcome.status !== "completed") sink.error = outcome.error;
    this.#waiting.delete(sink);
    if (sink.wasReadById && sink.unread > 0) this.#goOn();
    const leavesWord = outcome.status !== "completed" && outcome.status !== "stopped";
    if (!leavesWord && !this.#oneTrace.has(traceId)) return;
    const error =
      outcome.status === "completed"
        ? waitError(FlowErrorCode.NO_RESULT, "the trace has ended and all its results were read", { traceId, tenant })
        : outcome.error;
    const left = [...this.#unread.of(traceId)].filter((unread) => unread.sink === sink);
    const told = [...(this.#oneTrace.get(traceId) ?? [])].filter(
      ({ wish }) =>
        (wish.tenant === undefined || wish.tenant === tenant) &&
        !this.#isRunning(traceId, wish.tenant) &&
        !left.some((unread) => fits(wish, unread)),
    );
    const { durable } = this.#engine;
    for (const fetcher of told)
      if (durable === undefined) fetcher.reject(error);
      else durable.afterStored((failure) => fetcher.reject(failure ?? error));
    if (told.length > 0 || left.length > 0 || !leavesWord) return;
    this.#leaveWord(sink.trace as Trace, error);
  }

  /** Keeps the error of an ended trace for the next fetch by its id. */
  #leaveWord({ run, id, tenant }: Trace, error: FlowError): void {
    const list = this.#endings.get(id) ?? [];
    list.push({ run, tenant, error });
    this.#endings.set(id, list);
    this.#endingCount += 1;
    if (this.#endingCount <= this.#engine.options.limits.rookeryMaxSize) return;
    const [oldest] = this.#endings.keys();
    this.#endingCount -= this.#endings.get(oldest as string)?.length ?? 0;
    this.#endings.delete(oldest as string);
  }

  /** Rejects every fetch because the flow stops. */
  close(): void {
    const error = this.#engine.durable?.failure ?? fetchStopped();
    this.#closed = error;
    this.#heldBack.length = 0;
    for (const fetchers of [this.#anyTrace, ...this.#oneTrace.values()])
      for (const fetcher of [...fetchers]) fetcher.reject(error);
    this.#unread.clear();
    this.#endings.clear();
    this.#waiting.clear();
  }

  #fetchersOf(traceId: string | undefined): Set<Fetcher> {
    if (traceId === undefined) return this.#anyTrace;
    let fetchers = this.#oneTrace.get(traceId);
    if (fetchers === undefined) {
      fetchers = new Set();
      this.#oneTrace.set(traceId, fetchers);
    }
    return fetchers;
  }

  #take(wish: FetchWish): Unread | undefined {
    for (const unread of this.#unread.of(wish.traceId)) {
      if (!fits(wish, unread)) continue;
      unread.sink.wasReadById ||= wish.traceId !== undefined;
      this.#remove(unread);
      return unread;
    }
    return undefined;
  }

  #remove(unread: Unread): void {
    this.#unread.delete(unread);
    unread.sink.unread -= 1;
    unread.sink.onRoom?.();
    this.#goOn();
  }

  /** Unblocks senders that wait for room: first those of results, then messages from outside. */
  #goOn(): void {
    for (const sink of this.#waiting) {
      if (!this.#hasRoom()) return;
      this.#waiting.delete(sink);
      sink.onRoom?.();
    }
    while (this.#heldBack.length > 0 && this.#hasRoom()) {
      this.#engine.sending.offerHeld(this.#heldBack.shift() as Send);
    }
    this.#engine.agenda.flush();
  }

  #hasRoom(): boolean {
    const { rookeryMaxSize } = this.#engine.options.limits;
    // errors and final answers of ended traces may have exceeded the bound: evict more than one
    while (this.#unread.size >= rookeryMaxSize) if (!this.#evict()) return false;
    return true;
  }

  #evict(): boolean {
    for (const unread of this.#unread.of(undefined)) {
      if (!unread.sink.hasEnded || !unread.sink.wasReadById) continue;
      this.#unread.delete(unread);
      unread.sink.unread -= 1;
      this.#forget(unread);
      this.#engine.resultDropped(
        unread.sink.trace as Trace,
        unread.node ?? "",
        "its trace has ended and other results need the room",
      );
      return true;
    }
    return false;
  }

  #refusal(wish: FetchWish): FlowError | undefined {
    const { traceId, tenant } = wish;
    if (traceId === undefined || this.#isRunning(traceId, tenant)) return undefined;
    const endings = this.#endings.get(traceId) ?? [];
    const index = endings.findIndex((ending) => tenant === undefined || ending.tenant === tenant);
    if (index !== -1) return this.#takeWord(traceId, endings, index);
    return new FlowError({
      code: FlowErrorCode.TRACE_UNKNOWN,
      message: `Cannot fetch from trace "${traceId}": no trace of that id runs or has unread results; emit first, then fetch`,
      traceId,
      tenant,
    });
  }

  #takeWord(traceId: string, words: { readonly error: FlowError }[], index: number): FlowError {
    const [word] = words.splice(index, 1);
    this.#endingCount -= 1;
    if (words.length === 0) this.#endings.delete(traceId);
    return (word as { readonly error: FlowError }).error;
  }

  #isRunning(traceId: string, tenant: string | undefined): boolean {
    return this.#engine.traces
      .find(traceId, tenant)
      .some((trace) => trace.isOpen && (trace.isOpenEnded || trace.sink instanceof LeftSink));
  }

  /** Pins the wish to the only tenant that uses its trace id. Otherwise a later trace of another tenant could match. */
  #pinned(wish: FetchWish): FetchWish {
    const { traceId } = wish;
    if (traceId === undefined || wish.tenant !== undefined) return wish;
    const tenants = new Set<string>();
    for (const { sink } of this.#unread.of(traceId)) tenants.add((sink.trace as Trace).tenant);
    for (const trace of this.#engine.traces.find(traceId, undefined)) tenants.add(trace.tenant);
    for (const ending of this.#endings.get(traceId) ?? []) tenants.add(ending.tenant);
    if (tenants.size <= 1) return { ...wish, tenant: [...tenants][0] };
    throw new FlowError({
      code: FlowErrorCode.TENANT_REQUIRED,
      message: `Cannot tell which trace "${traceId}" is meant: several tenants use the id; pass { tenant }`,
      traceId,
    });
  }
}

/** Sink of `emit`: passes results to the flow's Rookery and discards chunks. */
export class RookerySink implements TraceSink {
  readonly keepResults = 0;
  onRoom: (() => void) | null = null;
  trace: Trace | undefined;
  unread = 0;
  hasEnded = false;
  /** Error its trace ended with; `undefined` if it completed. */
  error: FlowError | undefined;
  wasReadById = false;
  lendsSlot = true;
  emitsErrors = false;
  /** Items not handed out yet, in a durable flow. The checkpoint store keeps them. */
  readonly kept: Set<Unread> | undefined;
  readonly #rookery: Rookery;
  readonly #engine: RookeryHost;

  constructor(rookery: Rookery, engine: RookeryHost) {
    this.#rookery = rookery;
    this.#engine = engine;
    this.kept = engine.durable === undefined ? undefined : new Set();
  }

  get isLeft(): boolean {
    return true;
  }

  opened(trace: Trace): void {
    this.trace = trace;
  }

  hasRoomForResult(): boolean {
    return this.#rookery.hasRoomFor(this);
  }

  result(message: Message, node?: string): boolean {
    return this.#rookery.offer({ item: message, node, sink: this }, false);
  }

  hasRoom(): boolean {
    return true;
  }

  chunk(): void {}

  ended(outcome: Outcome): void {
    const { id, headers, deadlineAt, wasEntered } = this.trace as Trace;
    const createdAt = this.#engine.clock.epochNow();
    const envelope = new Message({ payload: undefined, headers, traceId: id, deadlineAt, createdAt });
    // a caller whose `emit` was rejected already has the error: an item as well would stay unread
    if (wasEntered && outcome.status === "exhausted") {
      this.#rookery.offer({ item: carry(envelope, outcome.finalAnswer), node: undefined, sink: this }, true);
    } else if (wasEntered && outcome.status === "failed" && this.emitsErrors) {
      this.#rookery.offer({ item: outcome.error, node: undefined, sink: this }, true);
    }
    this.hasEnded = true;
    this.#rookery.ended(this, outcome);
  }
}

/** Sink of a trace without a waiting caller. The caller was notified of a pause, or its process has ended. */
export class LeftSink extends OutcomeSink {
  constructor(rookery: Rookery, maxResults: number, trace: Trace) {
    super(maxResults, (outcome) => {
      // the caller that resumed the trace receives the outcome: keeping it too would hold room until an eviction
      // so would one that is kept for its id
      const isTold = (trace.lasting?.watchers.length ?? 0) > 0;
      const isKept = trace.extras?.given?.end !== undefined;
      if ((!isTold && !isKept) || rookery.isAwaited(trace)) rookery.keep(trace, outcome);
      else if (!isKept) rookery.keepUntilTold(trace, outcome);
    });
  }

  get isLeft(): boolean {
    return true;
  }

  /** Does nothing: no caller remains to be notified. */
  override paused(): void {}
}

/** Makes the error of a fetch during the flow's stop. */
function fetchStopped(): FlowError {
  return new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: "Gave up fetching: the flow was stopped" });
}

function fits(wish: FetchWish, unread: Unread): boolean {
  const trace = unread.sink.trace as Trace;
  if (wish.traceId !== undefined && wish.traceId !== trace.id) return false;
  if (wish.tenant !== undefined && wish.tenant !== trace.tenant) return false;
  return wish.from === undefined || unread.node === undefined || wish.from.has(unread.node);
}

function waitError(code: FlowErrorCode, why: string, wish: FetchWish, cause?: unknown): FlowError {
  const place = wish.traceId === undefined ? "the Rookery" : `trace "${wish.traceId}"`;
  return new FlowError({
    code,
    message: `Gave up fetching from ${place}: ${why}`,
    traceId: wish.traceId,
    tenant: wish.tenant,
    retryable: true,
    cause,
  });
}
