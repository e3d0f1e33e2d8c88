import { FlowErrorCode } from "../../foundation/flow-error.ts";
import { checkedHeaders, type MessageHeaders } from "../../message/message.ts";
import type { PauseTicket } from "../../message/outcome.ts";
import type { Checkpoint } from "../../ports/checkpoint-store.ts";
import { BudgetAccount } from "../../engine/state/budget-account.ts";
import {
  Lasting,
  type Origin,
  type Pause,
  type StoredCall,
  Trace,
  type TraceSink,
  unknownCall,
} from "../../engine/state/trace.ts";
import { Attempt, AttemptExtras, outermost } from "../../engine/state/attempt.ts";
import { TraceLog } from "../../engine/state/trace-log.ts";
import { isOpenPause, ticketOf, ticketsOf } from "../../engine/context/open-pause.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { LeftSink, RookerySink } from "../../engine/results/rookery.ts";
import type { Edge, Worker } from "../../engine/state/worker.ts";
import { fromPlain } from "../form/codec.ts";
import { errorFrom } from "../form/kept-error.ts";
import { messageOf } from "../form/saved-message.ts";
import { outcomeFrom } from "../form/saved-outcome.ts";
import type { SavedCall, SavedItem, SavedTrace } from "../form/saved-trace.ts";

/** An item and its node, if it has one. */
export interface Placed {
  readonly item: SavedItem;
  readonly worker: Worker;
}

/** Restores the unread results and error of a failed trace, to be fetched by its id. */
export function restoreFailed(engine: DurableHost, { run, traceId }: Checkpoint, state: SavedTrace): Trace {
  const headers = checkedHeaders(state.headers);
  const { positions } = state;
  if (positions !== undefined) return restoreUndelivered(engine, run, traceId, { ...state, positions });
  const sink = engine.rookery.sinkFor();
  const trace = new Trace(run, traceId, headers, sink, state.isOpenEnded === true, engine.clock.now());
  sink.opened(trace);
  trace.close();
  trace.outputs = state.entered;
  restoreLasting(trace, state);
  restoreGiven(trace, state);
  const error = errorFrom(state.error ?? { name: "FlowError", code: FlowErrorCode.NODE_EXCEPTION, message: "" });
  engine.rookery.restoreFailed(trace, resultsOf(trace, headers, state), error, state.isErrorUnread === true);
  return trace;
}

/** The call that a playbook's trace is restored for. */
export interface RestoredCall {
  readonly origin: Origin;
  readonly sink: TraceSink;
}

/** Restores an accepted trace that has ended, and its outcome if that is not delivered yet. */
function restoreUndelivered(
  engine: DurableHost,
  run: number,
  traceId: string,
  state: SavedTrace & Required<Pick<SavedTrace, "positions">>,
): Trace {
  const headers = checkedHeaders(state.headers);
  const sink = engine.outcomes.sinkFor(state.positions);
  const trace = new Trace(run, traceId, headers, sink, false, engine.clock.now());
  sink.opened(trace);
  trace.close();
  trace.outputs = state.entered;
  trace.resultCount = state.resultCount;
  restoreLasting(trace, state);
  if (state.outcome === undefined) return trace;
  const messages = resultsOf(trace, headers, state).map(({ message }) => message);
  const key = { run, traceId, tenant: headers.tenant };
  const outcome = outcomeFrom(state.outcome, key, messages, engine.durable);
  engine.outcomes.keep(sink, outcome);
  return trace;
}

/**
 * Restores a trace from its stored state; its messages continue from their places. A trace that is loaded was counted,
 * and observers were told of it, before.
 */
