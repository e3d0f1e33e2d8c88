import type { Moment } from "../../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { lineageText } from "../../foundation/lineage.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import type { Message } from "../../message/message.ts";
import type { RemoteSkill } from "../../ports/instrument.ts";
import type { QueueItem } from "../../queue/fair-queue.ts";
import type { Waiting, WaitingList } from "../../queue/waiting-list.ts";
import type { ExhaustionCode } from "../policies/budget.ts";
import type { StreamWriter } from "./stream-table.ts";
import type { Pause, Trace } from "./trace.ts";
import type { Edge, Ring, Worker } from "./worker.ts";

/** Where an {@link Attempt} is in its life. Over is final: what its handler does then is fenced off. */
export const State = { QUEUED: 0, LAUNCHED: 1, RUNNING: 2, SENDING: 3, PARKED: 4, OVER: 5, PAUSED: 6 } as const;
/** One of the states of an {@link Attempt}. */
export type State = (typeof State)[keyof typeof State];

/** Whether an attempt counts against its node's concurrency. */
export const Slot = { NONE: 0, HELD: 1, LENT: 2 } as const;
/** One of the ways to hold a slot. */
export type Slot = (typeof Slot)[keyof typeof Slot];

/** A message that waits for the success of its attempt. */
export interface HeldEmit {
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** The targets its handler asked for, as a number. */
  readonly wish: number;
  /** The budget that sending it uses up: the trace ends instead. */
  readonly exhausted?: ExhaustionCode;
}

/** A handler that waits for a further message. */
export interface FetchWait {
  readonly resolve: (message: Message) => void;
  readonly reject: (reason: unknown) => void;
  /** Names of predecessors; `undefined` for any. */
  readonly from: ReadonlySet<string> | undefined;
}

/** Something a handler waits for. */
export interface HandlerWait {
  readonly reject: (reason: unknown) => void;
  /** Whether it goes on when the handler returns: what it sent is still sent. */
  readonly outlivesHandler: boolean;
}

/** What only some attempts have. */
export class AttemptExtras {
  /** Readings of the clock, made only while somebody watches. */
  queuedAt: number | undefined;
  returnedAt: number | undefined;
  /** Its lineage id in digits, once somebody has asked for it. */
  lineage: string | undefined;
  timer: Timer | undefined;
  /** Epoch milliseconds at which a message in backoff goes on. */
  dueAt: number | undefined;
  controller: AbortController | undefined;
  /** Why the attempt is over, for its signal. */
  reason: Error | undefined;
  /** The message before its payload was parsed, for a retry. */
  original: Message | undefined;
  readonly outbox: Send[] = [];
  held: HeldEmit[] | undefined;
  /** Messages the handler took with `fetch`. */
  fetched: Attempt[] | undefined;
  /** Messages an earlier attempt took, to be taken again. */
  refetch: Attempt[] | undefined;
  /** The fetch that waits for a message. */
  fetch: FetchWait | undefined;
  /** Waits of the handler. */
  waits: Set<HandlerWait> | undefined;
  /** Chunks for which the reader of the stream has no room yet. */
  unsentChunks = 0;
  /** Called when there are none left. */
  onChunksSent: (() => void) | undefined;
  /** Called with the slot that was lent. */
  resumes: (() => void)[] | undefined;
  /** How many playbooks it has called without a key. */
  playbookCalls = 0;
  /** Keys of playbooks it has called. */
  playbookKeys: Set<string> | undefined;
  /** Names of the pauses its handler has asked for. */
  pauseNames: Set<string> | undefined;
  /** Pauses to which it has no answer: it is about to be parked. */
  readonly asked: Pause[] = [];
  /** How many answers are being checked. */
  checking = 0;
  /** How many of its messages were accepted before its handler had to be called again: they are not sent twice. */
  alreadySent = 0;
  /** A digest of where those went, where it is known. */
  alreadySentTo: number | undefined;
  /** The node it came from, where it has no edge any more. */
  source: string | undefined;
  writesStreams = false;
  isZombie = false;
  /** Whether the end of its trace waits for its handler. */
  unwinds = false;
  graceTimer: Timer | undefined;
}

/**
 * One try of one message at one node. Born when the message is sent to the node.
 *
 * States: queued (on an edge, or waiting for room on it) → launched (it has a slot) → running (its handler was called) → sending
 * (the handler has returned, what it sends waits for room) → over. A try that failed is over, and the
 * next one is born parked → queued or running; so is that of a handler that has paused: paused → queued. Whatever ends the trace makes every attempt of it over.
 */
