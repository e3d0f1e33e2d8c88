import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { formatIssues, isSchema, issuePath, type Schema, type SchemaResult } from "../../foundation/schema.ts";
import { requireKnownKeys, requireNumber, shown } from "../../foundation/options.ts";
import type { PauseInit } from "../../graph/handler.ts";
import type { Outcome, PausedOutcome, PauseTicket } from "../../message/outcome.ts";
import type { StreamSink } from "../results/stream-sink.ts";
import { isActive, Lasting, type Pause, type PauseAnswer, type StoredCall, type Trace } from "../state/trace.ts";
import { Attempt, AttemptExtras, outermost, outermostTrace, pathOf, State } from "../state/attempt.ts";
import { OutboxSink } from "../results/outcome-delivery.ts";
import { LeftSink, type Rookery, RookerySink } from "../results/rookery.ts";
import type { Clock } from "../../foundation/clock.ts";
import type { Random } from "../../foundation/random.ts";
import type { TimerWheel } from "../../foundation/timer-wheel.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { DurableRun } from "../durability.ts";
import type { Ending } from "../termination/ending.ts";
import type { Failing } from "../termination/failing.ts";
import type { Logger } from "../../events/logger.ts";
import type { HandlerWaits } from "./handler-waits.ts";
import type { TraceTable } from "../state/trace-table.ts";
import type { RunIdentity } from "../state/run-identity.ts";

/** Engine parts that {@link Pausing} calls. */
export interface PausingHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly options: {
    readonly name: string;
    readonly limits: { readonly maxResults: number };
    readonly random: Random;
    readonly logger: Logger;
  };
  readonly identity: RunIdentity;
  readonly traces: TraceTable;
  readonly durable: DurableRun | undefined;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly waits: HandlerWaits;
  readonly rookery: Rookery;
  readonly ending: Ending;
  readonly failing: Failing;
  /** Pauses of the outermost flow; `undefined` in that flow itself. */
  readonly outerPausing: Pausing | undefined;
  /** Called when a trace waits only for answers. */
  traceRests(trace: Trace): void;
  /** Called when such a trace goes on. */
  traceWakes(trace: Trace): void;
}

/**
 * Parks messages whose handlers ask for answers or sleep, for days if necessary. Such a handler is aborted. Once an
 * answer arrives or the sleep is over, it is called again from the start: `ctx.pause` returns the answer, and
 * `ctx.sleepUntil` resolves. A sleep is a pause without a token, which expires and goes on; so is a wait for a signal,
 * which the signal answers.
 *
 * Pauses belong to the outermost trace. In a playbook it is the outermost message that is parked; in a durable flow the
 * playbook's own message, and then each caller whose playbook waits for nothing but answers and sleeps.
 *
 * States of a pause: asked → waiting → answered or expired → over, as listed at {@link Pause}. A trace is quiet while it
 * waits only for answers, sleeps and signals, and asleep while it waits for no answer.
 */
export class Pausing {
  readonly #engine: PausingHost;
  /** Number of quiet traces and, in a durable flow, of those asleep. */
  restingTraces = 0;
  /** Traces with pauses or sleeps, by run. */
  readonly #traces = new Map<number, Trace>();

  constructor(engine: PausingHost) {
    this.#engine = engine;
  }

  /** Returns the answer to a pause of `attempt` if there is one; otherwise ends the attempt and parks its message. */
  pause(attempt: Attempt, init: PauseInit<unknown>): Promise<unknown> {
    requirePause(init);
    const root = this.#parkedFor(attempt);
    const key = this.#newKey(root, attempt, "pause", init.name ?? init.reason);
    const lasting = (outermost(attempt).trace.lasting ??= new Lasting());
    const known = lasting.pauses.get(key) ?? this.#inherited(lasting, attempt, init, key);
    if (known !== undefined) {
      known.askedBy = root;
      known.goesOn = init.ifExpired !== undefined;
    }
    if (known?.answer !== undefined) return this.#accept(root, known, init);
    return this.#wait(root, attempt, known ?? this.#made(root, attempt, key, init));
  }

  /**
   * Resolves if the sleep of that name is over or `at` has passed; otherwise ends the attempt and parks its message.
   */
  async sleep(attempt: Attempt, at: number, name: string): Promise<void> {
    const engine = this.#engine;
    const root = this.#parkedFor(attempt);
    const key = this.#newKey(root, attempt, "sleep", name);
    const known = outermost(attempt).trace.lasting?.pauses.get(key);
    if (known !== undefined) known.askedBy = root;
    if (known?.answer !== undefined || (known?.expiresAt ?? at) <= engine.clock.epochNow()) return;
    const asleep = { ...askedAt(attempt, key, root), name, reason: name, expiresAt: at, goesOn: true };
    await this.#wait(root, attempt, known ?? asleep);
  }

