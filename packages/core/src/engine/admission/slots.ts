import type { Clock, Moment } from "../../foundation/clock.ts";
import { type Attempt, Slot, State } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Agenda } from "./agenda.ts";

interface SlotsHost {
  readonly clock: Clock;
  /** The moment of the first look at the clock in this turn of the event loop. */
  readonly turn: Moment;
  readonly isWatched: boolean;
  readonly agenda: Agenda;
}

/** Admission to nodes: which message may be handled, which waits in line, and who has which slot. */
export class Slots {
  readonly #engine: SlotsHost;
  readonly #agenda: Agenda;

  constructor(engine: SlotsHost) {
    this.#engine = engine;
    this.#agenda = engine.agenda;
  }

  /** Whether a message may be handled at once; `isInner` if it comes from within the node's ring. */
  mayStart(worker: Worker, trace: Trace | undefined, isInner: boolean): boolean {
    if (!worker.hasSlot(isInner)) return false;
    return trace === undefined || !worker.isOrdered || !this.#occupies(trace, worker);
  }

  /** Gives a message the slot it may have and runs it soon. */
  launch(attempt: Attempt): void {
    this.take(attempt);
    this.#agenda.run(attempt);
  }

  /** Gives a message the slot it may have and runs it now, unless others are being run. */
  runNow(attempt: Attempt): void {
    this.take(attempt);
    this.#agenda.runNow(attempt);
  }

  /** Puts a message in its node's waiting line. */
  enqueue(attempt: Attempt): void {
    const { worker, trace } = attempt;
    if (this.#engine.isWatched) attempt.more.queuedAt = this.#engine.clock.now();
    if (attempt.edge?.isInner === true) attempt.enterRing();
    const queue = worker.queueOf(attempt.edge);
    const isBusy = worker.isOrdered && isAtWork(trace, worker);
    queue.push(trace, attempt, isBusy);
    if (!isBusy) this.#agenda.wake(worker);
  }

  /** Puts a new trace itself in the waiting line of the node where it enters. */
  lineUp(trace: Trace, edge: Edge): void {
    edge.target.queueOf(edge).push(trace, trace, false);
    this.#agenda.wake(edge.target);
  }

  /** Puts a message that was handled before back at the head of its trace's line. */
  enqueueFirst(attempt: Attempt): void {
    const { worker, trace } = attempt;
    if (this.#engine.isWatched) attempt.more.queuedAt = this.#engine.clock.now();
    attempt.enterRing();
    const isBusy = worker.isOrdered && isAtWork(trace, worker);
    worker.inbox.pushFront(trace, attempt, isBusy);
    // while it was paused, another of its trace may have begun
    if (isBusy) return;
    worker.inbox.release(trace);
    this.#agenda.wake(worker);
  }

  /** Gives a message a slot of its node. */
  take(attempt: Attempt): void {
    const { worker } = attempt;
    attempt.launch();
    if (worker.loop !== undefined) attempt.heldSince = this.#engine.turn;
    attempt.enterRing();
    attempt.trace.link(attempt);
  }

  /**
   * The attempt no longer works: its slot goes to others, and its trace's turn at the node goes to the
   * trace's next message, unless another attempt at this one is to follow.
   */
  leave(attempt: Attempt, isDone = true): void {
    const { worker, trace } = attempt;
    trace.unlink(attempt);
    if (isDone) this.letNextGo(worker, trace);
    this.leaveRing(attempt);
    this.free(attempt);
  }

  /** Lets the trace's next message at the node be taken. */
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

  /** While a handler waits for others it does not count against the node's concurrency. */
  lend(attempt: Attempt): void {
    if (attempt.leaveSlot(true)) this.#agenda.wake(attempt.worker);
  }

  /** Calls `resume` as soon as the attempt has its slot again, at once if it has not lent it. */
  reclaim(attempt: Attempt, resume: () => void): void {
    const { worker } = attempt;
    if (attempt.slot !== Slot.LENT || attempt.state !== State.RUNNING) {
      resume();
      return;
    }
    // several waits of one handler may end before it has its slot again: one slot serves them all
    const resumes = (attempt.more.resumes ??= []);
    resumes.push(resume);
    if (resumes.length > 1) return;
    const take = (): void => {
      // the attempt may be over, and its waits have ended
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

  /** A slot of the node is free for others. */
  giveOn(worker: Worker): void {
    if (worker.vacate()) this.#agenda.wake(worker);
  }

  /** Whether a message of the trace is being handled at the node, or waits for it. */
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
