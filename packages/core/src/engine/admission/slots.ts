import type { Clock, Moment } from "../../foundation/clock.ts";
import { type Attempt, Slot, State } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Agenda } from "./agenda.ts";

interface SlotsHost {
  readonly clock: Clock;
  /** Time of the first clock reading in this turn of the event loop. */
  readonly turn: Moment;
  readonly isWatched: boolean;
  readonly agenda: Agenda;
}

/** Admits messages to nodes: decides which message starts, queues the others and keeps track of slots. */
export class Slots {
  readonly #engine: SlotsHost;
  readonly #agenda: Agenda;

  constructor(engine: SlotsHost) {
    this.#engine = engine;
    this.#agenda = engine.agenda;
  }

  /** Whether a message could start now. `isInner` says that it comes from within the node's ring. */
  mayStart(worker: Worker, trace: Trace | undefined, isInner: boolean): boolean {
    if (!worker.hasSlot(isInner)) return false;
    return trace === undefined || !worker.isOrdered || !this.#occupies(trace, worker);
  }

  /** Takes a slot for a message and schedules its handler. Requires {@link Slots.mayStart}. */
  launch(attempt: Attempt): void {
    this.take(attempt);
    this.#agenda.run(attempt);
  }

  /**
   * Takes a slot for a message and runs its handler now, or schedules it during a flush. Requires {@link
   * Slots.mayStart}.
   */
  runNow(attempt: Attempt): void {
    this.take(attempt);
    this.#agenda.runNow(attempt);
  }

  /** Enqueues a message at its node. */
  enqueue(attempt: Attempt): void {
    const { worker, trace } = attempt;
    if (this.#engine.isWatched) attempt.more.queuedAt = this.#engine.clock.now();
    if (attempt.edge?.isInner === true) attempt.enterRing();
    const queue = worker.queueOf(attempt.edge);
    const isBusy = worker.isOrdered && isAtWork(trace, worker);
    queue.push(trace, attempt, isBusy);
    if (!isBusy) this.#agenda.wake(worker);
  }

  /** Fast path for calls: enqueues the trace itself at its entry node. Its Attempt is allocated on dequeue. */
  lineUp(trace: Trace, edge: Edge): void {
    edge.target.queueOf(edge).push(trace, trace, false);
    this.#agenda.wake(edge.target);
  }

  /** Enqueues a message that was handled before at the head of its trace's lane. */
  enqueueFirst(attempt: Attempt): void {
    const { worker, trace } = attempt;
    if (this.#engine.isWatched) attempt.more.queuedAt = this.#engine.clock.now();
    attempt.enterRing();
    const isBusy = worker.isOrdered && isAtWork(trace, worker);
    worker.inbox.pushFront(trace, attempt, isBusy);
    // another message of the trace may have started while this one was paused: releasing the lane now would break the
    // order
    if (isBusy) return;
    worker.inbox.release(trace);
    this.#agenda.wake(worker);
  }

  /** Takes a slot of the message's node. */
  take(attempt: Attempt): void {
    const { worker } = attempt;
    attempt.launch();
    if (worker.loop !== undefined) attempt.heldSince = this.#engine.turn;
    attempt.enterRing();
    attempt.trace.link(attempt);
  }

  /** Releases the slot of an attempt, its ring membership and, if `isDone`, its trace's turn at the node. */
  leave(attempt: Attempt, isDone = true): void {
    const { worker, trace } = attempt;
    trace.unlink(attempt);
    if (isDone) this.letNextGo(worker, trace);
    this.leaveRing(attempt);
    this.free(attempt);
  }

  /** Releases the trace's turn at a node, so that its next message can start. */
  letNextGo(worker: Worker, trace: Trace): void {
    if (trace.lanes === null || !worker.isOrdered) return;
    worker.inbox.release(trace);
    worker.outer?.release(trace);
    if (worker.queued > 0) this.#agenda.wake(worker);
  }

  leaveRing(attempt: Attempt): void {
    const ring = attempt.leaveRing();
    if (ring === undefined) return;
    for (const worker of ring.workers)
      if (worker.outer !== undefined && worker.outer.size > 0) this.#agenda.wake(worker);
  }

  free(attempt: Attempt): void {
    if (attempt.leaveSlot(false)) this.#agenda.wake(attempt.worker);
  }

  /** Lends the slot of an attempt: a handler that waits for other messages does not count against the concurrency. */
  lend(attempt: Attempt): void {
    if (attempt.leaveSlot(true)) this.#agenda.wake(attempt.worker);
  }

  /** Calls `resume` when the attempt has its slot back, at once if it was not lent. */
  reclaim(attempt: Attempt, resume: () => void): void {
    const { worker } = attempt;
    if (attempt.slot !== Slot.LENT || attempt.state !== State.RUNNING) {
      resume();
      return;
    }
    // several waits of one handler may settle before the slot is back: reclaiming one slot for each would leak slots
    const resumes = (attempt.more.resumes ??= []);
    resumes.push(resume);
    if (resumes.length > 1) return;
    const take = (): void => {
      // the attempt may have ended while it queued for the slot: taking the slot would leak it
      if (attempt.more.resumes !== resumes) {
        this.#agenda.wake(worker);
        return;
      }
      attempt.more.resumes = undefined;
      if (attempt.state === State.RUNNING) attempt.holdSlot();
      for (const each of resumes) each();
    };
    if (worker.running < worker.concurrency) take();
    else worker.returning.push(take);
  }

  /** Frees a slot of the node. */
  giveOn(worker: Worker): void {
    if (worker.vacate()) this.#agenda.wake(worker);
  }

  /** Whether a message of the trace is queued or being handled at the node. */
  #occupies(trace: Trace, worker: Worker): boolean {
    if (isAtWork(trace, worker)) return true;
    if (trace.lanes === null) return false;
    return worker.inbox.peekOf(trace) !== null || (worker.outer !== undefined && worker.outer.peekOf(trace) !== null);
  }
}

function isAtWork(trace: Trace, worker: Worker): boolean {
  for (let member = trace.firstMember; member !== null; member = member.nextOfTrace) {
    if (member.worker === worker) return true;
  }
  return false;
}
