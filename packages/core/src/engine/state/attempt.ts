import type { Moment } from "../../foundation/clock.ts";
import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { lineageText } from "../../foundation/lineage.ts";
import type { Timer } from "../../foundation/timer-wheel.ts";
import { OPEN_SEA } from "../../graph/endpoints.ts";
import type { ResolvedPolicy } from "../../graph/node-policy.ts";
import type { Message } from "../../message/message.ts";
import type { RemoteSkill } from "../../ports/instrument.ts";
import type { QueueItem } from "../../queue/fair-queue.ts";
import type { Waiting, WaitingList } from "../../queue/waiting-list.ts";
import type { Exhaustion } from "../policies/budget.ts";
import type { StreamWriter } from "./stream-table.ts";
import type { PermitLine } from "./permits.ts";
import type { Pause, Trace } from "./trace.ts";
import type { Edge, Ring, Worker } from "./worker.ts";

/** States of an {@link Attempt}. `OVER` is final: anything its handler does afterwards is rejected or dropped. */
export const State = { QUEUED: 0, LAUNCHED: 1, RUNNING: 2, SENDING: 3, PARKED: 4, OVER: 5, PAUSED: 6 } as const;
/** One of the states of an {@link Attempt}. */
export type State = (typeof State)[keyof typeof State];

/** Slot ownership of an {@link Attempt}. Only `HELD` counts against the node's concurrency. */
export const Slot = { NONE: 0, HELD: 1, LENT: 2 } as const;
/** One of the ways to hold a slot. */
export type Slot = (typeof Slot)[keyof typeof Slot];

/** Emitted message held back until its attempt succeeds. */
export interface HeldEmit {
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** Hash of the targets that its handler named. */
  readonly wish: number;
  /** Budget that sending it exhausts. The trace ends instead of the send. */
  readonly exhausted?: Exhaustion;
  /** Whether it may draw on the budget of the trace. */
  readonly draws?: boolean;
}

/** Pending `fetch` of a handler. */
export interface FetchWait {
  readonly resolve: (message: Message) => void;
  readonly reject: (reason: unknown) => void;
  /** Names of the accepted predecessors; `undefined` for any. */
  readonly from: ReadonlySet<string> | undefined;
}

/** Pending wait of a handler. */
export interface HandlerWait {
  readonly reject: (reason: unknown) => void;
  /** Whether the wait survives the handler's return, as a send does. */
  readonly outlivesHandler: boolean;
  /** Spends what a controller's hop draws on a budget, when the attempt commits. Rejecting the wait returns it. */
  readonly committed?: (() => void) | undefined;
}

