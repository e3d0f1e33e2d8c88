import type { Clock, Moment } from "../../foundation/clock.ts";
import { mixHigh, mixLow } from "../../foundation/lineage.ts";
import type { Scheduler } from "../../foundation/scheduler.ts";
import { WM } from "../../message/controller.ts";
import { carry, Message } from "../../message/message.ts";
import type { HandlerWaits } from "../context/handler-waits.ts";
import type { Joining } from "../delivery/joining.ts";
import { sealed } from "../delivery/sealed.ts";
import type { Sending } from "../delivery/sending.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { nextLoopStep } from "../policies/budget.ts";
import { Attempt, State } from "../state/attempt.ts";
import { Trace } from "../state/trace.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Committing } from "./committing.ts";
import type { Ending } from "../termination/ending.ts";
import type { Failing } from "../termination/failing.ts";
import type { Slots } from "../admission/slots.ts";

interface DispatchHost {
  /** Captures the async context of the trace's caller, while that is the current one. */
  keepScope(trace: Trace): void;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** The moment of the first look at the clock in this turn of the event loop. */
  readonly turn: Moment;
  /** The present moment. */
  readonly moment: Moment;
  /** Whether times are read, since a run is observed. */
  readonly isWatched: boolean;
  /** Whether each message is recorded, so that none may be handed on without a stop. */
  readonly isFollowed: boolean;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly durable: DurableRun | undefined;
  readonly waits: HandlerWaits;
  readonly sending: Sending;
  readonly joining: Joining;
  readonly committing: Committing;
  readonly failing: Failing;
  readonly ending: Ending;
  /** Reports an error of the engine itself; the trace of the attempt fails. */
  broke(error: unknown, attempt?: Attempt): void;
}

/** After so many milliseconds of handler calls in a row, timers and I/O get their turn. */
const TURN_MS = 2;
/** It is looked at most after so many handler calls whether that time has passed; sooner when they take long. */
const CALLS_PER_LOOK = 256;
/** After so many handler calls the turn ends in any case: the clock may stand still. */
const CALLS_PER_TURN = 16_384;

/**
 * Brings messages to handlers: who may start, what runs next, and what becomes of a handler's value.
 *
 * A message goes through the graph in one `drive`: when a handler has returned and the next node is
 * free, its handler is called in the same turn, and only otherwise is the message put on an edge.
 */
export class Dispatch {
  readonly #engine: DispatchHost;
  readonly #agenda: Agenda;
  readonly #slots: Slots;
  /** Whether a message may take the short way: no recorder follows each one, and no test reorders ready work. */
  readonly #mayShorten: boolean;
  /** Handler calls from look to look at the clock, and those left until the next. */
  #stride = 16;
  #callsLeft = 16;
  /** Handler calls since the turn began. */
  #calls = 0;
  /** The turn of the last look. */
  #lookedIn: Moment | undefined;
  #nextTurn: Promise<void> | undefined;
  /** The trace in whose async context handlers are just being called. */
  #driven: Trace | null = null;
  readonly #driveFirst = (attempt: Attempt): void => this.#drive(attempt.trace, attempt);
  /** When the message that is handled next was handed on, while a run is watched: its start needs no further reading. */
  #handedOnAt: Moment | undefined;

  constructor(engine: DispatchHost) {
    this.#engine = engine;
    this.#agenda = engine.agenda;
    this.#slots = engine.slots;
    this.#mayShorten = !engine.isFollowed && engine.scheduler.ready === undefined;
  }

