import type { ErrorPayload } from "../foundation/flow-error.ts";
import type { Budget } from "../message/budget.ts";
import type { Message, MessageHeaders } from "../message/message.ts";
import { type Effect, needsProcess, type PauseAnswer, type StoredCall } from "../engine/state/trace.ts";
import type { LogItems } from "../engine/state/trace-log.ts";
import type { Trace } from "../engine/state/trace.ts";
import { type Attempt, State } from "../engine/state/attempt.ts";
import { PermitLine } from "../engine/state/permits.ts";
import type { DurableRun } from "../engine/durability.ts";
import type { DurableHost } from "../engine/durable-host.ts";
import { OutboxSink } from "../engine/results/outcome-delivery.ts";
import { RookerySink } from "../engine/results/rookery.ts";
import { toPlain } from "./codec.ts";
import { type SavedOutcome, savedOutcome } from "./saved-outcome.ts";

/** Format version of a stored trace. Older formats are read, newer ones refused. */
export const STATE_VERSION = 4;

/** A message in stored form, without the fields that all messages of its trace share. */
export interface SavedMessage {
  readonly payload: unknown;
  readonly meta?: unknown;
  readonly topic?: string;
  readonly createdAt: number;
}

/** A message and its place. */
export interface SavedItem extends SavedMessage {
  readonly node: string;
  /** The two halves of its lineage id. */
  readonly lineage: readonly [number, number];
  /**
   * Place of the message: queued, at a handler that is to be called again, or waiting in backoff, a join, a pause or a sleep.
   */
  readonly where: "line" | "handler" | "backoff" | "join" | "pause";
  readonly attempt: number;
  /** The message's round, where joins of a cycle have emitted short groups. */
  readonly round?: number;
  /** The sending node of a queued message. */
  readonly source?: string;
  /** Due time in epoch milliseconds, in backoff and join. */
  readonly dueAt?: number;
  /** Number of messages that its handler has already sent. */
  readonly sent?: number;
  /** Digest of the targets of those messages. */
  readonly sentTo?: number;
  /** Messages that its handler fetched in addition. */
  readonly taken?: readonly SavedItem[];
}

/** A result that has not been fetched. */
export interface SavedResult extends SavedMessage {
  readonly node?: string;
}

/**
 * A pause or a sleep in stored form. In format 1 its key ends with its position among the pauses of its handler. Format
 * 3 added `goesOn`, `isExpired` and sleeps, format 4 waits for signals.
 */
export interface SavedPause {
  readonly key: string;
  /** Name of the pause; absent where its reason identifies it. */
  readonly name?: string;
  /** Absent for a sleep, and for the wait for a signal. */
  readonly token?: string;
  /** Name of the signal that its handler waits for. */
  readonly signal?: string;
  readonly node: string;
  /** Names of the playbooks in which it was requested; absent outside of playbooks. */
  readonly path?: readonly string[];
  readonly reason: string;
  readonly payload?: unknown;
  readonly expiresAt?: number;
  /** Present when its handler is called again at `expiresAt`; otherwise the trace fails. */
  readonly goesOn?: true;
  readonly answer?: PauseAnswer;
}

/** A signal in stored form. */
export interface SavedSignal {
  readonly name: string;
  readonly value: unknown;
  /** Message that has received it. */
  readonly receiver?: string;
}

/** A call of a playbook in stored form: its trace while that is in flight, then its end. */
export interface SavedCall {
  readonly key: string;
  /** Run and state of its trace. */
  readonly run?: number;
  readonly trace?: SavedTrace;
  /** Present while its trace works or waits for an instant of its own, so that its caller's handler must be called. */
  readonly needsProcess?: true;
  readonly result?: unknown;
  readonly error?: ErrorPayload;
}

/** Admission by a given id in stored form, since format 4. */
export interface SavedGivenId {
  readonly digest: string;
  readonly keepMs: number;
  /** Present once the trace has ended. */
  readonly end?: SavedEnd;
}

/** An outcome that is kept for its id. */
export interface SavedEnd extends SavedOutcome {
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly results?: readonly SavedMessage[];
}

