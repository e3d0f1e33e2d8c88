import { detached } from "../../foundation/detached.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { shown } from "../../foundation/options.ts";
import type { Signals } from "../../graph/handler.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { type Attempt, outermost } from "../state/attempt.ts";
import { Lasting, type Signal, type Trace } from "../state/trace.ts";
import { pausePlace } from "./pause-keys.ts";
import type { Pausing } from "./pausing.ts";

/** Engine parts that {@link Signalling} calls. */
export interface SignallingHost {
  readonly options: { readonly limits: { readonly maxSignals: number } };
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly pausing: Pausing;
}

/**
 * Accepts signals from outside and delivers each to one message of its trace, in order.
 *
 * States of a signal: accepted → received by a message → consumed when that message is done. When the handler is called
 * again before that, it receives the same signals in the same order. A message whose last call did not receive a signal
 * again returns it to accepted.
 */
export class Signalling {
  readonly #engine: SignallingHost;

  constructor(engine: SignallingHost) {
    this.#engine = engine;
  }

  /**
   * Accepts a signal, unless it has a sequence that the trace has accepted. A handler that waits for it is called again.
   *
   * @throws FlowError `QUEUE_FULL`, `NOT_SERIALISABLE`, `PAYLOAD_TOO_LARGE`
   */
  accept(trace: Trace, name: string, value: unknown, sequence?: number): void {
    const { options, durable, agenda, ledger, reporter } = this.#engine;
    durable?.requireFit(value, `the value of signal "${name}"`);
    const lasting = (trace.lasting ??= new Lasting());
    if (sequence !== undefined && sequence <= lasting.signalled) return;
    const { signals } = lasting;
    const { maxSignals } = options.limits;
    if (signals.length >= maxSignals)
      throw new FlowError({
        code: FlowErrorCode.QUEUE_FULL,
        message: `Cannot signal "${name}" to trace "${trace.id}": it has ${signals.length} signals that are not consumed yet; send fewer, or raise limits.maxSignals`,
        traceId: trace.id,
        tenant: trace.tenant,
        retryable: true,
      });
    signals.push({ name, value, receiver: undefined, call: undefined });
    if (sequence !== undefined) lasting.signalled = sequence;
    ledger.signalled(trace, name, value);
    if (reporter.hasListeners) reporter.trace(trace, { type: "signal_accept", signal: name });
    this.#wake(trace, name);
    agenda.flush();
  }

  /** Returns the signals of a name, for the running handler of an attempt. */
  of(attempt: Attempt, name: string, expiresAt: number | undefined): Signals<unknown> {
    return new AttemptSignals(this, attempt, name, expiresAt);
  }

  /** Returns the accepted signals of a name that the handler call has not received. */
  take(attempt: Attempt, name: string): unknown[] {
    attempt.requireRunning("receive a signal");
    const values: unknown[] = [];
    for (let signal = this.#receive(attempt, name); signal !== undefined; signal = this.#receive(attempt, name))
      values.push(signal.value);
    return values;
  }

  async next(
    attempt: Attempt,
    name: string,
    expiresAt: number | undefined,
  ): Promise<IteratorResult<unknown, undefined>> {
    attempt.requireRunning("receive a signal");
    const signal = this.#receive(attempt, name);
    if (signal !== undefined) return { done: false, value: signal.value };
    await this.#engine.pausing.listen(attempt, name, positionOf(attempt, name), expiresAt);
    return { done: true, value: undefined };
  }

  /** Returns the next signal: one that an earlier call of the handler has received, or the oldest accepted one. */
  #receive(attempt: Attempt, name: string): Signal | undefined {
    const root = outermost(attempt);
    const { trace } = root;
    if (trace.lasting === null || trace.lasting.signals.length === 0) return undefined;
    const place = pausePlace(attempt);
    const position = positionOf(attempt, name);
    let count = 0;
    let oldest: Signal | undefined;
    let signal: Signal | undefined;
    for (const each of trace.lasting.signals) {
      if (each.name !== name) continue;
      if (each.receiver === undefined) oldest ??= each;
      else if (each.receiver === place && count++ === position) signal = each;
    }
    signal ??= oldest;
    if (signal === undefined) return undefined;
    (attempt.more.signals ??= new Map()).set(name, position + 1);
    signal.receiver = place;
    // in a durable flow a playbook's message outlasts the call of its outermost handler
    signal.call = (this.#engine.durable === undefined ? root : attempt).more.signals ??= new Map();
    this.#engine.pausing.heard(attempt, name, position);
    this.#engine.ledger.received(root, place, position, signal);
    return signal;
  }

  /** Consumes the signals that the last handler call of a message has received, when the message is done. */
  committed(attempt: Attempt): void {
    const { extras } = attempt;
    const { trace } = outermost(attempt);
    // without durability a playbook begins again with its outermost handler
    if (this.#engine.durable === undefined && attempt.trace !== trace) return;
    const { lasting } = trace;
    if (lasting === null) return;
    const place = attempt.trace === trace ? `${attempt.lineage}/` : pausePlace(attempt);
    const names = new Set<string>();
    lasting.signals = lasting.signals.filter((signal) => {
      const isOwn = signal.receiver?.startsWith(place) === true;
      if (isOwn && signal.call !== undefined && signal.call === extras?.signals) return false;
      if (isOwn) signal.receiver = signal.call = undefined;
      if (signal.receiver === undefined) names.add(signal.name);
      return true;
    });
    // the message may have been called for a signal that it did not receive: another handler may wait for it
    for (const name of names) this.#wake(trace, name);
  }

  /** Calls handlers again that wait for a name, as many as there are accepted signals. */
  #wake(trace: Trace, name: string): void {
    const { signals } = trace.lasting as Lasting;
    const count = signals.filter((signal) => signal.name === name && signal.receiver === undefined).length;
    this.#engine.pausing.pauses.wakeListeners(trace, name, count);
  }
}

/** The signals of a name as one of the attempts of a trace receives them. */
class AttemptSignals implements Signals<unknown> {
  readonly #signalling: Signalling;
  readonly #attempt: Attempt;
  readonly #name: string;
  readonly #expiresAt: number | undefined;

  constructor(signalling: Signalling, attempt: Attempt, name: string, expiresAt: number | undefined) {
    this.#signalling = signalling;
    this.#attempt = attempt;
    this.#name = name;
    this.#expiresAt = expiresAt;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return detached(this.#signalling.next(this.#attempt, this.#name, this.#expiresAt));
  }

  take(): unknown[] {
    return this.#signalling.take(this.#attempt, this.#name);
  }

  [Symbol.asyncIterator](): Signals<unknown> {
    return this;
  }
}

/** @throws TypeError if the name is empty or no string */
export function requireSignalName(name: unknown): void {
  if (typeof name !== "string" || name === "")
    throw new TypeError(`The name of a signal must be a string that is not empty: got ${shown(name)}`);
}

/** Returns the number of signals of a name that the handler call has received. */
function positionOf({ extras }: Attempt, name: string): number {
  return extras?.signals?.get(name) ?? 0;
}
