import { type Clock, Moment, momentOf, systemClock } from "../foundation/clock.ts";
import { onAbort } from "../foundation/abort.ts";
import { errorPayload, FlowError, FlowErrorCode } from "../foundation/flow-error.ts";
import { digestOf } from "../foundation/digest.ts";
import { IdSource } from "../foundation/ids.ts";
import type { Scheduler } from "../foundation/scheduler.ts";
import { type Timer, TimerWheel } from "../foundation/timer-wheel.ts";
import type { Middleware } from "../events/flow-event.ts";
import type { Graph } from "../graph/graph.ts";
import type { ModelRegistry } from "../graph/model-registry.ts";
import { checkedHeaders, DEFAULT_HEADERS, type Message, type MessageHeaders } from "../message/message.ts";
import type { Principal } from "../message/principal.ts";
import { compileGraph, type Workshop } from "./compile-graph.ts";
import type { Budgets } from "./context/budgets.ts";
import type { Chunks } from "./context/chunks.ts";
import type { Effects } from "./context/effects.ts";
import { Emitting } from "./context/emitting.ts";
import type { Fetching } from "./context/fetching.ts";
import { HandlerContext } from "./context/handler-context.ts";
import { HandlerWaits } from "./context/handler-waits.ts";
import type { Logs } from "./context/logs.ts";
import type { Pausing } from "./context/pausing.ts";
import type { Playbooks } from "./context/playbooks.ts";
import type { Signalling } from "./context/signalling.ts";
import type { StoredCalls } from "./context/stored-calls.ts";
import type { Joining } from "./delivery/joining.ts";
import { queueFull, Sending } from "./delivery/sending.ts";
import type { DurableRun, Lease } from "./durability.ts";
import { starterOf } from "./durable-host.ts";
import { keepShapes } from "./kept-shapes.ts";
import { type ResolvedOptions, weightOf } from "./flow-options.ts";
import type { TraceRecorder } from "../ports/trace-recorder.ts";
import { statsOf } from "./flow-stats.ts";
import type { Admission } from "./admission/admission.ts";
import { Agenda, type AgendaSteps } from "./admission/agenda.ts";
import { Committing } from "./loop/committing.ts";
import { Dispatch } from "./loop/dispatch.ts";
import { Ending } from "./termination/ending.ts";
import { Failing } from "./termination/failing.ts";
import { Slots } from "./admission/slots.ts";
import { Ledger } from "./observe/ledger.ts";
import { Reporter } from "./observe/reporter.ts";
import { probeFor, type SafeProbe } from "./observe/safe-probe.ts";
import { Tap } from "./observe/tap.ts";
import type { Acceptance } from "./results/acceptance.ts";
import type { KeptOutcomes } from "./results/kept-outcomes.ts";
import type { OutcomeDelivery } from "./results/outcome-delivery.ts";
import type { Rookery } from "./results/rookery.ts";
import { type PartMakers, type Parts, providedPart } from "./parts.ts";
import { type Attempt, State } from "./state/attempt.ts";
import { RunIdentity } from "./state/run-identity.ts";
import { type Opening, Trace } from "./state/trace.ts";
import { TraceTable } from "./state/trace-table.ts";
import type { Edge } from "./state/worker.ts";

/** Maximum number of tenants with cached headers. */
const KNOWN_TENANTS = 1000;

/** Result of a `stop`. */
export interface StopReport {
  /** Number of traces that completed while the flow was stopping. */
  readonly completed: number;
  /** Number of traces ended before they completed. */
  readonly cancelled: number;
  /** Number of handlers still running after their grace period. */
  readonly abandoned: number;
}

/** Starts a flow as part of another run. */
export type StartWithin = (parent: Engine, registry: ModelRegistry | undefined) => Engine;

const starters = new WeakMap<object, StartWithin>();

/** Registers a flow as a playbook, with the function that starts it as part of another run. */
export function registerPlaybook(flow: object, start: StartWithin): void {
  starters.set(flow, start);
}

/**
 * One run of a flow, from `run` to `stop`: the composition root of the compiled graph, the in-flight traces and the
 * engine's parts. Each part names its needs in a narrow host interface, and this class implements all of them. Optional
 * parts are created on first use.
 *
 * States: running → stopping (accepts no trace, drains) → ending (every trace is ended) → closed.
 */
