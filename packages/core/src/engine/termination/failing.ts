import {
  type BudgetExhausted,
  describeThrown,
  errorPayload,
  FlowError,
  FlowErrorCode,
} from "../../foundation/flow-error.ts";
import { type Clock, Moment } from "../../foundation/clock.ts";
import { backoffDelay, isRetried, isRetryable, statedDelay } from "../policies/retry.ts";
import { styleHint } from "../../graph/node.ts";
import { Attempt, outermost, State } from "../state/attempt.ts";
import type { Trace } from "../state/trace.ts";
import type { Logger } from "../../events/logger.ts";
import type { Random } from "../../foundation/random.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ending } from "./ending.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { Sending } from "../delivery/sending.ts";

/** Engine parts that {@link Failing} calls. */
interface FailingHost {
  /** Captures the async context of the trace's caller. Call it only while that context is current. */
  keepScope(trace: Trace): void;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: { readonly random: Random; readonly logger: Logger };
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly sending: Sending;
  readonly ending: Ending;
  readonly playbooks: { failed(attempt: Attempt): void };
}

const OWN_CODES: ReadonlySet<FlowErrorCode> = new Set([
  FlowErrorCode.INPUT_INVALID,
  FlowErrorCode.OUTPUT_INVALID,
  FlowErrorCode.ROUTE_UNKNOWN,
  FlowErrorCode.POLICY_FAILED,
  FlowErrorCode.HELD_LIMIT,
  FlowErrorCode.LOG_LIMIT,
  FlowErrorCode.FETCH_STARVED,
  FlowErrorCode.STREAM_BUSY,
  FlowErrorCode.NOT_SERIALISABLE,
  FlowErrorCode.PAYLOAD_TOO_LARGE,
  FlowErrorCode.GRAPH_CHANGED,
  FlowErrorCode.EFFECT_FAILED,
  FlowErrorCode.EFFECT_UNKNOWN,
  FlowErrorCode.REMOTE_UNAVAILABLE,
  FlowErrorCode.REMOTE_REFUSED,
  FlowErrorCode.REMOTE_FAILED,
  FlowErrorCode.REMOTE_CUT,
  FlowErrorCode.REMOTE_INTERRUPTED,
]);

/** Handles an attempt that threw or timed out: schedules a retry, falls back to `onFailed`, or fails its trace. */
export class Failing {
  readonly #engine: FailingHost;
  /** The same for all attempts: each of them has a timer. */
  readonly #onTimeout = (attempt: Attempt): void => this.#timedOut(attempt);

  constructor(engine: FailingHost) {
    this.#engine = engine;
  }

  /** Starts the timeout of an attempt. */
  armTimeout(attempt: Attempt, timeoutMs: number): void {
    const startedAt = this.#engine.clock.now();
    attempt.started = new Moment(startedAt, 0);
    attempt.more.timer = this.#engine.timers.at(startedAt + timeoutMs, this.#onTimeout, attempt);
  }