export function restoreTrace(
  engine: DurableHost,
  entry: Pick<Checkpoint, "run" | "traceId">,
  state: SavedTrace,
  placed: readonly Placed[],
  isLoaded: boolean,
  call?: RestoredCall,
): Trace {
  const { run, traceId } = entry;
  const { resultCount, hasEnded = false, isOpenEnded = false, positions } = state;
  const isAccepted = positions !== undefined;
  if (hasEnded && isAccepted) return restoreUndelivered(engine, run, traceId, { ...state, positions });
  const headers = checkedHeaders(state.headers);
  const startedAt = engine.clock.now() - Math.max(0, engine.clock.epochNow() - state.startedAt);
  const sink = call?.sink ?? (isAccepted ? engine.outcomes.sinkFor(positions) : engine.rookery.sinkFor());
  const trace = new Trace(run, traceId, headers, sink, isOpenEnded, startedAt);
  engine.keepScope(trace);
  if (sink instanceof RookerySink) sink.emitsErrors = engine.options.emitErrorsToRookery;
  if (call !== undefined) trace.origin = call.origin;
  if (call !== undefined || isOpenEnded || hasEnded || isAccepted) sink.opened?.(trace);
  else trace.sink = new LeftSink(engine.rookery, engine.options.limits.maxResults, trace);
  trace.outputs = state.entered;
  trace.resultCount = resultCount;
  trace.wasEntered = true;
  restoreGiven(trace, state);
  const results = resultsOf(trace, headers, state);
  if (hasEnded) {
    trace.close();
    restoreLasting(trace, state);
    engine.rookery.restore(trace, results);
    return trace;
  }
  engine.traces.add(trace);
  if (!isLoaded) engine.accepted += 1;
  if (call === undefined && (state.exclusive !== undefined || engine.options.maxTraces > 0))
    engine.admission.restore(trace, state.exclusive);
  const pauses = call === undefined ? pausesOf(state) : pausesAround(call.origin);
  if (isOpenEnded) engine.rookery.restore(trace, results);
  else if (results.length > 0) trace.results = results.map(({ message }) => message);
  restoreLasting(trace, state);
  if (state.budget !== undefined) trace.more.account = new BudgetAccount(state.budget.limits, state.budget.spent);
  restoreClosed(engine, trace, state);
  if (engine.reporter.hasListeners && !isLoaded)
    engine.reporter.trace(trace, { type: "trace_start", topic: headers.topic });
  const { signals } = (call === undefined ? trace : outermost(call.origin.parent).trace).lasting ?? {};
  const hasSignals = signals !== undefined && signals.length > 0;
  // restores all attempts before any continues; otherwise the trace might look starved
  const attempts = placed.map(({ item, worker }) => {
    const message = messageOf(trace, headers, item, state.deadlineAt);
    const [high, low] = item.lineage;
    const attempt = new Attempt(worker, trace, message, null, high, low, item.attempt);
    attempt.round = item.round ?? 0;
    engine.ledger.restored(attempt);
    // only the slow path through the engine notices a pause or a signal that the handler no longer asks for
    if (pauses.length > 0 || hasSignals || state.calls !== undefined) attempt.extras ??= new AttemptExtras();
    attempt.skip(item.sent ?? 0, item.sentTo);
    if (item.taken !== undefined)
      attempt.more.refetch = item.taken.map((each) => {
        const taken = new Attempt(
          worker,
          trace,
          messageOf(trace, headers, each, state.deadlineAt),
          edgeOf(worker, each.source),
          ...each.lineage,
          each.attempt,
        );
        if (taken.edge === null) taken.more.source = each.source;
        taken.end();
        taken.round = each.round ?? 0;
        return taken;
      });
    return { item, attempt };
  });
  trace.deadlineAt = state.deadlineAt;
  if (call !== undefined && pauses.length > 0) {
    trace.lasting ??= new Lasting();
    for (const { attempt } of attempts) engine.pausing.parking.adopt(attempt);
  }
  for (const { item, attempt } of attempts) if (trace.isOpen) goOn(engine, item, attempt, pauses, state.calls);
  // messages from outside of the ring must not overtake one that was handled already and has no edge any more
  for (const { item, attempt } of attempts)
    if (attempt.worker.isOrdered && (item.where === "handler" || (item.where === "line" && item.source === undefined)))
      attempt.worker.outer?.hold(trace);
  if (call === undefined && trace.isOpen && pauses.length > 0) {
    engine.pausing.restore(trace, pauses, isLoaded);
    if (isAccepted) for (const ticket of ticketsOf(trace)) trace.sink.pause?.(ticket);
  }
  // set last: if the deadline has passed, each message is dropped from its place
  if (trace.isOpen && state.deadlineAt !== undefined) engine.setDeadline(trace, state.deadlineAt);
  if (trace.isOpen && trace.live === 0) engine.ending.finish(trace);
  else engine.ending.checkStarved(trace);
  return trace;
}

function goOn(
  engine: DurableHost,
  item: SavedItem,
  attempt: Attempt,
  pauses: readonly Pause[],
  calls: readonly SavedCall[] = [],
): void {
  const { worker, trace } = attempt;
  switch (item.where) {
    case "line":
      attempt.edge = attempt.via = edgeOf(worker, item.source);
      if (attempt.edge !== null) attempt.edge.size += 1;
      else if (item.source !== undefined) attempt.more.source = item.source;
      engine.slots.enqueue(attempt);
      return;
    case "handler":
      engine.slots.enqueueFirst(attempt);
      return;
    case "backoff":
      engine.failing.restore(attempt, item.dueAt ?? 0);
      return;
    case "join":
      if (worker.node.gathering === undefined) engine.slots.enqueue(attempt);
      else engine.joining.arrive(attempt, item.dueAt);
      return;
    case "pause":
      // only the handler knows the playbook
      if (!isAsked(attempt, pauses) || calls.some((call) => call.needsProcess && isBy(call.key, attempt))) {
        engine.ledger.resumed(attempt, "pause");
        engine.slots.enqueueFirst(attempt);
        return;
      }
      attempt.pause();
      (trace.lasting ??= new Lasting()).paused.add(attempt);
  }
}

