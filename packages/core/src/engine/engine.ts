import { type Clock, Moment } from "../foundation/clock.ts";
import { onAbort } from "../foundation/abort.ts";
import { FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { IdSource } from "../foundation/ids.ts";
import type { Scheduler } from "../foundation/scheduler.ts";
import { type Timer, TimerWheel } from "../foundation/timer-wheel.ts";
import type { Middleware } from "../events/flow-event.ts";
import type { Graph } from "../graph/graph.ts";
import type { ModelRegistry } from "../graph/model-registry.ts";
import { WM } from "../message/controller.ts";
import { carry, checkedHeaders, DEFAULT_HEADERS, Message, type MessageHeaders } from "../message/message.ts";
import { VOUCHED } from "../message/vouched.ts";
import { nextLoopStep } from "./policies/budget.ts";
import type { TraceSink } from "./results/sink.ts";
import { type Origin, Trace } from "./state/trace.ts";
import { TraceTable } from "./state/trace-table.ts";
import { type Attempt, State } from "./state/attempt.ts";
import { Dispatch } from "./loop/dispatch.ts";
import { Emitting } from "./context/emitting.ts";
import { type DurableRun, starterOf } from "./durability.ts";
import { Effects } from "./context/effects.ts";
import { Ending } from "./loop/ending.ts";
import { Failing } from "./loop/failing.ts";
import { Fetching } from "./context/fetching.ts";
import { type ResolvedOptions, weightOf } from "./flow-options.ts";
import { statsOf } from "./flow-stats.ts";
import { Joining } from "./delivery/joining.ts";
import { Ledger } from "./observe/ledger.ts";
import { Pausing } from "./context/pausing.ts";
import { Playbooks } from "./context/playbooks.ts";
import { Reporter } from "./observe/reporter.ts";
import { fetchStopped, Rookery } from "./results/rookery.ts";
import { probeFor, type SafeProbe } from "./observe/safe-probe.ts";
import { queueFull, Sending } from "./delivery/sending.ts";
import { compileGraph, type Edge, type Workshop } from "./state/worker.ts";

/** For how many tenants headers are kept. */
const KNOWN_TENANTS = 1000;

/** What a trace is opened with. */
export interface Opening {
  readonly message: Message;
  /** The number of its id, if that was just made: no other trace has it. */
  readonly idNumber: number | undefined;
  /** Of a playbook's trace, which its parent tells apart from others of its id. */
  readonly origin: Origin | null;
  readonly sink: TraceSink;
  readonly signal: AbortSignal | undefined;
  /** Whether messages may still come from outside. */
  readonly isOpenEnded: boolean;
}

/** What `stop` did. */
export interface StopReport {
  /** Traces that completed while the flow was stopping. */
  readonly completed: number;
  /** Traces that were ended before they completed. */
  readonly cancelled: number;
  /** Handlers that had not returned within the grace period. */
  readonly abandoned: number;
}

/**
 * One run of a flow, from `run` to `stop`: the compiled graph, the traces under way, and those who do
 * the work, each in a file of its own. They call one another through here.
 */
export class Engine {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly timers: TimerWheel;
  readonly resources: unknown;
  /** Tells this run's idempotency keys from those of others. */
  runId: string;
  lineageSeed: number;
  readonly ids: IdSource;
  readonly workshop: Workshop;
  readonly traces: TraceTable;
  readonly reporter: Reporter;
  /** Follows this run from inside, if somebody wants to. */
  readonly probe: SafeProbe | undefined;
  /** Writes the journal, if the flow has one. */
  readonly durable: DurableRun | undefined;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly sending: Sending;
  readonly emitting: Emitting;
  readonly fetching: Fetching;
  readonly joining: Joining;
  readonly failing: Failing;
  readonly ending: Ending;
  readonly rookery: Rookery;
  readonly playbooks: Playbooks;
  readonly pausing: Pausing;
  readonly effects: Effects;
  /** Whether times are read and the ledger is told of every hop, since somebody watches. */
  readonly isWatched: boolean;
  /** Whether somebody is told of every message, so that none may take the short way from node to node. */
  readonly isFollowed: boolean;
  zombies = 0;
  accepted = 0;
  droppedResults = 0;
  /** Called when the journal can be written no more: nothing that happens from now on would last. */
  onJournalLost: (() => void) | undefined;
  /** Set by `stop`: called when no trace is left that goes on by itself. */
  onIdle: (() => void) | undefined;
  isStopping = false;
  /** While everything is ended, room that becomes free goes to nobody. */
  isEnding = false;
  /** Numbers the traces; shared with playbooks, so that records tell them apart. */
  readonly runs: { next: number };
  #turn: Moment | undefined;
  #lastHeaders: MessageHeaders = DEFAULT_HEADERS;
  readonly #hasWeights: boolean;
  readonly #tenantHeaders = new Map<string, MessageHeaders>();

  constructor(
    graph: Graph,
    options: ResolvedOptions,
    middlewares: readonly Middleware[],
    registry: ModelRegistry | undefined,
    resources: unknown,
    parent?: Engine,
  ) {
    this.options = options;
    this.clock = options.clock;
    this.scheduler = options.scheduler;
    this.timers = new TimerWheel(options.clock);
    this.resources = resources;
    this.runs = parent?.runs ?? { next: 0 };
    this.#hasWeights = typeof options.tenantWeights === "function" || Object.keys(options.tenantWeights).length > 0;
    this.ids = new IdSource(options.random);
    this.runId = this.ids.next();
    this.traces = new TraceTable(this.ids);
    this.lineageSeed = Math.floor(options.random() * 4_294_967_296) | 0;
    this.probe = probeFor(options, () => statsOf(this));
    // a playbook's trace is part of an attempt of the parent's: it begins again when that does
    this.durable = parent === undefined ? starterOf(options.durability)?.(this) : undefined;
    this.workshop = compileGraph(this, graph, registry, options.queueMaxSize);
    const { durable } = this;
    const stored = durable === undefined ? undefined : () => durable.stored();
    this.reporter = new Reporter(options, middlewares, this.probe, stored, parent?.reporter);
    this.ledger = new Ledger(options.recorder, this.durable);
    this.dispatch = new Dispatch(this);
    this.sending = new Sending(this);
    this.emitting = new Emitting(this);
    this.fetching = new Fetching(this);
    this.joining = new Joining(this);
    this.failing = new Failing(this);
    this.ending = new Ending(this);
    this.rookery = new Rookery(this);
    this.playbooks = new Playbooks(this);
    this.pausing = new Pausing(this);
    this.effects = new Effects(this);
    this.isFollowed = this.reporter.hasBus || this.ledger.isWatched || this.probe !== undefined;
    this.isWatched = this.isFollowed || this.reporter.hasListeners;
  }

  /**
   * Begins a trace with its first message.
   *
   * @throws FlowError `FLOW_STOPPED`, `TRACE_UNWINDING`
   */
  open(opening: Opening): Trace {
    const { message, sink, signal, idNumber, origin } = opening;
    this.#requireAcceptance(message, idNumber !== undefined || origin !== null);
    if (this.#hasWeights) this.weightOf(message.headers.tenant);
    // a call wants its result alone: how long it took is read only when somebody watches
    const startedAt =
      this.isWatched || this.durable !== undefined || sink.completed === undefined ? this.clock.now() : 0;
    const trace = new Trace(this.runs.next++, message.traceId, message.headers, sink, opening.isOpenEnded, startedAt);
    trace.origin = origin;
    sink.opened?.(trace);
    this.traces.add(trace, idNumber);
    this.accepted += 1;
    this.probe?.begin(trace, message);
    if (this.reporter.hasListeners) this.reporter.trace(trace, { type: "trace_start", topic: message.headers.topic });
    if (message.deadlineAt !== undefined) this.setDeadline(trace, message.deadlineAt);
    if (signal !== undefined && trace.isOpen)
      trace.onEnd(onAbort(signal, (reason) => void this.ending.cancel(trace, reason)));
    return trace;
  }

  /** Sends a message of the outside into a trace. `settle` is called if it has to wait; answers whether it has not. */
  enter(
    trace: Trace,
    sent: Message,
    edges: readonly Edge[],
    settle: ((failure: Error | undefined) => void) | null,
  ): boolean {
    if (!trace.isOpen) return true;
    if (trace.lasting !== null) this.pausing.stir(trace.lasting);
    const message = this.probe === undefined ? sent : this.probe.enter(trace, sent);
    if (edges.length === 1) {
      const only = edges[0] as Edge;
      if (!this.isWatched && this.sending.startAtOnce(trace, message, only)) return true;
      if (this.durable === undefined && this.sending.lineUp(trace, message, only)) return false;
    }
    return this.sending.send(trace, null, message, edges, settle);
  }

  /** The same for a message whose results are to be fetched. Resolves when it was accepted. */
  enterOpenEnded(trace: Trace, message: Message, edges: readonly Edge[]): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const settle = (failure: Error | undefined): void => {
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        trace.wasEntered = true;
        resolve();
      };
      if (this.rookery.isFull()) {
        if (trace.lasting !== null) this.pausing.stir(trace.lasting);
        const own = this.probe === undefined ? message : this.probe.enter(trace, message);
        this.rookery.holdBack(this.sending.hold(trace, own, edges, settle));
      } else if (this.enter(trace, message, edges, settle)) settle(undefined);
    });
  }

  /**
   * Throws unless the entry nodes could take a message of the trace, or of a new one, at once.
   *
   * @throws FlowError `QUEUE_FULL`
   */
  requireRoom(trace: Trace | undefined, message: Message, edges: readonly Edge[]): void {
    if (!this.rookery.isFull() && this.sending.takesAll(edges, trace)) return;
    throw queueFull("OpenSea", message.traceId, message.headers.tenant, edges);
  }

  /** The open trace of that id into which `emit` sends further messages. */
  openEndedTrace(message: Message): Trace | undefined {
    this.#requireAcceptance(message, false);
    if (!this.traces.has(message.traceId)) return undefined;
    return this.traces.find(message.traceId, message.headers.tenant).find((trace) => trace.isOpen && trace.isOpenEnded);
  }

  weightOf(tenant: string): number {
    return this.#hasWeights ? weightOf(this.options, tenant) : 1;
  }

  /** Headers, the same object for the same tenant where there is nothing else in them. */
  headersOf(tenant: string, topic: string | undefined, priority: number | undefined): MessageHeaders {
    if (topic !== undefined || priority !== undefined) return checkedHeaders({ tenant, topic, priority });
    // often the same tenant calls again
    if (this.#lastHeaders.tenant === tenant) return this.#lastHeaders;
    let headers = this.#tenantHeaders.get(tenant);
    if (headers === undefined) {
      headers = checkedHeaders({ tenant });
      if (this.#tenantHeaders.size >= KNOWN_TENANTS) this.#tenantHeaders.clear();
      this.#tenantHeaders.set(tenant, headers);
    }
    this.#lastHeaders = headers;
    return headers;
  }

  /** The moment of the first look at the clock in this turn of the event loop: good enough for most purposes. */
  get turn(): Moment {
    return this.#turn ?? this.#beginTurn();
  }

  #beginTurn(): Moment {
    const moment = new Moment(this.clock.now(), this.clock.epochNow());
    this.#turn = moment;
    this.scheduler.nextTurn(() => {
      this.#turn = undefined;
    });
    return moment;
  }

  /** A handler is about to be called. */
  started(attempt: Attempt): void {
    const queuedAt = attempt.extras?.queuedAt;
    attempt.started = new Moment(this.clock.now(), 0);
    this.ledger.started(attempt);
    if (!this.reporter.hasListeners) return;
    this.reporter.node(attempt, {
      type: "node_start",
      queueMs: queuedAt === undefined ? 0 : attempt.started.now - queuedAt,
    });
  }

  /** A handler has returned: what it sends goes on its way, and when all is accepted the attempt is committed. */
  finish(attempt: Attempt, message: Message | null): void {
    const { worker, trace } = attempt;
    attempt.extras?.timer?.cancel();
    if (this.isWatched) attempt.more.returnedAt = this.clock.now();
    let edges: readonly Edge[] = worker.onward;
    let sent = message;
    if (message !== null && worker.loop !== undefined && message.payload instanceof WM) {
      const step = nextLoopStep(attempt.message.payload, message.payload);
      if (typeof step === "string") {
        this.ending.exhaust(trace, step, attempt);
        return;
      }
      sent = step === message.payload ? message : carry(message, step);
      edges = [worker.loop];
    }
    attempt.state = State.SENDING;
    attempt.endWaits();
    const { extras } = attempt;
    if (extras !== null && extras.unsentChunks > 0) {
      // what it has streamed comes before what it returns
      extras.onChunksSent = () => this.#sendOn(attempt, sent, edges);
      return;
    }
    this.#sendOn(attempt, sent, edges);
  }

  #sendOn(attempt: Attempt, sent: Message | null, edges: readonly Edge[]): void {
    const { trace } = attempt;
    if (attempt.state !== State.SENDING) return;
    if (attempt.extras?.writesStreams) {
      for (const chunk of trace.extras?.streams?.endAll(attempt, "done") ?? []) trace.sink.chunk(chunk);
    }
    this.ledger.finishing(attempt);
    this.emitting.release(attempt);
    if (sent !== null && trace.isOpen) this.sending.send(trace, attempt, sent, edges, null);
    this.ledger.allSent();
    // the trace may have ended meanwhile
    if (!isSending(attempt)) return;
    if ((attempt.extras?.outbox.length ?? 0) === 0) this.commit(attempt);
    else this.ledger.commitWaits(attempt);
  }

  /** Everything an attempt sent has been accepted: its message is done. */
  commit(attempt: Attempt): void {
    const { worker, trace } = attempt;
    attempt.state = State.OVER;
    if (!trace.isOpen) return;
    if (this.reporter.hasListeners) this.reportSuccess(attempt);
    if (attempt.extras?.refetch !== undefined) this.fetching.giveBack(attempt);
    this.ledger.committed(attempt);
    if (trace.lasting !== null) this.pausing.committed(attempt);
    this.dispatch.leave(attempt);
    if (attempt.outputs === 0) {
      trace.more.lastNode = worker.name;
      trace.more.lastReason =
        worker.node.kind === "router"
          ? `router "${worker.name}" sent its message nowhere`
          : `node "${worker.name}" returned nothing`;
    }
    if (trace.live === 0) this.ending.finish(trace);
    else if (trace.joined > 0 || trace.fetching > 0 || trace.lasting !== null) this.ending.checkStarved(trace);
  }

  /** A message from a handler with the trace's own id, tenant and deadline, whatever the handler made of them. */
  sealed(trace: Trace, message: Message): Message {
    const { headers, traceId, deadlineAt } = message;
    if (
      traceId === trace.id &&
      headers.tenant === trace.tenant &&
      headers.priority === trace.headers.priority &&
      deadlineAt === trace.deadlineAt
    )
      return message;
    return new Message(
      {
        payload: message.payload,
        headers:
          headers.topic === trace.headers.topic
            ? trace.headers
            : checkedHeaders({ ...trace.headers, topic: headers.topic }),
        traceId: trace.id,
        createdAt: message.createdAt,
        deadlineAt: trace.deadlineAt,
        meta: message.meta,
      },
      VOUCHED,
    );
  }

  resultDropped(trace: Trace, node: string, reason: string): void {
    this.droppedResults += 1;
    if (this.reporter.hasListeners) this.reporter.trace(trace, { type: "result_drop", node, reason });
  }

  /**
   * Takes no more work, lets what was accepted finish within `drainMs`, then ends the rest. Resolves when
   * every handler has returned or was given up.
   */
  async close(drainMs = 0): Promise<StopReport> {
    this.isStopping = true;
    const before = this.ending.counts.completed;
    if (drainMs > 0 && this.traces.size > this.pausing.quietTraces) {
      await new Promise<void>((resolve) => {
        const timer = this.timers.after(drainMs, resolve);
        this.onIdle = () => {
          timer.cancel();
          resolve();
        };
      });
      this.onIdle = undefined;
    }
    if (this.durable !== undefined) {
      // what waits for the journal gets out before nothing can be stored any more
      await this.flushObservers(this.options.graceMs);
      await this.durable.seal();
    }
    this.isEnding = true;
    const { cancelled, abandoned } = await this.ending.stopAll();
    const abandonedInside = await this.playbooks.stop();
    this.rookery.close(fetchStopped());
    await this.flushObservers(this.options.graceMs);
    await this.durable?.close();
    this.timers.clear();
    this.probe?.stop();
    return { completed: this.ending.counts.completed - before, cancelled, abandoned: abandoned + abandonedInside };
  }

  /** A trace and all its handlers are gone, or it waits for nothing but answers. */
  traceRests(): void {
    if (this.traces.size === this.pausing.quietTraces) this.onIdle?.();
  }

  /** Waits until observers are told of everything so far, for a time at most: one may hang. Answers whether they are. */
  async flushObservers(timeoutMs: number): Promise<boolean> {
    const { logger, name } = this.options;
    let timer: Timer | undefined;
    const patience = new Promise<boolean>((resolve) => {
      timer = this.timers.after(timeoutMs, () => {
        logger.warn("observers_given_up", { flow: name, observers: this.reporter.stats });
        resolve(false);
      });
    });
    const told = this.reporter.flush().then(() => true);
    const isTold = await Promise.race([told, patience]);
    timer?.cancel();
    return isTold;
  }

  /** Tells observers of an attempt that has succeeded. `isHandedOn` when its message is about to start at the next node. */
  reportSuccess(attempt: Attempt, isHandedOn = false): void {
    const { worker, extras } = attempt;
    const now = this.clock.now();
    const queuedAt = extras?.queuedAt;
    const returnedAt = extras?.returnedAt ?? now;
    const startedAt = attempt.started?.now ?? now;
    if (worker.node.kind === "router" && attempt.outputs === 0 && !isHandedOn) {
      this.reporter.node(attempt, { type: "route_drop", reason: "the router chose no successor" });
    }
    this.reporter.node(attempt, {
      type: "node_success",
      queueMs: queuedAt === undefined ? 0 : startedAt - queuedAt,
      runMs: returnedAt - startedAt,
      emitMs: now - returnedAt,
      latencyMs: now - startedAt,
    });
  }

  #requireAcceptance(message: Message, isNew: boolean): void {
    const { traceId, headers } = message;
    if (this.isStopping) {
      throw new FlowError({
        code: FlowErrorCode.FLOW_STOPPED,
        message: `Cannot accept trace "${traceId}": the flow is stopping`,
        traceId,
        tenant: headers.tenant,
      });
    }
    if (isNew || !this.traces.has(traceId)) return;
    const unwinding = this.traces.find(traceId, headers.tenant).find((trace) => !trace.isOpen);
    if (unwinding === undefined) return;
    throw new FlowError({
      code: FlowErrorCode.TRACE_UNWINDING,
      message: `Cannot accept trace "${traceId}": an earlier trace of that id has ended and ${unwinding.more.unwinding} of its handlers have not returned yet`,
      traceId,
      tenant: headers.tenant,
      retryable: true,
    });
  }

  /** Ends a trace at an instant, at once if that has passed. */
  setDeadline(trace: Trace, deadlineAt: number): void {
    const leftMs = deadlineAt - this.clock.epochNow();
    trace.deadlineAt = deadlineAt;
    if (leftMs <= 0) {
      this.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
      return;
    }
    trace.more.deadlineTimer = this.timers.after(leftMs, () => {
      this.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
      this.dispatch.flush();
    });
  }
}

function isSending(attempt: Attempt): boolean {
  return attempt.state === State.SENDING;
}