  /**
   * Ends the attempt and parks its message until a signal of that name arrives or `expiresAt`. Resolves if that has
   * passed. `position` is the number of signals of the name that the handler has received.
   */
  async listen(attempt: Attempt, name: string, position: number, expiresAt: number | undefined): Promise<void> {
    const root = this.#parkedFor(attempt);
    const key = listenKey(attempt, name, position);
    const outer = outermost(attempt).trace;
    const known = outer.lasting?.pauses.get(key);
    const end = known?.expiresAt ?? expiresAt;
    if (end !== undefined && end <= this.#engine.clock.epochNow()) return;
    this.#requireSent(root, attempt, `wait for signal ${shown(name)}`);
    if (known !== undefined) {
      known.askedBy = root;
      // another handler has received the signal for which this one was called
      known.answer = undefined;
      this.#outer.#arm(outer, known);
      // two calls of `next` at once
      if (root.more.asked.includes(known)) return await this.#engine.waits.wait(attempt, () => undefined);
    }
    const asked = { ...askedAt(attempt, key, root), name, reason: name, signal: name, expiresAt, goesOn: true };
    await this.#wait(root, attempt, known ?? asked);
  }

  /** Ends the wait for a signal that the handler has received. */
  heard(attempt: Attempt, name: string, position: number): void {
    const { lasting } = outermost(attempt).trace;
    const key = listenKey(attempt, name, position);
    lasting?.pauses.get(key)?.timer?.cancel();
    lasting?.pauses.delete(key);
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
      this.stir(trace);
      pause.goOnWaiting?.();
    }
  }

