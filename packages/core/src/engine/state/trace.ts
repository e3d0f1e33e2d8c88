import type { AsyncScope } from "../../foundation/async-scope.ts";
import type { ErrorPayload, FlowError } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Message, MessageHeaders } from "../../message/message.ts";
import type { Outcome } from "../../message/outcome.ts";
import type { StreamChunk } from "../../message/stream-chunk.ts";
import type { Lane, LaneOwner, QueueItem } from "../../queue/fair-queue.ts";
import type { Attempt, Send } from "./attempt.ts";
import type { StreamTable } from "./stream-table.ts";
import type { Worker } from "./worker.ts";

/**
 * Where what a trace produces goes: one implementation for each way of waiting for a trace. The engine
 * calls it; a sink without room answers `false` and calls `onRoom` when that changes.
 */
export interface TraceSink {
  /** How many results are kept for the outcome; 0 where they are handed on as they come. */
  readonly keepResults: number;
  /** Whether an attempt whose result was refused gives its slot to others while it waits. @defaultValue true */
  readonly lendsSlot?: boolean;
  /** Told of its trace before anything else. */
  opened?(trace: Trace): void;
  /** Set by the engine while somebody waits for room. @defaultValue nobody does */
  onRoom?: (() => void) | null;
  /** Whether it would take a result. */
  hasRoomForResult(): boolean;
  /** Takes a result of an exit node, or answers `false` and takes nothing. */
  result(message: Message, node: string): boolean;
  /** Whether it wants another chunk. The runtime sees to it that a stream's last chunk is taken in any case. */
  hasRoom(): boolean;
  /** Takes a chunk. */
  chunk(chunk: StreamChunk): void;
  /** Settles whoever waits for the first result alone. Called instead of `ended` when nobody else watches. */
  completed?(first: Message): void;
  /** Tells whoever waits that only answers to pauses are missing. It may be called again, and `ended` comes later. */
  paused?(outcome: Outcome): void;
  /** Settles whoever waits. Called once, last. */
  ended(outcome: Outcome): void;
}

/** What became of a side effect: `unknown` when the process ended before it was known. */
export interface Effect {
  status: "started" | "succeeded" | "failed" | "unknown";
  /** What it gave, when it succeeded. */
  value?: unknown;
  /** Why it failed. */
  error?: ErrorPayload | undefined;
  /** While it runs in this process. */
  running?: Promise<unknown> | undefined;
}

/** A pause that a handler made. */
export interface Pause {
  /** Identifies it within its trace: its message, its playbook if any, and its name. */
  key: string;
  /** The name given to it; its reason identifies one without. */
  name: string | undefined;
  readonly token: string;
  readonly node: string;
  readonly reason: string;
  readonly payload: unknown;
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined;
  /** The attempt that asked for it last; none while an earlier run made it and this run has not asked for it. */
  askedBy: Attempt | undefined;
  /** The attempt that waits for its answer. */
  waiting: Attempt | undefined;
  answer: { readonly value: unknown } | undefined;
  /** Called when the answer that is there does not fit. */
  refuse: ((error: unknown) => void) | undefined;
  timer: Timer | undefined;
}

/** What a trace has that outlasts attempts, and the process if the flow is durable. Few traces have any. */
export class Lasting {
  /** By key. */
  readonly effects = new Map<string, Effect>();
  /** By key, in the order in which they were made. */
  readonly pauses = new Map<string, Pause>();
  /** Attempts that wait for answers. */
  readonly paused = new Set<Attempt>();
  /** Who, beside its sink, wants to know how the trace goes on. */
  watchers: ((outcome: Outcome) => void)[] = [];
  /** Whether those who wait have been told that only answers are missing. */
  isQuiet = false;
}

/** Messages of a trace that wait in a join for others. */
export interface Gathered {
  readonly place: Worker;
  readonly members: Attempt[];
  readonly want: number;
  timer: Timer | undefined;
  /** Epoch milliseconds at which it is sent on as it is, or fails. */
  dueAt: number | undefined;
  high: number;
  low: number;
  /** Where it stands among its node's groups. */
  index: number;
}

/** A join that has sent a short group on at its timeout: it drops what was on its way then. */
export interface ClosedJoin {
  readonly place: Worker;
  /** Messages of an earlier round are late. */
  readonly before: number;
}

/** From which call of which attempt a playbook's trace comes: the same when the attempt is made again. */
export interface Origin {
  /** The name of the playbook's flow. */
  readonly flow: string;
  /** The run of the outermost trace. */
  readonly run: number;
  readonly high: number;
  readonly low: number;
  /** The attempt that called. */
  readonly parent: Attempt;
}

/** The message that opens a trace, and the reader of its results. */
export interface Opening {
  readonly message: Message;
  /** The number of its id, if that was just made: no other trace has it. */
  readonly idNumber: number | undefined;
  /** Of a playbook's trace, which its parent tells apart from others of its id. */
  readonly origin: Origin | null;
  readonly sink: TraceSink;
  readonly signal: AbortSignal | undefined;
  /** Whether messages may still come from outside. */
  readonly isOpenEnded: boolean;
}