export class Engine {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly timers: TimerWheel;
  readonly resources: unknown;
  readonly identity: RunIdentity;
  readonly ids: IdSource;
  readonly workshop: Workshop;
  readonly traces: TraceTable;
  readonly reporter: Reporter;
  /** Probe of this run, if the flow has an instrument. */
  readonly probe: SafeProbe | undefined;
  /** Durable run, if the flow is durable. */
  readonly durable: DurableRun | undefined;
  /** Lease of the outermost flow's partition, if that is durable. */
  readonly lease: Lease | undefined;
  /** Publishes records and chunks on diagnostics channels, if these are subscribed. */
  readonly tap: Tap | undefined;
  readonly ledger: Ledger;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly waits: HandlerWaits;
  readonly committing: Committing;
  readonly sending: Sending;
  readonly emitting: Emitting;
  readonly failing: Failing;
  readonly ending: Ending;
  /** Whether the run is observed: times are read and the ledger records every hop. */
  readonly isWatched: boolean;
  /**
   * Whether messages may take the fast path between nodes: no observer receives each one, and no test scheduler
   * reorders ready work.
   */
  readonly mayShorten: boolean;
  accepted = 0;
  droppedResults = 0;
  /** Callback for a checkpoint store that can no longer be written: further work would not be durable. */
  onCheckpointsLost: (() => void) | undefined;
  /** Callback of `stop` for when every remaining trace waits for answers. */
  onIdle: (() => void) | undefined;
  isStopping = false;
  /** Whether every trace is being ended. Freed room is then not given to blocked sends. */
  isEnding = false;
  readonly #makers: PartMakers;
  readonly #parent: Engine | undefined;
  readonly #parts: { -readonly [Name in keyof Parts]?: Parts[Name] } = {};
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
    makers: PartMakers,
    parent?: Engine,
  ) {
    keepShapes();
    this.#makers = makers;
    this.#parent = parent;
    this.options = options;
    this.clock = options.clock;
    this.scheduler = options.scheduler;
    this.timers = new TimerWheel(
      options.clock,
      options.homeScope,
      (error) => this.broke(error),
      // on another clock, the instant at which a timer is set is part of the test
      options.clock === systemClock ? (task) => options.scheduler.nextTurn(task) : undefined,
    );
    this.resources = resources;
    this.#hasWeights = typeof options.tenantWeights === "function" || Object.keys(options.tenantWeights).length > 0;
    this.ids = new IdSource(options.random);
    const id = this.ids.next();
    this.traces = new TraceTable(this.ids);
    this.identity = new RunIdentity(id, Math.floor(options.random() * 4_294_967_296) | 0, parent?.identity.traces);
    this.probe = probeFor(options, () => statsOf(this));
    this.durable = parent === undefined ? starterOf(options.durability)?.(this) : parent.durable;
    const { durable } = this;
    this.lease = parent?.lease ?? durable;
    const stored = durable === undefined ? undefined : () => durable.stored();
    this.reporter = new Reporter(options, middlewares, this.probe, stored, parent?.reporter);
    const { seq } = this.reporter;
    const outer = parent?.tap;
    if (parent === undefined) this.tap = Tap.open(options, seq);
    else this.tap = outer === undefined ? undefined : new Tap(options, seq, outer);
    this.ledger = new Ledger(recorderOf(options, this.tap), this.durable);
    const isFollowed = this.reporter.hasBus || this.ledger.isWatched || this.probe !== undefined;
    this.isWatched = isFollowed || this.reporter.hasListeners;
    this.mayShorten = !isFollowed && options.scheduler.ready === undefined;
    const steps: AgendaSteps = {
      runsAtOnce: options.scheduler.ready === undefined,
      keepScope: (trace) => this.keepScope(trace),
      run: (attempt) => dispatch.run(attempt),
      pump: (worker) => dispatch.pump(worker),
      drainOrFail: (send) => this.sending.drainOrFail(send),
      broke: (error) => this.broke(error),
    };
    this.agenda = new Agenda(steps);
    this.slots = new Slots(this);
    this.waits = new HandlerWaits(this);
    this.sending = new Sending(this);
    this.ending = new Ending(this);
    this.failing = new Failing(this);
    this.emitting = new Emitting(this);
    this.committing = new Committing(this);
    const dispatch = new Dispatch(this);
    const { identity, probe } = this;
    this.workshop = compileGraph(graph, registry, options, {
      identity,
      weightOf: (tenant) => this.weightOf(tenant),
      wake: (worker) => this.agenda.wake(worker),
      probe,
      durable,
      isWatched: this.isWatched,
      mayShorten: this.mayShorten,
      services: this,
    });
  }

  get acceptance(): Acceptance {
    return this.#parts.acceptance ?? this.#make("acceptance");
  }

  get admission(): Admission {
    return this.#parts.admission ?? this.#make("admission");
  }

  /** Budgets of the outermost flow: its playbooks spend the same. */
  get budgets(): Budgets {
    return this.#parent?.budgets ?? this.#parts.budgets ?? this.#make("budgets");
  }

  get chunks(): Chunks {
    return this.#parts.chunks ?? this.#make("chunks");
  }

  get fetching(): Fetching {
    return this.#parts.fetching ?? this.#make("fetching");
  }

  get joining(): Joining {
    return this.#parts.joining ?? this.#make("joining");
  }

  get keptOutcomes(): KeptOutcomes {
    return this.#parts.keptOutcomes ?? this.#make("keptOutcomes");
  }

  get logs(): Logs {
    return this.#parts.logs ?? this.#make("logs");
  }

  get outcomes(): OutcomeDelivery {
    return this.#parts.outcomes ?? this.#make("outcomes");
  }

  get playbooks(): Playbooks {
    return this.#parts.playbooks ?? this.#make("playbooks");
  }

  get rookery(): Rookery {
    return this.#parts.rookery ?? this.#make("rookery");
  }

  /** Pauses of its traces. Without durability those of the outermost flow, whose message is called again instead. */
  get pausing(): Pausing {
    const shared = this.durable === undefined ? this.#parent?.pausing : undefined;
    return shared ?? this.#parts.pausing ?? this.#make("pausing");
  }

  /** Whether it runs a playbook. */
  get isWithin(): boolean {
    return this.#parent !== undefined;
  }

  /** Pauses of the outermost flow, which alone knows their tokens; `undefined` in that flow itself. */
  get outerPausing(): Pausing | undefined {
    return this.#parent?.outerPausing ?? this.#parent?.pausing;
  }

  /** Receipt of signals, which are sent into outermost traces. Without durability that of the outermost flow. */
  get signalling(): Signalling {
    const shared = this.durable === undefined ? this.#parent?.signalling : undefined;
    return shared ?? this.#parts.signalling ?? this.#make("signalling");
  }

  /** Side effects of the outermost flow, since they outlast a playbook's attempt. */
  get effects(): Effects {
    return this.#parent?.effects ?? this.#parts.effects ?? this.#make("effects");
  }

  /** Calls of playbooks in a durable flow. */
  get storedCalls(): StoredCalls {
    return this.#parts.storedCalls ?? this.#make("storedCalls");
  }

  #make<Name extends keyof Parts>(name: Name): Parts[Name] {
    const make = this.#makers[name] ?? providedPart(name);
    if (make === undefined)
      throw new TypeError(`Cannot use "${name}" in flow "${this.options.name}": the flow was made without that part`);
    const part: Parts[Name] = make(this);
    this.#parts[name] = part;
    return part;
  }

  /**
   * Opens a trace for its first message.
   *
   * @throws FlowError `FLOW_STOPPED`, `TRACE_UNWINDING`
   */
  open(opening: Opening): Trace {
    const { message, sink, signal, idNumber, origin } = opening;
    this.#requireAcceptance(message, idNumber !== undefined || origin !== null);
    if (this.#hasWeights) this.weightOf(message.headers.tenant);
    // an unobserved `call` reports no duration: this saves a clock reading per call
    const startedAt =
      this.isWatched || this.durable !== undefined || sink.completed === undefined ? this.clock.now() : 0;
    const trace = new Trace(
      this.identity.traces.next++,
      message.traceId,
      message.headers,
      sink,
      opening.isOpenEnded,
      startedAt,
    );
    trace.origin = origin;
    // a later `emit` comes from another async context, which would be taken for that of the caller
    if (opening.isOpenEnded) this.keepScope(trace);
    sink.opened?.(trace);
    this.traces.add(trace, idNumber);
    this.accepted += 1;
    this.probe?.begin(trace, message);
    if (this.reporter.hasListeners) this.reporter.trace(trace, { type: "trace_start", topic: message.headers.topic });
    if (message.deadlineAt !== undefined) this.setDeadline(trace, message.deadlineAt);
    if (signal !== undefined && trace.isOpen) this.cancelOn(trace, signal);
    return trace;
  }

  /** Has the signal of a caller cancel a trace, until that ends. */
  cancelOn(trace: Trace, signal: AbortSignal): void {
    const stop = onAbort(signal, (reason) => void this.ending.cancel(trace, reason));
    const forget = trace.onEnd(stop);
    const release = (): void => {
      forget();
      stop();
    };
    if (this.durable !== undefined) trace.more.signal = { signal, release };
  }

  /**
   * Captures the async context of a trace's caller, before other code may start part of the trace. Call it in that
   * context. A trace that runs in one drive never leaves the context and needs no scope.
   */
  keepScope(trace: Trace): void {
    trace.scope ??= this.options.asyncScope();
  }

  /**
   * Sends a message from outside into a trace. Returns whether it was accepted at once; otherwise `settle` is called
   * later.
   */
  enter(
    trace: Trace,
    sent: Message,
    edges: readonly Edge[],
    settle: ((failure: Error | undefined) => void) | null,
  ): boolean {
    if (!trace.isOpen) return true;
    if (trace.lasting !== null) this.pausing.resting.stir(trace);
    const message = this.probe === undefined ? sent : this.probe.enter(trace, sent);
    const turn = trace.extras === null ? undefined : trace.extras.turn;
    if (turn !== undefined && !turn.hasBegun) {
      this.keepScope(trace);
      const send = this.sending.hold(trace, message, edges, settle);
      turn.starts.push(() => {
        if (!trace.isOpen) return;
        if (trace.isOpenEnded && this.rookery.isFull()) this.rookery.holdBack(send);
        else this.sending.offerHeld(send);
      });
      return false;
    }
    const only = edges.length === 1 ? (edges[0] as Edge) : undefined;
    if (only !== undefined && !this.isWatched && this.sending.startAtOnce(trace, message, only)) return true;
    this.keepScope(trace);
    if (
      only !== undefined &&
      settle === null &&
      this.durable === undefined &&
      this.sending.lineUp(trace, message, only)
    )
      return false;
    return this.sending.send(trace, null, message, edges, settle);
  }

  /** Sends a message whose results go to `fetch`. Resolves on acceptance. */
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
      if (trace.extras?.turn?.hasBegun !== false && this.rookery.isFull()) {
        if (trace.lasting !== null) this.pausing.resting.stir(trace);
        const own = this.probe === undefined ? message : this.probe.enter(trace, message);
        this.rookery.holdBack(this.sending.hold(trace, own, edges, settle));
      } else if (this.enter(trace, message, edges, settle)) settle(undefined);
    });
  }

  /**
   * Lets a new trace begin, or has it wait for its turn, where the flow bounds its traces or the trace is exclusive.
   */
  requestTurn(trace: Trace, exclusive: string | undefined): void {
    if (trace.isOpen && (exclusive !== undefined || this.options.maxTraces > 0))
      this.admission.request(trace, exclusive);
  }

  /**
   * Throws unless a message of the trace, or of a new one, would not wait for a turn.
   *
   * @throws FlowError `QUEUE_FULL`
   */
  requireTurn(trace: Trace | undefined, message: Message, exclusive: string | undefined): void {
    const { tenant } = message.headers;
    let obstacle: string | undefined;
    if (trace?.extras?.turn?.hasBegun === false) obstacle = "its trace waits for its turn";
    else if (trace === undefined && (exclusive !== undefined || this.options.maxTraces > 0))
      obstacle = this.admission.obstacle(tenant, exclusive);
    if (obstacle === undefined) return;
    throw new FlowError({
      code: FlowErrorCode.QUEUE_FULL,
      message: `Cannot emit from "OpenSea" without waiting: ${obstacle}; use emit, or try again later`,
      traceId: message.traceId,
      tenant,
      retryable: true,
    });
  }

  /**
   * Throws unless the entry nodes accept a message of the trace, or of a new one, at once.
   *
   * @throws FlowError `QUEUE_FULL`
   */
  requireRoom(trace: Trace | undefined, message: Message, edges: readonly Edge[]): void {
    if (!this.rookery.isFull() && this.sending.takesAll(edges, trace)) return;
    throw queueFull("OpenSea", message.traceId, message.headers.tenant, edges);
  }

  /**
   * Returns the open trace of that id into which `emit` sends further messages.
   *
   * @throws FlowError `ID_CONFLICT` when it acts for another principal
   */
  openEndedTrace(message: Message): Trace | undefined {
    this.#requireAcceptance(message, false);
    if (!this.traces.has(message.traceId)) return undefined;
    const { traceId, headers } = message;
    const known = this.traces.find(traceId, headers.tenant).find((trace) => trace.isOpen && trace.isOpenEnded);
    if (known !== undefined) requireSamePrincipal(known, headers);
    return known;
  }

  weightOf(tenant: string): number {
    return this.#hasWeights ? this.options.homeScope.runInAsyncScope(weightOf, undefined, this.options, tenant) : 1;
  }

  /** Returns frozen headers, shared between the messages of a tenant if they contain nothing else. */
  headersOf(
    tenant: string,
    topic: string | undefined,
    priority: number | undefined,
    principal: Principal | undefined,
  ): MessageHeaders {
    if (topic !== undefined || priority !== undefined || principal !== undefined)
      return checkedHeaders({ tenant, topic, priority, principal });
    // consecutive calls often have the same tenant: comparing is cheaper than a map lookup
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

  /** Time of the first clock reading in this turn of the event loop. */
  get turn(): Moment {
    return this.#turn ?? this.#beginTurn();
  }

  get moment(): Moment {
    return momentOf(this.clock, this.#turn);
  }

  #beginTurn(): Moment {
    const moment = new Moment(this.clock.now(), this.clock.epochNow());
    this.#turn = moment;
    this.scheduler.nextTurn(() => {
      this.#turn = undefined;
    });
    return moment;
  }

  resultDropped(trace: Trace, node: string, reason: string): void {
    this.droppedResults += 1;
    if (this.reporter.hasListeners) this.reporter.trace(trace, { type: "result_drop", node, reason });
  }

  /**
   * Accepts no more work, drains for up to `drainMs`, then ends the remaining traces. Resolves when every handler has
   * returned or was abandoned.
   */
  async close(drainMs = 0): Promise<StopReport> {
    this.isStopping = true;
    const before = this.ending.counts.completed;
    if (drainMs > 0 && !this.#isIdle) {
      await new Promise<void>((resolve) => {
        const timer = this.timers.after(drainMs, resolve);
        const onIdle = (): void => {
          timer.cancel();
          resolve();
        };
        this.onIdle = onIdle;
      });
      this.onIdle = undefined;
    }
    if (this.durable !== undefined && this.#parent === undefined) {
      // the bus waits for the checkpoint store: sealing the checkpoint store first would reject its pending batches
      await this.flushObservers(this.options.graceMs);
      await this.durable.seal();
    }
    this.isEnding = true;
    const { cancelled, abandoned } = await this.ending.stopAll();
    const abandonedInside = (await this.#parts.playbooks?.stop()) ?? 0;
    this.#parts.rookery?.close();
    this.#parts.acceptance?.close();
    this.#parts.keptOutcomes?.close(
      new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: "Gave up looking an id up: the flow was stopped" }),
    );
    this.#parts.outcomes?.close();
    this.#parts.admission?.close(
      new FlowError({ code: FlowErrorCode.FLOW_STOPPED, message: "Gave up waiting for a turn: the flow was stopped" }),
    );
    await this.flushObservers(this.options.graceMs);
    if (this.#parent === undefined) await this.durable?.close();
    this.timers.close();
    this.probe?.stop();
    return { completed: this.ending.counts.completed - before, cancelled, abandoned: abandoned + abandonedInside };
  }

  /** Number of results that wait for `fetch`. */
  get unreadResults(): number {
    return this.#parts.rookery?.size ?? 0;
  }

  /** Number of outcomes that are not delivered yet. */
  get undeliveredOutcomes(): number {
    return this.#parts.outcomes?.size ?? 0;
  }

  /** Number of traces and retries that wait for their turn. */
  get waitingTraces(): number {
    return this.#parts.admission?.waiting ?? 0;
  }

  /** Number of outcomes of given ids in memory. */
  get keptInMemory(): number {
    return this.#parts.keptOutcomes?.size ?? 0;
  }

  /** Number of pending `fetch` calls. */
  get fetchers(): number {
    return this.#parts.rookery?.fetchers ?? 0;
  }

  get #restingTraces(): number {
    return this.#parts.pausing?.restingTraces ?? 0;
  }

  /** Called when a trace and its handlers are gone. */
  traceLeft(trace: Trace): void {
    this.#parts.admission?.left(trace);
    this.#noteIdle();
  }

  /** Called when a trace waits only for answers or, if durable, for an instant. */
  traceRests(trace: Trace): void {
    this.#parts.admission?.rest(trace);
    this.durable?.rests(trace);
    this.#noteIdle();
  }

  /** Called when a resting trace goes on. */
  traceWakes(trace: Trace): void {
    this.#parts.admission?.wake(trace);
    this.durable?.wakes(trace);
  }

  /** Called when an outcome is delivered. */
  outcomeDelivered(): void {
    this.#noteIdle();
  }

  get #isIdle(): boolean {
    return this.traces.size === this.#restingTraces && this.undeliveredOutcomes === 0;
  }

  #noteIdle(): void {
    if (this.onIdle !== undefined && this.#isIdle) this.onIdle();
  }

  /**
   * Reports an error of the engine or of a port that would otherwise end the process. Fails the trace of `attempt`, so
   * that its callers settle.
   */
  broke(error: unknown, attempt?: Attempt): void {
    const { logger, name } = this.options;
    logger.error("engine_failed", { flow: name, error: errorPayload(error) });
    if (attempt?.trace.isOpen !== true) return;
    try {
      const wasRunning = attempt.state === State.RUNNING;
      this.failing.failTrace(attempt, error);
      // its handler no longer runs: without this its slot would never be freed
      if (wasRunning) this.ending.returned(attempt, undefined, false);
      this.agenda.flush();
    } catch (second) {
      logger.error("engine_failed", { flow: name, error: errorPayload(second) });
    }
  }

  /** Waits until observers have received every event so far, for `timeoutMs` at most. Returns whether they have. */
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

  /** Starts a flow with this run's observers, resources and ports. Returns `undefined` if `flow` is no flow. */
  startChild(flow: unknown, registry: ModelRegistry | undefined): Engine | undefined {
    const start = typeof flow === "object" && flow !== null ? starters.get(flow) : undefined;
    return start?.(this, registry);
  }

  /** Returns the run behind a handler's context; `undefined` if a flow did not make the context. */
  static of(ctx: object): Engine | undefined {
    const services = HandlerContext.behind(ctx)?.services;
    return services instanceof Engine ? services : undefined;
  }

  /** Sets the deadline of a trace; ends it at once if the deadline has passed. */
  setDeadline(trace: Trace, deadlineAt: number): void {
    const leftMs = deadlineAt - this.clock.epochNow();
    trace.deadlineAt = deadlineAt;
    if (leftMs <= 0) {
      this.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
      return;
    }
    trace.more.deadlineTimer = this.timers.after(leftMs, () => {
      this.ending.exhaust(trace, FlowErrorCode.DEADLINE_EXCEEDED);
      this.agenda.flush();
    });
  }
}