  #wait(root: Attempt, attempt: Attempt, pause: Pause): Promise<unknown> {
    const { more } = root;
    const { trace } = outermost(attempt);
    (trace.lasting ??= new Lasting()).pauses.set(pause.key, pause);
    this.#outer.#traces.set(trace.run, trace);
    // every pause of this step is parked together: parking at the first would hide the others from the caller
    if (more.asked.push(pause) === 1) this.#engine.agenda.beforeRunning(() => this.#park(root));
    return this.#engine.waits.wait(attempt, () => undefined);
  }

  get #outer(): Pausing {
    return this.#engine.outerPausing ?? this;
  }

  /** Returns the attempt whose message is parked when `attempt` pauses. */
  #parkedFor(attempt: Attempt): Attempt {
    return this.#engine.durable === undefined ? outermost(attempt) : attempt;
  }

  /** Whether a pause wakes an attempt's message: its handler requested it, or without durability one of its playbooks. */
  #isOwn(pause: Pause, attempt: Attempt): boolean {
    return this.#engine.durable === undefined ? isOf(pause, attempt) : pause.key.startsWith(placeOf(attempt));
  }

  /**
   * Claims the key of a pause or a sleep for the running handler.
   *
   * @throws TypeError if the handler has used it already, or a message it has sent is blocked
   */
  #newKey(root: Attempt, attempt: Attempt, kind: "pause" | "sleep", name: string): string {
    // a sleep must not take the answer to a question of the same name
    const key = `${pausePlace(attempt)}${kind === "pause" ? "." : ":"}${name}`;
    const keys = (attempt.more.pauseKeys ??= new Set());
    if (keys.has(key))
      throw this.#refused(
        attempt,
        `Cannot ${kind} twice as ${shown(name)} at node "${attempt.node}": the ${kind === "pause" ? "answers" : "sleeps"} could not be told apart; give each ${kind} its own "name"`,
      );
    keys.add(key);
    this.#requireSent(root, attempt, kind);
    return key;
  }

  #requireSent(root: Attempt, attempt: Attempt, what: string): void {
    if ((root.extras?.outbox.length ?? 0) > 0)
      throw new TypeError(
        `Cannot ${what} at node "${attempt.node}" while a message it has sent waits: await its emits first`,
      );
  }

  /**
   * Answers a pause. Calls `told` with the next outcome of the trace.
   *
   * @throws FlowError `PAUSE_UNKNOWN`, `PAUSE_MALFORMED`, `PAUSE_USED`, `PAUSE_EXPIRED`, `PAUSE_FOREIGN`
   */
  resume(
    token: string,
    value: unknown,
    tenant: string,
    told: (outcome: Outcome) => void,
    refuse: (error: unknown) => void,
  ): void {
    this.#answer(this.#find(token, tenant), value, told, refuse);
  }

  /**
   * Answers a pause and redirects the trace's further output to `sink`, after the other pauses that are open.
   *
   * @throws FlowError as {@link Pausing.resume}; TypeError if the trace's results go to `fetch`
   */
  resumeInto(token: string, value: unknown, tenant: string, sink: StreamSink): Trace {
    const found = this.#find(token, tenant);
    const { trace } = found;
    const before = requireLeft(trace);
    for (const ticket of this.ticketsOf(trace)) if (ticket.token !== token) sink.pause(ticket);
    redirect(trace, sink);
    const refuse = (error: unknown): void => {
      if (trace.sink === sink) trace.sink = before;
      sink.fail(error);
    };
    try {
      this.#answer(found, value, () => {}, refuse);
    } catch (error) {
      trace.sink = before;
      throw error;
    }
    return trace;
  }

  /**
   * Whether a trace without a caller is in flight or has left results.
   *
   * @throws TypeError if its results go elsewhere
   */
  canFollow(traceId: string, tenant: string): boolean {
    const { traces, rookery } = this.#engine;
    const trace = traces.find(traceId, tenant).find(({ isOpen }) => isOpen);
    if (trace !== undefined) requireLeft(trace);
    return trace !== undefined || rookery.hasLeft(traceId, tenant);
  }

  /**
   * Redirects a trace's earlier and further output to `sink`, if its caller is gone.
   *
   * @throws FlowError `TRACE_UNKNOWN`; TypeError if the trace's results go elsewhere
   */
  follow(traceId: string, tenant: string, sink: StreamSink): Trace | undefined {
    const engine = this.#engine;
    const trace = engine.traces.find(traceId, tenant).find(({ isOpen }) => isOpen);
    if (trace === undefined) {
      engine.rookery.readLeft(traceId, tenant, sink).then(
        () => sink.close(undefined),
        (error: unknown) => sink.close(error),
      );
      return undefined;
    }
    requireLeft(trace);
    return this.readInto(trace, sink);
  }

  /** Redirects the earlier and further output of a trace whose caller is gone. */
  readInto(trace: Trace, sink: StreamSink): Trace {
    sink.begin(trace.results ?? []);
    for (const ticket of this.ticketsOf(trace)) sink.pause(ticket);
    if (trace.lasting?.rest === "quiet") sink.paused(this.pausedOutcome(trace));
    else redirect(trace, sink);
    return trace;
  }

  #answer(
    { trace, pause }: { readonly trace: Trace; readonly pause: Pause },
    value: unknown,
    told: (outcome: Outcome) => void,
    refuse: (error: unknown) => void,
  ): void {
    const engine = this.#engine;
    const lasting = trace.lasting as Lasting;
    engine.durable?.requireFit(value, "the answer to a pause", pause.node);
    pause.answer = { value };
    disarm(pause);
    pause.refuse = (error) => {
      lasting.watchers = lasting.watchers.filter((watcher) => watcher !== told);
      refuse(error);
    };
    lasting.watchers.push(told);
    this.stir(trace);
    engine.ledger.changed(trace);
    pause.goOnWaiting?.();
    engine.agenda.flush();
  }

  /** Returns the open pauses of a trace. */
  ticketsOf(trace: Trace): PauseTicket[] {
    return [...(trace.lasting?.pauses.values() ?? [])].filter(isOpenPause).map(ticketOf);
  }

  /** Returns a tenant's open pauses, of all its traces or of one. */
  tickets(tenant: string, traceId: string | undefined): (PauseTicket & { readonly traceId: string })[] {
    return [...this.#traces.values()]
      .filter((trace) => trace.tenant === tenant && (traceId === undefined || trace.id === traceId))
      .flatMap((trace) => this.ticketsOf(trace).map((ticket) => ({ ...ticket, traceId: trace.id })));
  }

  /**
   * Notes that a trace waits only for answers, sleeps and signals. The callers of a playbook's trace may then rest, too.
   * If it waits for an answer, its callers are notified. A trace asleep continues without them, so its callers keep
   * waiting.
   */
  rests(trace: Trace): void {
    const engine = this.#engine;
    const lasting = trace.lasting as Lasting;
    for (const call of lasting.calls?.values() ?? []) if (isActive(call)) return;
    if (trace.origin !== null) {
      if (lasting.rest === "asleep") return;
      lasting.rest = "asleep";
      trace.sink.rests?.();
      return;
    }
    const rest = [...lasting.pauses.values()].some(isOpenPause) ? "quiet" : "asleep";
    // without a checkpoint store a trace asleep is lost when the flow stops, so that draining must wait for it
    if (lasting.rest === rest || (rest === "asleep" && engine.durable === undefined)) return;
    if (lasting.rest === "none") this.restingTraces += 1;
    lasting.rest = rest;
    if (rest === "quiet" && !lasting.wasTold) this.#notify(trace, lasting);
    engine.traceRests(trace);
  }

  #notify(trace: Trace, lasting: Lasting): void {
    const engine = this.#engine;
    const outcome = this.pausedOutcome(trace);
    const pauses = outcome.pauses.length;
    if (engine.reporter.hasListeners) engine.reporter.trace(trace, { type: "trace_pause", pauses });
    const { sink } = trace;
    if (!(sink instanceof RookerySink || sink instanceof LeftSink || sink instanceof OutboxSink)) {
      trace.sink = new LeftSink(engine.rookery, engine.options.limits.maxResults, trace);
      sink.paused?.(outcome);
    }
    for (const watcher of lasting.watchers.splice(0)) watcher(outcome);
  }

  /** Returns the outcome that a paused trace has for its callers. */
  pausedOutcome(trace: Trace): PausedOutcome<unknown> {
    const pauses = this.ticketsOf(trace);
    const error = new FlowError({
      code: FlowErrorCode.TRACE_PAUSED,
      message: `Trace "${trace.id}" waits for ${pauses.length === 1 ? "an answer" : `${pauses.length} answers`}: ${pauses.map(({ node, reason }) => `${reason} (node "${node}")`).join("; ")}; call resume`,
      traceId: trace.id,
      tenant: trace.tenant,
      details: { pauses },
    });
    return Object.freeze({ status: "paused", ...this.#engine.ending.baseOf(trace), error, pauses });
  }

  /**
   * Restores the pauses of a trace after a restart, or when it is loaded: its callers were told of the pauses then.
   */
  restore(trace: Trace, pauses: readonly Pause[], wasTold: boolean): void {
    const lasting = (trace.lasting ??= new Lasting());
    lasting.wasTold = wasTold;
    this.#traces.set(trace.run, trace);
    for (const pause of pauses) {
      for (const paused of lasting.paused) if (isOf(pause, paused)) pause.goOnWaiting = () => this.#requeue(paused);
      lasting.pauses.set(pause.key, pause);
      this.#arm(trace, pause);
    }
  }

  /** Connects the pauses of a playbook's message that is in flight again with it. */
  adopt(attempt: Attempt): void {
    const caller = attempt.trace.origin?.parent;
    for (const pause of outermost(attempt).trace.lasting?.pauses.values() ?? []) {
      if (!this.#isOwn(pause, attempt)) continue;
      pause.askedBy = caller;
      pause.goOnWaiting = () => this.#requeue(attempt);
    }
  }

  /** Parks the message of a handler that waits for a playbook which rests. */
  parkCaller(attempt: Attempt): void {
    this.#park(attempt);
  }

  /** Requeues the message that made a call, if it is parked. */
  wakeCaller(trace: Trace, { key }: StoredCall): void {
    // its handler may be parked again at once: iterating over the set itself would never end
    for (const paused of [...(trace.lasting?.paused ?? [])])
      if (key.startsWith(`${paused.lineage}/`)) this.#goOn(paused);
  }

  /**
   * Registers the key of a playbook call.
   *
   * @throws TypeError if the key is empty or no string, or another call of the attempt uses it
   */
  requirePlaybookKey(attempt: Attempt, key: string): void {
    if (typeof key !== "string" || key === "")
      throw new TypeError(`Option "key" of callPlaybook must be a string that is not empty: got ${shown(key)}`);
    const keys = (attempt.more.playbookKeys ??= new Set());
    if (keys.has(key))
      throw this.#refused(
        attempt,
        `Cannot call two playbooks under the key ${shown(key)} at node "${attempt.node}": what they ask for could not be told apart; give each call a key of its own`,
      );
    keys.add(key);
  }

  /**
   * Decides whether an attempt whose handler has returned may commit. It may not if an earlier run requested a pause
   * that the handler no longer requests: the answer would be lost. The durable run then decides what happens to its
   * message.
   */
  mayFinish(attempt: Attempt): boolean {
    const engine = this.#engine;
    const { trace, worker } = attempt;
    const unasked = [...(outermost(attempt).trace.lasting?.pauses.values() ?? [])].filter((pause) => {
      // a sleep that is not asked for any more has no answer to lose
      if (pause.token === undefined) return false;
      if (this.#isOwn(pause, attempt)) return pause.askedBy !== attempt;
      return isOf(pause, attempt) && pause.askedBy === undefined;
    });
    if (unasked.length === 0) return true;
    const inherited = unasked.filter(({ askedBy }) => askedBy?.trace !== trace);
    if (engine.durable !== undefined && inherited.length > 0) {
      engine.durable.notAsked(engine, engine.failing.setAside(attempt), inherited);
      return false;
    }
    const { logger, name: flow } = engine.options;
    const { id: traceId, tenant } = trace;
    for (const { name, reason, answer } of unasked)
      logger.warn("pause_not_asked", {
        flow,
        traceId,
        tenant,
        node: worker.name,
        pause: name ?? reason,
        wasAnswered: answer !== undefined && answer.isExpired !== true,
      });
    return true;
  }

  /** Drops pauses that no handler requests any more. */
  drop(attempt: Attempt, pauses: Iterable<Pause>): void {
    const { trace } = outermost(attempt);
    for (const pause of pauses) {
      pause.timer?.cancel();
      trace.lasting?.pauses.delete(pause.key);
    }
    if (trace.lasting?.pauses.size === 0) this.#outer.#traces.delete(trace.run);
  }

  /** Ends the pauses of an attempt that has succeeded. */
  committed(attempt: Attempt): void {
    const { lasting } = outermost(attempt).trace;
    if (lasting !== null)
      this.drop(
        attempt,
        [...lasting.pauses.values()].filter((pause) => isOf(pause, attempt)),
      );
  }

  /** Ends the pauses of a trace that has ended. */
  ended(trace: Trace): void {
    const { lasting } = trace;
    if (lasting === null) return;
    if (trace.origin !== null) {
      const { pauses } = outermostTrace(trace).lasting ?? {};
      for (const paused of lasting.paused)
        this.drop(
          paused,
          [...(pauses?.values() ?? [])].filter((pause) => this.#isOwn(pause, paused)),
        );
    }
    for (const pause of lasting.pauses.values()) pause.timer?.cancel();
    lasting.pauses.clear();
    lasting.paused.clear();
    this.stir(trace);
    this.#traces.delete(trace.run);
  }

  /** Marks a resting trace and its callers as active again. */
  stir(trace: Trace): void {
    const { lasting, origin } = trace;
    if (lasting !== null && lasting.rest !== "none") {
      lasting.rest = "none";
      lasting.wasTold = false;
      if (origin === null) {
        this.#outer.restingTraces -= 1;
        this.#outer.#engine.traceWakes(trace);
      }
    }
    if (origin !== null) this.stir(origin.parent.trace);
  }

  /** Releases the pauses of a trace at rest that is unloaded. */
  unloaded(trace: Trace): void {
    const lasting = trace.lasting as Lasting;
    for (const pause of lasting.pauses.values()) disarm(pause);
    this.#traces.delete(trace.run);
    lasting.rest = "none";
    this.restingTraces -= 1;
  }

  /** Returns the run that made a token, if its trace is not among those with pauses in memory. */
  unknownRunOf(token: string): number | undefined {
    const run = Number.parseInt(partsOf(token)?.[1] ?? "", 36);
    return run < this.#engine.identity.traces.next && !this.#traces.has(run) ? run : undefined;
  }

  /** Fails a trace whose handler uses one name twice. */
  #refused(attempt: Attempt, message: string): TypeError {
    const root = this.#parkedFor(attempt);
    const error = new TypeError(message);
    this.#failSoon(root, this.#engine.failing.explain(root, error));
    return error;
  }

  /** Fails a trace before its handler continues, even if the message is about to be parked. */
  #failSoon(root: Attempt, error: FlowError): void {
    root.more.asked.length = 0;
    this.#engine.agenda.beforeRunning(() => this.#engine.ending.fail(root.trace, error, root));
  }

  /** Finds a pause that an earlier run requested without a name, and gives it its current key. */
  #inherited(lasting: Lasting, attempt: Attempt, { name, reason }: PauseInit<unknown>, key: string): Pause | undefined {
    for (const place of [pausePlace(attempt), unnamedPlaybookPlace(attempt)]) {
      const known = lasting.pauses.get(`${place}.${reason}`);
      if (known === undefined || known.name !== undefined || known.askedBy !== undefined) continue;
      lasting.pauses.delete(known.key);
      known.key = key;
      known.name = name;
      lasting.pauses.set(key, known);
      return known;
    }
    return undefined;
  }

  #made(root: Attempt, attempt: Attempt, key: string, init: PauseInit<unknown>): Pause {
    const { name, reason, payload, expiresAt, ifExpired } = init;
    const engine = this.#engine;
    if (payload !== undefined) engine.durable?.requireFit(payload, "the payload of a pause", attempt.node);
    const token = `pause_${outermost(attempt).trace.runText}_${expiresAt === undefined ? "0" : Math.ceil(expiresAt).toString(36)}_${secret(engine)}`;
    const goesOn = ifExpired !== undefined;
    return { ...askedAt(attempt, key, root), name, token, reason, payload, expiresAt, goesOn };
  }

  #arm(trace: Trace, pause: Pause): void {
    const engine = this.#engine;
    if (pause.expiresAt === undefined || pause.timer !== undefined || pause.answer !== undefined) return;
    const delayMs = Math.max(0, pause.expiresAt - engine.clock.epochNow());
    pause.timer = engine.timers.after(delayMs, () => this.#expire(trace, pause, pause.expiresAt as number));
  }

  /** Ends a pause that was not answered in time, or a sleep. */
  #expire(trace: Trace, pause: Pause, expiresAt: number): void {
    const engine = this.#engine;
    pause.timer = undefined;
    // the wall clock may lag behind the clock of the timers: a sleep must not end before its instant
    if (expiresAt > engine.clock.epochNow()) {
      this.#arm(trace, pause);
      return;
    }
    if (pause.goesOn) {
      pause.answer = { value: undefined, isExpired: true };
      this.stir(trace);
      engine.ledger.changed(trace);
      pause.goOnWaiting?.();
    } else {
      engine.ending.fail(trace, this.#expired(pause, trace));
    }
    engine.agenda.flush();
  }

  /** Parks the message of an attempt until an answer arrives, a sleep is over or a playbook has ended. */
  #park(root: Attempt): void {
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
      this.#outer.#arm(outer, pause);
      if (engine.reporter.hasListeners) engine.reporter.node(root, beginOf(pause));
    }
    for (const pause of outer.lasting?.pauses.values() ?? [])
      if (this.#isOwn(pause, root)) pause.goOnWaiting = () => this.#requeue(paused);
    engine.ledger.paused(paused, begins);
    for (const pause of begins) if (isOpenPause(pause)) trace.sink.pause?.(ticketOf(pause));
    // an answer may arrive in the step that asked for it: without this check the message would wait for ever
    if (extras.asked.some(({ answer }) => answer !== undefined)) this.#goOn(paused);
    else engine.ending.checkStarved(trace);
    engine.agenda.flush();
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
    this.stir(paused.trace);
    paused.queue();
    engine.ledger.resumed(paused, "pause");
    engine.slots.enqueueFirst(paused);
  }

  async #accept(root: Attempt, pause: Pause, init: PauseInit<unknown>): Promise<unknown> {
    const { value, isExpired } = pause.answer as PauseAnswer;
    const { resumeSchema } = init;
    if (isExpired) return await this.#continued(root, pause, init);
    if (resumeSchema === undefined) return this.#accepted(root, pause, value);
    const result = await this.#checked(root, checkedBy(resumeSchema, value));
    if (result.issues === undefined) {
      this.#park(root);
      return this.#accepted(root, pause, result.value);
    }
    const { refuse } = pause;
    pause.answer = pause.refuse = undefined;
    const error = new FlowError({
      code: FlowErrorCode.RESUME_INVALID,
      message: `The answer to "${pause.reason}" (node "${pause.node}") does not fit: ${formatIssues(result.issues)}`,
      traceId: root.traceId,
      tenant: root.tenant,
      node: pause.node,
      details: { issues: result.issues.map((issue) => ({ path: issuePath(issue), message: issue.message })) },
    });
    refuse?.(error);
    this.#outer.#arm(outermost(root).trace, pause);
    root.more.asked.push(pause);
    this.#park(root);
    // the attempt is over by now, unless another of its answers is being checked
    root.requireRunning("pause");
    return await this.#engine.waits.wait(root, () => undefined);
  }

  /** Awaits the check or the making of an answer. Parking waits for it: only then are the missing answers known. */
  async #checked<Value>(root: Attempt, check: Promise<Value>): Promise<Value> {
    const { more } = root;
    more.checking += 1;
    try {
      const value = await this.#engine.waits.waitFor(root, check);
      more.checking -= 1;
      return value;
    } catch (error) {
      more.checking -= 1;
      // a handler that catches the error and waits for other answers would never be parked
      this.#park(root);
      throw error;
    }
  }

  /** Returns the value of an expired pause. Fails the trace if the handler, of a later release, has none. */
  async #continued(root: Attempt, pause: Pause, { ifExpired }: PauseInit<unknown>): Promise<unknown> {
    if (ifExpired === undefined) {
      const error = this.#expired(pause, root.trace);
      this.#failSoon(root, error);
      throw error;
    }
    if (typeof ifExpired !== "function") return this.#accepted(root, pause, ifExpired);
    const value = await this.#checked(root, called(ifExpired as () => unknown));
    this.#park(root);
    return this.#accepted(root, pause, value);
  }

  #accepted(root: Attempt, pause: Pause, value: unknown): unknown {
    disarm(pause);
    pause.refuse = undefined;
    const { reason, answer } = pause;
    if (this.#engine.reporter.hasListeners)
      this.#engine.reporter.node(root, {
        type: "node_resume",
        reason,
        ...(answer?.isExpired === true ? { isExpired: true } : {}),
      });
    return value;
  }

  #find(token: string, tenant: string): { readonly trace: Trace; readonly pause: Pause } {
    const parts = partsOf(token);
    const refusal = (code: FlowErrorCode, why: string): FlowError =>
      new FlowError({ code, message: `Cannot resume: ${why}`, tenant });
    if (parts === null) throw refusal(FlowErrorCode.PAUSE_UNKNOWN, "the token was not made by a flow");
    const run = Number.parseInt(parts[1] as string, 36);
    const trace = this.#traces.get(run);
    const pause = [...(trace?.lasting?.pauses.values() ?? [])].find((candidate) => candidate.token === token);
    if (trace === undefined || pause === undefined) {
      if (!TOKEN.test(token))
        throw refusal(
          FlowErrorCode.PAUSE_MALFORMED,
          `the token is cut off or altered (${token.length} characters); pass the whole token of the pause`,
        );
      const expiresAt = Number.parseInt(parts[2] as string, 36);
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
    if (pause.answer?.isExpired || (pause.answer === undefined && isPast)) throw this.#expired(pause, trace);
    if (pause.answer !== undefined) throw refusal(FlowErrorCode.PAUSE_USED, "the pause was answered already");
    return { trace, pause };
  }

  #expired(pause: Pause, trace: Trace): FlowError {
    const until = new Date(pause.expiresAt as number).toISOString();
    return new FlowError({
      code: FlowErrorCode.PAUSE_EXPIRED,
      message: `Nobody answered "${pause.reason}" (node "${pause.node}") until ${until}`,
      traceId: trace.id,
      tenant: trace.tenant,
      node: pause.node,
    });
  }
}