/** A trace in stored form. Format 4 added `log`, `signals`, `calls` and `given`. */
export interface SavedTrace {
  readonly headers: MessageHeaders;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly deadlineAt?: number;
  /** Present on a trace opened by `emit`. */
  readonly isOpenEnded?: true;
  /** Present when only results are left of the trace. */
  readonly hasEnded?: true;
  /** Present on a trace begun by `accept`. */
  readonly isAccepted?: true;
  /** Outcome that is not delivered yet; its messages are the `results`. */
  readonly outcome?: SavedOutcome;
  /** Key of an exclusive trace. */
  readonly exclusive?: string;
  readonly given?: SavedGivenId;
  /** Number of messages from outside. */
  readonly entered: number;
  readonly resultCount: number;
  readonly items: readonly SavedItem[];
  readonly results?: readonly SavedResult[];
  readonly effects?: readonly (readonly [string, Pick<Effect, "status" | "value" | "error">])[];
  /** Pauses of the trace and of its playbooks, in the outermost trace. */
  readonly pauses?: readonly SavedPause[];
  /** Limits of the trace's budget and what is spent of it. Reserved amounts are not stored: they return with their attempts. */
  readonly budget?: { readonly limits: Budget; readonly spent: Budget };
  /** Position after the last item of its log, whose rows belong to the checkpoint. */
  readonly log?: number;
  /** Signals that are not consumed, in order of acceptance. */
  readonly signals?: readonly SavedSignal[];
  /** Items of the log of a playbook's trace, which has no checkpoint of its own. */
  readonly logItems?: readonly LogItems[];
  /** Calls of playbooks by messages that are not done. */
  readonly calls?: readonly SavedCall[];
  /**
   * Joins that drop late messages, each with the first round that is not late; without a round, every message is late.
   */
  readonly closed?: readonly { readonly node: string; readonly before?: number }[];
  /** Number of the latest round. */
  readonly rounds?: number;
  /** Error with which the trace failed. */
  readonly error?: ErrorPayload;
  /** Present when the error is an unread item of the Rookery. */
  readonly isErrorUnread?: true;
}

/** State of a trace that has ended and whose log is kept. */
export interface EndedTrace {
  readonly log: number;
}

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
  const { lasting } = trace;
  return {
    headers: trace.headers,
    startedAt: Math.round(engine.clock.epochNow() - Math.max(0, engine.clock.now() - trace.startedAt)),
    ...(trace.deadlineAt === undefined ? {} : { deadlineAt: trace.deadlineAt }),
    ...(trace.isOpenEnded ? { isOpenEnded: true as const } : {}),
    ...(trace.isOpen ? {} : { hasEnded: true as const }),
    ...(trace.sink instanceof OutboxSink ? { isAccepted: true as const } : {}),
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
    ...(lasting === null || lasting.pauses.size === 0
      ? {}
      : {
          pauses: [...lasting.pauses.values()].map(
            ({ key, name, token, signal, node, path, reason, payload, expiresAt, goesOn, answer }) => ({
              key,
              ...(name === undefined ? {} : { name }),
              ...(token === undefined ? {} : { token }),
              ...(signal === undefined ? {} : { signal }),
              node,
              ...(path.length === 0 ? {} : { path }),
              reason,
              ...(payload === undefined ? {} : { payload: toPlain(payload) }),
              ...(expiresAt === undefined ? {} : { expiresAt }),
              ...(goesOn ? { goesOn } : {}),
              ...(answer === undefined ? {} : { answer: { ...answer, value: toPlain(answer.value) } }),
            }),
          ),
        }),
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

function signalsOf({ lasting }: Trace): Pick<SavedTrace, "signals"> {
  if (lasting === null || lasting.signals.length === 0) return {};
  const signals = lasting.signals.map(({ name, value, receiver }) => ({
    name,
    value: toPlain(value),
    ...(receiver === undefined ? {} : { receiver }),
  }));
  return { signals };
}

function effectsOf({ lasting }: Trace): Pick<SavedTrace, "effects"> {
  if (lasting === null || lasting.effects.size === 0) return {};
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

/** Converts a message to stored form. */
export function savedMessage({ payload, meta, headers, createdAt }: Message): SavedMessage {
  return {
    payload: toPlain(payload),
    ...(hasKeys(meta) ? { meta: toPlain(meta) } : {}),
    ...(headers.topic === undefined ? {} : { topic: headers.topic }),
    createdAt,
  };
}

function hasKeys(value: object): boolean {
  for (const _ in value) return true;
  return false;
}
