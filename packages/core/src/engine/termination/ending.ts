import {
  type BudgetExhausted,
  describeThrown,
  errorPayload,
  FlowError,
  FlowErrorCode,
  TraceCancelled,
} from "../../foundation/flow-error.ts";
import { FinalAnswer } from "../../message/controller.ts";
import type { Message } from "../../message/message.ts";
import type { FinalOutcome, OutcomeBase, OutcomeLog, OutcomeStatus } from "../../message/outcome.ts";
import type { StreamEnd } from "../../message/stream-chunk.ts";
import { EXHAUSTION_TEXT, type Exhaustion, exhaustionOf } from "../policies/budget.ts";
import type { Trace, TraceExtras } from "../state/trace.ts";
import { Attempt, type Send, State } from "../state/attempt.ts";
import { PermitLine } from "../state/permits.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Clock } from "../../foundation/clock.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { DurableRun } from "../durability.ts";
import type { Sending } from "../delivery/sending.ts";
import type { Joining } from "../delivery/joining.ts";
import type { TraceLog } from "../state/trace-log.ts";
import type { TraceTable } from "../state/trace-table.ts";
import type { KeptOutcomes } from "../results/kept-outcomes.ts";

/** Engine parts that {@link Ending} calls. */
interface EndingHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: { readonly graceMs: number };
  readonly traces: TraceTable;
  readonly workshop: { readonly entries: readonly Edge[] };
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly sending: Sending;
  readonly joining: Joining;
  readonly keptOutcomes: KeptOutcomes;
  readonly fetching: { starve(trace: Trace): void };
  readonly pausing: {
    readonly resting: { rests(trace: Trace): void };
    ended(trace: Trace): void;
    unloaded(trace: Trace): void;
  };
  readonly logs: {
    close(trace: Trace, status: Exclude<OutcomeStatus, "completed">, error: FlowError): void;
    ended(trace: Trace): void;
    viewOf(trace: Trace, log: TraceLog): OutcomeLog;
  };
  /** Called when a trace has ended and its last handler has returned or was abandoned. */
  traceLeft(trace: Trace): void;
}

/** Result of a `cancel`. */
export interface CancelReport {
  /** Whether an open trace of that id was found. */
  readonly found: boolean;
  /** Number of waiting messages that were dropped. */
  readonly dropped: number;
  /** Number of handlers that were aborted. */
  readonly aborted: number;
  /** Number of aborted handlers still running at the end of the flow's grace period. */
  readonly zombies: number;
}

/**
 * Terminates each trace exactly once and releases everything it owns.
 *
 * States of a trace here: open → ended → unwinding, while aborted handlers run → removed. A handler that outlives its
 * grace period becomes a zombie and no longer delays the removal.
 */
export class Ending {
  readonly #engine: EndingHost;
  readonly #cancelling = new Map<Trace, CancelState>();
  readonly counts: Record<OutcomeStatus, number> = {
    completed: 0,
    failed: 0,
    cancelled: 0,
    exhausted: 0,
    empty: 0,
    stopped: 0,
  };
  /** Number of aborted handlers that have neither returned nor been abandoned. */
  #lingering = 0;
  #onAllGone: (() => void) | undefined;
  /** Number of handlers abandoned after their grace period. */
  zombies = 0;
  /** Number of values that handlers returned after their attempt was over. */
  late = 0;

  constructor(engine: EndingHost) {
    this.#engine = engine;
  }