  /** Runs an attempt that has a slot: its handler, and those of the nodes behind it as far as they are free. */
  run(attempt: Attempt): void {
    const { scheduler } = this.#engine;
    if (scheduler.ready === undefined) this.#driveInScope(attempt);
    else scheduler.ready(() => this.#driveInScope(attempt));
  }

  /** Gives free slots to those who wait: first to those who lent theirs, then by turns. */
  pump(worker: Worker): void {
    worker.isWoken = false;
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
      const { send, edge } = attempt;
      if (worker.outer !== undefined && worker.isOrdered) {
        worker.inbox.hold(attempt.trace);
        worker.outer.hold(attempt.trace);
      }
      this.#slots.take(attempt);
      this.#agenda.run(attempt);
      // only now: the room it leaves may bring another message to this very node
      if (isEntry) this.#engine.sending.entered(attempt);
      else if (send !== null) this.#engine.sending.startedWithoutPlace(send);
      else if (edge !== null) this.#engine.sending.leftEdge(edge);
      else if (worker.node.gathering !== undefined) this.#engine.sending.leftJoin(worker);
    }
    // what has left the node may have been the last in its cycle that could move
    if (worker.ring === undefined || worker.ring.blocked === 0) return;
    for (const member of worker.ring.workers) for (const send of member.blocked) this.#agenda.suspect(send);
  }

  /** Drives a message in the async context of its trace's caller. A trace that is being driven is in it already. */
  #driveInScope(attempt: Attempt): void {
    const { trace } = attempt;
    const driven = this.#driven;
    const isInside = trace === driven || (driven !== null && driven.scope !== null && driven.scope === trace.scope);
    if (isInside) this.#drive(trace, attempt);
    else trace.inScope(this.#driveFirst, attempt);
  }

