import type { Clock } from "../../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { OpenPause, Outcome } from "../../message/outcome.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { RunIdentity } from "../state/run-identity.ts";
import { Lasting, type Pause, type Trace } from "../state/trace.ts";
import type { Ending } from "../termination/ending.ts";
import { disarm, expiredError, ticketsOf } from "./open-pause.ts";
import { isComplete, partsOf } from "./pause-token.ts";
import type { Resting } from "./resting.ts";

/** Engine parts that {@link PauseTable} calls. */
export interface PauseTableHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: { readonly name: string };
  readonly identity: RunIdentity;
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly ledger: Ledger;
  readonly ending: Ending;
}

/** A pause that can be answered, with the outermost trace that it belongs to. */
export interface FoundPause {
  readonly trace: Trace;
  readonly pause: Pause;
}

/**
 * Pauses, sleeps and waits for signals of the outermost traces: each ends with its answer, its signal or its expiry, or
 * with its trace.
 */
export class PauseTable {
  readonly #engine: PauseTableHost;
  readonly #resting: Resting;
  /** Traces with pauses or sleeps, by run. */
  readonly #traces = new Map<number, Trace>();

  constructor(engine: PauseTableHost, resting: Resting) {
    this.#engine = engine;
    this.#resting = resting;
  }

  /** Adds a pause to an outermost trace. */
  add(trace: Trace, pause: Pause): void {
    (trace.lasting ??= new Lasting()).pauses.set(pause.key, pause);
    this.#traces.set(trace.run, trace);
  }