/** What only some traces have. */
export class TraceExtras {
  /** Whether it is about to fail. */
  isDoomed = false;
  /** Why it ended, unless it completed. */
  error: FlowError | undefined;
  /** Handlers that were told to stop and have not returned. */
  unwinding = 0;
  streams: StreamTable | undefined;
  /** What to undo at the end: listeners, subflows, remote tasks. */
  releases: Set<(reason: unknown) => void> | undefined;
  deadlineTimer: Timer | undefined;
  lastNode: string | undefined;
  lastReason: string | undefined;
  /** Messages from outside that wait for room on several edges. */
  entrySends: Set<Send> | undefined;
  /** Those who wait until results or chunks have been read, in order; each answers whether it got in. */
  unread: (() => boolean)[] | undefined;
  /** Joins that drop late messages. */
  closed: ClosedJoin[] | undefined;
  /** Number of the latest round: each short group of a join in a cycle begins one. */
  rounds = 0;
  /** Its run in base 36. */
  runText: string | undefined;
  /** What the journal knows of it; kept by whoever writes the journal. */
  journalled: object | undefined;
}

/**
 * One request on its way through a flow, and sole owner of everything that exists because of it. What
 * hangs on a trace is released with it.
 *
 * States: open → ended, and unwinding as long as handlers that were told to stop have not returned.
 * `live` counts its messages that are somewhere: waiting to be accepted, on an edge, in an attempt, parked.
 * When it falls to zero the work has run out and the trace ends.
 */
export class Trace implements LaneOwner, QueueItem {
  /** Tells apart traces that share a business id. */
  readonly run: number;
  readonly id: string;
  readonly headers: MessageHeaders;
  sink: TraceSink;
  /** Whether messages may still come from outside: opened by `emit`. */
  readonly isOpenEnded: boolean;
  /** The clock's `now()` at the start. */
  readonly startedAt: number;
  origin: Origin | null = null;
  /** The async context of its caller; `null` while nothing of it has been anywhere but in that context itself. */
  scope: AsyncScope | null = null;
  isOpen = true;
  /** Whether an `emit` into it has been accepted: whoever's was refused fetches nothing. */
  wasEntered = false;
  live = 0;
  /** Those of `live` that wait in joins. */
  joined = 0;
  /** Attempts that wait for a further message. */
  fetching = 0;
  lanes: Lane | null = null;
  /** Its first message, while it stands in line itself: the attempt is made when its turn comes. */
  entry: Message | null = null;
  nextInLane: this | null = null;
  firstMember: Attempt | null = null;
  gathered: Gathered[] | null = null;
  /** Side effects and pauses. */
  lasting: Lasting | null = null;
  /** Epoch milliseconds. */
  deadlineAt: number | undefined;
  results: Message[] | null = null;
  resultCount = 0;
  outputs = 0;
  extras: TraceExtras | null = null;
  /** Of the id; set by the table. */
  hash = 0;
  /** The next trace of the same chain of the table. */
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

  /** Its run in base 36, as records have it. */
  get runText(): string {
    return (this.more.runText ??= this.run.toString(36));
  }

  get tenant(): string {
    return this.headers.tenant;
  }

  get priority(): number {
    return this.headers.priority ?? 0;
  }

  /** Whether somebody waits until results or chunks have been read. */
  get isUnread(): boolean {
    return (this.extras?.unread?.length ?? 0) > 0;
  }

  /** One of its messages, or `count` of them, has come to be. */
  gain(count = 1): void {
    this.live += count;
  }

  /** One of its messages is done or given up. */
  lose(): void {
    this.live -= 1;
  }

  /** One of its messages waits in a join. */
  gather(): void {
    this.joined += 1;
  }

  /** `count` of its messages that waited in a join have become one. */
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

  /** Takes no more messages. Those that are left are released by the engine, and counted no more at {@link Trace.empty}. */
  close(): void {
    this.isOpen = false;
  }

  /** Nothing of it is anywhere. */
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

  /** Puts one member in the place of another. */
  replace(member: Attempt, next: Attempt): void {
    if (this.firstMember === member && member.nextOfTrace === null) {
      this.firstMember = next;
      return;
    }
    this.unlink(member);
    this.link(next);
  }

  /** Calls the user's code in the async context of the trace's caller, from wherever in the engine. */
  inScope<Argument, Result>(work: (argument: Argument) => Result, argument: Argument): Result {
    return this.scope === null ? work(argument) : this.scope.runInAsyncScope(work, undefined, argument);
  }

  /** Registers what is to be undone when the trace ends and returns a function that takes it back. */
  onEnd(release: (reason: unknown) => void): () => void {
    const releases = (this.more.releases ??= new Set());
    releases.add(release);
    return () => releases.delete(release);
  }
}