  /**
   * Takes one message from handler to handler, as far as it goes without waiting for one of them. `undefined` stands for
   * a handler that is at work, `null` for the end of the way. Runs in the async context of the trace's caller: promises
   * keep it from handler to handler.
   */
  #drive(trace: Trace, first: Attempt | null | undefined): void {
    const outer = this.#driven;
    this.#driven = trace;
    let next = first;
    try {
      while (next !== null && next !== undefined) {
        if (--this.#callsLeft <= 0 && this.#isTurnOver()) {
          const waiting = next;
          this.#handedOnAt = undefined;
          void this.#nextTurn?.then(() => this.#drive(trace, waiting));
          return;
        }
        next = this.#begin(next);
      }
      if (next === null) this.#agenda.flush();
    } catch (error) {
      // neither the process nor the caller that happens to be on the stack is at fault
      this.#engine.broke(error, next ?? undefined);
    } finally {
      this.#driven = outer;
    }
  }

  /** Calls the handler of an attempt. Answers with what runs next, as {@link Dispatch.#drive} takes it. */
  #begin(attempt: Attempt): Attempt | null | undefined {
    const engine = this.#engine;
    const { worker } = attempt;
    // its trace may have ended before its handler was called
    if (attempt.state !== State.LAUNCHED) return null;
    attempt.run();
    let value: unknown;
    try {
      if (worker.isPlain && !engine.isWatched) {
        const { turn } = engine;
        if (attempt.started !== turn) attempt.started = turn;
        // the handler may use its context from another async context
        if (worker.takesContext) engine.keepScope(attempt.trace);
        const { call } = worker;
        value = call(attempt.message, attempt);
      } else {
        value = this.#prepareAndCall(attempt);
      }
      // a promise of an async function needs no check and no copy; the `then` of another value may throw as it is read
      const isOwn = value instanceof Promise && value.constructor === Promise;
      if (isOwn || isThenable(value)) {
        const promise = isOwn ? (value as Promise<unknown>) : Promise.resolve(value);
        // an attempt goes through many nodes: these are made once for all of them
        attempt.onReturned ??= (result) => this.#driveOn(attempt, true, result);
        attempt.onThrew ??= (error) => this.#driveOn(attempt, false, error);
        void promise.then(attempt.onReturned, attempt.onThrew);
        return undefined;
      }
    } catch (error) {
      return this.#threw(attempt, error);
    }
    return this.#returned(attempt, value);
  }

  /** Goes on after a handler that was waited for. It never throws: nothing awaits it. */
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

  /** Calls a handler that is watched, has a timeout or wants its message checked or stored first. */
  #prepareAndCall(attempt: Attempt): unknown {
    const engine = this.#engine;
    const { worker } = attempt;
    if (engine.isWatched) this.#started(attempt);
    else attempt.started = engine.turn;
    // its timer, and what the handler does with its context, may come from elsewhere
    if (worker.takesContext || worker.timeoutMs !== undefined) engine.keepScope(attempt.trace);
    if (worker.timeoutMs !== undefined) engine.failing.armTimeout(attempt, worker.timeoutMs);
    const prepared = worker.prepares ? this.#prepare(attempt) : undefined;
    return prepared === undefined ? callHandler(attempt) : prepared.then(() => callHandler(attempt));
  }

  /** Notes, for those who watch, that a handler is about to be called. */
  #started(attempt: Attempt): void {
    const { ledger, reporter } = this.#engine;
    attempt.started = this.#handedOnAt ?? this.#engine.moment;
    this.#handedOnAt = undefined;
    ledger.started(attempt);
    if (reporter.hasListeners) reporter.started(attempt);
  }

  /** What has to be done before the handler is called; a promise if that takes time. */
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
  }

  #replaceMessage(attempt: Attempt, checked: Message): void {
    if (checked === attempt.message) return;
    if (attempt.worker.retries || this.#engine.durable !== undefined) attempt.more.original ??= attempt.message;
    attempt.message = checked;
  }

  /** A handler has failed: it threw, or what it was given or has returned does not fit. */
  #threw(attempt: Attempt, error: unknown): null {
    if (isRunning(attempt)) this.#engine.failing.threw(attempt, error);
    else this.#engine.ending.returned(attempt, undefined, false);
    return null;
  }

  /** A handler has returned. Answers as {@link Dispatch.#begin} does. */
  #returned(attempt: Attempt, value: unknown): Attempt | null | undefined {
    const { checkEmitted } = attempt.worker;
    if (checkEmitted === undefined || value === undefined || !isRunning(attempt)) return this.#step(attempt, value);
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

  /** Goes on with a value whose check was waited for. It never throws. */
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

  /** What a handler has returned, and was found to be right, goes on its way, unless its attempt is over. */
  #step(attempt: Attempt, value: unknown): Attempt | null {
    if (!isRunning(attempt)) {
      this.#engine.ending.returned(attempt, value, true);
      return null;
    }
    this.#agenda.beginStep();
    let next: Attempt | null | undefined;
    try {
      next = this.#commit(attempt, value);
    } finally {
      this.#agenda.endStep(next !== null);
    }
    return next;
  }

  /** What a handler returned goes on its way. Answers with the next attempt if that may run at once. */
  #commit(attempt: Attempt, value: unknown): Attempt | null {
    const engine = this.#engine;
    const { worker, trace } = attempt;
    const isShort = this.#mayShorten && attempt.extras === null;
    if (isShort && value !== undefined) {
      const { straight } = worker;
      // of a trace with a single message nothing can be at the other node
      if (straight !== null && trace.live === 1 && straight.target.hasSlot(false))
        return this.#startNext(attempt, straight, messageOf(attempt, value));
      if (worker.loop !== undefined && value instanceof WM) {
        const next = this.#goRound(attempt, worker.loop, value);
        if (next !== undefined) return next;
      }
    }
    const message = value === undefined ? null : messageOf(attempt, value);
    if (isShort && message !== null && !(worker.loop !== undefined && message.payload instanceof WM)) {
      const isLast = worker.onward.length === 0 && trace.live === 1 && !engine.isWatched;
      if (isLast && this.#answer(attempt, trace, message)) return null;
      const next = this.#handOn(attempt, worker, trace, message);
      if (next !== undefined) return next;
    }
    engine.committing.finish(attempt, message);
    return null;
  }

  /** The next round of a controller's loop. Answers as {@link Dispatch.#handOn} does. */
  #goRound(attempt: Attempt, loop: Edge, memory: WM): Attempt | null | undefined {
    const { worker, trace } = attempt;
    // others wait for the slot: after this turn the next round stands in line with them
    if (trace.live > 1 || (othersWait(worker) && attempt.heldSince !== this.#engine.turn)) return undefined;
    const step = nextLoopStep(attempt.message.payload, memory);
    if (typeof step !== "string") return this.#startNext(attempt, loop, carry(attempt.message, step));
    this.#engine.ending.exhaust(trace, step, attempt);
    return null;
  }

  /**
   * The short way: one message in, one out, and the next node is free or gathers. Answers with what runs next,
   * `null` when nothing does, `undefined` when the message has to take the long way.
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
      if (this.#engine.isWatched) this.#succeeded(attempt);
      this.#engine.ledger.handedOn(attempt);
      attempt.end();
      this.#slots.leave(attempt);
      let item = attempt;
      if (worker.takesContext) {
        item = new Attempt(target, trace, message, null, high, low, 1);
        item.round = attempt.round;
      } else attempt.goOn(target, message, high, low);
      item.queue();
      this.#engine.joining.arrive(item);
      return null;
    }
    if (target.ring !== undefined) return undefined;
    return this.#slots.mayStart(target, trace, false) ? this.#startNext(attempt, edge, message) : undefined;
  }

  /** The slot of the attempt is left for one of the edge's target, and the message is launched there. */
  #startNext(attempt: Attempt, edge: Edge, message: Message): Attempt {
    const { worker, trace } = attempt;
    const { target } = edge;
    if (this.#engine.isWatched) this.#handedOnAt = this.#succeeded(attempt);
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
      // nobody but the runtime has seen this attempt: it can go on as the next
      attempt.goOn(target, message, high, low);
      return attempt;
    }
    const next = new Attempt(target, trace, message, null, high, low, 1);
    next.takeOver(attempt);
    return next;
  }

  /** Reports the success of an attempt whose message is handed on. Returns the time of it. */
  #succeeded(attempt: Attempt): Moment {
    const { moment, reporter } = this.#engine;
    reporter.succeeded(attempt, moment, true);
    return moment;
  }

  /** The short way out: the only result of a call, with nothing of the trace left. Answers whether it was that. */
  #answer(attempt: Attempt, trace: Trace, message: Message): boolean {
    if (trace.sink.completed === undefined || trace.resultCount > 0) return false;
    this.#engine.ledger.handedOn(attempt);
    attempt.end();
    trace.resultCount = 1;
    this.#slots.leave(attempt);
    this.#engine.ending.answered(trace, message);
    return true;
  }

  /** Whether timers and I/O are to have their turn before another handler is called. */
  #isTurnOver(): boolean {
    if (this.#nextTurn !== undefined) return true;
    const { turn, clock, scheduler } = this.#engine;
    if (this.#lookedIn !== turn) this.#calls = 0;
    this.#lookedIn = turn;
    this.#calls += this.#stride;
    const elapsedMs = clock.now() - turn.now;
    if (elapsedMs < TURN_MS) this.#stride = Math.min(this.#stride * 2, CALLS_PER_LOOK);
    else if (elapsedMs > 2 * TURN_MS) this.#stride = Math.ceil(this.#stride / 2);
    if (elapsedMs < TURN_MS && this.#calls < CALLS_PER_TURN) {
      this.#callsLeft = this.#stride;
      return false;
    }
    this.#nextTurn = new Promise((resolve) => {
      scheduler.nextTurn(() => {
        this.#callsLeft = this.#stride;
        this.#calls = 0;
        this.#nextTurn = undefined;
        resolve();
      });
    });
    return true;
  }
}

/** Whether somebody waits for a slot of the node. */
function othersWait(worker: Worker): boolean {
  if (worker.inbox.ready !== 0 || worker.returning.length !== 0) return true;
  return worker.outer !== undefined && worker.outer.ready !== 0 && worker.mayEnterRing;
}

/** What a handler has returned, as a message of its trace. */
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
