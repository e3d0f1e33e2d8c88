import { needsProcess, type StoredCall, type Trace } from "../../engine/state/trace.ts";
import { type Attempt, State } from "../../engine/state/attempt.ts";
import { PermitLine } from "../../engine/state/permits.ts";
import type { DurableRun } from "../../engine/durability.ts";
import type { DurableHost } from "../../engine/durable-host.ts";
import { OutboxSink } from "../../engine/results/outcome-delivery.ts";
import { RookerySink } from "../../engine/results/rookery.ts";
import { toPlain } from "./codec.ts";
import { savedMessage } from "./saved-message.ts";
import { type SavedOutcome, savedOutcome } from "./saved-outcome.ts";
import type { SavedCall, SavedItem, SavedResult, SavedTrace } from "./saved-trace.ts";

/**
 * Returns the present state of a trace; `undefined` when nothing is left of it. `failed` is the attempt that is about
 * to fail it.
 */
export function stateOf(engine: DurableHost, trace: Trace, failed?: Attempt): SavedTrace | undefined {
  const results = resultsOf(trace);
  const items = trace.isOpen ? itemsOf(trace) : [];
  if (failed !== undefined && items.every(({ lineage }) => lineage[0] !== failed.high || lineage[1] !== failed.low))
    items.push(savedItem(failed, "handler"));
  const outcome = outcomeOf(engine, trace);
  if (items.length === 0 && results.length === 0 && outcome === undefined) return undefined;
  return {
    headers: trace.headers,
    startedAt: Math.round(engine.clock.epochNow() - Math.max(0, engine.clock.now() - trace.startedAt)),
    ...(trace.deadlineAt === undefined ? {} : { deadlineAt: trace.deadlineAt }),
    ...(trace.isOpenEnded ? { isOpenEnded: true as const } : {}),
    ...(trace.isOpen ? {} : { hasEnded: true as const }),
    ...(trace.sink instanceof OutboxSink ? { positions: trace.sink.positions } : {}),
    ...(outcome === undefined ? {} : { outcome }),
    ...(trace.extras?.turn?.exclusive === undefined ? {} : { exclusive: trace.extras.turn.exclusive }),
    ...givenOf(trace),
    entered: trace.outputs,
    resultCount: trace.resultCount,
    items,
    ...(results.length === 0 ? {} : { results }),
    ...effectsOf(trace),
    ...budgetOf(trace),
    ...logOf(trace),
    ...(trace.isOpen ? signalsOf(trace) : {}),
    ...closedOf(trace),
    ...callsOf(engine, trace),
    ...pausesOf(trace),
  };
}

/** Returns the state of a failed trace, updated with later changes of its results, effects and outcome. */
export function stateSince(
  engine: DurableHost,
  trace: Trace,
  { results: before, effects: _, isErrorUnread: __, outcome: ___, ...failed }: SavedTrace,
): SavedTrace {
  // a retry of an accepted trace goes on from the results that it had
  const results = trace.sink instanceof OutboxSink ? (before ?? []) : resultsOf(trace);
  const outcome = outcomeOf(engine, trace);
  return {
    ...failed,
    ...givenOf(trace),
    ...(outcome === undefined ? {} : { outcome }),
    ...(results.length === 0 ? {} : { results }),
    ...(hasUnreadError(trace) ? { isErrorUnread: true as const } : {}),
    ...effectsOf(trace),
  };
}

function givenOf({ extras }: Trace): Pick<SavedTrace, "given"> {
  const given = extras?.given;
  return given === undefined ? {} : { given: { digest: given.digest, keepMs: given.keepMs } };
}

function outcomeOf({ durable }: DurableHost, { sink }: Trace): SavedOutcome | undefined {
  if (!(sink instanceof OutboxSink) || sink.outcome === undefined) return undefined;
  return savedOutcome(sink.outcome, (error) => (durable as DurableRun).kept(error));
}

function hasUnreadError({ sink }: Trace): boolean {
  if (sink instanceof RookerySink) for (const { item } of sink.kept ?? []) if (item instanceof Error) return true;
  return false;
}

