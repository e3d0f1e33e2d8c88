import type { AsyncScope } from "./async-scope.ts";
import type { Clock } from "./clock.ts";
import { type HeapEntry, MinHeap } from "./min-heap.ts";

/** A pending call of a {@link TimerWheel}. */
export interface Timer {
  /** Cancels the call. Does nothing once the call has been made. */
  cancel(): void;
}

/**
 * Multiplexes all waits of a flow onto a single timer of the clock. Calls due in the same millisecond share a slot, so
 * setting and cancelling cost the same at any number of timers. Calls run in order of their due times, then in the
 * order they were set.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #scope: AsyncScope;
  readonly #slots = new Map<number, Slot>();
  readonly #order = new MinHeap<Slot>();
  /** Calls of this turn of the event loop, which have no slot yet. */
  #fresh: Call[] = [];
  readonly #nextTurn: ((task: () => void) => void) | undefined;
  /** The slot whose calls are being made. */
  #firing: Slot | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #disarm: (() => void) | undefined;
  #size = 0;
  #isClosed = false;
  readonly #onFault: (error: unknown) => void;

  /**
   * @param scope - the async context of all calls: without it, they would inherit and retain that of the code that
   *   armed the timer
   * @param onFault - receives the error of a call that throws; later calls are made regardless
   * @param nextTurn - if given, a call gets its slot in the next turn of the event loop: most are cancelled before that,
   *   and cost next to nothing then
   */
  constructor(
    clock: Clock,
    scope: AsyncScope,
    onFault: (error: unknown) => void,
    nextTurn?: (task: () => void) => void,
  ) {
    this.#clock = clock;
    this.#scope = scope;
    this.#onFault = onFault;
    this.#nextTurn = nextTurn;
  }

  /** Number of pending calls. */
  get size(): number {
    return this.#size;
  }

  /**
   * Calls `callback` with an argument once the clock's `now()` has reached `dueAt`, rounded up to a millisecond; never
   * once closed.
   */
  at(dueAt: number, callback: () => void): Timer;
  at<Argument>(dueAt: number, callback: (argument: Argument) => void, argument: Argument): Timer;
  at(dueAt: number, callback: (argument: unknown) => void, argument?: unknown): Timer {
    if (Number.isNaN(dueAt)) throw new RangeError("Cannot set a timer for an instant that is not a number");
    if (this.#isClosed) return NEVER;
    const call = new Call(this, Math.ceil(dueAt), callback, argument);
    this.#size += 1;
    if (this.#nextTurn === undefined) this.#place(call);
    else if (this.#fresh.push(call) === 1) this.#nextTurn(() => this.#placeFresh());
    return call;
  }

  /** Calls `callback` in `delayMs` milliseconds. */
  after(delayMs: number, callback: () => void): Timer {
    return this.at(this.#clock.now() + delayMs, callback);
  }

  /** Cancels all calls, and makes none that is set later: a store may answer when its flow has stopped. */
  close(): void {
    this.#isClosed = true;
    this.#clear();
  }

  #clear(): void {
    // a call that is cancelled later must find itself gone already
    for (const { calls } of this.#slots.values()) calls.clear();
    this.#firing?.calls.clear();
    this.#slots.clear();
    while (this.#order.pop() !== undefined);
    for (const call of this.#fresh.splice(0)) call.drop();
    this.#size = 0;
    this.#arm();
  }

  /** Removes a call; used by {@link Call.cancel}. */
  forget(call: Call): void {
    const { slot } = call;
    if (slot === undefined ? !call.drop() : !slot.calls.delete(call)) return;
    this.#size -= 1;
    // an armed timer would keep the process alive after its last wait has ended
    if (this.#size === 0 && this.#disarm !== undefined) this.#clear();
  }

  #placeFresh(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const call of fresh) if (!call.isDropped) this.#place(call);
  }

  #place(call: Call): void {
    const { due } = call;
    let slot = this.#slots.get(due);
    if (slot === undefined) {
      slot = { key: due, order: 0, calls: new Set() };
      this.#slots.set(due, slot);
      this.#order.push(slot);
    }
    slot.calls.add(call);
    call.slot = slot;
    if (due < this.#armedFor) this.#arm();
  }

  #arm(): void {
    this.#disarm?.();
    this.#disarm = undefined;
    let next = this.#order.peek();
    while (next !== undefined && next.calls.size === 0) {
      this.#order.pop();
      this.#slots.delete(next.key);
      next = this.#order.peek();
    }
    this.#armedFor = next === undefined ? Number.POSITIVE_INFINITY : next.key;
    if (next === undefined) return;
    const fire = (): void => this.#scope.runInAsyncScope(() => this.#fire(), undefined);
    this.#disarm = this.#clock.setTimer(fire, next.key - this.#clock.now());
  }

  #fire(): void {
    this.#disarm = undefined;
    const now = this.#clock.now();
    for (;;) {
      const slot = this.#order.peek();
      if (slot === undefined || slot.key > now) break;
      this.#order.pop();
      this.#slots.delete(slot.key);
      this.#firing = slot;
      for (const call of slot.calls) {
        // removed first, because a call may cancel a later one of its own slot
        slot.calls.delete(call);
        this.#size -= 1;
        try {
          call.run(call.argument);
        } catch (error) {
          this.#onFault(error);
        }
      }
      this.#firing = undefined;
    }
    this.#arm();
  }
}

interface Slot extends HeapEntry {
  readonly calls: Set<Call>;
}

/** The timer of a closed wheel. */
const NEVER: Timer = { cancel() {} };

/**
 * A call of a wheel.
 *
 * States: fresh → placed (in a slot) → made or cancelled; fresh → dropped.
 */
class Call implements Timer {
  readonly #wheel: TimerWheel;
  readonly due: number;
  slot: Slot | undefined;
  run: (argument: unknown) => void;
  argument: unknown;
  isDropped = false;

  constructor(wheel: TimerWheel, due: number, run: (argument: unknown) => void, argument: unknown) {
    this.#wheel = wheel;
    this.due = due;
    this.run = run;
    this.argument = argument;
  }

  cancel(): void {
    this.#wheel.forget(this);
  }

  /** Gives up a fresh call, and lets go of what it would have called. Returns whether it was there. */
  drop(): boolean {
    if (this.isDropped) return false;
    this.isDropped = true;
    this.run = nothing;
    this.argument = undefined;
    return true;
  }
}

const nothing = (): void => {};
