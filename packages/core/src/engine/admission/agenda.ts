import type { Attempt, Send } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Worker } from "../state/worker.ts";

/** The acts of the engine on what stands on the {@link Agenda}. */
export interface AgendaSteps {
  /** Gives the free slots of a node to those who wait for one. */
  pump(worker: Worker): void;
  /** Runs an attempt that has a slot. */
  run(attempt: Attempt): void;
  /** Captures the async context of the trace's caller, while that is the current one. */
  keepScope(trace: Trace): void;
  /** Whether `run` calls the handler before it returns. */
  readonly runsAtOnce: boolean;
  /** Lets a blocked cycle drain, or fails a trace of it. */
  drainOrFail(send: Send): void;
  /** Reports an error of the engine itself. */
  broke(error: unknown): void;
}

/**
 * Work that is to be done before the engine rests: parts put it here, and `flush` does it in one place and one order.
 * First the tasks of the step that is just complete, then nodes that may take work, then attempts that have a slot; a
 * blocked send is looked at when nothing else is left.
 */
export class Agenda {
  readonly #steps: AgendaSteps;
  #ready: Attempt[] = [];
  #woken: Worker[] = [];
  #suspects: Send[] = [];
  #first: (() => void)[] = [];
  #isFlushing = false;
  #isFlushDue = false;
  /** Whether a message is just being handed on: what that causes is flushed when it is done. */
  #isStepping = false;
  /** Whether that has caused anything. */
  #isFlushOwed = false;

  constructor(steps: AgendaSteps) {
    this.#steps = steps;
  }

  /** Runs an attempt that has a slot, soon. */
  run(attempt: Attempt): void {
    this.#ready.push(attempt);
    this.#flushSoon();
  }

  /** Looks soon whether the node can take more work. */
  wake(worker: Worker): void {
    if (worker.isWoken) return;
    worker.isWoken = true;
    this.#woken.push(worker);
    this.#flushSoon();
  }

  /** Does something when the present step is complete, before any further handler is called. */
  beforeRunning(task: () => void): void {
    this.#first.push(task);
    this.#flushSoon();
  }

  /** Looks, when nothing else is left to run, whether a send that waits for room in a cycle waits for ever. */
  suspect(send: Send): void {
    this.#suspects.push(send);
    this.#flushSoon();
  }

  /** Runs an attempt at once, unless others are being run, and then everything that it has caused. */
  runNow(attempt: Attempt): void {
    if (this.#isFlushing || !this.#steps.runsAtOnce) {
      this.#steps.keepScope(attempt.trace);
      this.#ready.push(attempt);
      this.flush();
      return;
    }
    this.#isFlushing = true;
    this.#steps.run(attempt);
    this.#isFlushing = false;
    this.flush();
  }

  /** Begins to hand a message on. What that causes stays on the agenda until {@link Agenda.endStep}. */
  beginStep(): void {
    this.#isStepping = true;
  }

  /** The message is handed on. `goesOn` unless everything is flushed now. */
  endStep(goesOn: boolean): void {
    this.#isStepping = false;
    if (!this.#isFlushOwed) return;
    this.#isFlushOwed = false;
    if (goesOn) this.#flushSoon();
  }

  /** Does everything on the agenda, until nothing is left. */
  flush(): void {
    if (this.#isFlushing || !this.#hasWork()) return;
    this.#isFlushing = true;
    this.#isFlushDue = false;
    try {
      while (this.#hasWork()) {
        if (this.#first.length > 0) for (const task of this.#first.splice(0)) task();
        const suspect = this.#woken.length + this.#ready.length === 0 ? this.#suspects.pop() : undefined;
        if (suspect !== undefined) this.#steps.drainOrFail(suspect);
        const woken = this.#woken;
        if (woken.length > 0) {
          this.#woken = [];
          for (const worker of woken) this.#steps.pump(worker);
        }
        const ready = this.#ready;
        if (ready.length === 0) continue;
        this.#ready = [];
        for (const attempt of ready) this.#steps.run(attempt);
      }
    } finally {
      this.#isFlushing = false;
    }
  }

  #hasWork(): boolean {
    return this.#first.length + this.#woken.length + this.#ready.length + this.#suspects.length > 0;
  }

  #flushSoon(): void {
    if (this.#isStepping) {
      this.#isFlushOwed = true;
      return;
    }
    if (this.#isFlushing || this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      try {
        this.flush();
      } catch (error) {
        this.#steps.broke(error);
      }
    });
  }
}
