import type { AsyncScope } from "../../foundation/async-scope.ts";
import type { ErrorPayload, FlowError } from "../../foundation/flow-error.ts";
import type { JsonSchema } from "../../foundation/json-schema.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Message, MessageHeaders } from "../../message/message.ts";
import type { Outcome, PauseTicket } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { Lane, LaneOwner, QueueItem } from "../../queue/fair-queue.ts";
import type { Attempt, Send } from "./attempt.ts";
import type { BudgetAccount } from "./budget-account.ts";
import type { GivenId } from "./given-id.ts";
import type { StreamTable } from "./stream-table.ts";
import type { LogItems, TraceLog } from "./trace-log.ts";
import type { TraceTurn } from "./trace-turn.ts";
import type { Worker } from "./worker.ts";

/**
 * Receiver of a trace's results, chunks and outcome: one implementation per way of waiting for a trace. The engine
 * calls it. A sink without room returns `false` and calls `onRoom` when it has room again.
 */
export interface TraceSink {
  /** Number of results kept for the outcome; 0 if the sink passes them on as they arrive. */
  readonly keepResults: number;
  /** Whether an attempt whose result was refused lends its slot while it waits. @defaultValue true */
  readonly lendsSlot?: boolean;
  /** Whether no caller waits. Then a trace that rests keeps the sink. @defaultValue false */
  readonly isLeft?: boolean;
  /** Receives its trace before any other call. */
  opened?(trace: Trace): void;
  /** Callback for new room, set by the engine while a send or chunk is blocked. @defaultValue none */
  onRoom?: (() => void) | null;
  /** Whether it would accept a result. */
  hasRoomForResult(): boolean;
  /** Accepts a result of an exit node, or returns `false` and takes nothing. */
  result(message: Message, node: string): boolean;
  /** Whether it has room for another chunk. The last chunk of a stream is delivered even without room. */
  hasRoom(): boolean;
  /** Accepts a chunk. */
  chunk(chunk: StreamChunk): void;
  /** Settles a caller that wants only the first result. Replaces `ended` if the sink needs no outcome. */
  completed?(first: Message): void;
  /** Accepts a pause that waits for an answer, even without room. */
  pause?(pause: PauseTicket): void;
  /** Learns that a pause waits for an answer again, because the one that it was given did not fit. */
  reopened?(pause: PauseTicket): void;
  /** Receives items that an attempt has committed to the log of the trace, or of a playbook at `path`. */
  logged?(items: LogItems, path: readonly string[]): void;
  /** Learns that the trace, a playbook's in a durable flow, waits only for answers and sleeps. */
  rests?(): void;
  /**
   * Notifies the caller that the trace waits only for answers to pauses. May be called again; `ended` follows later.
   */
  paused?(outcome: Outcome): void;
  /** Settles the caller. Called exactly once, as the last call. */
  ended(outcome: Outcome): void;
}

/** Recorded result of a side effect: `unknown` if the process ended before the effect settled. */
export interface Effect {
  status: "started" | "succeeded" | "failed" | "unknown";
  /** Return value, if it succeeded. */
  value?: unknown;
  /** Error, if it failed. */
  error?: ErrorPayload | undefined;
  /** Promise of the effect while it runs in this process. */
  running?: Promise<unknown> | undefined;
}

/** Answer to a {@link Pause}. */
export interface PauseAnswer {
  readonly value: unknown;
  /** Present if there was none in time. The handler continues without one. */
  readonly isExpired?: true;
}

/**
 * A pause or a sleep requested by a handler, or its wait for a signal.
 *
 * States: asked → waiting (its attempt is parked) → answered or expired → over. An answer that does not fit returns it
 * to asked. At `expiresAt` it expires or fails its trace. It ends with its trace.
 */