/** Whether a message waits for an answer or a sleep, its own or in the outermost flow one of its playbooks'. */
function isAsked(attempt: Attempt, pauses: readonly Pause[]): boolean {
  const own = attempt.trace.origin === null ? "" : `${outermost(attempt).lineage}/`;
  return pauses.some(({ key, answer }) => answer === undefined && key.startsWith(`${own}${attempt.lineage}`));
}

function isBy(key: string, attempt: Attempt): boolean {
  return key.startsWith(`${attempt.lineage}/`);
}

/** Returns the pauses of the outermost trace around a playbook's. */
function pausesAround({ parent }: Origin): Pause[] {
  return [...(outermost(parent).trace.lasting?.pauses.values() ?? [])];
}

function edgeOf(worker: Worker, source: string | undefined): Edge | null {
  // at a join the queued items are groups, which have no place on an edge
  if (worker.node.gathering !== undefined) return null;
  return worker.into.find((edge) => edge.source === source) ?? null;
}

function resultsOf(trace: Trace, headers: MessageHeaders, { results = [], deadlineAt }: SavedTrace) {
  return results.map((saved) => ({ message: messageOf(trace, headers, saved, deadlineAt), node: saved.node }));
}

function restoreLasting(
  trace: Trace,
  { effects = [], signals = [], signalled, log, logItems, calls = [] }: SavedTrace,
): void {
  if (signalled !== undefined) (trace.lasting ??= new Lasting()).signalled = signalled;
  if (log !== undefined) {
    const own = ((trace.lasting ??= new Lasting()).log = new TraceLog(log));
    if (logItems !== undefined) own.addStored(logItems.map(({ at, items }) => ({ at, items: items.map(fromPlain) })));
  }
  for (const call of calls) ((trace.lasting ??= new Lasting()).calls ??= new Map()).set(call.key, restoredCall(call));
  for (const { name, value, receiver } of signals)
    (trace.lasting ??= new Lasting()).signals.push({ name, value: fromPlain(value), receiver, call: undefined });
  for (const [key, { status, value, error }] of effects)
    (trace.lasting ??= new Lasting()).effects.set(key, {
      status: status === "started" ? "unknown" : status,
      value: fromPlain(value),
      error,
    });
}

function restoredCall(saved: SavedCall): StoredCall {
  const { key, trace, error, result } = saved;
  const call = unknownCall(key);
  if (trace !== undefined) call.left = saved;
  else if (error === undefined) call.end = { result: fromPlain(result) };
  else call.end = { error: errorFrom(error), kept: error };
  return call;
}

function restoreGiven(trace: Trace, { given }: SavedTrace): void {
  if (given === undefined) return;
  const { digest, keepMs } = given;
  trace.more.given = { digest, keepMs, pending: undefined, end: undefined };
}

function restoreClosed(engine: DurableHost, trace: Trace, { closed = [], rounds = 0 }: SavedTrace): void {
  const joins = closed.flatMap(({ node, before = Number.POSITIVE_INFINITY }) => {
    const place = engine.workshop.byName.get(node);
    return place?.node.gathering === undefined ? [] : [{ place, before }];
  });
  if (joins.length > 0) trace.more.closed = joins;
  if (rounds > 0) trace.more.rounds = rounds;
}

/** Returns the pauses of a stored trace that can be answered. */
export function openPausesOf(state: SavedTrace): PauseTicket[] {
  return pausesOf(state).filter(isOpenPause).map(ticketOf);
}

function pausesOf({ pauses = [] }: SavedTrace): Pause[] {
  return pauses.map(
    ({
      key,
      name,
      token,
      signal,
      node,
      path = [],
      reason,
      payload,
      expiresAt,
      resumeSchema,
      goesOn = false,
      answer,
    }) => ({
      key,
      name,
      token,
      signal,
      node,
      path,
      reason,
      payload: payload === undefined ? undefined : fromPlain(payload),
      expiresAt,
      resumeSchema,
      goesOn,
      hasBegun: true,
      askedBy: undefined,
      trace: undefined,
      goOnWaiting: undefined,
      answer: answer === undefined ? undefined : { ...answer, value: fromPlain(answer.value) },
      refuse: undefined,
      timer: undefined,
    }),
  );
}
