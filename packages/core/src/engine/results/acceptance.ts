import { onAbort } from "../../foundation/abort.ts";
import type { Clock } from "../../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Message } from "../../message/message.ts";
import { EXHAUSTION_TEXT } from "../policies/budget.ts";
import type { Trace } from "../state/trace.ts";
import type { Edge } from "../state/worker.ts";

/** Engine parts that {@link Acceptance} calls. */
export interface AcceptanceHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Whether every trace is being ended. A check that starts now is refused. */
  readonly isEnding: boolean;
  enter(trace: Trace, message: Message, edges: readonly Edge[], settle: (failure: Error | undefined) => void): boolean;
}

/** Tells callers whether the flow accepts a message, before they read any of its results. */
export class Acceptance {
  readonly #engine: AcceptanceHost;
  /** Callbacks that abandon checks waiting for asynchronous schemas. */
  readonly #waiting = new Set<(reason: unknown) => void>();

  constructor(engine: AcceptanceHost) {
    this.#engine = engine;
  }

  /**
   * Validates a message against its entry nodes. No trace exists yet, so a refused message leaves nothing behind. The
   * message's deadline, a signal or the flow's stop ends the wait for an asynchronous schema.
   *
   * @throws FlowError `INPUT_INVALID`
   */
  async check(message: Message, edges: readonly Edge[], signals: readonly AbortSignal[]): Promise<void> {
    const { clock, timers, isEnding } = this.#engine;
    const { traceId, headers, deadlineAt } = message;
    const refusal = (code: FlowErrorCode, why: string, cause?: unknown): FlowError =>
      new FlowError({ code, message: `Cannot accept a message: ${why}`, traceId, tenant: headers.tenant, cause });
    const stopped = (): FlowError => refusal(FlowErrorCode.FLOW_STOPPED, "the flow was stopped");
    if (isEnding) throw stopped();
    const checks = edges.map(({ target }) => target.checkInput?.(message)).filter((check) => check instanceof Promise);
    if (checks.length === 0) return;
    const given = Promise.withResolvers<never>();
    const releases = signals.map((signal) =>
      onAbort(signal, (cause) => given.reject(refusal(FlowErrorCode.WAIT_ABORTED, "the caller has left", cause))),
    );
    if (deadlineAt !== undefined) {
      const late = (): void =>
        given.reject(refusal(FlowErrorCode.DEADLINE_EXCEEDED, EXHAUSTION_TEXT.DEADLINE_EXCEEDED.toLowerCase()));
      const timer = timers.after(Math.max(0, deadlineAt - clock.epochNow()), late);
      releases.push(() => timer.cancel());
    }
    const stop = (): void => given.reject(stopped());
    this.#waiting.add(stop);
    try {
      await Promise.race([Promise.all(checks), given.promise]);
    } finally {
      this.#waiting.delete(stop);
      for (const release of releases) release();
    }
  }

  /** Sends a message into its trace. Resolves on acceptance; rejects with the error of a trace that ends before it. */
  enter(trace: Trace, message: Message, edges: readonly Edge[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (failure: unknown): void => {
        if (failure instanceof Error) reject(failure);
        else resolve();
      };
      if (!trace.isOpen) {
        settle(trace.extras?.error);
        return;
      }
      trace.onEnd(settle);
      if (this.#engine.enter(trace, message, edges, settle)) resolve();
    });
  }

  /** Abandons every pending check. */
  close(): void {
    for (const giveUp of this.#waiting) giveUp(undefined);
  }
}