export interface Pause {
  /** Identity within its trace: its message, its playbook if any, its kind and its name. */
  key: string;
  /** Name given by the handler. Without one the reason identifies the pause. */
  name: string | undefined;
  /** Authorises an answer; `undefined` for a sleep and for the wait for a signal. */
  readonly token: string | undefined;
  /** Name of the signal that its handler waits for. */
  readonly signal: string | undefined;
  readonly node: string;
  /** Question; name of a sleep or a signal. */
  readonly reason: string;
  readonly payload: unknown;
  /** JSON Schema of the answer, if known. */
  resumeSchema: JsonSchema | undefined;
  /** Expiry, in epoch milliseconds. A sleep is over then. */
  readonly expiresAt: number | undefined;
  /** Names of the playbooks in which it was requested, outermost first. */
  readonly path: readonly string[];
  /** Whether its handler is called again at `expiresAt`. Otherwise the trace fails. */
  goesOn: boolean;
  /** Whether a message was parked for it, in this run or an earlier one. */
  hasBegun: boolean;
  /**
   * Attempt that requested it last, or that called the playbook whose stored message did; `undefined` if only an earlier
   * run has requested it.
   */
  askedBy: Attempt | undefined;
  /** Trace of the message that is parked for it; `undefined` while its playbook is not restored. */
  trace: Trace | undefined;
  /** Requeues the paused attempt that waits for its answer. */
  goOnWaiting: (() => void) | undefined;
  answer: PauseAnswer | undefined;
  /** Callback for an answer that fails validation. */
  refuse: ((error: unknown) => void) | undefined;
  timer: Timer | undefined;
}

/** A signal sent into a trace, until it is consumed. */
export interface Signal {
  readonly name: string;
  readonly value: unknown;
  /** Message that has received it: its place, as in the key of a {@link Pause}. */
  receiver: string | undefined;
  /** Handler call that received it last. */
  call: object | undefined;
}

/** End of a playbook's trace. */
export type CallEnd =
  | { readonly result: unknown }
  | { readonly error: FlowError; /** The error in stored form. */ readonly kept: ErrorPayload };

/** Call of a playbook by a message of a durable flow. It outlives the handler that made it. */
export interface StoredCall {
  /** Identity within the calling trace: its message, its number or key, and the playbook. */
  readonly key: string;
  /** Origin of its trace; `undefined` while only an earlier process has made it. */
  origin: Origin | undefined;
  /** State an earlier process left, until the trace is restored from it. Owned by the durable run. */
  left: object | undefined;
  /** Its trace, while that is in flight. */
  trace: Trace | undefined;
  end: CallEnd | undefined;
  /** Settles the handler that waits for it. */
  settle: ((end: CallEnd) => void) | undefined;
  /** Cancels its trace. */
  cancel?: (reason: unknown) => void;
}

/** Creates a call of which only the key is known. */
export function unknownCall(key: string): StoredCall {
  return { key, origin: undefined, left: undefined, trace: undefined, end: undefined, settle: undefined };
}

/** Whether a playbook works for a call, rather than waiting for answers and sleeps. */
export function isActive({ trace }: StoredCall): boolean {
  return trace !== undefined && (trace.lasting === null || trace.lasting.rest === "none");
}

/**
 * Whether the trace of a call needs a process: it works, or waits for an instant of its own. Pauses and sleeps are those
 * of the outermost trace.
 */
export function needsProcess(call: StoredCall, caller: Trace): boolean {
  const { trace } = call;
  if (trace === undefined) return false;
  if (isActive(call) || trace.joined > 0 || trace.deadlineAt !== caller.deadlineAt) return true;
  for (const each of trace.lasting?.calls?.values() ?? []) if (needsProcess(each, trace)) return true;
  return false;
}

/** State of a trace that outlives its attempts and, in a durable flow, the process. Few traces have any. */
export class Lasting {
  #effects: Map<string, Effect> | undefined;
  #pauses: Map<string, Pause> | undefined;
  #paused: Set<Attempt> | undefined;
  /** Signals that are not consumed, in order of acceptance. */
  signals: Signal[] = [];
  /** The largest sequence of an accepted signal that had one. */
  signalled = -1;
  /** Items that handlers have appended, if any. */
  log: TraceLog | undefined;
  /** Calls of playbooks by key, in a durable flow. */
  calls: Map<string, StoredCall> | undefined;
  /** Listeners for the next outcome, besides the sink. */
  watchers: ((outcome: Outcome) => void)[] = [];
  /**
   * `quiet` once the callers have been notified that only answers are missing; `asleep` while a durable flow has
   * nothing to do for the trace until a sleep is over.
   */
  rest: "none" | "asleep" | "quiet" = "none";
  /** Whether its callers were notified of its rest before it was unloaded. */
  wasTold = false;

