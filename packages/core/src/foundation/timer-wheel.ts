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
   */
  constructor(clock: Clock, scope: AsyncScope, onFault: (error: unknown) => void) {
    this.#clock = clock;
    this.#scope = scope;
    this.#onFault = onFault;
  }

  /** Number of pending calls. */
  get size(): number {
    return this.#size;
  }

  /** Calls `callback` once the clock's `now()` has reached `dueAt`, rounded up to a millisecond; never once closed. */
  at(dueAt: number, callback: () => void): Timer {
    if (Number.isNaN(dueAt)) throw new RangeError("Cannot set a timer for an instant that is not a number");
    if (this.#isClosed) return NEVER;
    const due = Math.ceil(dueAt);
    let slot = this.#slots.get(due);
    if (slot === undefined) {
      slot = { key: due, order: 0, calls: new Set() };
      this.#slots.set(due, slot);
      this.#order.push(slot);
    }
    const call = new Call(this, slot, callback);
    slot.calls.add(call);
    this.#size += 1;
    if (due < this.#armedFor) this.#arm();
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
    this.#size = 0;
    this.#arm();
  }

  /** Removes a call; used by {@link Call.cancel}. */
  forget(call: Call, slot: Slot): void {
    if (!slot.calls.delete(call)) return;
    this.#size -= 1;
    // an armed timer would keep the process alive after its last wait has ended
    if (this.#size === 0) this.#clear();
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
          call.run();
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

class Call implements Timer {
  readonly #wheel: TimerWheel;
  readonly #slot: Slot;
  readonly run: () => void;

  constructor(wheel: TimerWheel, slot: Slot, run: () => void) {
    this.#wheel = wheel;
    this.#slot = slot;
    this.run = run;
  }

  cancel(): void {
    this.#wheel.forget(this, this.#slot);
  }
}