  /** Ends a trace whose work has run out, as `completed` or `empty`. */
  finish(trace: Trace): void {
    if (trace.resultCount > 0 && trace.live === 0) {
      this.#complete(trace);
      return;
    }
    if (trace.resultCount > 0) {
      this.#end(trace, "completed", undefined, undefined);
      return;
    }
    const reason = trace.extras?.lastReason ?? "its last message was not sent on";
    const error = this.#error(
      trace,
      FlowErrorCode.NO_RESULT,
      `Trace "${trace.id}" ended without a result: ${reason}`,
      trace.extras?.lastNode,
    );
    this.#end(trace, "empty", error, undefined);
  }

  /** Ends or continues a trace of which every remaining message waits for one that cannot arrive. */
  checkStarved(trace: Trace): void {
    if (!trace.isOpen || trace.extras?.isDoomed) return;
    if (trace.extras?.closed !== undefined && this.#engine.joining.isOnlyLate(trace)) {
      this.finish(trace);
      return;
    }
    const paused = trace.lasting?.pausedCount ?? 0;
    if (trace.live !== trace.joined + trace.fetching + paused || trace.live === 0) return;
    const engine = this.#engine;
    if (paused > 0) {
      engine.pausing.resting.rests(trace);
      return;
    }
    if (trace.isOpenEnded) return;
    if (trace.joined > 0 && engine.joining.sendShort(trace)) return;
    if (trace.fetching > 0) {
      engine.fetching.starve(trace);
      return;
    }
    const { more } = trace;
    more.lastReason = `${engine.joining.describe(trace) ?? "a join"} and no other can come`;
    more.lastNode = engine.joining.firstOf(trace) ?? more.lastNode;
    this.finish(trace);
  }

  fail(trace: Trace, error: FlowError, attempt?: Attempt): void {
    if (!trace.isOpen) return;
    if (attempt !== undefined && this.#engine.reporter.hasListeners) {
      this.#engine.reporter.node(attempt, { type: "node_failed", error: errorPayload(error) });
    }
    this.#engine.durable?.failing(trace, error, attempt);
    this.#end(trace, "failed", error, undefined);
  }

  /** Ends a trace in this run. The checkpoint store keeps it for a later run. */
  leave(trace: Trace, error: FlowError): void {
    if (trace.isOpen) this.#end(trace, "failed", error, undefined);
  }

  /** Releases what a trace at rest has in memory. It has not ended: the store alone has it. */
  unload(trace: Trace): void {
    const engine = this.#engine;
    if (engine.reporter.hasListeners) engine.reporter.trace(trace, { type: "trace_unload" });
    engine.ledger.unloaded(trace);
    trace.extras?.deadlineTimer?.cancel();
    engine.pausing.unloaded(trace);
    const groups = trace.gathered ?? [];
    trace.gathered = null;
    for (const group of groups) {
      group.timer?.cancel();
      group.place.dropGroup(group);
      for (const { worker } of group.members) engine.sending.leftJoin(worker);
    }
    engine.traces.remove(trace);
  }

  deadlock(send: Send, cycle: readonly string[]): void {
    const { trace } = send;
    if (!trace.isOpen) return;
    if (this.#engine.reporter.hasListeners) this.#engine.reporter.trace(trace, { type: "deadlock", cycle });
    const path = cycle.map((name) => `"${name}"`).join(" → ");
    const message = `Trace "${trace.id}" cannot go on: the nodes of the cycle ${path} wait for one another and its edges are full; send less per message or raise queueMaxSize`;
    this.fail(
      trace,
      new FlowError({
        code: FlowErrorCode.DEADLOCK,
        message,
        traceId: trace.id,
        tenant: trace.tenant,
        node: send.from?.worker.name,
        details: { cycle },
      }),
    );
  }

  /**
   * Ends a trace as `exhausted`: its deadline passed or a budget ran out. `attempt` is the attempt that exhausted it,
   * if that is about to return.
   */
  exhaust(trace: Trace, by: Exhaustion, attempt?: Attempt): void {
    if (!trace.isOpen) return;
    const error =
      typeof by === "string"
        ? this.#error(
            trace,
            by,
            `Trace "${trace.id}" was given up: ${EXHAUSTION_TEXT[by].toLowerCase()}`,
            attempt?.worker.name,
          )
        : by;
    this.#end(trace, "exhausted", error, undefined, attempt);
  }

  /** Ends a trace as `exhausted` because a handler of it let the error of its budget escape. */
  overspent(trace: Trace, error: BudgetExhausted, attempt: Attempt): void {
    if (!trace.isOpen) return;
    if (this.#engine.reporter.hasListeners)
      this.#engine.reporter.node(attempt, { type: "node_failed", error: errorPayload(error) });
    this.#end(trace, "exhausted", error, undefined);
  }

  /** Cancels a trace. Resolves when its handlers have returned or were abandoned. */
  async cancel(trace: Trace, reason: unknown): Promise<CancelReport> {
    if (!trace.isOpen) return { found: false, dropped: 0, aborted: 0, zombies: 0 };
    const engine = this.#engine;
    const error = new TraceCancelled({ traceId: trace.id, tenant: trace.tenant, cause: reason });
    if (engine.reporter.hasListeners)
      engine.reporter.trace(trace, { type: "trace_cancel_start", reason: describeThrown(reason ?? "cancelled") });
    const report = this.#end(trace, "cancelled", error, reason);
    engine.agenda.flush();
    await report.done;
    let { dropped, aborted, zombies } = report;
    for (const inner of await Promise.all(report.inner)) {
      dropped += inner.dropped;
      aborted += inner.aborted;
      zombies += inner.zombies;
    }
    if (engine.reporter.hasListeners)
      engine.reporter.trace(trace, { type: "trace_cancel_finish", dropped, aborted, zombies });
    return { found: true, dropped, aborted, zombies };
  }

  /** Adds the cancellation of a playbook's trace to the report of its parent's. */
  alsoAwait(trace: Trace, cancelled: Promise<CancelReport>): void {
    this.#cancelling.get(trace)?.inner.push(cancelled);
  }

  /** Ends every trace because the flow stops. Resolves when all handlers have returned or were abandoned. */
  async stopAll(): Promise<{ cancelled: number; abandoned: number }> {
    const engine = this.#engine;
    const zombiesBefore = this.zombies;
    let cancelled = 0;
    for (const trace of engine.traces.all()) {
      if (!trace.isOpen) continue;
      const message = `Trace "${trace.id}" was ended because the flow was stopped`;
      this.#end(trace, "stopped", this.#error(trace, FlowErrorCode.FLOW_STOPPED, message), undefined);
      cancelled += 1;
    }
    engine.agenda.flush();
    if (this.#lingering > 0) await new Promise<void>((resolve) => (this.#onAllGone = resolve));
    return { cancelled, abandoned: this.zombies - zombiesBefore };
  }

  /** Starts the grace period of a handler whose attempt is over. */
  linger(attempt: Attempt): void {
    attempt.worker.linger();
    this.#lingering += 1;
    attempt.more.graceTimer = this.#engine.timers.after(this.#engine.options.graceMs, () => this.#giveUp(attempt));
  }

  /** Handles the late return of a handler whose attempt is over. */
  returned(attempt: Attempt, value: unknown, didReturn: boolean): void {
    const { worker, trace } = attempt;
    const extras = attempt.more;
    worker.returned(extras.isZombie);
    extras.graceTimer?.cancel();
    if (!extras.isZombie) this.#gone();
    if (didReturn && value !== undefined) {
      this.late += 1;
      if (this.#engine.reporter.hasListeners) this.#engine.reporter.node(attempt, { type: "node_late" });
    }
    this.#engine.slots.freeLate(attempt);
    if (!extras.isZombie) this.#unwound(trace, attempt, false);
    // its pause knows the attempt until it is answered, for days perhaps, and has no use for the rest of it
    if (!extras.isZombie && isPause(extras.reason)) attempt.extras = null;
  }

  /** Fast path for calls: completes a trace with its only result. */
  answered(trace: Trace, result: Message): void {
    trace.close();
    trace.empty();
    this.counts.completed += 1;
    this.#endLasting(trace, "completed");
    this.#engine.ledger.changed(trace);
    trace.sink.completed?.(result);
    if (trace.extras !== null) this.#release(trace.extras, undefined);
    this.#remove(trace);
  }

  /** Completes a trace with results of which no message remains. */
  #complete(trace: Trace): void {
    const outcome = this.#outcome(trace, "completed", undefined, undefined);
    trace.close();
    this.counts.completed += 1;
    this.#endLasting(trace, "completed");
    this.#engine.ledger.ended(trace, outcome);
    this.#settle(trace, outcome, "completed", undefined);
    if (trace.extras !== null) this.#release(trace.extras, outcome);
    this.#remove(trace);
  }

  /** Releases what outlives the attempts of a trace. */
  #endLasting(trace: Trace, status: OutcomeStatus): void {
    const { lasting } = trace;
    if (lasting === null) return;
    const { reporter, durable, pausing, logs } = this.#engine;
    pausing.ended(trace);
    if (lasting.log !== undefined) logs.ended(trace);
    const signals = lasting.signals.length;
    if (signals === 0 || !reporter.hasListeners) return;
    // the checkpoint store keeps them with such a trace
    const isKept = durable !== undefined && (status === "failed" || status === "stopped");
    if (!isKept) reporter.trace(trace, { type: "signal_drop", signals });
  }

  #release(extras: TraceExtras, reason: unknown): void {
    extras.deadlineTimer?.cancel();
    const releases = [...(extras.releases ?? [])];
    extras.releases = undefined;
    for (const release of releases) release(reason);
  }

  #giveUp(attempt: Attempt): void {
    const { worker, trace } = attempt;
    attempt.more.isZombie = true;
    worker.giveUp();
    this.zombies += 1;
    this.#gone();
    if (this.#engine.reporter.hasListeners) this.#engine.reporter.node(attempt, { type: "node_zombie" });
    this.#engine.slots.freeLate(attempt);
    this.#unwound(trace, attempt, true);
    this.#engine.agenda.flush();
  }

  /** Uncounts a handler that has returned or was abandoned. */
  #gone(): void {
    this.#lingering -= 1;
    if (this.#lingering === 0) this.#onAllGone?.();
  }

  #unwound(trace: Trace, attempt: Attempt, isZombie: boolean): void {
    if (!attempt.more.unwinds) return;
    const report = this.#cancelling.get(trace);
    if (report !== undefined && isZombie) report.zombies += 1;
    trace.more.unwinding -= 1;
    if (trace.more.unwinding === 0) this.#close(trace);
  }

  #end(
    trace: Trace,
    status: OutcomeStatus,
    error: FlowError | undefined,
    reason: unknown,
    last?: Attempt,
  ): CancelState {
    const engine = this.#engine;
    if (error !== undefined && status !== "completed") engine.logs.close(trace, status, error);
    const text = error?.message ?? `its trace ${status} without it`;
    const outcome = this.#outcome(trace, status, error, reason);
    // sends blocked by a pending join must reject, although the trace itself has completed without an error
    const cause =
      error ??
      this.#error(trace, FlowErrorCode.JOIN_TIMEOUT, `Trace "${trace.id}" has completed: its joins wait no longer`);
    const running: Attempt[] = [];
    let dropped = 0;
    const extras = trace.more;
    trace.close();
    extras.error = error;
    this.counts[status] += 1;
    dropped += extras.entrySends?.size ?? 0;
    const isInLine = trace.entry !== null;
    const waiting = this.#takeWaiting(trace);
    const sends = new Set<Send>(extras.entrySends ?? []);
    for (const item of waiting) if (item.send !== null) sends.add(item.send);
    for (const attempt of attemptsOf(trace)) {
      trace.unlink(attempt);
      for (const send of attempt.extras?.outbox.splice(0) ?? []) sends.add(send);
      attempt.extras?.timer?.cancel();
      engine.slots.leaveRing(attempt);
      if (attempt.state === State.RUNNING && attempt !== last) {
        running.push(attempt);
        continue;
      }
      // its handler does not run: the message counts as dropped, not as aborted
      if (attempt.state === State.LAUNCHED || attempt.state === State.PARKED) waiting.push(attempt);
      attempt.returnDraws(cause);
      attempt.end();
      engine.slots.free(attempt);
    }
    if (trace.lasting !== null && trace.lasting.pausedCount > 0) waiting.push(...trace.lasting.paused);
    this.#endLasting(trace, status);
    for (const group of trace.gathered ?? []) {
      group.timer?.cancel();
      group.place.dropGroup(group);
      waiting.push(...group.members);
    }
    trace.gathered = null;
    for (const send of sends) engine.sending.abandon(send, cause);
    for (const item of waiting) {
      dropped += 1;
      this.#drop(item, item.send === null && !isInLine, text, error);
    }
    extras.unread = undefined;
    extras.entrySends = undefined;
    engine.ledger.ended(trace, outcome);
    const state = cancelState(dropped, running.length);
    this.#cancelling.set(trace, state);
    extras.unwinding = running.length;
    for (const attempt of running) {
      attempt.more.unwinds = true;
      this.linger(attempt);
    }
    if (engine.reporter.hasListeners) {
      for (const attempt of running) engine.reporter.node(attempt, { type: "node_cancelled", reason: text });
    }
    this.#settle(trace, outcome, status, error);
    // abort listeners and callers run user code from here on: the trace's state must be final by now
    for (const attempt of running) attempt.abort(cause);
    this.#release(extras, cause);
    if (running.length === 0) this.#close(trace);
    return state;
  }

  /** Removes the trace's queued messages from every queue. Cost: the trace's own messages. */
  #takeWaiting(trace: Trace): Attempt[] {
    const { sending, slots, workshop } = this.#engine;
    const items: Attempt[] = [];
    while (trace.lanes !== null) {
      const { queue: line } = trace.lanes;
      if (line instanceof PermitLine) {
        items.push(...slots.leftLine(line, line.drain(trace) as Attempt[]));
        continue;
      }
      const queue = line as Worker["inbox"];
      for (const item of queue.drain(trace)) {
        if (item instanceof Attempt) items.push(item);
        else
          items.push(
            sending.entryOf(trace, workshop.entries.find((edge) => edge.target.queueOf(edge) === queue) as Edge),
          );
      }
    }
    return items;
  }

  #drop(item: Attempt, wasPlaced: boolean, reason: string, error: FlowError | undefined): void {
    const engine = this.#engine;
    item.end();
    item.send = null;
    engine.slots.leaveRing(item);
    if (wasPlaced && item.edge !== null) engine.sending.leftEdge(item.edge);
    else if (item.worker.node.gathering !== undefined) engine.sending.leftJoin(item.worker);
    if (wasPlaced) engine.ledger.dropped(item);
    if (item.worker.ring !== undefined) engine.agenda.wake(item.worker);
    if (!engine.reporter.hasListeners) return;
    if (error?.code === FlowErrorCode.DEADLINE_EXCEEDED) engine.reporter.node(item, { type: "deadline_skip" });
    else engine.reporter.node(item, { type: "message_drop", reason });
  }

  /** Removes a trace that was ended while messages of it remained: none of its handlers runs any more. */
  #close(trace: Trace): void {
    const state = this.#cancelling.get(trace);
    this.#cancelling.delete(trace);
    state?.resolve();
    this.#remove(trace);
  }

  #remove(trace: Trace): void {
    const engine = this.#engine;
    engine.traces.remove(trace);
    engine.traceLeft(trace);
  }

  #settle(trace: Trace, outcome: FinalOutcome, status: OutcomeStatus, error: FlowError | undefined): void {
    const engine = this.#engine;
    const streams = trace.extras?.streams;
    if (streams !== undefined) {
      for (const chunk of streams.endTrace(streamEnd(status))) trace.sink.chunk(chunk);
      trace.more.streams = undefined;
    }
    const given = trace.extras?.given;
    if (given !== undefined) engine.keptOutcomes.ended(trace, given, outcome);
    trace.sink.ended(outcome);
    for (const watcher of trace.lasting?.watchers.splice(0) ?? []) watcher(outcome);
    if (!engine.reporter.hasListeners) return;
    engine.reporter.trace(trace, {
      type: "trace_end",
      status,
      durationMs: outcome.durationMs,
      results: trace.resultCount,
      ...(error === undefined ? {} : { error: errorPayload(error) }),
    });
  }

  /** Returns the fields that every outcome has. */
  baseOf(trace: Trace): OutcomeBase<unknown> {
    const messages = Object.freeze([...(trace.results ?? [])]);
    const log = trace.lasting?.log;
    return {
      traceId: trace.id,
      tenant: trace.tenant,
      messages,
      results: Object.freeze(messages.map((message) => message.payload)),
      droppedResults: trace.sink.keepResults === 0 ? 0 : Math.max(0, trace.resultCount - messages.length),
      durationMs: this.#engine.clock.now() - trace.startedAt,
      // a playbook spends its parent's budget
      spent: (trace.origin === null ? trace.extras?.account?.spent : undefined) ?? NOTHING,
      ...(log === undefined || log.length === 0 ? {} : { log: this.#engine.logs.viewOf(trace, log) }),
    };
  }

  #outcome(trace: Trace, status: OutcomeStatus, error: FlowError | undefined, reason: unknown): FinalOutcome {
    const base = this.baseOf(trace);
    if (status === "completed") return Object.freeze({ status, ...base, result: base.results[0] });
    const failure = { ...base, error: error as FlowError };
    if (status === "empty")
      return Object.freeze({
        status,
        ...failure,
        lastNode: trace.extras?.lastNode,
        reason: trace.extras?.lastReason ?? "",
      });
    if (status === "cancelled") return Object.freeze({ status, ...failure, reason });
    if (status !== "exhausted") return Object.freeze({ status, ...failure });
    const { which, text } = exhaustionOf(failure.error);
    return Object.freeze({ status, ...failure, which, finalAnswer: new FinalAnswer({ text }) });
  }

  #error(trace: Trace, code: FlowErrorCode, message: string, node?: string): FlowError {
    return new FlowError({ code, message, traceId: trace.id, tenant: trace.tenant, node });
  }
}

const NOTHING = Object.freeze({});

interface CancelState {
  dropped: number;
  aborted: number;
  zombies: number;
  resolve: () => void;
  done: Promise<void>;
  /** Cancellation reports of playbooks. */
  inner: Promise<CancelReport>[];
}

function cancelState(dropped: number, aborted: number): CancelState {
  let resolve = (): void => {};
  const done = aborted === 0 ? Promise.resolve() : new Promise<void>((settle) => (resolve = settle));
  return { dropped, aborted, zombies: 0, resolve, done, inner: [] };
}

function* attemptsOf(trace: Trace): Generator<Attempt> {
  for (let member = trace.firstMember; member !== null;) {
    const next: Attempt | null = member.nextOfTrace;
    yield member;
    member = next;
  }
}

function streamEnd(status: OutcomeStatus): StreamEnd {
  if (status === "completed" || status === "empty") return "done";
  return status === "failed" || status === "exhausted" ? "error" : "cancelled";
}

function isPause(reason: Error | undefined): boolean {
  return reason instanceof FlowError && reason.code === FlowErrorCode.TRACE_PAUSED;
}