/** Returns the key prefix of an attempt's pauses: its message, and in a playbook the flow and node that ask. */
export function pausePlace(attempt: Attempt): string {
  const { origin } = attempt.trace;
  return origin === null ? placeOf(attempt) : `${placeOf(attempt)}@${origin.flow}/${attempt.node}`;
}

/** Returns the messages in the keys of an attempt's pauses: the outermost one and its own. */
function placeOf(attempt: Attempt): string {
  return `${outermost(attempt).lineage}/${attempt.lineage}`;
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

/**
 * Returns the prefix in its earlier form, without the playbook's flow: see `keyOfFirstForm` in `durable/restore.ts`.
 */
function unnamedPlaybookPlace(attempt: Attempt): string {
  return `${placeOf(attempt)}@/${attempt.node}`;
}

/** Returns the key of a wait for a signal. */
function listenKey(attempt: Attempt, name: string, position: number): string {
  return `${pausePlace(attempt)}!${position}.${name}`;
}

/** Whether the handler of the attempt's message requested the pause or, in the outermost flow, a playbook it called. */
function isOf(pause: Pause, attempt: Attempt): boolean {
  return pause.key.startsWith(attempt.trace.origin === null ? `${attempt.lineage}/` : placeOf(attempt));
}

/** Validates an answer. An error thrown by the schema reaches the handler. */
async function checkedBy(schema: Schema<unknown, unknown>, value: unknown): Promise<SchemaResult<unknown>> {
  return await schema["~standard"].validate(value);
}

/** Calls the function for an expired pause. An error it throws reaches the handler. */
async function called(ifExpired: () => unknown): Promise<unknown> {
  return await ifExpired();
}

function disarm(pause: Pause): void {
  pause.timer?.cancel();
  pause.timer = undefined;
}

/** Returns the common fields of a new pause or sleep. */
function askedAt(attempt: Attempt, key: string, askedBy: Attempt) {
  return {
    key,
    node: attempt.node,
    path: pathOf(attempt.trace),
    askedBy,
    token: undefined,
    signal: undefined,
    payload: undefined,
    hasBegun: false,
    goOnWaiting: undefined,
    answer: undefined,
    refuse: undefined,
    timer: undefined,
  };
}

/** Describes the wait of an attempt that is about to be parked. */
function parkedUntil(asked: readonly Pause[]): string {
  if (asked.some(isOpenPause)) return "has paused: its handler is called again when there is an answer";
  return asked.some(({ signal }) => signal !== undefined)
    ? "waits for a signal: its handler is called again when there is one"
    : "sleeps: its handler is called again when the sleep is over";
}

/** Whether it is a pause that can be answered. */
export function isOpenPause({ token, answer }: Pause): boolean {
  return token !== undefined && answer === undefined;
}

/** Returns the event of the beginning of a pause, a sleep or a wait for a signal. */
function beginOf({ token, signal, reason, expiresAt }: Pause) {
  if (signal !== undefined)
    return { type: "signal_wait", signal, ...(expiresAt === undefined ? {} : { expiresAt }) } as const;
  if (token === undefined) return { type: "node_sleep", name: reason, until: expiresAt as number } as const;
  return { type: "node_pause", reason, ...(expiresAt === undefined ? {} : { expiresAt }) } as const;
}

/** Returns what a caller needs to answer a pause. */
export function ticketOf({ token, node, path, name, reason, payload, expiresAt }: Pause): PauseTicket {
  return { token: token as string, node, path, name: name ?? reason, reason, payload, expiresAt };
}

function requirePause(init: PauseInit<unknown>): void {
  if (typeof init !== "object" || init === null)
    throw new TypeError(
      `A pause needs { reason, name?, payload?, resumeSchema?, expiresAt?, ifExpired? }: got ${shown(init)}`,
    );
  requireKnownKeys("pause", init, ["reason", "name", "payload", "resumeSchema", "expiresAt", "ifExpired"]);
  if (typeof init.reason !== "string" || init.reason === "")
    throw new TypeError(`Option "reason" of pause must be a string that is not empty: got ${shown(init.reason)}`);
  if (init.name !== undefined && (typeof init.name !== "string" || init.name === ""))
    throw new TypeError(`Option "name" of pause must be a string that is not empty: got ${shown(init.name)}`);
  if (init.expiresAt !== undefined) requireNumber("expiresAt", init.expiresAt, 0);
  if (init.ifExpired !== undefined && init.expiresAt === undefined)
    throw new TypeError('Option "ifExpired" of pause needs "expiresAt": without it the pause never expires');
  if (init.resumeSchema !== undefined && !isSchema(init.resumeSchema))
    throw new TypeError(`Option "resumeSchema" of pause must be a Standard Schema: got ${shown(init.resumeSchema)}`);
}

/**
 * Pattern of a complete token. Its secret has one of the two lengths that `secret` produces, so a truncated one is
 * detected.
 */
const TOKEN =
  /^pause_[0-9a-z]+_[0-9a-z]+_(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?:[0-9a-f]{8}-){3}[0-9a-f]{8})$/;

/** Splits a token, which may be truncated, into the run of its trace and its expiry. */
function partsOf(token: string): RegExpExecArray | null {
  return /^pause_([0-9a-z]*)_?([0-9a-z]*)/.exec(token);
}

/** Generates 128 unguessable bits, or seeded ones if the flow has its own `random`. */
function secret({ options }: PausingHost): string {
  if (options.random === Math.random) return globalThis.crypto.randomUUID();
  return Array.from({ length: 4 }, () =>
    Math.floor(options.random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0"),
  ).join("-");
}

/** Gives a trace another reader. An outcome that is kept for an id stays whole. */
function redirect(trace: Trace, sink: StreamSink): void {
  if (trace.extras?.given !== undefined) sink.keepResults = trace.sink.keepResults;
  trace.sink = sink;
}

/**
 * Returns the sink of a trace whose caller is gone.
 *
 * @throws TypeError if the results go elsewhere
 */
function requireLeft({ id, sink }: Trace): LeftSink {
  if (sink instanceof LeftSink) return sink;
  throw new TypeError(
    `Cannot read the stream of trace "${id}": its results go to ${sink instanceof RookerySink ? "fetch" : "another reader"}`,
  );
}