  /** Sets the timer of a pause that expires, unless it is set. */
  arm(trace: Trace, pause: Pause): void {
    const engine = this.#engine;
    if (pause.expiresAt === undefined || pause.timer !== undefined || pause.answer !== undefined) return;
    const delayMs = Math.max(0, pause.expiresAt - engine.clock.epochNow());
    pause.timer = engine.timers.after(delayMs, () => this.#expire(trace, pause, pause.expiresAt as number));
  }

  /** Lets a pause wait again, because its answer does not fit or another handler has received its signal. */
  reopen(trace: Trace, pause: Pause): void {
    pause.answer = pause.refuse = undefined;
    this.arm(trace, pause);
  }

  /**
   * Answers a pause. Calls `told` with the next outcome of the trace.
   *
   * @throws FlowError as {@link PauseTable.find}
   */
  resume(
    token: string,
    value: unknown,
    tenant: string,
    told: (outcome: Outcome) => void,
    refuse: (error: unknown) => void,
  ): void {
    this.answer(this.find(token, tenant), value, told, refuse);
  }

  /** Answers a pause that was found. Calls `told` with the next outcome of the trace. */
  answer(
    { trace, pause }: FoundPause,
    value: unknown,
    told: (outcome: Outcome) => void,
    refuse: (error: unknown) => void,
  ): void {
    const engine = this.#engine;
    const lasting = trace.lasting as Lasting;
    engine.durable?.requireFit(value, "the answer to a pause", pause.node);
    pause.answer = { value };
    disarm(pause);
    const reopened = (error: unknown): void => {
      lasting.watchers = lasting.watchers.filter((watcher) => watcher !== told);
      refuse(error);
    };
    pause.refuse = reopened;
    lasting.watchers.push(told);
    this.#resting.stir(trace);
    engine.ledger.changed(trace);
    pause.goOnWaiting?.();
    engine.agenda.flush();
  }

  /** Calls handlers again that wait for signals of a name, for `count` signals, those that have waited longest first. */
  wakeListeners(trace: Trace, name: string, count: number): void {
    let left = count;
    for (const pause of trace.lasting?.pauses.values() ?? []) {
      if (left === 0) return;
      if (pause.signal !== name) continue;
      left -= 1;
      // its handler is about to be called
      if (pause.answer !== undefined) continue;
      pause.answer = { value: undefined };
      disarm(pause);
      this.#resting.stir(trace);
      pause.goOnWaiting?.();
    }
  }

  /** Returns the open pauses of a tenant, or of all tenants: of all traces or of one. */
  open(tenant: string | undefined, traceId: string | undefined): OpenPause[] {
    return [...this.#traces.values()]
      .filter((trace) => (tenant ?? trace.tenant) === trace.tenant && (traceId ?? trace.id) === trace.id)
      .flatMap((trace) => ticketsOf(trace).map((ticket) => ({ ...ticket, traceId: trace.id, tenant: trace.tenant })));
  }

  /**
   * Finds a pause that can be answered.
   *
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_MALFORMED`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`
   */
  find(token: string, tenant: string): FoundPause {
    const parts = partsOf(token);
    const refusal = (code: FlowErrorCode, why: string): FlowError =>
      new FlowError({ code, message: `Cannot resume: ${why}`, tenant });
    if (parts === undefined) throw refusal(FlowErrorCode.PAUSE_UNKNOWN, "the token was not made by a flow");
    const { run, expiresAt } = parts;
    const trace = this.#traces.get(run);
    const pause = [...(trace?.lasting?.pauses.values() ?? [])].find((candidate) => candidate.token === token);
    if (trace === undefined || pause === undefined) {
      if (!isComplete(token))
        throw refusal(
          FlowErrorCode.PAUSE_MALFORMED,
          `the token is cut off or altered (${token.length} characters); pass the whole token of the pause`,
        );
      if (expiresAt !== 0 && expiresAt <= this.#engine.clock.epochNow())
        throw refusal(
          FlowErrorCode.PAUSE_EXPIRED,
          `the pause could be answered until ${new Date(expiresAt).toISOString()}`,
        );
      if (trace !== undefined && trace.tenant !== tenant)
        throw refusal(FlowErrorCode.PAUSE_FOREIGN, "the token belongs to another tenant");
      if (run < this.#engine.identity.traces.next)
        throw refusal(FlowErrorCode.PAUSE_USED, "the pause was answered already, or its trace has ended");
      throw refusal(FlowErrorCode.PAUSE_UNKNOWN, `flow "${this.#engine.options.name}" has not made the token`);
    }
    if (trace.tenant !== tenant) throw refusal(FlowErrorCode.PAUSE_FOREIGN, "the token belongs to another tenant");
    const isPast = pause.expiresAt !== undefined && pause.expiresAt <= this.#engine.clock.epochNow();
    // an earlier process may have let the pause expire by a clock ahead of this one's
    if (pause.answer?.isExpired || (pause.answer === undefined && isPast)) throw expiredError(pause, trace);
    if (pause.answer !== undefined) throw refusal(FlowErrorCode.PAUSE_USED, "the pause was answered already");
    return { trace, pause };
  }

  /** Returns the run that made a token, if its trace is not among those with pauses in memory. */
  unknownRunOf(token: string): number | undefined {
    const run = partsOf(token)?.run ?? Number.NaN;
    return run < this.#engine.identity.traces.next && !this.#traces.has(run) ? run : undefined;
  }

  /** Drops pauses of an outermost trace. */
  drop(trace: Trace, pauses: Iterable<Pause>): void {
    for (const pause of pauses) {
      pause.timer?.cancel();
      trace.lasting?.pauses.delete(pause.key);
    }
    if (trace.lasting?.pauseCount === 0) this.#traces.delete(trace.run);
  }

  /** Drops all pauses of an outermost trace that has ended. */
  ended(trace: Trace): void {
    const { lasting } = trace;
    if (lasting !== null && lasting.pauseCount > 0) {
      for (const pause of lasting.pauses.values()) pause.timer?.cancel();
      lasting.pauses.clear();
    }
    this.#traces.delete(trace.run);
  }

  /** Releases the pauses of a trace that is unloaded. */
  unloaded(trace: Trace): void {
    for (const pause of trace.lasting?.pauses.values() ?? []) disarm(pause);
    this.#traces.delete(trace.run);
  }

  /** Ends a pause that was not answered in time, or a sleep. */
  #expire(trace: Trace, pause: Pause, expiresAt: number): void {
    const engine = this.#engine;
    pause.timer = undefined;
    // the wall clock may lag behind the clock of the timers: a sleep must not end before its instant
    if (expiresAt > engine.clock.epochNow()) {
      this.arm(trace, pause);
      return;
    }
    if (pause.goesOn) {
      pause.answer = { value: undefined, isExpired: true };
      this.#resting.stir(trace);
      engine.ledger.changed(trace);
      pause.goOnWaiting?.();
    } else {
      engine.ending.fail(trace, expiredError(pause, trace));
    }
    engine.agenda.flush();
  }
}