/** Returns the pauses for which a message was parked. The others are told to no caller: their handlers ask for them anew. */
function pausesOf({ lasting }: Trace): Pick<SavedTrace, "pauses"> {
  if (lasting === null || lasting.pauseCount === 0) return {};
  const begun = [...lasting.pauses.values()].filter(({ hasBegun }) => hasBegun);
  if (begun.length === 0) return {};
  const pauses = begun.map(
    ({ key, name, token, signal, node, path, reason, payload, expiresAt, resumeSchema, goesOn, answer }) => ({
      key,
      ...(name === undefined ? {} : { name }),
      ...(token === undefined ? {} : { token }),
      ...(signal === undefined ? {} : { signal }),
      node,
      ...(path.length === 0 ? {} : { path }),
      reason,
      ...(payload === undefined ? {} : { payload: toPlain(payload) }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(resumeSchema === undefined ? {} : { resumeSchema }),
      ...(goesOn ? { goesOn } : {}),
      ...(answer === undefined ? {} : { answer: { ...answer, value: toPlain(answer.value) } }),
    }),
  );
  return { pauses };
}

function signalsOf({ lasting }: Trace): Pick<SavedTrace, "signals" | "signalled"> {
  if (lasting === null) return {};
  const signalled = lasting.signalled < 0 ? {} : { signalled: lasting.signalled };
  if (lasting.signals.length === 0) return signalled;
  const signals = lasting.signals.map(({ name, value, receiver }) => ({
    name,
    value: toPlain(value),
    ...(receiver === undefined ? {} : { receiver }),
  }));
  return { signals, ...signalled };
}

function effectsOf({ lasting }: Trace): Pick<SavedTrace, "effects"> {
  if (lasting === null || lasting.effectCount === 0) return {};
  return {
    effects: [...lasting.effects].map(([key, { status, value, error }]) => [
      key,
      { status, value: toPlain(value), ...(error === undefined ? {} : { error }) },
    ]),
  };
}

function budgetOf({ extras }: Trace): Pick<SavedTrace, "budget"> {
  if (extras?.account === undefined) return {};
  const { limits, spent } = extras.account;
  return { budget: { limits, spent } };
}

function logOf({ lasting, origin }: Trace): Pick<SavedTrace, "log" | "logItems"> {
  const length = lasting?.log?.length ?? 0;
  if (length === 0) return {};
  if (origin === null) return { log: length };
  const rows = lasting?.log?.committed ?? [];
  return { log: length, logItems: rows.map(({ at, items }) => ({ at, items: items.map(toPlain) })) };
}

function callsOf(engine: DurableHost, caller: Trace): Pick<SavedTrace, "calls"> {
  const { isOpen, lasting } = caller;
  if (!isOpen || lasting?.calls === undefined) return {};
  const calls = [...lasting.calls.values()].flatMap((call) => savedCall(engine, call, caller));
  return calls.length === 0 ? {} : { calls };
}

/** Converts a call to stored form; returns nothing if no node has accepted its first message. */
function savedCall(engine: DurableHost, call: StoredCall, caller: Trace): SavedCall | [] {
  const { key, end, trace, left } = call;
  if (end !== undefined) return "error" in end ? { key, error: end.kept } : { key, result: toPlain(end.result) };
  if (trace === undefined) return (left as SavedCall | undefined) ?? [];
  const state = stateOf(engine, trace);
  if (state === undefined) return [];
  return { key, run: trace.run, trace: state, ...(needsProcess(call, caller) ? { needsProcess: true as const } : {}) };
}

function closedOf({ extras }: Trace): Pick<SavedTrace, "closed" | "rounds"> {
  if (extras?.closed === undefined) return {};
  const closed = extras.closed.map(({ place, before }) => ({
    node: place.name,
    ...(before === Number.POSITIVE_INFINITY ? {} : { before }),
  }));
  return { closed, ...(extras.rounds === 0 ? {} : { rounds: extras.rounds }) };
}

function itemsOf(trace: Trace): SavedItem[] {
  const members: SavedItem[] = [];
  for (let member = trace.firstMember; member !== null; member = member.nextOfTrace) {
    if (member.state === State.PARKED) members.push(savedItem(member, "backoff", member.extras?.dueAt));
    // a message that waits for its limiter is in a line besides
    else if (member.state !== State.OVER && member.state !== State.QUEUED) members.push(savedItem(member, "handler"));
  }
  // reversed, because the trace links its latest member first
  const items = members.reverse();
  // a message that waits for its limiter precedes those in its node's queue
  for (const isLimited of [true, false]) {
    for (let lane = trace.lanes; lane !== null; lane = lane.nextOfOwner) {
      if (lane.queue instanceof PermitLine !== isLimited) continue;
      for (let item = lane.head as Attempt | null; item !== null; item = item.nextInLane) {
        // a message that no edge has accepted is sent again by its sender
        if (item.send === null && item.state === State.QUEUED) items.push(savedItem(item, "line"));
      }
    }
  }
  for (const { members: waiting, dueAt } of trace.gathered ?? []) {
    for (const item of waiting) items.push(savedItem(item, "join", dueAt));
  }
  for (const item of trace.lasting?.paused ?? []) items.push(savedItem(item, "pause"));
  return items;
}

/** Converts a message and its place to stored form. */
export function savedItem(item: Attempt, where: SavedItem["where"], dueAt?: number): SavedItem {
  const { extras, sent, source } = item;
  const taken = extras === null ? [] : [...(extras.fetched ?? []), ...(extras.refetch ?? [])];
  return {
    node: item.worker.name,
    lineage: [item.high, item.low],
    where,
    attempt: item.attempt,
    ...(source === undefined || where === "handler" ? {} : { source }),
    ...(item.round === 0 ? {} : { round: item.round }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(sent.count === 0 ? {} : { sent: sent.count }),
    ...(sent.count === 0 || sent.to === undefined ? {} : { sentTo: sent.to }),
    ...(taken.length === 0 ? {} : { taken: taken.map((each) => savedItem(each, "line")) }),
    ...savedMessage(extras?.original ?? item.message),
  };
}

function resultsOf(trace: Trace): SavedResult[] {
  const { sink } = trace;
  if (sink instanceof OutboxSink && sink.outcome !== undefined) return sink.outcome.messages.map(savedMessage);
  if (!(sink instanceof RookerySink)) return trace.isOpen ? (trace.results ?? []).map(savedMessage) : [];
  const results: SavedResult[] = [];
  for (const { item, node } of sink.kept ?? []) {
    // the error of a failed trace is stored in its own entry
    if (!(item instanceof Error)) results.push({ ...savedMessage(item), ...(node === undefined ? {} : { node }) });
  }
  return results;
}
