import { type Clock, systemClock } from "penguiflow";

/** The machine's time, with timers that keep no process alive: to free memory is no reason to stay. */
export const patientClock: Clock = {
  ...systemClock,
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, Math.max(delayMs, 0));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Options of {@link Idle}. */
export interface IdleOptions {
  readonly clock: Clock;
  /** Milliseconds without use after which a name is idle. */
  readonly idleMs: number;
  /** Receives each name that became idle; it is forgotten then. */
  readonly onIdle: (name: string) => void;
}

/** Tells which names were not used for a while. One timer serves all of them. */
export class Idle {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #onIdle: (name: string) => void;
  /** Instants of the last use, the oldest first. */
  readonly #usedAt = new Map<string, number>();
  #cancel: (() => void) | undefined;

  constructor({ clock, idleMs, onIdle }: IdleOptions) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
  }

  /** Notes a use. */
  touch(name: string): void {
    this.#usedAt.delete(name);
    this.#usedAt.set(name, this.#clock.now());
    this.#arm();
  }

  /** Forgets a name. */
  forget(name: string): void {
    this.#usedAt.delete(name);
    if (this.#usedAt.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Forgets all names. */
  forgetAll(): void {
    for (const name of this.#usedAt.keys()) this.forget(name);
  }

  #arm(): void {
    const [oldest] = this.#usedAt.values();
    if (this.#cancel !== undefined || oldest === undefined) return;
    this.#cancel = this.#clock.setTimer(() => this.#sweep(), oldest + this.#idleMs - this.#clock.now());
  }

  #sweep(): void {
    this.#cancel = undefined;
    const latest = this.#clock.now() - this.#idleMs;
    for (const [name, usedAt] of this.#usedAt) {
      if (usedAt > latest) break;
      this.#usedAt.delete(name);
      this.#onIdle(name);
    }
    this.#arm();
  }
}