/** Throws when a message for an open trace names another principal than the one that the trace acts for. */
function requireSamePrincipal({ id, tenant, headers }: Trace, { principal }: MessageHeaders): void {
  if (principal === undefined || principal === headers.principal) return;
  if (headers.principal !== undefined && digestOf(principal) === digestOf(headers.principal)) return;
  throw new FlowError({
    code: FlowErrorCode.ID_CONFLICT,
    message: `Cannot emit into trace "${id}": it acts for another principal; give each principal a trace of its own`,
    traceId: id,
    tenant,
  });
}

/** Returns the recorder of a run: the flow's, the diagnostics channel's, or both. */
function recorderOf(options: ResolvedOptions, tap: Tap | undefined): TraceRecorder | undefined {
  const own = safeRecorder(options);
  if (tap?.takesRecords !== true) return own;
  return (record) => {
    own?.(record);
    tap.record(record);
  };
}

/** Wraps the recorder: calls it outside every trace's async context and logs its errors. */
function safeRecorder({ recorder, homeScope, logger, name }: ResolvedOptions): TraceRecorder | undefined {
  if (recorder === undefined) return undefined;
  const failed = (error: unknown): void => logger.error("recorder_failed", { flow: name, error: errorPayload(error) });
  return (record) => {
    try {
      const recorded: unknown = homeScope.runInAsyncScope(recorder, undefined, record);
      if (recorded instanceof Promise) recorded.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}
