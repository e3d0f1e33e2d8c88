import type { Clock, Moment } from "../../foundation/clock.ts";
import type { FlowError } from "../../foundation/flow-error.ts";
import { mixHigh, mixLow } from "../../foundation/lineage.ts";
import type { Scheduler } from "../../foundation/scheduler.ts";
import type { Route } from "../../graph/node.ts";
import { WM } from "../../message/controller.ts";
import { carry, Message } from "../../message/message.ts";
import type { Emitting } from "../context/emitting.ts";
import { FallbackHandlerContext } from "../context/fallback-context.ts";
import type { ContextServices } from "../context/handler-context.ts";
import type { HandlerWaits } from "../context/handler-waits.ts";
import type { Joining } from "../delivery/joining.ts";
import { sealed } from "../delivery/sealed.ts";
import type { Sending } from "../delivery/sending.ts";
import type { DurableRun, Lease } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { nextLoopStep } from "../policies/budget.ts";
import type { CheckValue } from "../policies/validation.ts";
import { policyOfMessage } from "../policies/message-policy.ts";
import { Attempt, State } from "../state/attempt.ts";
import { Trace } from "../state/trace.ts";
import type { NodeLimit } from "../state/permits.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Committing } from "./committing.ts";
import type { Ending } from "../termination/ending.ts";
import type { Failing } from "../termination/failing.ts";
import type { Slots } from "../admission/slots.ts";

/** Engine parts that {@link Dispatch} calls. */
interface DispatchHost extends ContextServices {
  /** Captures the async context of the trace's caller. Call it only while that context is current. */
  keepScope(trace: Trace): void;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Time of the first clock reading in this turn of the event loop. */
  readonly turn: Moment;
  /** Current time. */
  readonly moment: Moment;
  /** Whether the run is observed, so that times are read. */
  readonly isWatched: boolean;
  /** Whether messages may take the fast path between nodes. */
  readonly mayShorten: boolean;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly durable: DurableRun | undefined;
  readonly lease: Lease | undefined;
  readonly waits: HandlerWaits;
  readonly sending: Sending;
  readonly joining: Joining;
  readonly committing: Committing;
  readonly emitting: Emitting;
  readonly failing: Failing;
  readonly ending: Ending;
  /** Reports an error of the engine itself; fails the trace of the attempt. */
  broke(error: unknown, attempt?: Attempt): void;
}

/** Yield to the event loop after this long, in milliseconds. */
const TURN_MS = 2;
/** Maximum number of handler calls between looks at the turn. Slow handlers lower it. */
const CALLS_PER_LOOK = 256;
/** Maximum number of handler calls per turn, in case the clock stands still. */
const CALLS_PER_TURN = 16_384;

/**
 * Drives messages from handler to handler: pumps queues, calls handlers and routes their results.
 *
 * A message passes through the graph in one `drive`. When a handler returns and the next node is free, its handler is
 * called in the same turn. Otherwise the message is put on an edge.
 */
export class Dispatch {
  readonly #engine: DispatchHost;
  readonly #agenda: Agenda;
  readonly #slots: Slots;
  readonly #isWatched: boolean;
  readonly #mayShorten: boolean;
  readonly #lease: Lease | undefined;
  /** Handler calls between looks at the turn, and the number left until {@link Dispatch.#mustWait} is asked. */
  #stride = 16;
  #callsLeft = 16;
  /** With a lease, each call asks it, and this is the number of calls left until a look at the turn. */
  #leasedCallsLeft = 16;
  /** Handler calls in this turn. */
  #calls = 0;
  /** Turn of the last clock reading. */
  #lookedIn: Moment | undefined;
  #nextTurn: Promise<void> | undefined;
  /** Trace in whose async context handlers are being called. */
  #driven: Trace | null = null;
  readonly #driveFirst = (attempt: Attempt): void => this.#drive(attempt.trace, attempt);
  /** Time at which the next message was handed on, if the run is observed. It saves a clock reading. */
  #handedOnAt: Moment | undefined;

  constructor(engine: DispatchHost) {
    this.#engine = engine;
    this.#agenda = engine.agenda;
    this.#slots = engine.slots;
    this.#isWatched = engine.isWatched;
    this.#mayShorten = engine.mayShorten;
    this.#lease = engine.lease;
    this.#count();
  }

