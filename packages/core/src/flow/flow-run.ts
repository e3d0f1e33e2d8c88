import { describeThrown, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import {
  requireInteger,
  requireKnownKeys,
  requireMethods,
  requireNumber,
  requireOptions,
  requireTenant,
  requireText,
} from "../foundation/options.ts";
import { onAbort } from "../foundation/abort.ts";
import type { Graph } from "../graph/graph.ts";
import type { ChunkInit } from "../graph/handler.ts";
import { DEFAULT_HEADERS, type Message } from "../message/message.ts";
import type { Outcome } from "../message/outcome.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { HistoryPage, RemoteBinding } from "../ports/state-store.ts";
import { CallSink, OutcomeSink } from "../engine/results/sink.ts";
import type { RookerySink } from "../engine/results/rookery.ts";
import type { LoggedItem, StreamItem } from "../engine/results/stream-sink.ts";
import type { StreamWriter } from "../engine/state/stream-table.ts";
import type { Trace, TraceSink } from "../engine/state/trace.ts";
import type { DurableRun, Recovery } from "../engine/durability.ts";
import type { CancelReport } from "../engine/termination/ending.ts";
import { requireSignalName } from "../engine/context/signalling.ts";
import { sealed } from "../engine/delivery/sealed.ts";
import type { Engine, StopReport } from "../engine/engine.ts";
import type { ResolvedOptions } from "../engine/flow-options.ts";
import { type FlowStats, statsOf } from "../engine/flow-stats.ts";
import type { TraceStream } from "../engine/results/trace-reader.ts";
import type { EmitOptions, FetchOptions, StreamOptions, TraceOptions, WithLog } from "./call-options.ts";
import { emitOfId, outcomeOfId, streamOfId } from "./given-id.ts";
import { wishOf } from "./fetch-wish.ts";
import { FlowIntake } from "./intake.ts";
import { FlowPauses } from "./pauses.ts";
import { openTrace } from "./open-trace.ts";
import { prepare } from "./prepare.ts";
import { type Admitted, readTrace } from "./read-trace.ts";
import { FlowRecovery } from "./recovery.ts";
import { loading, putBehind, type Running, toldWhenStored } from "./running.ts";

/** External work of a trace, cancelled when the trace ends first. */
export interface ExternalTask {
  /** Called once when the trace ends before the task was taken back. */
  cancel(reason: unknown): unknown;
}

let runningOf: (run: FlowRun<never, unknown>) => Running;

/**
 * Returns the options of a run, for what works beside it.
 *
 * @throws FlowError `FLOW_NOT_RUNNING`
 */
export function portsOf(run: FlowRun<never, unknown>): ResolvedOptions {
  const running = runningOf(run);
  running.require();
  return running.options;
}

/**
 * One run of a flow: an engine with its own traces, queues and resources. Made by `flow.start`. A run that has ended
 * stays ended. Disposable: `await using run = flow.start()` stops it at the end of the block.
 */
export class FlowRun<in Input, out Result, out Entries extends string = string> implements AsyncDisposable {
  declare readonly "~flow"?: { readonly input: (input: Input) => void; readonly result: Result };
  declare readonly "~entries"?: Entries;
  /** Nodes and edges of the flow. */
  readonly graph: Graph;
  readonly name: string;
  static {
    runningOf = (run) => run.#running;
  }
  readonly #running: Running;
  #pauses: FlowPauses<Result> | undefined;
  #recovery: FlowRecovery<Result> | undefined;
  #intake: FlowIntake<Input, Entries> | undefined;

  /** Internal: call `flow.start`. */
  constructor(graph: Graph, running: object) {
    this.graph = graph;
    this.#running = running as Running;
    this.name = this.#options.name;
    putBehind(this, this.#running);
  }

  get #options(): ResolvedOptions {
    return this.#running.options;
  }

  /**
   * Resolves when everything that an earlier process has left in the checkpoint store is under way again; at once for a
   * flow that is not durable. Calls made sooner wait for it.
   *
   * @throws FlowError `PARTITION_LEASED` when another process has the checkpoint store, `CHECKPOINT_FAILED` when it
   * cannot be read
   */
  async ready(): Promise<Recovery> {
    const { durable } = this.#running.require();
    if (durable === undefined) return { resumed: 0, failed: 0, changed: [] };
    await durable.ready;
    return durable.recovery;
  }

  /** The pauses of the flow's traces. */
  get pauses(): FlowPauses<Result> {
    return (this.#pauses ??= new FlowPauses(this.#running));
  }

  /** The traces that a durable flow has kept. */
  get recovery(): FlowRecovery<Result> {
    return (this.#recovery ??= new FlowRecovery(this.#running));
  }

  /** Receipt of items from an intake, for a durable run with an outbox: the partition of a cluster. */
  get intake(): FlowIntake<Input, Entries> {
    return (this.#intake ??= new FlowIntake(this.#running));
  }

  /** Whether the flow accepts messages. */
  get isRunning(): boolean {
    return this.#running.isRunning;
  }

  /** Whether it has a checkpoint store. */
  get isDurable(): boolean {
    return this.#options.durability !== undefined;
  }

  /** Whether what it has accepted outlasts its process: it has a checkpoint store, and one that does so. */
  get outlastsProcess(): boolean {
    const { durability } = this.#options;
    return durability !== undefined && durability["~isVolatile"] !== true;
  }

  /**
   * Stops the flow: refuses new work, lets accepted work finish within `drainMs` milliseconds, and ends the rest with
   * the outcome `stopped`. Resolves when every handler has returned or was given up. Every waiting caller is released.
   * A durable flow resumes its unfinished traces when it runs again. Idempotent.
   */
  stop(options: { readonly drainMs?: number } = {}): Promise<StopReport> {
    requireKnownKeys("stop", options, ["drainMs"]);
    const { drainMs = 0 } = options;
    requireNumber("drainMs", drainMs, 0);
    return this.#running.stop(drainMs);
  }

  /**
   * Resolves once the run has ended: with the error that ended it, such as `PARTITION_FENCED`, or `undefined` after
   * `stop`. Of a flow, it is that of its latest `run`.
   */
  get closed(): Promise<Error | undefined> {
    return this.#running.closed;
  }

  /** Stops the flow without draining. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Sends a message and resolves with its first result when the trace has ended.
   *
   * @throws FlowError the reason when the trace did not complete; its `code` says which
   */
  call(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      requireOptions("a call", options);
      const engine = this.#running.require();
      if (options.id !== undefined) this.#askOutcome(input, options, toldResult(resolve, reject), reject);
      else if (engine.durable !== undefined) this.#callDurable(engine.durable.gate, input, options, resolve, reject);
      else this.#begin(engine, input, options, new CallSink(resolve, reject));
    });
  }

  /**
   * Sends a message and resolves with how its trace ended. Failures are outcomes, not rejections.
   *
   * @throws FlowError when the message cannot be accepted: `FLOW_NOT_RUNNING`, `FLOW_STOPPED`, `TRACE_UNWINDING`
   */
  outcome(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): Promise<Outcome<Result>> {
    return new Promise((resolve, reject) => {
      requireOptions("a call", options);
      if (options.id !== undefined) {
        this.#askOutcome(input, options, resolve as (outcome: Outcome) => void, reject);
        return;
      }
      this.#running.whenReady(reject, (engine) => {
        const told = toldWhenStored(engine, resolve as (outcome: Outcome) => void);
        this.#begin(engine, input, options, new OutcomeSink(this.#options.limits.maxResults, told));
      });
    });
  }

  /**
   * Number of traces of a durable run that wait only for answers, signals or instants: they do no work until then. 0 when
   * the run is not durable, or has `unloadAfterMs: Infinity`.
   */
  get waiting(): number {
    return this.#running.require().durable?.waiting ?? 0;
  }

  /**
   * Sends a message and yields the chunks and results of its trace as they come. When the reader falls
   * more than `streamWindow` items behind, the trace's producers wait. Leaving the loop cancels the trace.
   * Nothing happens before the first item is asked for, unless `await stream.accepted()` asks whether the flow takes
   * the message: what a server does before it answers 200.
   *
   * @throws FlowError at the end of the iteration when the trace did not complete
   */
  stream(
    input: Input | Message<Input>,
    options: StreamOptions<Entries> & WithLog,
  ): TraceStream<StreamItem<Result> | LoggedItem>;
  /** Sends a message and yields the chunks and results of its trace as they come. */
  stream(input: Input | Message<Input>, options?: StreamOptions<Entries>): TraceStream<StreamItem<Result>>;
  stream(
    input: Input | Message<Input>,
    options: StreamOptions<Entries> & Partial<WithLog> = {},
  ): TraceStream<StreamItem<Result> | LoggedItem> {
    requireOptions("a call", options);
    const { onLeave = "cancel", log, ...emitOptions } = options;
    return readTrace<StreamItem<Result> | LoggedItem>(
      this.#running,
      onLeave,
      (engine, sink, admitted) =>
        emitOptions.id === undefined
          ? this.#begin(engine, input, emitOptions, sink, admitted)
          : streamOfId(engine, input, emitOptions, sink, admitted),
      {
        check: async (left) => {
          const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
          const { message, edges } = prepare(engine, input, emitOptions);
          const { signal } = emitOptions;
          await engine.acceptance.check(message, edges, signal === undefined ? [left] : [left, signal]);
        },
        log,
      },
    );
  }

  /**
   * Sends a message whose results are to be fetched, and resolves with its trace id when the entry nodes'
   * edges have accepted it, in a durable flow when that is stored. A message with the id of a trace that is
   * under way joins that trace: deadline, priority, budget and signal are those the trace was begun with.
   *
   * @throws FlowError `FLOW_NOT_RUNNING`, `FLOW_STOPPED`, `TRACE_UNWINDING`; `ID_CONFLICT` when the trace acts for
   *   another principal; the trace's error when it ends first
   */
  async emit(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): Promise<string> {
    requireOptions("a call", options);
    const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
    if (options.id !== undefined) {
      await emitOfId(engine, input, options, () => this.#rookerySink(engine));
      await engine.durable?.stored();
      return options.id;
    }
    const { message, edges } = prepare(engine, input, options);
    const known = engine.openEndedTrace(message);
    const trace = known ?? this.#openEnded(engine, message, options);
    if (!trace.isOpen) throw trace.extras?.error as FlowError;
    await engine.enterOpenEnded(trace, sealed(trace, message), edges);
    if (engine.durable !== undefined) await engine.durable.stored();
    return message.traceId;
  }

  /**
   * Sends a message if there is room at once and returns its trace id. In a durable flow it is stored soon, and not
   * yet when this returns.
   *
   * @throws FlowError `QUEUE_FULL` when an edge has no room; nothing is left of the message then
   */
  emitNowait(input: Input | Message<Input>, options: Omit<EmitOptions<Entries>, "id" | "keepMs"> = {}): string {
    const engine = this.#running.require();
    if ((options as EmitOptions).id !== undefined)
      throw new TypeError(
        'Option "id" of emitNowait is not allowed: what is kept of an id may have to be read; use emit',
      );
    if (engine.durable?.isReady === false)
      throw new FlowError({
        code: FlowErrorCode.FLOW_NOT_RUNNING,
        message: `Flow "${this.name}" still reads its checkpoint store: await ready() first, or use emit`,
        retryable: true,
      });
    const { message, edges } = prepare(engine, input, options);
    const known = engine.openEndedTrace(message);
    engine.requireTurn(known, message, options.exclusive);
    engine.requireRoom(known, message, edges);
    const trace = known ?? this.#openEnded(engine, message, options);
    if (!trace.isOpen) throw trace.extras?.error as FlowError;
    trace.wasEntered = true;
    engine.enter(trace, sealed(trace, message), edges, null);
    return message.traceId;
  }

  /**
   * Takes the next result of `emit`ted messages: of one trace with `{ traceId }`, of any without, for
   * consumers that are alone. A trace that was exhausted yields its closing `FinalAnswer`, and with
   * `emitErrorsToRookery` a failed one its `FlowError`. Many callers at once are better served by `call`.
   *
   * @throws FlowError the trace's error when it ended without a result; `TRACE_UNKNOWN`, `WAIT_TIMEOUT`,
   * `WAIT_ABORTED`, `FLOW_STOPPED`
   */
  async fetch(options: FetchOptions = {}): Promise<Message<Result> | FlowError> {
    const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
    const wish = wishOf(this.graph, this.name, options);
    if (wish.traceId !== undefined) {
      const loaded = loading(engine, wish.traceId, wish.tenant);
      if (loaded !== undefined) await loaded;
    }
    return (await engine.rookery.fetch(wish)) as Message<Result> | FlowError;
  }

  /** {@link FlowRun.fetch} from whichever of the given exit nodes has a result first. */
  fetchAny(options: FetchOptions = {}): Promise<Message<Result> | FlowError> {
    return this.fetch(options);
  }

  /**
   * Sends a piece of a stream from outside of the flow's nodes. Resolves when the stream's reader has room.
   * Calls with the same `writer` continue one another.
   *
   * @throws FlowError `TRACE_UNKNOWN` when no trace of that id runs, `STREAM_BUSY`
   */
  async emitChunk(
    chunk: ChunkInit & { readonly traceId?: string; readonly tenant?: string; readonly signal?: AbortSignal },
  ): Promise<StreamChunk> {
    const engine = this.#running.require();
    const traceId = chunk.traceId ?? chunk.parent?.traceId;
    if (traceId === undefined) throw new TypeError('Cannot emit a chunk: pass "traceId" or "parent"');
    if (chunk.to !== undefined) throw new TypeError('Cannot emit a chunk to a node from outside: "to" is for handlers');
    const tenant = chunk.tenant ?? chunk.parent?.headers.tenant;
    const loaded = loading(engine, traceId, tenant);
    if (loaded !== undefined) await loaded;
    const trace = this.#openTrace(engine, traceId, tenant);
    return engine.chunks.emitOutside(
      trace,
      OUTSIDE,
      { ...chunk, streamId: chunk.streamId ?? `${traceId}~outside` },
      chunk.signal,
    );
  }

  /**
   * Cancels the traces of that id: drops their queued messages, aborts their handlers and settles their callers with
   * the outcome `cancelled`. Resolves when the handlers have returned or were given up after `graceMs`. Idempotent;
   * earlier results stay available.
   *
   * @throws FlowError `TENANT_REQUIRED` when several tenants use the id and none is named
   */
  async cancel(traceId: string, options: TraceOptions & { readonly reason?: unknown } = {}): Promise<CancelReport> {
    requireText("traceId", traceId);
    requireKnownKeys("cancel", options, ["tenant", "reason"]);
    requireTenant(options.tenant);
    const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
    const loaded = loading(engine, traceId, options.tenant);
    if (loaded !== undefined) await loaded;
    const traces = engine.traces.find(traceId, options.tenant);
    const reports = await Promise.all(traces.map((trace) => engine.ending.cancel(trace, options.reason)));
    if (engine.durable !== undefined) await engine.durable.stored();
    return reports.reduce(
      (sum, report) => ({
        found: sum.found || report.found,
        dropped: sum.dropped + report.dropped,
        aborted: sum.aborted + report.aborted,
        zombies: sum.zombies + report.zombies,
      }),
      { found: false, dropped: 0, aborted: 0, zombies: 0 },
    );
  }

  /**
   * Sends a value into a running trace, for a handler that asks for `ctx.signals(name)`. Resolves when the trace has
   * accepted it, in a durable flow when that is stored. Of several traces with the id, the newest receives it. A trace that
   * ends drops the signals that no handler has consumed.
   *
   * @param options - `sequence`: position of the signal in an intake, which may be delivered again; a trace ignores one
   *   that is not larger than the last that it has accepted. @defaultValue none, each call is another signal
   * @throws FlowError `TRACE_UNKNOWN`, `TRACE_ENDED`, `TENANT_REQUIRED`; `QUEUE_FULL` at `limits.maxSignals`; in a durable
   * flow `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE`
   */
  async signal(
    traceId: string,
    name: string,
    value: unknown,
    options: TraceOptions & { readonly sequence?: number | undefined } = {},
  ): Promise<void> {
    requireSignalName(name);
    requireText("traceId", traceId);
    requireKnownKeys("signal", options, ["tenant", "sequence"]);
    if (options.sequence !== undefined) requireInteger("sequence", options.sequence, 0);
    requireTenant(options.tenant);
    const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
    const loaded = loading(engine, traceId, options.tenant);
    if (loaded !== undefined) await loaded;
    const trace = this.#unendedTrace(engine, traceId, options.tenant);
    engine.durable?.beCareful();
    engine.signalling.accept(trace, name, value, options.sequence);
    await engine.durable?.storedTrace(trace);
  }

  /** A signal that aborts when the trace ends before it completed. Of an unknown trace it has aborted already, or does so when a durable flow has looked for it in its store. */
  ensureTraceSignal(traceId: string, options: TraceOptions = {}): AbortSignal {
    requireText("traceId", traceId);
    requireKnownKeys("ensureTraceSignal", options, ["tenant"]);
    requireTenant(options.tenant);
    const engine = this.#running.require();
    const controller = new AbortController();
    // listeners belong to the one who asks for the signal, and not to the one who ends the trace
    const scope = this.#options.asyncScope();
    const abort = (reason: unknown): void => scope.runInAsyncScope(() => controller.abort(reason), undefined);
    const find = (): Trace | undefined =>
      engine.traces.find(traceId, options.tenant).find((candidate) => candidate.isOpen);
    const follow = (trace: Trace | undefined): void => {
      if (trace === undefined) abort(this.#running.unknownTrace(traceId, options.tenant));
      else
        trace.onEnd((reason) => {
          if (reason instanceof Error) abort(reason);
        });
    };
    const trace = find();
    const loaded = trace === undefined ? loading(engine, traceId, options.tenant) : undefined;
    if (loaded === undefined) follow(trace);
    else loaded.then(() => follow(find())).catch(abort);
    return controller.signal;
  }

  /**
   * Has `task.cancel` called when the trace ends before it completed, at once if it has ended already.
   *
   * @returns a function that takes the task back, to be called when it is done
   */
  registerExternalTask(traceId: string, task: ExternalTask, options: TraceOptions = {}): () => void {
    requireMethods("task", task, ["cancel"]);
    return onAbort(this.ensureTraceSignal(traceId, options), (reason) => {
      Promise.resolve(reason)
        .then((why) => task.cancel(why))
        .catch((error: unknown) =>
          this.#options.logger.warn("external_task_cancel_failed", { traceId, error: describeThrown(error) }),
        );
    });
  }

  /**
   * Loads the stored events of a trace, in order of occurrence.
   *
   * @throws TypeError when the flow has no state store
   */
  async loadHistory(
    traceId: string,
    options: TraceOptions & { readonly cursor?: string; readonly limit?: number } = {},
  ): Promise<HistoryPage> {
    requireText("traceId", traceId);
    requireKnownKeys("loadHistory", options, ["tenant", "cursor", "limit"]);
    requireTenant(options.tenant);
    if (options.cursor !== undefined) requireText("cursor", options.cursor);
    if (options.limit !== undefined) requireInteger("limit", options.limit, 1);
    await this.#running.engine?.reporter.flushStore();
    const { tenant = DEFAULT_HEADERS.tenant, ...rest } = options;
    return this.#store("load a history").loadHistory({ ...rest, tenant, traceId });
  }

  /** Keeps which remote task works for a trace. @throws TypeError when the flow has no state store */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    await this.#store("save a remote binding").saveRemoteBinding(binding);
  }

  /**
   * Reads the log of a trace, as far as it is committed and, in a durable flow, stored: while the trace runs, of a trace
   * that failed as long as a durable flow keeps it, and of the latest ended traces, as many as `limits.maxKeptLogs` says.
   *
   * @param options - `tenant` must be the trace's; @defaultValue `"default"`
   * @throws FlowError `TRACE_UNKNOWN` when there is no such trace
   */
  async log(traceId: string, options: TraceOptions = {}): Promise<readonly unknown[]> {
    requireText("traceId", traceId);
    requireKnownKeys("log", options, ["tenant"]);
    requireTenant(options.tenant);
    const { tenant = DEFAULT_HEADERS.tenant } = options;
    const engine = this.#running.isReady ? this.#running.require() : await this.#running.ready();
    const loaded = loading(engine, traceId, tenant);
    if (loaded !== undefined) await loaded;
    const items = await engine.logs.find(traceId, tenant);
    if (items === undefined) throw this.#running.unknownTrace(traceId, tenant);
    return items;
  }

  /**
   * Waits until middlewares, state store and bus have been told of everything so far.
   *
   * @param options - `timeoutMs`: for so long at most; @defaultValue 30 000
   * @returns whether they have: `false` when one of them hangs or is too slow, which is logged
   */
  async flush(options: { readonly timeoutMs?: number } = {}): Promise<boolean> {
    requireKnownKeys("flush", options, ["timeoutMs"]);
    const { timeoutMs = FLUSH_TIMEOUT_MS } = options;
    requireNumber("timeoutMs", timeoutMs, 0);
    return (await this.#running.engine?.flushObservers(timeoutMs)) ?? true;
  }

  /** Figures of the running flow: what every node and edge holds, and what became of the traces. */
  stats(): FlowStats {
    return statsOf(this.#running.require());
  }

  #begin(engine: Engine, input: unknown, options: EmitOptions, sink: TraceSink, admitted?: Admitted): Trace {
    const prepared = prepare(engine, input, options);
    const { message, edges } = prepared;
    engine.durable?.requireFitMessage(message);
    const trace = openTrace(engine, prepared, options, sink);
    if (admitted === undefined) engine.enter(trace, message, edges, null);
    else admitted.resolve(engine.acceptance.enter(trace, message, edges));
    return trace;
  }

  /** Calls once the checkpoint store is read. The result leaves the flow when what led to it is stored. */
  #callDurable(
    gate: DurableRun["gate"],
    input: unknown,
    options: EmitOptions,
    resolve: (result: Result) => void,
    reject: (error: unknown) => void,
  ): void {
    const sink = new CallSink(gate.value(resolve, reject), gate.value(reject, reject));
    this.#running.whenReady(reject, (engine) => this.#begin(engine, input, options, sink));
  }

  #openEnded(engine: Engine, message: Message, options: EmitOptions): Trace {
    engine.durable?.requireFitMessage(message);
    return openTrace(engine, { message, idNumber: undefined }, options, this.#rookerySink(engine), true);
  }

  #rookerySink(engine: Engine): RookerySink {
    const sink = engine.rookery.sinkFor();
    sink.emitsErrors = this.#options.emitErrorsToRookery;
    return sink;
  }

  /** Reports the next outcome of the trace of a given id. */
  #askOutcome(
    input: unknown,
    options: EmitOptions,
    told: (outcome: Outcome) => void,
    refuse: (error: unknown) => void,
  ): void {
    this.#running.whenReady(refuse, (engine) => {
      outcomeOfId(engine, input, options, toldWhenStored(engine, told), refuse).catch(refuse);
    });
  }

  #openTrace(engine: Engine, traceId: string, tenant: string | undefined): Trace {
    const trace = engine.traces.find(traceId, tenant).find((candidate) => candidate.isOpen);
    if (trace === undefined) throw this.#running.unknownTrace(traceId, tenant);
    return trace;
  }

  #unendedTrace(engine: Engine, traceId: string, tenant: string | undefined): Trace {
    const traces = engine.traces.find(traceId, tenant);
    const trace = traces.find((candidate) => candidate.isOpen);
    if (trace !== undefined) return trace;
    if (traces.length === 0 && !engine.rookery.hasLeft(traceId, tenant ?? DEFAULT_HEADERS.tenant))
      throw this.#running.unknownTrace(traceId, tenant);
    throw new FlowError({
      code: FlowErrorCode.TRACE_ENDED,
      message: `Cannot signal to trace "${traceId}": it has ended`,
      traceId,
      tenant,
    });
  }

  #store(what: string) {
    const { stateStore } = this.#options;
    if (stateStore === undefined) throw new TypeError(`Cannot ${what}: flow "${this.name}" has no stateStore`);
    return stateStore;
  }
}

/** Settles a call with an outcome. */
function toldResult(resolve: (result: never) => void, reject: (error: unknown) => void): (outcome: Outcome) => void {
  return (outcome) => {
    if (outcome.status === "completed") resolve(outcome.result as never);
    else reject(outcome.error);
  };
}

const FLUSH_TIMEOUT_MS = 30_000;

const OUTSIDE: StreamWriter = { node: undefined, attempt: 0 };
