import { describeThrown, errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { requireKnownKeys, requireNumber, requireOneOf, shown } from "../foundation/options.ts";
import { onAbort } from "../foundation/abort.ts";
import { withChannels } from "../events/diagnostics-channels.ts";
import type { Middleware } from "../events/flow-event.ts";
import type { Graph } from "../graph/graph.ts";
import type { ChunkInit, NodeOrName, PlaybookFlow } from "../graph/handler.ts";
import { ModelRegistry } from "../graph/model-registry.ts";
import { neededResources } from "../graph/needed-resources.ts";
import { DEFAULT_HEADERS, Message, type MessageHeaders } from "../message/message.ts";
import { VOUCHED } from "../message/vouched.ts";
import { EMPTY_META, type Meta } from "../message/meta.ts";
import type { Outcome, PauseTicket } from "../message/outcome.ts";
import type { StreamChunk } from "../message/stream-chunk.ts";
import type { HistoryPage, RemoteBinding } from "../ports/state-store.ts";
import { CallSink, OutcomeSink } from "../engine/results/sink.ts";
import { type StreamItem, StreamSink } from "../engine/results/stream-sink.ts";
import type { StreamWriter } from "../engine/state/stream-table.ts";
import type { Trace, TraceSink } from "../engine/state/trace.ts";
import type { Recovery, UnfinishedTrace } from "../engine/durability.ts";
import type { CancelReport } from "../engine/termination/ending.ts";
import { allParts } from "../engine/all-parts.ts";
import { sealed } from "../engine/delivery/sealed.ts";
import { Engine, registerPlaybook, type StopReport } from "../engine/engine.ts";
import { requireMiddleware, type ResolvedOptions } from "../engine/flow-options.ts";
import { type FlowStats, statsOf } from "../engine/flow-stats.ts";
import type { FetchWish } from "../engine/results/rookery.ts";
import { type Source, TraceReader, type TraceStream } from "../engine/results/trace-reader.ts";
import type { Edge } from "../engine/state/worker.ts";

/** How a message is sent into a flow. Each option left out is taken from the message, if one is given. */
export interface EmitOptions<Names extends string = string> {
  /** @defaultValue `"default"` */
  readonly tenant?: string | undefined;
  readonly topic?: string | undefined;
  /** A whole number; higher is served sooner. @defaultValue 0 */
  readonly priority?: number | undefined;
  /** @defaultValue a new unique id */
  readonly traceId?: string | undefined;
  /** Epoch milliseconds after which the trace is given up. @defaultValue none */
  readonly deadlineAt?: number | undefined;
  /** Milliseconds after which the trace is given up. The sooner of this and `deadlineAt` counts. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly meta?: Meta | undefined;
  /** Cancels the trace when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** One of the entry nodes. @defaultValue all entry nodes */
  readonly to?: Names | { readonly name: Names } | undefined;
}

/** How a trace is streamed. */
export interface StreamOptions<Names extends string = string> extends EmitOptions<Names> {
  /** What leaving the loop early does with the trace. @defaultValue `"cancel"` */
  readonly onLeave?: "cancel" | "detach";
}

/** Which result is fetched and how long that may take. */
export interface FetchOptions {
  /** Only results of that trace. @defaultValue the next of any trace */
  readonly traceId?: string | undefined;
  /** Needed when several tenants use the trace id. */
  readonly tenant?: string | undefined;
  /** Only results of these exit nodes. */
  readonly from?: NodeOrName | readonly NodeOrName[] | undefined;
  /** Milliseconds after which the wait is given up. @defaultValue none */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which trace is meant. */
export interface TraceOptions {
  /** Needed when several tenants use the trace id. */
  readonly tenant?: string | undefined;
}

/** What runs outside of the flow for a trace and has to be stopped with it. */
export interface ExternalTask {
  /** Called once when the trace ends before the task was taken back. */
  cancel(reason: unknown): unknown;
}

/** Options of `run`; `resources` are required when a handler needs any. */
export type RunOptions<Resources> = {
  /** Schemas by node name, for nodes that have none of their own. */
  readonly registry?: ModelRegistry;
} & (unknown extends Resources ? { readonly resources?: unknown } : { readonly resources: Resources });

/** What a flow must be for `run` to be called without options: one whose handlers need no resources. */
export type Runnable<Resources> = unknown extends Resources ? unknown : RunNeeds<Resources>;

/** A flow that needs resources: the compiler names it where `run` is called without them. */
export interface RunNeeds<in Resources> {
  readonly "call run({ resources })": (resources: Resources) => void;
}

/**
 * A typed graph of async functions that can be run. Made by `create`.
 *
 * States: idle → running (`run`) → stopping → idle (`stop`); a stopped flow can be run again and starts
 * empty. Disposable: `await using flow = create(…)` stops it at the end of the block.
 */
export class Flow<in Input, out Result, Resources = unknown, out Entries extends string = string>
  implements AsyncDisposable, PlaybookFlow<Input, Result>
{
  declare readonly "~flow"?: { readonly input: (input: Input) => void; readonly result: Result };
  declare readonly "~resources"?: (resources: Resources) => void;
  declare readonly "~entries"?: Entries;
  /** What is connected to what. */
  readonly graph: Graph;
  readonly name: string;
  readonly #options: ResolvedOptions;
  readonly #middlewares: Middleware[];
  #engine: Engine | undefined;
  #stopping: Promise<StopReport> | undefined;

  /** Internal: call `create`. */
  constructor(graph: Graph, options: ResolvedOptions) {
    this.graph = graph;
    this.name = options.name;
    this.#options = options;
    this.#middlewares = [...options.middlewares];
    registerPlaybook(this, (parent, registry) => this.#startWithin(parent, registry));
  }

  /**
   * Resolves when everything that an earlier process has left in the journal is under way again; at once for a flow
   * that is not durable. Calls made sooner wait for it.
   *
   * @throws FlowError `JOURNAL_OWNED` when another process has the journal, `JOURNAL_FAILED` when it cannot be read
   */
  async ready(): Promise<Recovery> {
    const { durable } = this.#running();
    if (durable === undefined) return { resumed: 0, failed: 0, changed: [] };
    await durable.ready;
    return durable.recovery;
  }

  /** Whether the flow accepts messages. */
  get isRunning(): boolean {
    return this.#engine !== undefined && !this.#engine.isStopping;
  }

  /** Whether what it has accepted outlasts its process: it has a journal. */
  get isDurable(): boolean {
    return this.#options.durability !== undefined;
  }

  /**
   * Adds an observer of all events, once.
   *
   * @throws TypeError when the flow runs: the list is fixed then
   */
  addMiddleware(middleware: Middleware): this {
    requireMiddleware(middleware);
    if (this.#engine !== undefined)
      throw new TypeError(`Cannot add a middleware to flow "${this.name}": it is running; add it before run`);
    if (!this.#middlewares.includes(middleware)) this.#middlewares.push(middleware);
    return this;
  }

  /**
   * Starts the flow.
   *
   * @throws TypeError when it runs already, when no resources are given and a handler's text reads some, or when a registry is given and nodes that validate have
   * neither schemas of their own nor an entry in it; lists them
   */
  run(options: RunOptions<Resources>): this;
  /** Starts a flow whose handlers need no resources. */
  run(this: Runnable<Resources>): this;
  run(options: RunOptions<Resources> = {} as RunOptions<Resources>): this {
    requireKnownKeys("run", options, ["registry", "resources"]);
    if (this.#engine !== undefined) throw new TypeError(`Cannot run flow "${this.name}" twice: stop it first`);
    const { registry, resources } = options as { registry?: ModelRegistry; resources?: unknown };
    if (registry !== undefined && !(registry instanceof ModelRegistry))
      throw new TypeError(`Option "registry" of run must be a ModelRegistry: got ${shown(registry)}`);
    if (registry !== undefined) this.#requireModels(registry);
    if (!("resources" in options)) this.#requireNoResources();
    const engine = new Engine(
      this.graph,
      this.#options,
      withChannels(this.#middlewares),
      registry,
      resources,
      allParts,
    );
    this.#engine = engine;
    engine.onJournalLost = () => {
      if (this.#engine !== engine) return;
      this.stop().catch((error: unknown) =>
        this.#options.logger.error("stop_failed", { flow: this.name, error: errorPayload(error) }),
      );
    };
    return this;
  }

  /**
   * Stops the flow: takes no more work, lets what was accepted finish within `drainMs` milliseconds, ends
   * the rest with the outcome `stopped`, and resolves when every handler has returned or was given up.
   * Whoever waits is released. What a durable flow ends goes on when it runs again. Stopping a flow that does not run does nothing.
   */
  stop(options: { readonly drainMs?: number } = {}): Promise<StopReport> {
    requireKnownKeys("stop", options, ["drainMs"]);
    const { drainMs = 0 } = options;
    requireNumber("drainMs", drainMs, 0);
    const engine = this.#engine;
    if (engine === undefined) return Promise.resolve({ completed: 0, cancelled: 0, abandoned: 0 });
    this.#stopping ??= engine.close(drainMs).finally(() => {
      this.#engine = undefined;
      this.#stopping = undefined;
    });
    return this.#stopping;
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
      const engine = this.#running();
      const { durable } = engine;
      if (durable === undefined) {
        this.#begin(engine, input, options, new CallSink(resolve, reject));
        return;
      }
      const { gate } = durable;
      const sink = new CallSink(gate.value(resolve, reject), gate.value(reject, reject));
      this.#whenReady(reject, () => this.#begin(engine, input, options, sink));
    });
  }

  /**
   * Sends a message and resolves with how its trace ended. Failures are outcomes, not rejections.
   *
   * @throws FlowError when the message cannot be accepted: `FLOW_NOT_RUNNING`, `FLOW_STOPPED`, `TRACE_UNWINDING`
   */
  outcome(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): Promise<Outcome<Result>> {
    return new Promise((resolve, reject) => {
      this.#whenReady(reject, (engine) => {
        const tell = resolve as (outcome: Outcome) => void;
        const told = engine.durable?.gate.outcome(tell) ?? tell;
        this.#begin(engine, input, options, new OutcomeSink(this.#options.maxResults, told));
      });
    });
  }

  /**
   * Answers a pause: its handler is called again and is given `value`. Resolves with how the trace goes on: with its
   * end, or `paused` when it waits for further answers. Works once for each token, in any process that runs the flow.
   *
   * @param options - `tenant` must be the trace's; @defaultValue `"default"`
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`; `RESUME_INVALID` when the value
   * does not fit the pause's schema: the pause stays open then
   */
  resume(token: string, value: unknown, options: TraceOptions = {}): Promise<Outcome<Result>> {
    return new Promise((resolve, reject) => {
      requireKnownKeys("resume", options, ["tenant"]);
      this.#whenReady(reject, (engine) => {
        const tell = resolve as (outcome: Outcome) => void;
        const told = engine.durable?.gate.outcome(tell) ?? tell;
        engine.pausing.resume(token, value, options.tenant ?? DEFAULT_HEADERS.tenant, told, reject);
      });
    });
  }

  /** The pauses that wait for an answer: of a tenant's traces, or of one of them. */
  async pauses(
    options: TraceOptions & { readonly traceId?: string | undefined } = {},
  ): Promise<(PauseTicket & { readonly traceId: string })[]> {
    requireKnownKeys("pauses", options, ["tenant", "traceId"]);
    const engine = await this.#readyEngine();
    const tickets = engine.pausing.tickets(options.tenant ?? DEFAULT_HEADERS.tenant, options.traceId);
    // whoever is given a token may come back with it days later
    await engine.durable?.stored();
    return tickets;
  }

  /** The traces that a durable flow has not finished, and those that failed and can be tried again. */
  async unfinished(): Promise<UnfinishedTrace[]> {
    return (await this.#readyEngine()).durable?.unfinished() ?? [];
  }

  /**
   * Tries a failed trace of a durable flow again, from the node at which it failed; its result is fetched by its id.
   * Effects of `ctx.once` that succeeded are not repeated. Resolves when that is stored.
   *
   * @throws FlowError `TRACE_UNKNOWN` when no failed trace of that id is kept, `GRAPH_CHANGED` when it does not fit
   */
  async retryFailed(traceId: string, options: TraceOptions = {}): Promise<void> {
    requireKnownKeys("retryFailed", options, ["tenant"]);
    const { durable } = await this.#readyEngine();
    const tenant = options.tenant ?? DEFAULT_HEADERS.tenant;
    if ((await durable?.retryFailed(traceId, tenant)) === true) return;
    throw new FlowError({
      code: FlowErrorCode.TRACE_UNKNOWN,
      message: `No failed trace "${traceId}" of tenant "${tenant}" is kept in flow "${this.name}"`,
      traceId,
      tenant,
    });
  }

  /**
   * Gives up a trace of a durable flow that has failed, or that is parked since it does not fit the flow any more.
   * Resolves with the number of such traces, when the journal has nothing of them any more.
   */
  async discard(traceId: string, options: TraceOptions = {}): Promise<number> {
    requireKnownKeys("discard", options, ["tenant"]);
    const { durable } = await this.#readyEngine();
    return (await durable?.discard(traceId, options.tenant ?? DEFAULT_HEADERS.tenant)) ?? 0;
  }

  /**
   * Sends a message and yields the chunks and results of its trace as they come. When the reader falls
   * more than `streamWindow` items behind, the trace's producers wait. Leaving the loop cancels the trace.
   * Nothing happens before the first item is asked for, unless `await stream.accepted()` asks whether the flow takes
   * the message: what a server does before it answers 200.
   *
   * @throws FlowError at the end of the iteration when the trace did not complete
   */
  stream(input: Input | Message<Input>, options: StreamOptions<Entries> = {}): TraceStream<StreamItem<Result>> {
    const { onLeave = "cancel", ...emitOptions } = options;
    return this.#reader(
      onLeave,
      (engine, sink, admitted) => this.#begin(engine, input, emitOptions, sink, admitted),
      async (left) => {
        const engine = this.#isReady ? this.#running() : await this.#readyEngine();
        const { message, edges } = this.#prepare(engine, input, emitOptions);
        const { signal } = emitOptions;
        await engine.acceptance.check(message, edges, signal === undefined ? [left] : [left, signal]);
      },
    );
  }

  /**
   * What `resume` does, for those who want to see what happens: yields the chunks and results of the trace from the
   * answer on. A trace that was begun by `emit` cannot be read so: its results are fetched.
   *
   * @throws FlowError what `resume` throws; at the end of the iteration when the trace did not complete
   */
  resumeStream(
    token: string,
    value: unknown,
    options: TraceOptions & Pick<StreamOptions, "onLeave"> = {},
  ): AsyncGenerator<StreamItem<Result>, void, undefined> {
    requireKnownKeys("resumeStream", options, ["tenant", "onLeave"]);
    const { onLeave = "cancel", tenant = DEFAULT_HEADERS.tenant } = options;
    return this.#reader(onLeave, (engine, sink) => engine.pausing.resumeInto(token, value, tenant, sink));
  }

  /**
   * Reads a trace whose caller has gone: with an earlier process of a durable flow, or when it was told that the trace
   * has paused. What it resolves with yields the results that are there, then, from its first `next` on, chunks and
   * results as they come, as `stream` does. What is left of a trace that has ended is yielded once. The end of the
   * iteration throws the trace's error when it did not complete, `TRACE_PAUSED` while it waits for an answer.
   *
   * @throws FlowError `TRACE_UNKNOWN` when no such trace is under way or has left anything; TypeError when its results go
   * to another reader, or are to be fetched
   */
  async follow(
    traceId: string,
    options: TraceOptions & Pick<StreamOptions, "onLeave"> = {},
  ): Promise<AsyncGenerator<StreamItem<Result>, void, undefined>> {
    requireKnownKeys("follow", options, ["tenant", "onLeave"]);
    const { onLeave = "cancel", tenant = DEFAULT_HEADERS.tenant } = options;
    const { pausing } = await this.#readyEngine();
    if (!pausing.canFollow(traceId, tenant)) throw this.#unknown(traceId, tenant);
    return this.#reader(onLeave, (engine, sink) => engine.pausing.follow(traceId, tenant, sink));
  }

  /**
   * Sends a message whose results are to be fetched, and resolves with its trace id when the entry nodes'
   * edges have accepted it, in a durable flow when that is stored. A message with the id of a trace that is
   * under way joins that trace: deadline, priority and signal are those the trace was begun with.
   *
   * @throws FlowError `FLOW_NOT_RUNNING`, `FLOW_STOPPED`, `TRACE_UNWINDING`; the trace's error when it ends first
   */
  async emit(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): Promise<string> {
    const engine = this.#isReady ? this.#running() : await this.#readyEngine();
    const { message, edges } = this.#prepare(engine, input, options);
    const known = engine.openEndedTrace(message);
    const trace = known ?? this.#openEnded(engine, message, options.signal);
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
  emitNowait(input: Input | Message<Input>, options: EmitOptions<Entries> = {}): string {
    const engine = this.#running();
    if (engine.durable?.isReady === false)
      throw new FlowError({
        code: FlowErrorCode.FLOW_NOT_RUNNING,
        message: `Flow "${this.name}" still reads its journal: await ready() first, or use emit`,
        retryable: true,
      });
    const { message, edges } = this.#prepare(engine, input, options);
    const known = engine.openEndedTrace(message);
    engine.requireRoom(known, message, edges);
    const trace = known ?? this.#openEnded(engine, message, options.signal);
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
    const engine = this.#isReady ? this.#running() : await this.#readyEngine();
    requireKnownKeys("fetch", options, ["traceId", "tenant", "from", "timeoutMs", "signal"]);
    return (await engine.rookery.fetch(this.#wish(options))) as Message<Result> | FlowError;
  }

  /** {@link Flow.fetch} from whichever of the given exit nodes has a result first. */
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
    const engine = this.#running();
    const traceId = chunk.traceId ?? chunk.parent?.traceId;
    if (traceId === undefined) throw new TypeError('Cannot emit a chunk: pass "traceId" or "parent"');
    if (chunk.to !== undefined) throw new TypeError('Cannot emit a chunk to a node from outside: "to" is for handlers');
    const trace = this.#openTrace(engine, traceId, chunk.tenant ?? chunk.parent?.headers.tenant);
    return engine.chunks.emitOutside(
      trace,
      OUTSIDE,
      { ...chunk, streamId: chunk.streamId ?? `${traceId}~outside` },
      chunk.signal,
    );
  }

  /**
   * Cancels the traces of that id: what waits is dropped, handlers are told to stop, whoever waits gets the
   * outcome `cancelled`. Resolves when the handlers have returned or were given up after `graceMs`. Safe to
   * repeat; results that were there before stay available.
   *
   * @throws FlowError `TENANT_REQUIRED` when several tenants use the id and none is named
   */
  async cancel(traceId: string, options: TraceOptions & { readonly reason?: unknown } = {}): Promise<CancelReport> {
    requireKnownKeys("cancel", options, ["tenant", "reason"]);
    const engine = this.#isReady ? this.#running() : await this.#readyEngine();
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

  /** A signal that aborts when the trace ends before it completed. Of an unknown trace it has aborted already. */
  ensureTraceSignal(traceId: string, options: TraceOptions = {}): AbortSignal {
    const engine = this.#running();
    const controller = new AbortController();
    // listeners belong to the one who asks for the signal, and not to the one who ends the trace
    const scope = this.#options.asyncScope();
    const trace = engine.traces.find(traceId, options.tenant).find((candidate) => candidate.isOpen);
    if (trace === undefined) controller.abort(this.#unknown(traceId, options.tenant));
    else
      trace.onEnd((reason) => {
        if (reason instanceof Error) scope.runInAsyncScope(() => controller.abort(reason), undefined);
      });
    return controller.signal;
  }

  /**
   * Has `task.cancel` called when the trace ends before it completed, at once if it has ended already.
   *
   * @returns a function that takes the task back, to be called when it is done
   */
  registerExternalTask(traceId: string, task: ExternalTask, options: TraceOptions = {}): () => void {
    return onAbort(this.ensureTraceSignal(traceId, options), (reason) => {
      Promise.resolve(reason)
        .then((why) => task.cancel(why))
        .catch((error: unknown) =>
          this.#options.logger.warn("external_task_cancel_failed", { traceId, error: describeThrown(error) }),
        );
    });
  }

  /**
   * What the state store has of a trace, in the order of occurrence.
   *
   * @throws TypeError when the flow has no state store
   */
  async loadHistory(
    traceId: string,
    options: TraceOptions & { readonly cursor?: string; readonly limit?: number } = {},
  ): Promise<HistoryPage> {
    await this.#engine?.reporter.flushStore();
    const { tenant = DEFAULT_HEADERS.tenant, ...rest } = options;
    return this.#store("load a history").loadHistory({ ...rest, tenant, traceId });
  }

  /** Keeps which remote task works for a trace. @throws TypeError when the flow has no state store */
  async saveRemoteBinding(binding: RemoteBinding): Promise<void> {
    await this.#store("save a remote binding").saveRemoteBinding(binding);
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
    return (await this.#engine?.flushObservers(timeoutMs)) ?? true;
  }

  /** Figures of the running flow: what every node and edge holds, and what became of the traces. */
  stats(): FlowStats {
    return statsOf(this.#running());
  }

  #startWithin(parent: Engine, registry: ModelRegistry | undefined): Engine {
    if (registry !== undefined) this.#requireModels(registry);
    const { name, asyncScope, homeScope, clock, random, scheduler, logger } = parent.options;
    const { recorder = this.#options.recorder, instrument = this.#options.instrument } = parent.options;
    const ports = {
      asyncScope,
      homeScope,
      clock,
      random,
      scheduler,
      logger,
      recorder,
      instrument,
      durability: undefined,
    };
    const options = { ...this.#options, name: `${name}/${this.name}`, ...ports };
    return new Engine(this.graph, options, this.#middlewares, registry, parent.resources, allParts, parent);
  }

  /** Reads what a trace produces into a sink that `begin` opens or finds it for. */
  #reader(
    onLeave: "cancel" | "detach",
    begin: (engine: Engine, sink: StreamSink, admitted: Admitted | undefined) => Trace | undefined,
    check?: (left: AbortSignal) => Promise<void>,
  ): TraceStream<StreamItem<Result>> {
    requireOneOf("onLeave", onLeave, ["cancel", "detach"]);
    // a trace begins with the first read, which may come from elsewhere
    const scope = this.#options.asyncScope();
    const open = (isChecked: boolean): Source<StreamItem<Result>> => {
      const sink = new StreamSink(this.#options.streamWindow);
      const engine = this.#running();
      const admitted = isChecked ? Promise.withResolvers<void>() : undefined;
      const leave = async (trace: Trace | undefined): Promise<void> => {
        sink.detach();
        if (onLeave === "cancel" && trace !== undefined)
          await engine.ending.cancel(trace, "the reader of its stream has left");
      };
      const { durable } = engine;
      if (durable !== undefined) {
        const beginOrRefuse = (): Trace | undefined => {
          try {
            return begin(engine, sink, admitted);
          } catch (error) {
            admitted?.reject(error);
            throw error;
          }
        };
        const accepted =
          admitted && Promise.all([durable.ready, admitted.promise]).then(async () => await durable.stored());
        return { ...durable.gate.stream<Result>(sink, beginOrRefuse, leave), accepted };
      }
      const trace = begin(engine, sink, admitted);
      return {
        take: () => sink.take() as StreamItem<Result> | undefined,
        next: () => sink.next() as Promise<StreamItem<Result> | undefined>,
        leave: async () => await leave(trace),
        accepted: admitted?.promise,
      };
    };
    return new TraceReader<StreamItem<Result>>(
      (isChecked) => scope.runInAsyncScope(open, undefined, isChecked),
      check && ((left) => scope.runInAsyncScope(check, undefined, left)),
    );
  }

  /** Does something when what the journal had is under way again: at once in a flow that is not durable. */
  #whenReady(reject: (error: unknown) => void, act: (engine: Engine) => void): void {
    if (this.#isReady) act(this.#running());
    else this.#readyEngine().then(act).catch(reject);
  }

  get #isReady(): boolean {
    return this.#running().durable?.isReady !== false;
  }

  async #readyEngine(): Promise<Engine> {
    const engine = this.#running();
    await engine.durable?.ready;
    return engine;
  }

  #begin(engine: Engine, input: unknown, options: EmitOptions, sink: TraceSink, admitted?: Admitted): Trace {
    const { message, edges, idNumber } = this.#prepare(engine, input, options);
    engine.durable?.requireFitMessage(message);
    const trace = engine.open({ message, idNumber, origin: null, sink, signal: options.signal, isOpenEnded: false });
    if (admitted === undefined) engine.enter(trace, message, edges, null);
    else admitted.resolve(engine.acceptance.enter(trace, message, edges));
    return trace;
  }

  #openEnded(engine: Engine, message: Message, signal: AbortSignal | undefined): Trace {
    engine.durable?.requireFitMessage(message);
    const sink = engine.rookery.sinkFor();
    sink.emitsErrors = this.#options.emitErrorsToRookery;
    return engine.open({ message, idNumber: undefined, origin: null, sink, signal, isOpenEnded: true });
  }

  #prepare(
    engine: Engine,
    input: unknown,
    options: EmitOptions,
  ): { message: Message; edges: readonly Edge[]; idNumber: number | undefined } {
    for (const key in options)
      if (key !== "tenant" && key !== "signal" && !EMIT_OPTIONS.has(key))
        requireKnownKeys("a call", options, [...EMIT_OPTIONS]);
    const edges = this.#entries(engine, options.to);
    const base = input instanceof Message ? (input as Message) : undefined;
    let deadlineAt = options.deadlineAt ?? base?.deadlineAt;
    if (options.timeoutMs !== undefined) {
      requireNumber("timeoutMs", options.timeoutMs, 0);
      deadlineAt = Math.min(deadlineAt ?? Number.POSITIVE_INFINITY, engine.clock.epochNow() + options.timeoutMs);
    }
    const { tenant, topic, priority, traceId, meta } = options;
    const isRelabelled = tenant !== undefined || topic !== undefined || priority !== undefined;
    const old = base?.headers ?? DEFAULT_HEADERS;
    const headers = isRelabelled
      ? engine.headersOf(tenant ?? old.tenant, topic ?? old.topic, priority ?? old.priority)
      : old;
    if (
      base !== undefined &&
      !isRelabelled &&
      traceId === undefined &&
      meta === undefined &&
      deadlineAt === base.deadlineAt
    ) {
      return { message: base, edges, idNumber: undefined };
    }
    if (
      base === undefined &&
      traceId === undefined &&
      meta === undefined &&
      (deadlineAt === undefined || Number.isFinite(deadlineAt))
    ) {
      const message = carriedFrom(engine, input, headers, deadlineAt);
      return { message, edges, idNumber: engine.ids.last };
    }
    const message = new Message({
      payload: base === undefined ? input : base.payload,
      headers,
      traceId: traceId ?? base?.traceId ?? engine.ids.next(),
      createdAt: base?.createdAt ?? engine.turn.epoch,
      deadlineAt,
      meta: meta === undefined ? base?.meta : { ...base?.meta, ...meta },
    });
    return { message, edges, idNumber: undefined };
  }

  #entries(engine: Engine, to: EmitOptions["to"]): readonly Edge[] {
    const { entries } = engine.workshop;
    if (to === undefined) return entries;
    const name = typeof to === "string" ? to : to.name;
    const edge = entries.find((candidate) => candidate.target.name === name);
    if (edge !== undefined) return [edge];
    throw new FlowError({
      code: FlowErrorCode.ROUTE_UNKNOWN,
      message: `Cannot deliver to "${name}": it is not an entry node of flow "${this.name}"; entry nodes are ${entries.map((entry) => `"${entry.target.name}"`).join(", ")}`,
    });
  }

  #wish(options: FetchOptions): FetchWish {
    if (options.timeoutMs !== undefined) requireNumber("timeoutMs", options.timeoutMs, 0);
    const { from, ...rest } = options;
    if (from === undefined) return rest;
    const names = ((Array.isArray(from) ? from : [from]) as readonly NodeOrName[]).map((node) =>
      typeof node === "string" ? node : node.name,
    );
    for (const name of names) {
      const index = this.graph.byName.get(name);
      if (index !== undefined && this.graph.vertices[index]?.isEgress) continue;
      throw new TypeError(`Cannot fetch from "${name}": it is not an exit node of flow "${this.name}"`);
    }
    return { ...rest, from: new Set(names) };
  }

  #running(): Engine {
    if (this.#engine !== undefined) return this.#engine;
    throw new FlowError({
      code: FlowErrorCode.FLOW_NOT_RUNNING,
      message: `Flow "${this.name}" is not running: call run() first`,
    });
  }

  #openTrace(engine: Engine, traceId: string, tenant: string | undefined): Trace {
    const trace = engine.traces.find(traceId, tenant).find((candidate) => candidate.isOpen);
    if (trace === undefined) throw this.#unknown(traceId, tenant);
    return trace;
  }

  #unknown(traceId: string, tenant: string | undefined): FlowError {
    return new FlowError({
      code: FlowErrorCode.TRACE_UNKNOWN,
      message: `No trace "${traceId}" runs in flow "${this.name}"`,
      traceId,
      tenant,
    });
  }

  #store(what: string) {
    const { stateStore } = this.#options;
    if (stateStore === undefined) throw new TypeError(`Cannot ${what}: flow "${this.name}" has no stateStore`);
    return stateStore;
  }

  /** For programs that no compiler has checked. */
  #requireNoResources(): void {
    const needs = this.graph.vertices.flatMap(({ node }) =>
      neededResources(node.handler).map((resource) => ({ resource, node: node.name })),
    );
    if (needs.length === 0) return;
    const names = [...new Set(needs.map(({ resource }) => resource))];
    const readers = needs.map(({ resource, node }) => `node "${node}" reads ctx.resources.${resource}`);
    throw new TypeError(
      `Cannot run flow "${this.name}" without resources: ${readers.join(", ")}; call run({ resources: { ${names.join(", ")} } })`,
    );
  }

  #requireModels(registry: ModelRegistry): void {
    const missing = this.graph.vertices
      .map(({ node }) => node)
      .filter(
        (node) =>
          node.policy.validate !== "none" &&
          node.input === undefined &&
          node.output === undefined &&
          registry.get(node.name) === undefined,
      )
      .map((node) => node.name)
      .sort();
    if (missing.length === 0) return;
    throw new TypeError(
      `Cannot run flow "${this.name}": these nodes validate but have no schemas and no entry in the registry: ${missing.map((name) => `"${name}"`).join(", ")}`,
    );
  }
}

/** Settled when it is known whether the entry nodes take a message. */
type Admitted = PromiseWithResolvers<void>;

const FLUSH_TIMEOUT_MS = 30_000;

const EMIT_OPTIONS: ReadonlySet<string> = new Set([
  "tenant",
  "topic",
  "priority",
  "traceId",
  "deadlineAt",
  "timeoutMs",
  "meta",
  "signal",
  "to",
]);

/** A message of a new trace, from parts that need no check. */
function carriedFrom(
  engine: Engine,
  payload: unknown,
  headers: MessageHeaders,
  deadlineAt: number | undefined,
): Message {
  const createdAt = engine.turn.epoch;
  return new Message(
    { payload, headers, traceId: engine.ids.next(), createdAt, deadlineAt, meta: EMPTY_META },
    VOUCHED,
  );
}

const OUTSIDE: StreamWriter = { node: undefined, attempt: 0 };
