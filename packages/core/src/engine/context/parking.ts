import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { DurableRun } from "../durability.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import { Attempt, AttemptExtras, outermost, State } from "../state/attempt.ts";
import { Lasting, type Pause, type StoredCall, type Trace } from "../state/trace.ts";
import type { Ending } from "../termination/ending.ts";
import { isOpenPause, ticketOf } from "./open-pause.ts";
import { isOf, placeOf } from "./pause-keys.ts";
import type { PauseTable } from "./pause-table.ts";
import type { Resting } from "./resting.ts";

/** Engine parts that {@link Parking} calls. */
export interface ParkingHost {
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly ending: Ending;
}

/** Parks the messages of handlers that wait, and queues them again. */
export class Parking {
  readonly #engine: ParkingHost;
  readonly #pauses: PauseTable;
  readonly #resting: Resting;

  constructor(engine: ParkingHost, pauses: PauseTable, resting: Resting) {
    this.#engine = engine;
    this.#pauses = pauses;
    this.#resting = resting;
  }

  /** Parks the message of an attempt until an answer arrives, a sleep is over or a playbook has ended. */
  park(root: Attempt): void {
    const { trace, worker, extras } = root;
    // a trace that is just ending aborts its attempts last: one parked now would outlive it
    if (root.state !== State.RUNNING || !trace.isOpen) return;
    if (extras === null || extras.checking > 0) return;
    if (extras.asked.length === 0 && !awaitsResting(root)) return;
    const engine = this.#engine;
    const outer = outermost(root).trace;
    const lasting = (trace.lasting ??= new Lasting());
    const original = extras.original ?? root.message;
    const paused = new Attempt(worker, trace, original, null, root.high, root.low, root.attempt);
    paused.via = root.via;
    paused.round = root.round;
    // an attempt without extras could take the fast path past `mayFinish`, and an answer would be lost
    paused.extras = new AttemptExtras();
    paused.skip(root.sent.count, root.sent.to);

    const taken = [...(extras.fetched ?? []), ...(extras.refetch ?? [])];
    if (taken.length > 0) paused.more.refetch = taken;
    paused.pause();
    lasting.paused.add(paused);
    if (extras.writesStreams) {
      trace.extras?.streams?.inherit(root, paused);
      for (const chunk of trace.extras?.streams?.endAll(root, "retry") ?? []) trace.sink.chunk(chunk);
    }
    // the slot stays taken until the handler returns or its grace period ends: freeing it would exceed the concurrency
    trace.unlink(root);
    engine.slots.letNextGo(worker, trace);
    engine.slots.leaveRing(root);
    engine.ending.linger(root);
    root.abort(
      new FlowError({
        code: FlowErrorCode.TRACE_PAUSED,
        message: `Node "${worker.name}" ${whyParked(extras.asked)}`,
        traceId: trace.id,
        tenant: trace.tenant,
        node: worker.name,
        attempt: root.attempt,
      }),
    );
    const begins = extras.asked.filter(({ hasBegun }) => !hasBegun);
    for (const pause of begins) {
      pause.hasBegun = true;
      this.#pauses.arm(outer, pause);
      if (engine.reporter.hasListeners) engine.reporter.node(root, beginOf(pause));
    }
    const goOn = (): void => this.#requeue(paused);
    for (const pause of outer.lasting?.pauses.values() ?? []) if (this.isOwn(pause, root)) pause.goOnWaiting = goOn;
    engine.ledger.paused(paused, begins);
    for (const pause of begins) if (isOpenPause(pause)) trace.sink.pause?.(ticketOf(pause));
    // an answer may arrive in the step that asked for it: without this check the message would wait for ever
    if (extras.asked.some(({ answer }) => answer !== undefined)) this.#goOn(paused);
    else engine.ending.checkStarved(trace);
    engine.agenda.flush();
  }

  /** Whether a pause wakes an attempt's message: its handler requested it, or without durability one of its playbooks. */
  isOwn(pause: Pause, attempt: Attempt): boolean {
    return this.#engine.durable === undefined ? isOf(pause, attempt) : pause.key.startsWith(placeOf(attempt));
  }

  /** Connects a restored pause of a trace with the messages that it has parked. */
  connect(trace: Trace, pause: Pause): void {
    for (const paused of trace.lasting?.paused ?? []) {
      const goOn = (): void => this.#requeue(paused);
      if (isOf(pause, paused)) pause.goOnWaiting = goOn;
    }
  }

  /** Connects the pauses of a playbook's message that is in flight again with it. */
  adopt(attempt: Attempt): void {
    const caller = attempt.trace.origin?.parent;
    const goOn = (): void => this.#requeue(attempt);
    for (const pause of outermost(attempt).trace.lasting?.pauses.values() ?? []) {
      if (!this.isOwn(pause, attempt)) continue;
      pause.askedBy = caller;
      pause.trace = attempt.trace;
      pause.goOnWaiting = goOn;
    }
  }

  /** Requeues the message that made a call, if it is parked. */
  wakeCaller(trace: Trace, { key }: StoredCall): void {
    // its handler may be parked again at once: iterating over the set itself would never end
    for (const paused of [...(trace.lasting?.paused ?? [])])
      if (key.startsWith(`${paused.lineage}/`)) this.#goOn(paused);
  }

  /** Fails a trace before its handler continues, even if the message is about to be parked. */
  failSoon(root: Attempt, error: FlowError): void {
    root.more.asked.length = 0;
    this.#engine.agenda.beforeRunning(() => this.#engine.ending.fail(root.trace, error, root));
  }

  #goOn(paused: Attempt): void {
    this.#requeue(paused);
    this.#engine.agenda.flush();
  }

  /** Requeues a paused message. */
  #requeue(paused: Attempt): void {
    const engine = this.#engine;
    // another answer has already requeued the message, or its handler runs and will request this one too
    if (paused.trace.lasting?.paused.delete(paused) !== true) return;
    this.#resting.stir(paused.trace);
    paused.queue();
    engine.ledger.resumed(paused, "pause");
    engine.slots.enqueueFirst(paused);
  }
}

/** Whether a handler waits for a playbook that waits only for answers and sleeps. */
function awaitsResting(attempt: Attempt): boolean {
  for (const call of attempt.trace.lasting?.calls?.values() ?? [])
    if (
      call.settle !== undefined &&
      call.key.startsWith(`${attempt.lineage}/`) &&
      call.trace?.lasting?.rest === "asleep"
    )
      return true;
  return false;
}

function whyParked(asked: readonly Pause[]): string {
  if (asked.length === 0) return "waits for a playbook: its handler is called again when that has ended";
  return parkedUntil(asked);
}

/** Describes the wait of an attempt that is about to be parked. */
function parkedUntil(asked: readonly Pause[]): string {
  if (asked.some(({ token, answer }) => token !== undefined && answer === undefined))
    return "has paused: its handler is called again when there is an answer";
  return asked.some(({ signal }) => signal !== undefined)
    ? "waits for a signal: its handler is called again when there is one"
    : "sleeps: its handler is called again when the sleep is over";
}

/** Returns the event of the beginning of a pause, a sleep or a wait for a signal. */
function beginOf({ token, signal, reason, expiresAt }: Pause) {
  if (signal !== undefined)
    return { type: "signal_wait", signal, ...(expiresAt === undefined ? {} : { expiresAt }) } as const;
  if (token === undefined) return { type: "node_sleep", name: reason, until: expiresAt as number } as const;
  return { type: "node_pause", reason, ...(expiresAt === undefined ? {} : { expiresAt }) } as const;
}