  /** Runs an attempt that holds a slot: its handler, then those of the following nodes as long as they are free. */
  run(attempt: Attempt): void {
    const { scheduler } = this.#engine;
    if (scheduler.ready === undefined) this.#driveInScope(attempt);
    else scheduler.ready(() => this.#driveInScope(attempt));
  }

  /** Assigns free slots: first to handlers that lent theirs, then to queued messages in turn. */
  pump(worker: Worker): void {
    worker.isWoken = false;
    const { limit } = worker;
    if (limit !== undefined && limit.offered.size > 0)
      this.#slots.useOffers(worker, limit, (attempt) => this.#start(worker, attempt, false));
    while (worker.running < worker.concurrency) {
      const resume = worker.returning.shift();
      if (resume !== undefined) {
        resume();
        continue;
      }
      const next = worker.takeNext();
      if (next === null) break;
      const isEntry = next instanceof Trace;
      const attempt = isEntry ? this.#engine.sending.entryOf(next, worker.entry as Edge) : next;
      if (worker.outer !== undefined && worker.isOrdered) {
        worker.inbox.hold(attempt.trace);
        worker.outer.hold(attempt.trace);
      }
      if (limit === undefined) this.#start(worker, attempt, isEntry);
      else this.#startLimited(worker, limit, attempt);
    }
    // the message that just left may have been the last in its cycle that could move: check the cycle for a deadlock
    if (worker.ring === undefined || worker.ring.blocked === 0) return;
    for (const member of worker.ring.workers) for (const send of member.blocked) this.#agenda.suspect(send);
  }

  /** Takes a slot for a dequeued message and schedules its handler. */
  #start(worker: Worker, attempt: Attempt, isEntry: boolean): void {
    const { send, edge } = attempt;
    this.#slots.take(attempt);
    this.#agenda.run(attempt);
    // only after `take`: the freed room may bring another message to this node, which must not get the slot first
    if (isEntry) this.#engine.sending.entered(attempt);
    else if (send !== null) this.#engine.sending.startedWithoutPlace(send);
    else if (edge !== null) this.#engine.sending.leftEdge(edge);
    else if (worker.node.gathering !== undefined) this.#engine.sending.leftJoin(worker);
  }

