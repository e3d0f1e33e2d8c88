import type { Clock, Moment } from "../../foundation/clock.ts";
import { shown } from "../../foundation/options.ts";
import type { Limiter } from "../../graph/limiter.ts";
import { type Attempt, Slot, State } from "../state/attempt.ts";
import { type NodeLimit, PermitLine } from "../state/permits.ts";
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
    const isBusy =
      worker.isOrdered && (isAtWork(trace, worker) || (queue === worker.outer && awaitsCall(trace, worker)));
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
    if (worker.outer !== undefined && !awaitsCall(trace, worker)) worker.outer.release(trace);
    if (worker.queued > 0) this.#agenda.wake(worker);
  }

  leaveRing(attempt: Attempt): void {
    const ring = attempt.leaveRing();
    if (ring === undefined) return;
    for (const worker of ring.workers)
      if (worker.outer !== undefined && worker.outer.size > 0) this.#agenda.wake(worker);
  }

  free(attempt: Attempt): void {
    if (attempt.extras !== null) this.endPermit(attempt);
    if (attempt.leaveSlot(false)) this.#agenda.wake(attempt.worker);
  }

  /** Frees the slot of a handler that outlived its attempt, or passes it on to the attempt that sends in its place. */
  freeLate(attempt: Attempt): void {
    if (!attempt.passSlotOn(attempt.more.heir)) {
      this.free(attempt);
      return;
    }
    this.endPermit(attempt);
    // the handler may have been the last in its cycle that could move
    this.#agenda.wake(attempt.worker);
  }

  /** Lends the slot of an attempt: a handler that waits for other messages does not count against the concurrency. */
  lend(attempt: Attempt): void {
    this.#givePermit(attempt);
    if (attempt.leaveSlot(true)) this.#agenda.wake(attempt.worker);
  }

  /** Calls `resume` when the attempt has its slot back, at once if it was not lent. */
  reclaim(attempt: Attempt, resume: () => void): void {
    const { worker } = attempt;
    if (attempt.state !== State.RUNNING || (attempt.slot !== Slot.LENT && !needsPermit(attempt))) {
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
      if (attempt.state === State.RUNNING && needsPermit(attempt)) {
        // its line may have been forgotten meanwhile: a second line of one key would double the limit
        const line = (worker.limit as NodeLimit).permits.lineOf((attempt.more.permitLine as PermitLine).key);
        attempt.more.permitLine = line;
        if (!line.take()) {
          // the permit's holder may need this slot to go on: waiting with the slot would be a deadlock
          attempt.more.reclaim = take;
          attempt.more.isInPermitLine = true;
          line.join(attempt);
          return;
        }
        attempt.more.hasPermit = true;
      }
      attempt.more.resumes = undefined;
      if (attempt.state === State.RUNNING && attempt.slot === Slot.LENT) attempt.holdSlot();
      for (const each of resumes) each();
    };
    if (attempt.slot !== Slot.LENT || worker.running < worker.concurrency) take();
    else worker.returning.push(take);
  }

  /**
   * Takes a permit of the node's limiter for a dequeued message, or has it wait in the limiter's line without a slot. It
   * keeps its place on its edge meanwhile. Returns whether it may start. Throws what the limiter's `by` throws.
   */
  permit(attempt: Attempt, limit: NodeLimit): boolean {
    const { limiter, permits } = limit;
    const line = permits.lineOf(limiter.by === undefined ? "" : attempt.trace.inScope(keyOf, { limiter, attempt }));
    const { more } = attempt;
    more.permitLine = line;
    if (line.take()) {
      more.hasPermit = true;
      return true;
    }
    more.isInPermitLine = true;
    attempt.worker.waitForPermit();
    // its trace's next message must see that this one is at work
    attempt.trace.link(attempt);
    line.join(attempt);
    return false;
  }

  /**
   * Starts or continues the attempts of a node to which its limiter offers a permit. An attempt that has no slot returns
   * to its node's queue: a permit must never wait for a slot.
   */
  useOffers(worker: Worker, limit: NodeLimit, start: (attempt: Attempt) => void): void {
    for (const line of limit.offered) {
      limit.offered.delete(line);
      for (;;) {
        const attempt = line.isFree ? (line.peek() as Attempt | null) : null;
        if (attempt === null || attempt.worker !== worker) break;
        line.pop();
        attempt.more.isInPermitLine = false;
        this.#useOffer(attempt, line, start);
      }
      line.offer();
    }
  }

  #useOffer(attempt: Attempt, line: PermitLine, start: (attempt: Attempt) => void): void {
    const { worker, trace } = attempt;
    const hasSlot = worker.running < worker.concurrency;
    if (attempt.state === State.QUEUED) {
      worker.leavePermitLine();
      trace.unlink(attempt);
      const queue = worker.queueOf(attempt.edge);
      if (hasSlot && (queue === worker.inbox || worker.mayEnterRing)) {
        line.takeTurn();
        attempt.more.hasPermit = true;
        start(attempt);
        return;
      }
      queue.pushFront(trace, attempt, false);
      // it no longer is at work: a message of its trace within the ring must pass it, or neither of them could move
      this.letNextGo(worker, trace);
      return;
    }
    const reclaim = attempt.more.reclaim as () => void;
    attempt.more.reclaim = undefined;
    if (attempt.state === State.RUNNING) {
      if (attempt.slot === Slot.LENT && !hasSlot) {
        worker.returning.unshift(reclaim);
        return;
      }
      line.takeTurn();
      attempt.more.hasPermit = true;
    }
    reclaim();
  }

  /** Returns the attempt's permit until its handler reclaims it: a handler that waits for others holds none. */
  beginWait(attempt: Attempt): void {
    attempt.more.waitsWithoutPermit += 1;
    this.#givePermit(attempt);
  }

  /** Returns the attempt's permit for good. */
  endPermit(attempt: Attempt): void {
    this.#givePermit(attempt);
    this.leavePermitLine(attempt);
  }

  /** Takes an attempt that is over out of its limiter's line. */
  leavePermitLine(attempt: Attempt): void {
    const { more } = attempt;
    if (!more.isInPermitLine) return;
    more.isInPermitLine = false;
    const line = more.permitLine as PermitLine;
    line.popOf(attempt.trace, (item) => item === attempt);
    more.reclaim?.();
    more.reclaim = undefined;
    line.offer();
  }

  /** Forgets the attempts of an ended trace that waited in a limiter's line. Returns those that had not started. */
  leftLine(line: PermitLine, items: readonly Attempt[]): Attempt[] {
    for (const item of items) {
      item.more.isInPermitLine = false;
      if (item.state === State.QUEUED) item.worker.leavePermitLine();
    }
    line.offer();
    return items.filter(({ state }) => state === State.QUEUED);
  }

  /** Takes a waiting message of a trace out of its node's limiter lines, if one fits. */
  takeLimited(trace: Trace, worker: Worker, fits: (item: Attempt) => boolean): Attempt | null {
    for (let lane = trace.lanes; lane !== null; lane = lane.nextOfOwner) {
      if (!(lane.queue instanceof PermitLine)) continue;
      const line = lane.queue;
      const item = line.popOf(trace, (each) => {
        const candidate = each as Attempt;
        return candidate.worker === worker && candidate.state === State.QUEUED && fits(candidate);
      }) as Attempt | null;
      if (item === null) continue;
      trace.unlink(item);
      this.leftLine(line, [item]);
      return item;
    }
    return null;
  }

  #givePermit({ extras }: Attempt): void {
    if (extras?.hasPermit !== true) return;
    extras.hasPermit = false;
    (extras.permitLine as PermitLine).giveBack();
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

/** Whether an attempt must have a permit of its limiter before its handler goes on. */
function needsPermit({ extras }: Attempt): boolean {
  return extras !== null && extras.permitLine !== undefined && !extras.hasPermit && extras.waitsWithoutPermit === 0;
}

function keyOf({ limiter, attempt }: { readonly limiter: Limiter; readonly attempt: Attempt }): string {
  const key: unknown = limiter.by?.(attempt.message);
  if (typeof key === "string") return key;
  throw new TypeError(
    `Cannot limit node "${attempt.worker.name}": "by" of its limiter must return a string: got ${shown(key)}`,
  );
}

/**
 * Whether a message of the trace that was handled before waits at a node of a ring to be handled again. It has left its
 * edge, and those behind it there must not overtake it.
 */
function awaitsCall(trace: Trace, worker: Worker): boolean {
  const first = worker.inbox.peekOf(trace) as Attempt | null;
  return first !== null && first.edge === null;
}

function isAtWork(trace: Trace, worker: Worker): boolean {
  for (let member = trace.firstMember; member !== null; member = member.nextOfTrace) {
    if (member.worker === worker) return true;
  }
  return false;
}