export class Attempt implements QueueItem, StreamWriter {
  worker: Worker;
  readonly trace: Trace;
  message: Message;
  /** The edge on which it has a place while it is queued. */
  edge: Edge | null;
  /** Whether it is counted in its ring's population. */
  inRing = false;
  /** The send that waits for a place for it. */
  send: Send | null = null;
  attempt: number;
  high: number;
  low: number;
  state: State = State.QUEUED;
  slot: Slot = Slot.NONE;
  /** How many messages it has sent so far. */
  outputs = 0;
  /** A digest of the targets of what it has emitted so far. */
  sentTo = 0;
  /** The round its message belongs to: that of the latest short group it comes from, or 0. */
  round = 0;
  /** The turn in which it got its slot. */
  heldSince: Moment | undefined;
  /** When the handler was called, to within a turn unless somebody watches. */
  started: Moment | undefined;
  /** What awaits its handler: kept, since it may await many. */
  onReturned: ((value: unknown) => void) | undefined;
  onThrew: ((error: unknown) => void) | undefined;
  extras: AttemptExtras | null = null;
  nextInLane: this | null = null;
  nextOfTrace: Attempt | null = null;
  prevOfTrace: Attempt | null = null;

  constructor(
    worker: Worker,
    trace: Trace,
    message: Message,
    edge: Edge | null,
    high: number,
    low: number,
    attempt: number,
  ) {
    this.worker = worker;
    this.trace = trace;
    this.message = message;
    this.edge = edge;
    this.high = high;
    this.low = low;
    this.attempt = attempt;
  }

  /** Waits in its node's line, for the first time or again. */
  queue(): void {
    if (this.state === State.PARKED) this.worker.parked -= 1;
    this.state = State.QUEUED;
  }

  /** Takes a slot of its node; its handler is called next. */
  launch(): void {
    this.holdSlot();
    this.state = State.LAUNCHED;
    this.edge = null;
  }

  run(): void {
    this.state = State.RUNNING;
  }

  beginSending(): void {
    this.state = State.SENDING;
  }

  /** Waits in a backoff, outside of edge and slot. */
  park(): void {
    this.state = State.PARKED;
    this.worker.parked += 1;
  }

  /** Waits for an answer, outside of edge and slot. */
  pause(): void {
    this.state = State.PAUSED;
  }

  /** Ends the attempt; its signal and its waits are left to {@link Attempt.abort}. */
  end(): void {
    if (this.state === State.PARKED) this.worker.parked -= 1;
    this.state = State.OVER;
  }

  holdSlot(): void {
    this.worker.running += 1;
    this.slot = Slot.HELD;
  }

  /** Gives its slot up, for good or, if it is `lent`, until it is reclaimed. Returns whether others wait for the slot. */
  leaveSlot(isLent: boolean): boolean {
    const wasHeld = this.slot === Slot.HELD;
    if (wasHeld || !isLent) this.slot = isLent ? Slot.LENT : Slot.NONE;
    return wasHeld && this.worker.vacate();
  }

  /** Takes the place, and the slot, of the attempt before it in the same trace, which is over. */
  takeOver(before: Attempt): void {
    this.state = State.LAUNCHED;
    this.slot = Slot.HELD;
    this.inRing = before.inRing;
    this.heldSince = before.heldSince;
    this.round = before.round;
    before.state = State.OVER;
    before.slot = Slot.NONE;
    before.inRing = false;
    this.trace.replace(before, this);
  }

  enterRing(): void {
    const { ring } = this.worker;
    if (ring === undefined || this.inRing) return;
    this.inRing = true;
    ring.population += 1;
  }

  /** Leaves its ring. Returns the ring if it was in one. */
  leaveRing(): Ring | undefined {
    if (!this.inRing) return undefined;
    this.inRing = false;
    const { ring } = this.worker;
    if (ring !== undefined) ring.population -= 1;
    return ring;
  }

  /** Becomes the first attempt of the next message, where nobody outside the runtime has seen it. */
  goOn(worker: Worker, message: Message, high: number, low: number): void {
    this.worker = worker;
    // passed on as it was: storing an object costs more than comparing it
    if (message !== this.message) this.message = message;
    this.high = high;
    this.low = low;
    this.attempt = 1;
    this.outputs = 0;
    this.sentTo = 0;
    this.state = State.LAUNCHED;
  }

  get more(): AttemptExtras {
    this.extras ??= new AttemptExtras();
    return this.extras;
  }

  /** What edges have accepted of it, in all calls of its handler: how many messages, and a digest of their targets. */
  get sent(): { readonly count: number; readonly to: number | undefined } {
    const { extras, outputs, sentTo } = this;
    if (extras === null) return { count: outputs, to: sentTo };
    const { outbox, alreadySent, alreadySentTo } = extras;
    const accepted = outputs - outbox.length;
    if (accepted <= alreadySent && alreadySent > 0) return { count: alreadySent, to: alreadySentTo };
    return { count: accepted, to: outbox[0]?.sentTo ?? sentTo };
  }

