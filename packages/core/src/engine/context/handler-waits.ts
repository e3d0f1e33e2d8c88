import { detached } from "../../foundation/detached.ts";
import { onAbort } from "../../foundation/abort.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { requireNumber } from "../../foundation/options.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { WaitOptions } from "../../graph/handler.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Attempt, HandlerWait } from "../state/attempt.ts";

interface WaitsHost {
  readonly timers: TimerWheel;
  readonly agenda: Agenda;
  readonly slots: Slots;
}

/**
 * Registers the waits of handlers. A wait ends with its attempt and reclaims the slot the handler has lent.
 *
 * States of a wait: pending → settled (slot being reclaimed) → resumed, or pending → rejected by abort, timeout or the
 * end of its attempt.
 */
export class HandlerWaits {
  readonly #engine: WaitsHost;

  constructor(engine: WaitsHost) {
    this.#engine = engine;
  }

  /**
   * Starts a wait. It rejects with the attempt's reason if the attempt ends first. `begin` starts the operation and
   * returns its undo. A handler that has lent its slot resumes once it has the slot back. With `lendsPermit`, it holds no
   * permit of its limiter meanwhile: the wait is for others, and they may need it.
   */
  wait<Value>(
    attempt: Attempt,
    begin: (resolve: (value: Value) => void, reject: (reason: unknown) => void) => (() => void) | undefined,
    options: WaitOptions & { readonly outlivesHandler?: boolean; readonly lendsPermit?: boolean } = {},
  ): Promise<Value> {
    const { timeoutMs, signal, outlivesHandler = false, lendsPermit = false } = options;
    if (timeoutMs !== undefined) requireNumber("timeoutMs", timeoutMs, 0);
    const { timers, slots, agenda } = this.#engine;
    const promise = new Promise<Value>((resolve, reject) => {
      const waits = (attempt.more.waits ??= new Set());
      const undo: ((() => void) | undefined)[] = [];
      let isSettled = false;
      let hasLent = false;
      const settle = (finish: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        waits.delete(wait);
        for (const step of undo) step?.();
        if (hasLent) attempt.more.waitsWithoutPermit -= 1;
        slots.reclaim(attempt, finish);
      };
      const giveUp = (reason: unknown): void => settle(() => reject(reason));
      const wait: HandlerWait = { reject: giveUp, outlivesHandler };
      waits.add(wait);
      undo.push(begin((value) => settle(() => resolve(value)), giveUp));
      if (lendsPermit && !isSettled && attempt.worker.limit !== undefined) {
        hasLent = true;
        slots.beginWait(attempt);
      }
      if (timeoutMs !== undefined && !isSettled) {
        const timer = timers.after(timeoutMs, () => {
          giveUp(waitError(attempt, FlowErrorCode.WAIT_TIMEOUT, `waited ${timeoutMs} ms`));
          agenda.flush();
        });
        undo.push(() => timer.cancel());
      }
      if (signal !== undefined && !isSettled) {
        undo.push(
          onAbort(signal, (reason) =>
            giveUp(waitError(attempt, FlowErrorCode.WAIT_ABORTED, "its signal was aborted", reason)),
          ),
        );
      }
      // `begin` may settle the wait synchronously: the undo steps registered after that would never run
      if (isSettled) for (const step of undo) step?.();
    });
    // a rejected wait that the handler does not await would end the process
    return detached(promise);
  }

  /** Starts a {@link HandlerWaits.wait} for a promise. */
  waitFor<Value>(
    attempt: Attempt,
    promise: Promise<Value>,
    options: { readonly lendsPermit?: boolean } = {},
  ): Promise<Value> {
    return this.wait<Value>(
      attempt,
      (resolve, reject) => {
        promise.then(resolve, reject);
        return undefined;
      },
      options,
    );
  }
}

function waitError(attempt: Attempt, code: FlowErrorCode, why: string, cause?: unknown): FlowError {
  return new FlowError({
    code,
    message: `Gave up waiting at node "${attempt.worker.name}": ${why}`,
    traceId: attempt.trace.id,
    tenant: attempt.trace.tenant,
    node: attempt.worker.name,
    attempt: attempt.attempt,
    retryable: true,
    cause,
  });
}
