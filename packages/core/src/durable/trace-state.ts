import type { ErrorPayload } from "../foundation/flow-error.ts";
import type { Message, MessageHeaders } from "../message/message.ts";
import type { Effect } from "../engine/state/trace.ts";
import type { Trace } from "../engine/state/trace.ts";
import { type Attempt, State } from "../engine/state/attempt.ts";
import type { DurableHost } from "../engine/durable-host.ts";
import { RookerySink } from "../engine/results/rookery.ts";
import { toPlain } from "./codec.ts";

/** The form of what is written down of a trace. Older forms are read, newer ones refused. */
export const STATE_VERSION = 2;

/** A message as it is written down: what all messages of its trace have in common is left out. */
export interface SavedMessage {
  readonly payload: unknown;
  readonly meta?: unknown;
  readonly topic?: string;
  readonly createdAt: number;
}

/** A message and where it is. */
export interface SavedItem extends SavedMessage {
  readonly node: string;
  /** The two halves of its lineage id. */
  readonly lineage: readonly [number, number];
  /**
   * In line; at a handler that is to be called again; waiting for its next attempt, for others to join, or for
   * an answer.
   */
  readonly where: "line" | "handler" | "backoff" | "join" | "pause";
  readonly attempt: number;
  /** The round it belongs to, where joins of a cycle have sent short groups on. */
  readonly round?: number;
  /** From which node it comes, in line. */
  readonly source?: string;
  /** Epoch milliseconds, in backoff and join. */
  readonly dueAt?: number;
  /** How many messages its handler has sent already. */
  readonly sent?: number;
  /** A digest of where those went. */
  readonly sentTo?: number;
  /** Messages that its handler took in addition. */
  readonly taken?: readonly SavedItem[];
}

/** A result that nobody has taken. */
export interface SavedResult extends SavedMessage {
  readonly node?: string;
}

/** A pause as it is written down. In form 1 its key ends in its place among the pauses of its handler. */
export interface SavedPause {
  readonly key: string;
  /** None where its reason identifies it. */
  readonly name?: string;
  readonly token: string;
  readonly node: string;
  readonly reason: string;
  readonly payload?: unknown;
  readonly expiresAt?: number;
  readonly answer?: { readonly value: unknown };
}

/** A trace as it is written down. */
export interface SavedTrace {
  readonly headers: MessageHeaders;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly deadlineAt?: number;
  /** Opened by `emit`. */
  readonly isOpenEnded?: true;
  /** Nothing is left of it but results. */
  readonly hasEnded?: true;
  /** How many messages came from outside. */
  readonly entered: number;
  readonly resultCount: number;
  readonly items: readonly SavedItem[];
  readonly results?: readonly SavedResult[];
  readonly effects?: readonly (readonly [string, Pick<Effect, "status" | "value" | "error">])[];
  readonly pauses?: readonly SavedPause[];
  /** Joins that drop late messages, each with the round before which a message is late; none if any is. */
  readonly closed?: readonly { readonly node: string; readonly before?: number }[];
  /** Number of the latest round. */
  readonly rounds?: number;
  /** Why it has failed. */
  readonly error?: ErrorPayload;
  /** Whether that is an item of the Rookery that was not fetched. */
  readonly isErrorUnread?: true;
}

/** A trace as it is now, or nothing when nothing of it is left. `failed` is the attempt at which it is about to fail. */
export function stateOf(engine: DurableHost, trace: Trace, failed?: Attempt): SavedTrace | undefined {
  const results = resultsOf(trace);
  const items = trace.isOpen ? itemsOf(trace) : [];
  if (failed !== undefined && items.every(({ lineage }) => lineage[0] !== failed.high || lineage[1] !== failed.low))
    items.push(savedItem(failed, "handler"));
  if (items.length === 0 && results.length === 0) return undefined;
  const { lasting } = trace;
  return {
    headers: trace.headers,
    startedAt: Math.round(engine.clock.epochNow() - Math.max(0, engine.clock.now() - trace.startedAt)),
    ...(trace.deadlineAt === undefined ? {} : { deadlineAt: trace.deadlineAt }),
    ...(trace.isOpenEnded ? { isOpenEnded: true as const } : {}),
    ...(trace.isOpen ? {} : { hasEnded: true as const }),
    entered: trace.outputs,
    resultCount: trace.resultCount,
    items,
    ...(results.length === 0 ? {} : { results }),
    ...effectsOf(trace),
    ...closedOf(trace),
    ...(lasting === null || lasting.pauses.size === 0
      ? {}
      : {
          pauses: [...lasting.pauses.values()].map(
            ({ key, name, token, node, reason, payload, expiresAt, answer }) => ({
              key,
              ...(name === undefined ? {} : { name }),
              token,
              node,
              reason,
              ...(payload === undefined ? {} : { payload: toPlain(payload) }),
              ...(expiresAt === undefined ? {} : { expiresAt }),
              ...(answer === undefined ? {} : { answer: { value: toPlain(answer.value) } }),
            }),
          ),
        }),
  };
}

/** What a trace that has failed was written down as, with what has become of its results and effects since. */
export function stateSince(
  trace: Trace,
  { results: _, effects: __, isErrorUnread: ___, ...failed }: SavedTrace,
): SavedTrace {
  const results = resultsOf(trace);
  return {
    ...failed,
    ...(results.length === 0 ? {} : { results }),
    ...(hasUnreadError(trace) ? { isErrorUnread: true as const } : {}),
    ...effectsOf(trace),
  };
}

function hasUnreadError({ sink }: Trace): boolean {
  if (sink instanceof RookerySink) for (const { item } of sink.kept ?? []) if (item instanceof Error) return true;
  return false;
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
    else if (member.state !== State.OVER) members.push(savedItem(member, "handler"));
  }
  // the trace links the latest first
  const items = members.reverse();
  for (let lane = trace.lanes; lane !== null; lane = lane.nextOfOwner) {
    for (let item = lane.head as Attempt | null; item !== null; item = item.nextInLane) {
      // what no edge has accepted is sent again by whoever sends it
      if (item.send === null) items.push(savedItem(item, "line"));
    }
  }
  for (const { members: waiting, dueAt } of trace.gathered ?? []) {
    for (const item of waiting) items.push(savedItem(item, "join", dueAt));
  }
  for (const item of trace.lasting?.paused ?? []) items.push(savedItem(item, "pause"));
  return items;
}

/** A message as it is written down, with where it is. */
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
  if (!(sink instanceof RookerySink)) return trace.isOpen ? (trace.results ?? []).map(savedMessage) : [];
  const results: SavedResult[] = [];
  for (const { item, node } of sink.kept ?? []) {
    // the error of a trace that failed is told by its own entry
    if (!(item instanceof Error)) results.push({ ...savedMessage(item), ...(node === undefined ? {} : { node }) });
  }
  return results;
}

function savedMessage({ payload, meta, headers, createdAt }: Message): SavedMessage {
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