  /** The node it came from; none for a group of a join. */
  get source(): string | undefined {
    return this.edge?.source ?? this.extras?.source;
  }

  /** Has its handler not send again what edges have accepted of an earlier call. */
  skip(count: number, to: number | undefined): void {
    if (count === 0) return;
    this.more.alreadySent = count;
    this.more.alreadySentTo = to;
  }

  get node(): string {
    return this.worker.name;
  }

  get remote(): RemoteSkill | undefined {
    return this.worker.node.remote;
  }

  get traceId(): string {
    return this.trace.id;
  }

  get tenant(): string {
    return this.trace.tenant;
  }

  get idempotencyKey(): string {
    return `${this.traceKey}-${lineageText(this.high, this.low)}`;
  }

  /** What the idempotency keys of a trace have in common. */
  get traceKey(): string {
    const outer = outermost(this);
    return `${outer.worker.identity.id}-${outer.trace.runText}`;
  }

  /** The lineage id of its message. For records: it is kept. */
  get lineage(): string {
    return (this.more.lineage ??= lineageText(this.high, this.low));
  }

  get signal(): AbortSignal {
    const { more } = this;
    if (more.controller === undefined) {
      more.controller = new AbortController();
      if (this.state === State.OVER) more.controller.abort(more.reason ?? this.#overError("use the signal"));
    }
    return more.controller.signal;
  }

  /** Throws the reason for which it is over, unless its handler is at work. */
  requireRunning(what: string): void {
    if (this.state !== State.RUNNING) throw this.refusal(what);
  }

  /** The handler has returned: what it still waits for is given up, but for what it has sent. */
  endWaits(): void {
    const waits = this.extras?.waits;
    if (waits === undefined || waits.size === 0) return;
    const reason = this.#overError("wait");
    for (const wait of [...waits]) if (!wait.outlivesHandler) wait.reject(reason);
  }

  /** Ends the attempt from outside: its signal aborts and its waits reject with `reason`. */
  abort(reason: Error): void {
    this.end();
    const extras = this.more;
    extras.reason = reason;
    extras.timer?.cancel();
    if (extras.waits !== undefined) for (const wait of [...extras.waits]) wait.reject(reason);
    const { resumes } = extras;
    extras.resumes = undefined;
    if (resumes !== undefined) for (const resume of resumes) resume();
    const { controller } = extras;
    if (controller !== undefined) this.trace.inScope((why) => controller.abort(why), reason);
  }

  /** The reason for which it may do nothing more: its end, or that its handler is not at work. */
  refusal(what: string): Error {
    return this.extras?.reason ?? this.#overError(what);
  }

  #overError(what: string): FlowError {
    return new FlowError({
      code: FlowErrorCode.ATTEMPT_OVER,
      message: `Cannot ${what} at node "${this.worker.name}": the attempt is over`,
      traceId: this.trace.id,
      tenant: this.trace.tenant,
      node: this.worker.name,
      attempt: this.attempt,
    });
  }
}

/**
 * One message on its way to all the edges it goes to, or to the Rookery when there are none. It is
 * accepted by all of them at once: places are reserved edge by edge, in declared order, and only when
 * all are had is anything sent.
 *
 * States: new → accepted, or new → waiting for room → accepted | abandoned with its trace.
 */
export class Send implements Waiting {
  readonly trace: Trace;
  /** The attempt that sends; `null` for messages from outside. */
  readonly from: Attempt | null;
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** Which output of its sender this is; part of the lineage id. */
  readonly output: number;
  /** The digest of what its sender had emitted before it. */
  readonly sentTo: number;
  /** How many of `edges` have a place for it. */
  places = 0;
  /** The message at the one node it goes to, which may start it before the edge has room. */
  item: Attempt | null = null;
  /** Called when it was accepted, or with the reason why it never will be. */
  settle: ((failure: Error | undefined) => void) | null;
  nextWaiting: this | null = null;
  prevWaiting: this | null = null;
  list: WaitingList<this> | null = null;

  constructor(
    trace: Trace,
    from: Attempt | null,
    message: Message,
    edges: readonly Edge[],
    output: number,
    settle: ((failure: Error | undefined) => void) | null,
  ) {
    this.trace = trace;
    this.from = from;
    this.message = message;
    this.edges = edges;
    this.output = output;
    this.sentTo = from === null ? 0 : from.sentTo;
    this.settle = settle;
  }

  get tenant(): string {
    return this.trace.tenant;
  }

  /** The edge whose room it waits for. */
  get awaited(): Edge | undefined {
    return this.edges[this.places];
  }
}

/** The attempt of the flow itself in which an attempt of a playbook works, or the attempt. */
export function outermost(attempt: Attempt): Attempt {
  let outer = attempt;
  while (outer.trace.origin !== null) outer = outer.trace.origin.parent;
  return outer;
}