  /** Handles an error thrown by a handler, or an invalid payload. */
  threw(attempt: Attempt, thrown: unknown): void {
    attempt.extras?.timer?.cancel();
    attempt.endWaits();
    if (attempt.extras?.failure !== undefined) {
      this.#cannotFallBack(attempt, attempt.extras.failure, thrown);
      return;
    }
    const error = this.explain(attempt, thrown);
    if (attempt.extras !== null) attempt.returnDraws(error);
    if (this.#engine.reporter.hasListeners) {
      this.#engine.reporter.node(attempt, {
        type: "node_error",
        latencyMs: error.latencyMs ?? 0,
        error: errorPayload(error),
      });
    }
    this.#engine.keepScope(attempt.trace);
    const delayMs = this.#delay(attempt, error);
    // the policy's functions are user code: they may have ended the trace, and the attempt with it
    if (!isRunning(attempt)) {
      this.#engine.ending.returned(attempt, undefined, false);
      return;
    }
    if (delayMs === undefined && attempt.policy.onFailed !== undefined) {
      attempt.passSlotOn(this.#fallBack(attempt, error));
      attempt.end();
      if (attempt.worker.limit !== undefined) this.#engine.slots.endPermit(attempt);
      return;
    }
    this.#engine.slots.leave(attempt, delayMs === undefined);
    attempt.end();
    this.#goOn(attempt, error, delayMs);
  }

  /** Wraps a thrown value in a FlowError. Errors of the runtime keep their code; any other value becomes the cause. */
  explain(attempt: Attempt, thrown: unknown): FlowError {
    if (isRefusal(attempt, thrown)) return thrown;
    if (isOwnError(attempt, thrown))
      return this.#error(attempt, thrown.code, thrown.message, thrown.cause, thrown.details);
    const message = `Node "${attempt.worker.name}" failed: ${describeThrown(thrown)}`;
    const hint = isTypeError(thrown) ? styleHint(attempt.worker.node) : "";
    return this.#error(attempt, FlowErrorCode.NODE_EXCEPTION, message + hint, thrown);
  }

  /** Fails the trace of an attempt whose handler was not called. */
  failTrace(attempt: Attempt, thrown: unknown): void {
    const message = `Node "${attempt.worker.name}" failed: ${describeThrown(thrown)}`;
    this.#engine.ending.fail(attempt.trace, this.#error(attempt, FlowErrorCode.NODE_EXCEPTION, message, thrown));
  }

  #timedOut(attempt: Attempt): void {
    if (attempt.state !== State.RUNNING) return;
    const engine = this.#engine;
    const { worker, trace } = attempt;
    const timeoutMs = attempt.policy.timeoutMs as number;
    const error = this.#error(
      attempt,
      FlowErrorCode.NODE_TIMEOUT,
      `Node "${worker.name}" took longer than ${timeoutMs} ms`,
    );
    const failure = attempt.extras?.failure;
    if (failure !== undefined) {
      this.#fallBackTimedOut(attempt, failure, error);
      return;
    }
    if (engine.reporter.hasListeners) {
      engine.reporter.node(attempt, {
        type: "node_timeout",
        latencyMs: error.latencyMs ?? timeoutMs,
        error: errorPayload(error),
      });
    }
    const delayMs = this.#delay(attempt, error);
    // the policy's functions are user code: they may have ended the trace, and the attempt with it
    if (!isRunning(attempt)) {
      engine.agenda.flush();
      return;
    }
    // the trace continues at once, but the slot stays taken: freeing it would exceed the node's concurrency
    if (delayMs === undefined && attempt.policy.onFailed !== undefined) {
      attempt.more.heir = this.#fallBack(attempt, error);
      engine.ending.linger(attempt);
      attempt.abort(error);
      if (worker.limit !== undefined) engine.slots.leavePermitLine(attempt);
      engine.agenda.flush();
      return;
    }
    trace.unlink(attempt);
    engine.slots.leaveRing(attempt);
    engine.ending.linger(attempt);
    attempt.abort(error);
    if (worker.limit !== undefined) engine.slots.leavePermitLine(attempt);
    // its abort listeners are user code, too
    if (trace.isOpen) this.#goOn(attempt, error, delayMs);
    engine.agenda.flush();
  }

  /** Returns the delay before the next attempt, or `undefined` for none. Calls the policy's functions. */
  #delay(attempt: Attempt, error: FlowError): number | undefined {
    const { policy, trace } = attempt;
    const ask = <Answer>(event: string, question: () => Answer): Answer | undefined => {
      try {
        return trace.inScope(question, undefined);
      } catch (fault) {
        this.#engine.options.logger.error(event, { node: attempt.worker.name, error: errorPayload(fault) });
        return undefined;
      }
    };
    if (ask("retry_if_failed", () => isRetried(policy, error, attempt.attempt)) !== true) return undefined;
    return (
      ask("retry_after_failed", () => statedDelay(policy, error)) ??
      backoffDelay(policy, attempt.attempt, this.#engine.options.random)
    );
  }

  /** Replaces a failed attempt by one that sends the value of `onFailed`. The slot stays with the failed attempt. */
  #fallBack(attempt: Attempt, error: FlowError): Attempt {
    const { extras } = attempt;
    const next = this.#next(attempt, attempt.attempt);
    const { more } = next;
    more.failure = error;
    more.policy = extras?.policy;
    more.original = extras?.original;
    more.signals = extras?.signals;
    next.message = attempt.message;
    if (extras !== null) next.skip(extras.alreadySent, extras.alreadySentTo);
    this.#endStreams(attempt, "error");
    if (attempt.trace.lasting?.calls !== undefined) this.#engine.playbooks.failed(attempt);
    next.succeed(attempt);
    this.#engine.agenda.run(next);
    return next;
  }

  /** Fails a trace with the failure that `onFailed` could not replace. */
  #cannotFallBack(attempt: Attempt, failure: FlowError, fault: unknown): void {
    const { options, slots, ending } = this.#engine;
    options.logger.error("on_failed_failed", { node: attempt.worker.name, error: errorPayload(fault) });
    slots.leave(attempt);
    attempt.end();
    ending.fail(attempt.trace, failure, attempt);
  }

  /** Gives up an `onFailed` that took too long. It keeps its slot, if it has one, until it settles. */
  #fallBackTimedOut(attempt: Attempt, failure: FlowError, fault: FlowError): void {
    const { options, slots, ending, agenda } = this.#engine;
    const { trace } = attempt;
    options.logger.error("on_failed_failed", { node: attempt.worker.name, error: errorPayload(fault) });
    trace.unlink(attempt);
    slots.leaveRing(attempt);
    ending.linger(attempt);
    this.#abandonUnsent(attempt, failure);
    attempt.abort(fault);
    ending.fail(trace, failure, attempt);
    agenda.flush();
  }

  #endStreams(attempt: Attempt, end: "error" | "retry"): void {
    const { trace, extras } = attempt;
    if (!extras?.writesStreams) return;
    for (const chunk of trace.extras?.streams?.endAll(attempt, end) ?? []) trace.sink.chunk(chunk);
  }

  /** Abandons the messages of an attempt that no edge has accepted: a later attempt sends them. */
  #abandonUnsent(attempt: Attempt, reason: Error): void {
    const unsent = attempt.extras?.outbox.splice(0) ?? [];
    for (const send of unsent) this.#engine.sending.abandon(send, reason);
    // counting unsent outputs would lose them
    attempt.outputs -= unsent.length;
    attempt.sentTo = unsent[0]?.sentTo ?? attempt.sentTo;
  }

  #goOn(attempt: Attempt, error: FlowError, delayMs: number | undefined): void {
    const engine = this.#engine;
    const { trace, extras } = attempt;
    if (delayMs === undefined) {
      this.#endStreams(attempt, "error");
      this.#abandonUnsent(attempt, error);
      if (isRefusal(attempt, error)) engine.ending.overspent(trace, error, attempt);
      else engine.ending.fail(trace, error, attempt);
      return;
    }
    const next = this.#next(attempt, attempt.attempt + 1);
    // a node with retries holds its emits back: only outputs of an earlier call can have been sent
    if (extras !== null) next.skip(extras.alreadySent, extras.alreadySentTo);
    this.#endStreams(attempt, "retry");
    if (trace.lasting?.calls !== undefined) engine.playbooks.failed(attempt);
    this.#park(next);
    if (engine.reporter.hasListeners) engine.reporter.node(attempt, { type: "node_retry", delayMs });
    next.more.dueAt = engine.clock.epochNow() + delayMs;
    next.more.timer = engine.timers.after(delayMs, () => this.#resume(next));
  }

  /**
   * Takes a message back from a handler that has returned, as if it had not been called. The message is parked until
   * {@link Failing.replace} or the end of its trace.
   */
  setAside(attempt: Attempt): Attempt {
    const engine = this.#engine;
    attempt.endWaits();
    const reason = new Error("Its message is put back");
    attempt.returnDraws(reason);
    this.#abandonUnsent(attempt, reason);
    engine.slots.leave(attempt, false);
    attempt.end();
    const next = this.#next(attempt, attempt.attempt);
    next.skip(attempt.sent.count, attempt.sent.to);
    this.#endStreams(attempt, "retry");
    this.#park(next);
    return next;
  }

  /** Replaces a message that was set aside. */
  replace(attempt: Attempt, next: Attempt): void {
    const engine = this.#engine;
    const { trace, worker } = attempt;
    attempt.end();
    trace.unlink(attempt);
    if (next.worker !== worker) engine.slots.letNextGo(worker, trace);
    engine.ledger.resumed(next, "backoff");
    engine.slots.enqueueFirst(next);
    engine.agenda.flush();
  }

  #next(attempt: Attempt, number: number): Attempt {
    const { trace, worker, extras } = attempt;
    const original = extras?.original ?? attempt.message;
    const next = new Attempt(worker, trace, original, null, attempt.high, attempt.low, number);
    next.via = attempt.via;
    next.round = attempt.round;
    const taken = [...(extras?.fetched ?? []), ...(extras?.refetch ?? [])];
    if (taken.length > 0) next.more.refetch = taken;
    trace.extras?.streams?.inherit(attempt, next);
    return next;
  }

  #park(next: Attempt): void {
    next.park();
    next.trace.link(next);
    this.#engine.ledger.parked(next, "backoff");
  }

  /** Restores the backoff of a message from before a restart. */
  restore(attempt: Attempt, dueAt: number): void {
    const engine = this.#engine;
    attempt.park();
    attempt.trace.link(attempt);
    attempt.more.dueAt = dueAt;
    attempt.more.timer = engine.timers.after(Math.max(0, dueAt - engine.clock.epochNow()), () => this.#resume(attempt));
  }

  #resume(attempt: Attempt): void {
    if (attempt.state !== State.PARKED) return;
    const engine = this.#engine;
    attempt.queue();
    // a message with pauses must keep its extras: without them it would take the fast path past `Pausing.mayFinish`
    if (attempt.trace.lasting === null && attempt.extras?.refetch === undefined && attempt.extras?.alreadySent === 0)
      attempt.extras = null;
    attempt.trace.unlink(attempt);
    engine.ledger.resumed(attempt, "backoff");
    engine.slots.enqueueFirst(attempt);
    engine.agenda.flush();
  }

  #error(
    attempt: Attempt,
    code: FlowErrorCode,
    message: string,
    cause?: unknown,
    details?: FlowError["details"],
  ): FlowError {
    const { worker, trace } = attempt;
    const startedAt = attempt.started?.now;
    const error = new FlowError({
      code,
      message,
      traceId: trace.id,
      tenant: trace.tenant,
      node: worker.name,
      attempt: attempt.attempt,
      latencyMs: startedAt === undefined ? undefined : Math.max(0, this.#engine.clock.now() - startedAt),
      retryable: isRetryable(code, cause),
      cause,
      failedMessage: attempt.message,
      details,
    });
    return error;
  }
}

/** Whether the runtime made an error for this attempt. Errors of other flows are causes like any other. */
function isOwnError(attempt: Attempt, thrown: unknown): thrown is FlowError {
  try {
    if (!(thrown instanceof FlowError) || !OWN_CODES.has(thrown.code) || thrown.node !== attempt.worker.name)
      return false;
    return thrown.traceId === undefined || thrown.traceId === attempt.trace.id;
  } catch {
    // reading a revoked proxy throws
    return false;
  }
}

/** Whether a budget of the attempt's trace ran out. */
function isRefusal(attempt: Attempt, thrown: unknown): thrown is BudgetExhausted {
  return outermost(attempt).trace.extras?.account?.hasRefused(thrown) === true;
}

function isRunning(attempt: Attempt): boolean {
  return attempt.state === State.RUNNING;
}

function isTypeError(thrown: unknown): boolean {
  try {
    return thrown instanceof TypeError;
  } catch {
    // reading a revoked proxy throws
    return false;
  }
}
