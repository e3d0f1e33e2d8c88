import type { FlowError } from "../../foundation/flow-error.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Message, MessageHeaders } from "../../message/message.ts";
import type { Lane, LaneOwner, QueueItem } from "../../queue/fair-queue.ts";
import type { TraceSink } from "../results/sink.ts";
import type { Lasting } from "./lasting.ts";
import type { StreamTable } from "../results/stream-table.ts";

/** One of a trace's attempts, linked by the trace. */
export interface TraceMember {
  nextOfTrace: TraceMember | null;
  prevOfTrace: TraceMember | null;
}

/** A message that waits in a join. */
export interface GatheredMember {
  readonly message: Message;
}

/** Messages of a trace that wait in a join for others. */
export interface Gathered {
  readonly place: unknown;
  readonly members: GatheredMember[];
  readonly want: number;
  timer: Timer | undefined;
  /** Epoch milliseconds at which it is sent on as it is, or fails. */
  dueAt: number | undefined;
  high: number;
  low: number;
  /** Where it stands among its node's groups. */
  index: number;
}

/** From which call of which attempt a playbook's trace comes: the same when the attempt is made again. */
export interface Origin {
  /** The run of the outermost trace. */
  readonly run: number;
  readonly high: number;
  readonly low: number;
  /** The attempt that called; the engine knows what it is. */
  readonly parent: unknown;
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
  entrySends: Set<object> | undefined;
  /** Those who wait until results or chunks have been read, in order; each answers whether it got in. */
  unread: (() => boolean)[] | undefined;
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
  firstMember: TraceMember | null = null;
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

  link(member: TraceMember): void {
    const first = this.firstMember;
    member.nextOfTrace = first;
    member.prevOfTrace = null;
    if (first !== null) first.prevOfTrace = member;
    this.firstMember = member;
  }

  unlink(member: TraceMember): void {
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
  replace(member: TraceMember, next: TraceMember): void {
    if (this.firstMember === member && member.nextOfTrace === null) {
      this.firstMember = next;
      return;
    }
    this.unlink(member);
    this.link(next);
  }

  /** Registers what is to be undone when the trace ends and returns a function that takes it back. */
  onEnd(release: (reason: unknown) => void): () => void {
    const releases = (this.more.releases ??= new Set());
    releases.add(release);
    return () => releases.delete(release);
  }
}