  /** Starts a dequeued message if its limiter has a permit for it. */
  #startLimited(worker: Worker, limit: NodeLimit, attempt: Attempt): void {
    let mayStart: boolean;
    try {
      mayStart = this.#slots.permit(attempt, limit);
    } catch (error) {
      this.#start(worker, attempt, false);
      this.#engine.failing.failTrace(attempt, error);
      return;
    }
    if (mayStart) this.#start(worker, attempt, false);
  }

  /** Drives a message in the async context of its trace's caller, entering that context unless it is current. */
  #driveInScope(attempt: Attempt): void {
    const { trace } = attempt;
    const driven = this.#driven;
    const isInside = trace === driven || (driven !== null && driven.scope !== null && driven.scope === trace.scope);
    if (isInside) this.#drive(trace, attempt);
    else trace.inScope(this.#driveFirst, attempt);
  }

  /**
   * Takes one message from handler to handler until one of them is asynchronous. `undefined` means that a handler is
   * running, `null` that nothing is left to run. Requires the async context of the trace's caller; promises preserve it
   * between handlers.
   */
  #drive(trace: Trace, first: Attempt | null | undefined): void {
    const outer = this.#driven;
    this.#driven = trace;
    let next = first;
    try {
      while (next !== null && next !== undefined) {
        if (--this.#callsLeft <= 0 && this.#mustWait()) {
          this.#driveLater(next);
          next = undefined;
        } else next = this.#begin(next);
      }
      if (next === null) this.#agenda.flush();
    } catch (error) {
      // neither the process nor the caller on the stack is at fault: rethrowing would hit the wrong one
      this.#engine.broke(error, next ?? undefined);
    }
    this.#driven = outer;
  }

  /** Goes on with an attempt in the next turn of the event loop. */
  #driveLater(attempt: Attempt): void {
    this.#handedOnAt = undefined;
    void this.#nextTurn?.then(() => this.#drive(attempt.trace, attempt));
  }

  /** Calls the handler of an attempt. Returns the next attempt as {@link Dispatch.#drive} takes it. */
  #begin(attempt: Attempt): Attempt | null | undefined {
    // its trace may have ended between launch and call
    if (attempt.state !== State.LAUNCHED) return this.#beginOther(attempt);
    attempt.run();
    let value: unknown;
    try {
      value = attempt.worker.isPlain ? this.#call(attempt) : this.#prepareAndCall(attempt);
      // a native promise needs neither check nor copy; reading `then` of any other value may throw
      if (value instanceof Promise && value.constructor === Promise) return this.#await(attempt, value);
      if (isThenable(value)) return this.#await(attempt, Promise.resolve(value));
    } catch (error) {
      return this.#threw(attempt, error);
    }
    return this.#returned(attempt, value);
  }

  /** Calls a handler of which nothing is observed or checked, and to which no time limit applies. */
  #call(attempt: Attempt): unknown {
    const { worker } = attempt;
    const { turn } = this.#engine;
    if (attempt.started !== turn) attempt.started = turn;
    // the handler may use its context from another async context: capture the caller's while it is current
    if (worker.takesContext) this.#engine.keepScope(attempt.trace);
    const { call } = worker;
    return call(attempt.message, attempt);
  }

  /** Begins an attempt that has no handler to call: it sends its policy's `onFailed`, or its trace has ended. */
  #beginOther(attempt: Attempt): Attempt | null | undefined {
    const failure = attempt.extras?.failure;
    return failure === undefined ? null : this.#fallBack(attempt, failure);
  }

  #await(attempt: Attempt, promise: Promise<unknown>): undefined {
    if (attempt.onReturned === undefined) this.#listen(attempt);
    void promise.then(attempt.onReturned, attempt.onThrew);
  }

  /**
   * Makes the functions that continue an attempt after an asynchronous handler. It may pass through many nodes: without
   * them every hop would allocate two closures, and their context if they were made where they are used.
   */
  #listen(attempt: Attempt): void {
    attempt.listen(
      (result) => this.#driveOn(attempt, true, result),
      (error) => this.#driveOn(attempt, false, error),
    );
  }

  /** Continues a failed attempt with the value of its policy's `onFailed`. */
  #fallBack(attempt: Attempt, failure: FlowError): Attempt | null | undefined {
    const { policy, message, extras } = attempt;
    if (!isRunning(attempt)) return this.#threw(attempt, failure);
    let value: unknown;
    try {
      const ctx = new FallbackHandlerContext(attempt, this.#engine);
      value = policy.onFailed?.(failure, (extras?.original ?? message) as Message<never>, ctx as never);
      if (isThenable(value)) {
        const { timeoutMs } = policy;
        if (timeoutMs !== undefined && isRunning(attempt)) this.#engine.failing.armTimeout(attempt, timeoutMs);
        return this.#await(attempt, Promise.resolve(value));
      }
    } catch (fault) {
      return this.#threw(attempt, fault);
    }
    return this.#returned(attempt, value);
  }

  /** Continues after an asynchronous handler. Never throws, because no caller awaits it. */
  #driveOn(attempt: Attempt, didReturn: boolean, result: unknown): void {
    let next: Attempt | null | undefined;
    try {
      next = didReturn ? this.#returned(attempt, result) : this.#threw(attempt, result);
    } catch (error) {
      this.#engine.broke(error, attempt);
      return;
    }
    this.#drive(attempt.trace, next);
  }

  /**
   * Calls a handler that is observed, has a timeout or a policy for each message, or needs its message validated or
   * stored first.
   */
  #prepareAndCall(attempt: Attempt): unknown {
    const engine = this.#engine;
    const { worker } = attempt;
    if (engine.isWatched) this.#started(attempt);
    else attempt.started = engine.turn;
    // the timer fires, and the handler may use its context, in another async context: capture the caller's now
    if (worker.looks) attempt.more.policy = policyOfMessage(worker.node, attempt.message);
    const timeoutMs = worker.looks ? attempt.policy.timeoutMs : worker.timeoutMs;
    if (worker.takesContext || timeoutMs !== undefined) engine.keepScope(attempt.trace);
    // a policy function may have ended the trace: a timer would outlive it
    if (timeoutMs !== undefined && isRunning(attempt)) engine.failing.armTimeout(attempt, timeoutMs);
    const prepared = worker.prepares ? this.#prepare(attempt) : undefined;
    return prepared === undefined ? callHandler(attempt) : prepared.then(() => callHandler(attempt));
  }

  /** Records for observers that a handler is about to be called. */
  #started(attempt: Attempt): void {
    const { ledger, reporter } = this.#engine;
    attempt.started = this.#handedOnAt ?? this.#engine.moment;
    this.#handedOnAt = undefined;
    ledger.started(attempt);
    if (reporter.hasListeners) reporter.started(attempt);
  }

  /** Validates and stores the message before the handler is called. Returns a promise if that is asynchronous. */
  #prepare(attempt: Attempt): Promise<void> | undefined {
    const { worker } = attempt;
    const checked = worker.checkInput === undefined ? attempt.message : worker.checkInput(attempt.message);
    if (checked instanceof Promise || worker.storesFirst) return this.#prepareLater(attempt, checked);
    this.#replaceMessage(attempt, checked);
    return undefined;
  }

  async #prepareLater(attempt: Attempt, checked: Message | Promise<Message>): Promise<void> {
    this.#replaceMessage(attempt, checked instanceof Promise ? await checked : checked);
    if (attempt.worker.storesFirst && isRunning(attempt))
      await this.#engine.waits.waitFor(attempt, this.#engine.durable?.stored() as Promise<void>);
    const lease = this.#lease;
    if (lease !== undefined && isRunning(attempt) && this.#engine.clock.now() >= lease.leaseEndsAt)
      await this.#engine.waits.waitFor(attempt, lease.renewedLease());
  }

  #replaceMessage(attempt: Attempt, checked: Message): void {
    if (checked === attempt.message) return;
    const { mayRetry, policy } = attempt;
    if (mayRetry || policy.onFailed !== undefined || this.#engine.durable !== undefined)
      attempt.more.original ??= attempt.message;
    attempt.message = checked;
  }

  /** Handles a failed attempt: its handler threw, or its input or output is invalid. */
  #threw(attempt: Attempt, error: unknown): null {
    if (isRunning(attempt)) this.#engine.failing.threw(attempt, error);
    else this.#engine.ending.returned(attempt, undefined, false);
    return null;
  }

  /** Continues after a handler has returned. Returns as {@link Dispatch.#begin} does. */
  #returned(attempt: Attempt, value: unknown): Attempt | null | undefined {
    const { checkEmitted } = attempt.worker;
    if (checkEmitted === undefined || value === undefined || !isRunning(attempt)) return this.#step(attempt, value);
    return this.#check(attempt, value, checkEmitted);
  }

  /** Validates what a handler has returned, and continues. Returns as {@link Dispatch.#begin} does. */
  #check(attempt: Attempt, value: unknown, checkEmitted: CheckValue): Attempt | null | undefined {
    let checked: unknown;
    try {
      checked = checkEmitted(value);
    } catch (error) {
      return this.#threw(attempt, error);
    }
    if (!(checked instanceof Promise)) return this.#step(attempt, checked);
    void checked.then(
      (result) => this.#driveChecked(attempt, result),
      (error: unknown) => this.#driveOn(attempt, false, error),
    );
    return undefined;
  }

  /** Continues after an asynchronous validation. Never throws. */
  #driveChecked(attempt: Attempt, value: unknown): void {
    let next: Attempt | null;
    try {
      next = this.#step(attempt, value);
    } catch (error) {
      this.#engine.broke(error, attempt);
      return;
    }
    this.#drive(attempt.trace, next);
  }

  /** Routes a validated value, unless the attempt is over. */
  #step(attempt: Attempt, value: unknown): Attempt | null {
    if (attempt.worker.node.route !== undefined && value !== undefined && isRunning(attempt))
      return this.#stepTo(attempt, attempt.worker.node.route, value);
    if (attempt.extras === null && value !== undefined && isRunning(attempt)) {
      const { straight, round } = attempt.worker;
      // a trace with a single message cannot occupy the other node: no check of its order is needed
      if (straight !== null && attempt.trace.live === 1 && straight.target.hasSlot(false))
        return this.#startNext(attempt, straight, messageOf(attempt, value));
      if (round !== null && value instanceof WM) {
        const next = this.#goRound(attempt, round, value);
        if (next !== undefined) return next;
      }
    }
    return this.#stepSlowly(attempt, value);
  }

  /** Routes a value to the successor that its node's `route` chooses. */
  #stepTo(attempt: Attempt, route: Route, value: unknown): Attempt | null {
    const message = messageOf(attempt, value);
    let edges: readonly Edge[];
    try {
      const to: unknown = route(message.payload as never);
      const target = typeof to === "string" ? to : [to as string];
      edges = this.#engine.emitting.route(attempt.worker, message, target, attempt.trace);
    } catch (error) {
      return this.#threw(attempt, error);
    }
    // a route is user code: it may have ended the trace
    return this.#stepSlowly(attempt, message, edges);
  }

  /** Routes a value that may not take the shortest way. */
  #stepSlowly(attempt: Attempt, value: unknown, edges?: readonly Edge[]): Attempt | null {
    if (!isRunning(attempt)) {
      this.#engine.ending.returned(attempt, value, true);
      return null;
    }
    this.#agenda.beginStep();
    let next: Attempt | null | undefined;
    try {
      next = this.#commit(attempt, value, edges);
    } finally {
      this.#agenda.endStep(next !== null);
    }
    return next;
  }

  /** Routes a handler's value. Returns the next attempt if it may run at once. */
  #commit(attempt: Attempt, value: unknown, edges: readonly Edge[] | undefined): Attempt | null {
    const engine = this.#engine;
    const { worker, trace } = attempt;
    const isShort = this.#mayShorten && attempt.extras === null && edges === undefined;
    const message = value === undefined ? null : messageOf(attempt, value);
    if (isShort && message !== null && !(worker.loop !== undefined && message.payload instanceof WM)) {
      const isLast = worker.onward.length === 0 && trace.live === 1 && !engine.isWatched;
      if (isLast && this.#answer(attempt, trace, message)) return null;
      const next = this.#handOn(attempt, worker, trace, message);
      if (next !== undefined) return next;
    }
    engine.committing.finish(attempt, message, edges);
    return null;
  }

  /** Starts the next round of a controller's loop. Returns `undefined` if the message needs the slow path. */
  #goRound(attempt: Attempt, round: Edge, memory: WM): Attempt | undefined {
    const { worker, trace } = attempt;
    // other messages wait for the slot: without this a long loop would starve them
    if (trace.live > 1 || (othersWait(worker) && attempt.heldSince !== this.#engine.turn)) return undefined;
    // the way through `Committing` draws on the budget
    if (trace.extras !== null && trace.extras.account !== undefined) return undefined;
    const step = nextLoopStep(attempt.message.payload, memory);
    return typeof step === "string" ? undefined : this.#startNext(attempt, round, carry(attempt.message, step));
  }

  /**
   * Fast path: one message in, one out, and the next node is free or a join. Returns the next attempt, `null` if
   * nothing is left to run, or `undefined` if the message needs the slow path.
   */
  #handOn(attempt: Attempt, worker: Worker, trace: Trace, message: Message): Attempt | null | undefined {
    if (worker.onward.length !== 1 || trace.fetching > 0) return undefined;
    const edge = worker.onward[0] as Edge;
    const { target } = edge;
    if (edge.gathers) {
      if (!edge.hasRoom) return undefined;
      this.#engine.keepScope(trace);
      const high = mixHigh(attempt.high, attempt.low, edge.index, attempt.outputs);
      const low = mixLow(attempt.high, attempt.low, edge.index, attempt.outputs);
      if (this.#isWatched) this.#succeeded(attempt);
      this.#engine.ledger.handedOn(attempt);
      attempt.end();
      this.#slots.leave(attempt);
      let item = attempt;
      if (worker.takesContext) {
        item = new Attempt(target, trace, message, null, high, low, 1);
        item.round = attempt.round;
      } else attempt.goOn(target, message, high, low);
      if (this.#isWatched) item.via = edge;
      item.queue();
      this.#engine.joining.arrive(item);
      return null;
    }
    if (target.ring !== undefined) return undefined;
    return this.#slots.mayStart(target, trace, false) ? this.#startNext(attempt, edge, message) : undefined;
  }

  /** Exchanges the slot of an attempt for one at the edge's target and launches the message there. */
  #startNext(attempt: Attempt, edge: Edge, message: Message): Attempt {
    const { worker, trace } = attempt;
    const { target } = edge;
    if (this.#isWatched) this.#handedOnAt = this.#succeeded(attempt);
    this.#engine.ledger.handedOn(attempt);
    const high = mixHigh(attempt.high, attempt.low, edge.index, attempt.outputs);
    const low = mixLow(attempt.high, attempt.low, edge.index, attempt.outputs);
    if (target !== worker) {
      target.occupy();
      if (trace.lanes !== null) this.#slots.letNextGo(worker, trace);
      if (attempt.inRing) this.#slots.leaveRing(attempt);
      this.#slots.giveOn(worker);
    }
    if (!worker.takesContext) {
      // no handler holds a reference to this attempt: reusing it saves an allocation for each hop
      attempt.goOn(target, message, high, low);
      if (this.#isWatched) attempt.via = edge;
      return attempt;
    }
    const next = new Attempt(target, trace, message, null, high, low, 1);
    if (this.#isWatched) next.via = edge;
    next.takeOver(attempt);
    return next;
  }

  /** Reports the success of an attempt whose message is handed on. Returns its time. */
  #succeeded(attempt: Attempt): Moment {
    const { moment, reporter } = this.#engine;
    reporter.succeeded(attempt, moment, true);
    return moment;
  }

  /** Fast path for calls: completes a trace with its only result. Returns whether it did. */
  #answer(attempt: Attempt, trace: Trace, message: Message): boolean {
    if (trace.sink.completed === undefined || trace.resultCount > 0) return false;
    this.#engine.ledger.handedOn(attempt);
    attempt.end();
    trace.resultCount = 1;
    this.#slots.leave(attempt);
    this.#engine.ending.answered(trace, message);
    return true;
  }

  /** Whether the next handler call must wait: for the event loop, or for a lease that is overdue. */
  #mustWait(): boolean {
    if (this.#nextTurn !== undefined) return true;
    return this.#lease === undefined ? this.#isTurnOver() : this.#isOverdue(this.#lease) || this.#isLeasedTurnOver();
  }

  /** Whether the lease is overdue. Then no handler is called until it is renewed. */
  #isOverdue(lease: Lease): boolean {
    if (this.#engine.clock.now() < lease.leaseEndsAt) return false;
    this.#nextTurn = lease.renewedLease().then(() => this.#beginTurn());
    return true;
  }

  #isLeasedTurnOver(): boolean {
    this.#callsLeft = 1;
    this.#leasedCallsLeft -= 1;
    return this.#leasedCallsLeft <= 0 && this.#isTurnOver();
  }

  /** Whether to yield to the event loop before the next handler call. */
  #isTurnOver(): boolean {
    const { turn, clock, scheduler } = this.#engine;
    if (this.#lookedIn !== turn) this.#calls = 0;
    this.#lookedIn = turn;
    this.#calls += this.#stride;
    const elapsedMs = clock.now() - turn.now;
    if (elapsedMs < TURN_MS) this.#stride = Math.min(this.#stride * 2, CALLS_PER_LOOK);
    else if (elapsedMs > 2 * TURN_MS) this.#stride = Math.ceil(this.#stride / 2);
    if (elapsedMs < TURN_MS && this.#calls < CALLS_PER_TURN) {
      this.#count();
      return false;
    }
    this.#nextTurn = new Promise((resolve) => {
      scheduler.nextTurn(() => {
        this.#beginTurn();
        resolve();
      });
    });
    return true;
  }

  #beginTurn(): void {
    this.#count();
    this.#calls = 0;
    this.#nextTurn = undefined;
  }

  /** Starts to count the calls until the next look. */
  #count(): void {
    this.#leasedCallsLeft = this.#stride;
    this.#callsLeft = this.#lease === undefined ? this.#stride : 1;
  }
}

/** Whether handlers or messages wait for a slot of the node. */
function othersWait(worker: Worker): boolean {
  if (worker.inbox.ready !== 0 || worker.returning.length !== 0) return true;
  return worker.outer !== undefined && worker.outer.ready !== 0 && worker.mayEnterRing;
}

/** Converts a handler's return value into a message of its trace. */
function messageOf({ message, trace }: Attempt, value: unknown): Message {
  if (value === message) return message;
  return value instanceof Message ? sealed(trace, value) : carry(message, value);
}

function callHandler(attempt: Attempt): unknown {
  const { call } = attempt.worker;
  return isRunning(attempt) ? call(attempt.message, attempt) : undefined;
}

function isRunning(attempt: Attempt): boolean {
  return attempt.state === State.RUNNING;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Message) &&
    typeof (value as { then?: unknown }).then === "function"
  );
}