/** Rarely used fields of an {@link Attempt}, allocated on first use. */
export class AttemptExtras {
  /** Clock reading, made only if the run is observed. */
  queuedAt: number | undefined;
  returnedAt: number | undefined;
  /** Lineage id as text, cached on first use. */
  lineage: string | undefined;
  timer: Timer | undefined;
  /** End of the backoff, in epoch milliseconds. */
  dueAt: number | undefined;
  controller: AbortController | undefined;
  /** Reason the attempt was aborted, passed to its signal. */
  reason: Error | undefined;
  /** Message before its payload was parsed, kept for a retry or a fallback. */
  original: Message | undefined;
  /** Policy of its message, where the node's depends on the message. */
  policy: ResolvedPolicy | undefined;
  /** Failure in place of which it sends the value of `onFailed`. Its handler is not called. */
  failure: FlowError | undefined;
  /** Reason that `onFailed` gave for its value. */
  because: string | undefined;
  /** Attempt that sends in place of this one, which has timed out and keeps the slot until its handler returns. */
  heir: Attempt | undefined;
  readonly outbox: Send[] = [];
  held: HeldEmit[] | undefined;
  /** Messages the handler has fetched. */
  fetched: Attempt[] | undefined;
  /** Messages an earlier attempt fetched, returned first by this attempt's `fetch`. */
  refetch: Attempt[] | undefined;
  /** Pending fetch. */
  fetch: FetchWait | undefined;
  /** Pending waits of the handler. */
  waits: Set<HandlerWait> | undefined;
  /** Number of chunks blocked because the stream's reader has no room. */
  unsentChunks = 0;
  /** Callback for when no chunk is blocked any more. */
  onChunksSent: (() => void) | undefined;
  /** Callbacks for when the lent slot is reclaimed. */
  resumes: (() => void)[] | undefined;
  /** The limiter's line of its key. */
  permitLine: PermitLine | undefined;
  /** Whether it holds a permit of the limiter. */
  hasPermit = false;
  /** Whether it waits in the limiter's line. */
  isInPermitLine = false;
  /** Number of pending waits during which it holds no permit. */
  waitsWithoutPermit = 0;
  /** Continues a handler that reclaims its slot or permit. */
  reclaim: (() => void) | undefined;
  /** Number of playbook calls without a key. */
  playbookCalls = 0;
  /** Keys of its playbook calls. */
  playbookKeys: Set<string> | undefined;
  /** Keys of the pauses and sleeps its handler has requested. */
  pauseKeys: Set<string> | undefined;
  /** Number of signals its handler call has received, by name. */
  signals: Map<string, number> | undefined;
  /** Pauses still unanswered, sleeps that are not over, and waits for signals. The attempt is parked if there are any. */
  readonly asked: Pause[] = [];
  /** Number of answers being validated, or being made for an expired pause. */
  checking = 0;
  /** Number of its outputs accepted before the handler was called again. They are not sent twice. */
  alreadySent = 0;
  /** Hash of the targets of those outputs, if known. */
  alreadySentTo: number | undefined;
  /** Predecessor's name, for a message that has lost its edge. */
  source: string | undefined;
  writesStreams = false;
  isZombie = false;
  /** Whether its trace stays unwinding until its handler returns. */
  unwinds = false;
  graceTimer: Timer | undefined;
}

/**
 * One attempt to process a message at a node, created when the message is sent there.
 *
 * States: queued → launched → running → sending → over.
 * - queued: on an edge, or blocked before it
 * - launched: holds a slot
 * - running: its handler was called
 * - sending: its handler has returned and its outputs are blocked
 * - over: final
 *
 * A failed attempt is over; its retry starts parked (backoff) → queued. The attempt that sends `onFailed`'s value in
 * its place starts running, and runs until that value is there. A paused attempt is over; its successor starts paused → queued. The end of the trace moves every attempt to over.
 */
