import type { Attempt, Send } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Worker } from "../state/worker.ts";

/** Engine actions that the {@link Agenda} calls. */
export interface AgendaSteps {
  /** Assigns the free slots of a node to its queued attempts. */
  pump(worker: Worker): void;
  /** Runs an attempt that holds a slot. */
  run(attempt: Attempt): void;
  /** Captures the async context of the trace's caller. Call it only while that context is current. */
  keepScope(trace: Trace): void;
  /** Whether `run` calls the handler before it returns. */
  readonly runsAtOnce: boolean;
  /** Lets a blocked cycle drain, or fails one of its traces. */
  drainOrFail(send: Send): void;
  /** Reports an error of the engine itself. */
  broke(error: unknown): void;
}

/**
 * Queue of the engine's pending work. Parts push work; {@link Agenda.flush} alone performs it, in a fixed order: tasks
 * of the step just completed, nodes to pump, attempts to run. A blocked send is examined only when nothing else is
 * left.
 *
 * States: idle → flush scheduled (microtask) → flushing → idle; while stepping, new work is noted and flushed
 * afterwards.
 */
export class Agenda {
  readonly #steps: AgendaSteps;
  #ready: Attempt[] = [];
  #woken: Worker[] = [];
  #suspects: Send[] = [];
  #first: (() => void)[] = [];
  #isFlushing = false;
  #isFlushDue = false;
  /** Whether a message is being handed on. Work caused meanwhile is flushed afterwards. */
  #isStepping = false;
  /** Whether the current step has caused work. */
  #isFlushOwed = false;

  constructor(steps: AgendaSteps) {
    this.#steps = steps;
  }

  /** Schedules an attempt that holds a slot. */
  run(attempt: Attempt): void {
    this.#ready.push(attempt);
    this.#flushSoon();
  }

  /** Schedules a check whether the node can take more work. */
  wake(worker: Worker): void {
    if (worker.isWoken) return;
    worker.isWoken = true;
    this.#woken.push(worker);
    this.#flushSoon();
  }

  /** Schedules a task that runs after the current step and before any other handler. */
  beforeRunning(task: () => void): void {
    this.#first.push(task);
    this.#flushSoon();
  }

  /** Schedules a deadlock check of a send that is blocked in a cycle. It runs when no other work is left. */
  suspect(send: Send): void {
    this.#suspects.push(send);
    this.#flushSoon();
  }

  /** Runs an attempt now, then flushes the work it caused. During a flush the attempt is only queued. */
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

  /** Begins handing a message on. Work it causes stays on the agenda until {@link Agenda.endStep}. */
  beginStep(): void {
    this.#isStepping = true;
  }

  /**
   * Ends the step.
   *
   * @param goesOn - `false` if the caller flushes; otherwise a flush is scheduled
   */
  endStep(goesOn: boolean): void {
    this.#isStepping = false;
    if (!this.#isFlushOwed) return;
    this.#isFlushOwed = false;
    if (goesOn) this.#flushSoon();
  }

  /** Performs all work on the agenda until none is left. */
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