  /** Side effects by key. Made when it is looked at, as the others: a trace that has only a log has none of them. */
  get effects(): Map<string, Effect> {
    return (this.#effects ??= new Map());
  }

  get effectCount(): number {
    return this.#effects?.size ?? 0;
  }

  /** Pauses and sleeps by key, in creation order. */
  get pauses(): Map<string, Pause> {
    return (this.#pauses ??= new Map());
  }

  get pauseCount(): number {
    return this.#pauses?.size ?? 0;
  }

  /** Paused attempts. */
  get paused(): Set<Attempt> {
    return (this.#paused ??= new Set());
  }

  get pausedCount(): number {
    return this.#paused?.size ?? 0;
  }
}

/** Messages of a trace that a join has gathered so far. */
export interface Gathered {
  readonly place: Worker;
  readonly members: Attempt[];
  readonly want: number;
  timer: Timer | undefined;
  /** Time of the join's timeout, in epoch milliseconds. */
  dueAt: number | undefined;
  high: number;
  low: number;
  /** Index among its node's groups. */
  index: number;
}

/** A join that sent a short group on at its timeout. It drops late messages. */
export interface ClosedJoin {
  readonly place: Worker;
  /** Lowest round that is not late. */
  readonly before: number;
}

/** Call of a playbook that opened a trace. A repeated attempt makes the same origin. */
export interface Origin {
  /** Name of the playbook's flow, after those of its callers. */
  readonly flow: string;
  /** Name of the playbook's flow alone. */
  readonly name: string;
  /** Run of the outermost trace. */
  readonly run: number;
  readonly high: number;
  readonly low: number;
  /** Calling attempt, the latest one if the message's handler was called again. */
  parent: Attempt;
}

/** First message of a trace and the sink for its results. */
export interface Opening {
  readonly message: Message;
  /** Number of a freshly generated id, which no other trace uses. */
  readonly idNumber: number | undefined;
  /** Origin of a playbook's trace, which its parent tells apart from other traces of the same id. */
  readonly origin: Origin | null;
  readonly sink: TraceSink;
  readonly signal: AbortSignal | undefined;
  /** Whether further messages may arrive from outside. */
  readonly isOpenEnded: boolean;
}

/** Rarely used fields of a {@link Trace}, allocated on first use. */
export class TraceExtras {
  /** Whether the trace is about to fail. */
  isDoomed = false;
  /** Error it ended with; `undefined` if it completed. */
  error: FlowError | undefined;
  /** Number of aborted handlers that have not returned. */
  unwinding = 0;
  streams: StreamTable | undefined;
  /** Cleanup callbacks for the end of the trace: listeners, subflows, remote tasks. */
  releases: Set<(reason: unknown) => void> | undefined;
  /** Signal of the caller of a durable trace, and the end of listening to it. */
  signal: { readonly signal: AbortSignal; readonly release: () => void } | undefined;
  deadlineTimer: Timer | undefined;
  lastNode: string | undefined;
  lastReason: string | undefined;
  /** Blocked sends from outside. */
  entrySends: Set<Send> | undefined;
  /** Blocked writers of results and chunks, in order. Each returns whether it got in. */
  unread: (() => boolean)[] | undefined;
  /** Joins that drop late messages. */
  closed: ClosedJoin[] | undefined;
  /** Number of the latest round. Each short group of a join in a cycle starts a new one. */
  rounds = 0;
  /** Its run in base 36, cached. */
  runText: string | undefined;
  /** Admission of the trace, where the flow bounds its traces or the trace is exclusive. */
  turn: TraceTurn | undefined;
  /** Its budgets; a playbook's trace has those of its parent. */
  account: BudgetAccount | undefined;
  /** Admission by the id that its caller gave, if it is unique. */
  given: GivenId | undefined;
  /** State of the trace as last stored; owned by the durable run. */
  checkpointed: object | undefined;
}

/**
 * One request in flight, and the sole owner of everything that exists because of it. Ending the trace releases all of
 * it.
 *
 * States: open → ended. An ended trace is unwinding until its aborted handlers have returned or their grace periods are
 * over.
 *
 * Invariant: `live` counts the messages that are blocked, on an edge, in an attempt or parked. The trace ends when it
 * reaches zero.
 */
export class Trace implements LaneOwner, QueueItem {
  /** Number that distinguishes traces with the same business id. */
  readonly run: number;
  readonly id: string;
  readonly headers: MessageHeaders;
  sink: TraceSink;
  /** Whether further messages may arrive from outside: the trace was opened by `emit`. */
  readonly isOpenEnded: boolean;
  /** Start by the clock's `now()`. */
  readonly startedAt: number;
  origin: Origin | null = null;
  /** Async context of its caller; `null` while the trace has not left that context. */
  scope: AsyncScope | null = null;
  isOpen = true;
  /** Whether an `emit` into it was accepted. A caller whose `emit` was refused fetches nothing. */
  wasEntered = false;
  live = 0;
  /** Number of `live` messages that wait in joins. */
  joined = 0;
  /** Number of attempts that wait in `fetch`. */
  fetching = 0;
  lanes: Lane | null = null;
  /** First message of a queued trace. Its attempt is allocated on dequeue. */
  entry: Message | null = null;
  nextInLane: this | null = null;
  firstMember: Attempt | null = null;
  gathered: Gathered[] | null = null;
  /** Side effects, pauses, sleeps and signals. */
  lasting: Lasting | null = null;
  /** Deadline, in epoch milliseconds. */
  deadlineAt: number | undefined;
  results: Message[] | null = null;
  resultCount = 0;
  outputs = 0;
  extras: TraceExtras | null = null;
  /** Hash of the id, set by the table. */
  hash = 0;
  /** Next trace in its chain of the table. */
  nextInTable: Trace | null = null;

  constructor(
    run: number,
    id: string,
    headers: MessageHeaders,
    sink: TraceSink,
    isOpenEnded: boolean,
    startedAt: number,
  ) {
    this.run = run;
    this.id = id;
    this.headers = headers;
    this.sink = sink;
    this.isOpenEnded = isOpenEnded;
    this.startedAt = startedAt;
  }

  get more(): TraceExtras {
    this.extras ??= new TraceExtras();
    return this.extras;
  }

  /** Its run in base 36, as used in records. */
  get runText(): string {
    return (this.more.runText ??= this.run.toString(36));
  }

  get tenant(): string {
    return this.headers.tenant;
  }

  get priority(): number {
    return this.headers.priority ?? 0;
  }

  /** Whether results or chunks are blocked until the reader catches up. */
  get isUnread(): boolean {
    return (this.extras?.unread?.length ?? 0) > 0;
  }

  /** Counts `count` new messages. */
  gain(count = 1): void {
    this.live += count;
  }

  /** Uncounts a message that is done or dropped. */
  lose(): void {
    this.live -= 1;
  }

  /** Counts a message that waits in a join. */
  gather(): void {
    this.joined += 1;
  }

  /** Merges `count` messages of a join into one. */
  joinUp(count: number): void {
    this.joined -= count;
    this.live -= count - 1;
  }

  beginFetch(): void {
    this.fetching += 1;
  }

  endFetch(): void {
    this.fetching -= 1;
  }

  /** Refuses further messages. The engine releases the remaining ones; {@link Trace.empty} uncounts them. */
  close(): void {
    this.isOpen = false;
  }

  /** Resets the counts: none of its messages is anywhere. */
  empty(): void {
    this.live = 0;
    this.joined = 0;
    this.fetching = 0;
  }

  link(member: Attempt): void {
    const first = this.firstMember;
    member.nextOfTrace = first;
    member.prevOfTrace = null;
    if (first !== null) first.prevOfTrace = member;
    this.firstMember = member;
  }

  unlink(member: Attempt): void {
    if (member.prevOfTrace === null) {
      if (this.firstMember !== member) return;
      this.firstMember = member.nextOfTrace;
    } else {
      member.prevOfTrace.nextOfTrace = member.nextOfTrace;
    }
    if (member.nextOfTrace !== null) member.nextOfTrace.prevOfTrace = member.prevOfTrace;
    member.nextOfTrace = member.prevOfTrace = null;
  }

  /** Replaces one member by another. */
  replace(member: Attempt, next: Attempt): void {
    if (this.firstMember === member && member.nextOfTrace === null) {
      this.firstMember = next;
      return;
    }
    this.unlink(member);
    this.link(next);
  }

  /** Calls user code in the async context of the trace's caller. */
  inScope<Argument, Result>(work: (argument: Argument) => Result, argument: Argument): Result {
    return this.scope === null ? work(argument) : this.scope.runInAsyncScope(work, undefined, argument);
  }

  /** Registers a cleanup callback for the end of the trace. Returns a function that unregisters it. */
  onEnd(release: (reason: unknown) => void): () => void {
    const releases = (this.more.releases ??= new Set());
    releases.add(release);
    return () => releases.delete(release);
  }
}