export class Attempt implements QueueItem, StreamWriter {
  worker: Worker;
  readonly trace: Trace;
  message: Message;
  /** Edge it occupies while queued. */
  edge: Edge | null;
  /** Edge by which its message arrived. On the fast path between nodes it is set only if the run is observed. */
  via: Edge | null;
  /** Whether it counts in its ring's population. */
  inRing = false;
  /** Send that waits for room for it. */
  send: Send | null = null;
  attempt: number;
  high: number;
  low: number;
  state: State = State.QUEUED;
  slot: Slot = Slot.NONE;
  /** Number of messages sent so far. */
  outputs = 0;
  /** Hash of the targets of everything emitted so far. */
  sentTo = 0;
  /** Round of its message: the number of the latest short group it descends from, or 0. */
  round = 0;
  /** Turn in which it took its slot. */
  heldSince: Moment | undefined;
  /** Start of the handler, exact to a turn unless the run is observed. */
  started: Moment | undefined;
  /** Continuation of its handler's promise, allocated once because the attempt may pass through many nodes. */
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
    this.via = edge;
    this.high = high;
    this.low = low;
    this.attempt = attempt;
  }

  /** Keeps the continuation of its handler's promise. Function literals that it would be assigned live long: decision 26. */
  listen(onReturned: (value: unknown) => void, onThrew: (error: unknown) => void): void {
    this.onReturned = onReturned;
    this.onThrew = onThrew;
  }

  /** Moves to queued, for the first time or again. */
  queue(): void {
    if (this.state === State.PARKED) this.worker.parked -= 1;
    this.state = State.QUEUED;
  }

  /** Moves to launched and takes a slot of the node. */
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

  /** Moves to parked, for a backoff. It occupies neither edge nor slot. */
  park(): void {
    this.state = State.PARKED;
    this.worker.parked += 1;
  }

  /** Moves to paused until an answer arrives or a sleep is over. It occupies neither edge nor slot. */
  pause(): void {
    this.state = State.PAUSED;
  }

  /** Moves to over. {@link Attempt.abort} deals with its signal and waits. */
  end(): void {
    if (this.state === State.PARKED) this.worker.parked -= 1;
    this.state = State.OVER;
  }

  holdSlot(): void {
    this.worker.running += 1;
    this.slot = Slot.HELD;
  }

  /** Releases the slot, for good or, if `isLent`, until it is reclaimed. Returns whether others wait for the slot. */
  leaveSlot(isLent: boolean): boolean {
    const wasHeld = this.slot === Slot.HELD;
    if (wasHeld || !isLent) this.slot = isLent ? Slot.LENT : Slot.NONE;
    return wasHeld && this.worker.vacate();
  }

  /** Takes the place and the slot of the previous attempt of the same trace, which is then over. */
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

  /** Takes the place of a failed attempt, and its blocked sends. Leaves it its slot. */
  succeed(before: Attempt): void {
    this.outputs = before.outputs;
    this.sentTo = before.sentTo;
    // the target may start them at any time: abandoning them while their trace goes on would send them twice
    const blocked = before.extras?.outbox.splice(0) ?? [];
    for (const send of blocked) send.from = this;
    this.more.outbox.push(...blocked);
    this.state = State.RUNNING;
    this.started = before.started;
    this.heldSince = before.heldSince;
    this.inRing = before.inRing;
    before.inRing = false;
    this.trace.replace(before, this);
  }

  /** Passes the slot on to the attempt that sends in its place. Returns whether there is one to hold it. */
  passSlotOn(to: Attempt | undefined): boolean {
    if (to === undefined || to.state === State.OVER || this.slot !== Slot.HELD) return false;
    to.slot = Slot.HELD;
    this.slot = Slot.NONE;
    return true;
  }

  enterRing(): void {
    const { ring } = this.worker;
    if (ring === undefined || this.inRing) return;
    this.inRing = true;
    ring.population += 1;
  }

  /** Leaves its ring and returns it, if it was in one. */
  leaveRing(): Ring | undefined {
    if (!this.inRing) return undefined;
    this.inRing = false;
    const { ring } = this.worker;
    if (ring !== undefined) ring.population -= 1;
    return ring;
  }

  /**
   * Reuses this object as the first attempt of the next message. Allowed only if no handler holds a reference to it.
   */
  goOn(worker: Worker, message: Message, high: number, low: number): void {
    this.worker = worker;
    // a node often returns the message it received: storing an object costs more than comparing it
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

  /** Outputs that edges have accepted in all calls of its handler: their number and a hash of their targets. */
  get sent(): { readonly count: number; readonly to: number | undefined } {
    const { extras, outputs, sentTo } = this;
    if (extras === null) return { count: outputs, to: sentTo };
    const { outbox, alreadySent, alreadySentTo } = extras;
    const accepted = outputs - outbox.length;
    if (accepted <= alreadySent && alreadySent > 0) return { count: alreadySent, to: alreadySentTo };
    return { count: accepted, to: outbox[0]?.sentTo ?? sentTo };
  }

  get isOver(): boolean {
    return this.state === State.OVER;
  }

  /** Predecessor's name; `undefined` for the group of a join. */
  get source(): string | undefined {
    return this.edge?.source ?? this.extras?.source;
  }

  /** Name of the node that sent its message; `undefined` if it came from outside or the node is unknown. */
  get from(): string | undefined {
    const { into } = this.worker;
    const edge = this.via ?? (into.length === 1 ? into[0] : undefined);
    return edge === undefined || edge.source === OPEN_SEA ? undefined : edge.source;
  }

  /** Suppresses the first `count` outputs: edges accepted them in an earlier call of the handler. */
  skip(count: number, to: number | undefined): void {
    if (count === 0) return;
    this.more.alreadySent = count;
    this.more.alreadySentTo = to;
  }

  /** Policy of its message: the node's, unless that depends on the message. */
  get policy(): ResolvedPolicy {
    return this.extras?.policy ?? this.worker.node.policy;
  }

  /** Whether it may be retried. If so, emits are held back until it succeeds. */
  get mayRetry(): boolean {
    return this.policy.maxRetries > 0;
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

  /** Common prefix of the idempotency keys of a trace. */
  get traceKey(): string {
    const outer = outermost(this);
    return `${outer.worker.identity.id}-${outer.trace.runText}`;
  }

  /** Lineage id of its message as text, cached. */
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

  /** Throws the reason the attempt ended unless its handler is running. */
  requireRunning(what: string): void {
    if (this.state !== State.RUNNING) throw this.refusal(what);
  }

  /** Rejects the waits that do not survive the handler's return. */
  endWaits(): void {
    const waits = this.extras?.waits;
    if (waits === undefined || waits.size === 0) return;
    const reason = this.#overError("wait");
    for (const wait of [...waits]) if (!wait.outlivesHandler) wait.reject(reason);
  }

  /** Spends what its hops draw on a budget. */
  commitDraws(): void {
    const waits = this.extras?.waits;
    if (waits === undefined || waits.size === 0) return;
    for (const wait of [...waits]) wait.committed?.();
  }

  /** Returns what its last hop draws on a budget: its message is not sent. */
  returnLastDraw(): void {
    const last = [...(this.extras?.waits ?? [])].findLast(({ committed }) => committed !== undefined);
    last?.reject(undefined);
  }

  /** Returns what its hops draw on a budget: it does not commit. */
  returnDraws(reason: Error): void {
    for (const wait of [...(this.extras?.waits ?? [])]) if (wait.committed !== undefined) wait.reject(reason);
  }

  /** Ends the attempt from outside: aborts its signal and rejects its waits with `reason`. */
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

  /** Returns the error for an operation outside a running handler: the reason the attempt ended, if it was aborted. */
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
 * A message on its way to every one of its edges, or to the Rookery if it has none. Acceptance is atomic: room is
 * reserved edge by edge in declared order, and nothing is sent until every edge has room.
 *
 * States: new → accepted, or new → blocked → accepted | abandoned with its trace.
 */
export class Send implements Waiting {
  readonly trace: Trace;
  /** Sending attempt; `null` for messages from outside. */
  from: Attempt | null;
  readonly message: Message;
  readonly edges: readonly Edge[];
  /** Index among its sender's outputs; part of the lineage id. */
  readonly output: number;
  /** Hash of the targets its sender had emitted to before this send. */
  readonly sentTo: number;
  /** Number of `edges` on which it has reserved room. */
  places = 0;
  /** The attempt at its only target, which may start before the edge has room. */
  item: Attempt | null = null;
  /** Callback for its acceptance, or for the error that prevents it. */
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

  /** Edge that blocks it. */
  get awaited(): Edge | undefined {
    return this.edges[this.places];
  }
}

/** Returns the attempt of the outermost flow in which an attempt of a playbook works, or the attempt itself. */
export function outermost(attempt: Attempt): Attempt {
  let outer = attempt;
  while (outer.trace.origin !== null) outer = outer.trace.origin.parent;
  return outer;
}

/** Returns the outermost trace around a trace: itself, unless it is a playbook's. */
export function outermostTrace(trace: Trace): Trace {
  return trace.origin === null ? trace : outermost(trace.origin.parent).trace;
}

/** Returns the names of the playbooks in which a trace runs, outermost first. */
export function pathOf(trace: Trace): readonly string[] {
  const path: string[] = [];
  for (let { origin } = trace; origin !== null; { origin } = origin.parent.trace) path.unshift(origin.name);
  return path;
}
