import { FlowError, FlowErrorCode } from "../../foundation/flow-error.ts";
import { mixHigh, mixLow } from "../../foundation/lineage.ts";
import { ROOKERY } from "../../graph/endpoints.ts";
import type { Message } from "../../message/message.ts";
import type { Trace } from "../state/trace.ts";
import { Attempt, Send, Slot, State } from "../state/attempt.ts";
import type { Edge, Worker } from "../state/worker.ts";
import type { Agenda } from "../admission/agenda.ts";
import type { Slots } from "../admission/slots.ts";
import type { Ledger } from "../observe/ledger.ts";
import type { Reporter } from "../observe/reporter.ts";
import type { RunIdentity } from "../state/run-identity.ts";

/** Engine parts that {@link Sending} calls. */
interface SendingHost {
  readonly identity: RunIdentity;
  readonly isWatched: boolean;
  /** Whether every trace is being ended. Freed room is then not given to blocked sends. */
  readonly isEnding: boolean;
  readonly agenda: Agenda;
  readonly slots: Slots;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly joining: { arrive(item: Attempt): void };
  readonly fetching: { give(item: Attempt): boolean; wants(trace: Trace, edge: Edge): boolean };
  readonly committing: { commit(attempt: Attempt): void };
  readonly ending: { checkStarved(trace: Trace): void; deadlock(send: Send, cycle: readonly string[]): void };
  resultDropped(trace: Trace, node: string, reason: string): void;
}

/** Number of messages by which an edge of a cycle may exceed its capacity to let a blocked cycle drain. */
const DRAIN_ALLOWANCE = 64;

const ROOKERY_INDEX = -1;

/** Delivers messages to edges and to the Rookery; applies backpressure in FIFO order. */
export class Sending {
  readonly #engine: SendingHost;

  constructor(engine: SendingHost) {
    this.#engine = engine;
  }

  /**
   * Sends a message. Returns whether it was accepted at once; otherwise calls `settle` on acceptance. The outputs of
   * one attempt are accepted in order.
   */
  send(
    trace: Trace,
    from: Attempt | null,
    message: Message,
    edges: readonly Edge[],
    settle: ((failure: Error | undefined) => void) | null,
  ): boolean {
    const output = from === null ? trace.outputs++ : from.outputs++;
    if (from !== null && from.extras !== null && output < from.extras.alreadySent) return true;
    if (from === null) this.#engine.ledger.expected(trace);
    const outbox = from?.extras?.outbox;
    const mustWait = outbox !== undefined && outbox.length > 0;
    if (!mustWait && this.#sendAtOnce(trace, from, message, edges, output)) return true;
    const send = new Send(trace, from, message, edges, output, settle);
    if (mustWait) {
      outbox.push(send);
      return false;
    }
    if (this.#waitFor(send)) return true;
    if (from !== null) from.more.outbox.push(send);
    else if (send.item === null) (trace.more.entrySends ??= new Set()).add(send);
    return false;
  }

  /** Fast path for calls: starts a message from outside in this turn, if its node is free. Returns whether it did. */
  startAtOnce(trace: Trace, message: Message, edge: Edge): boolean {
    const worker = edge.target;
    if (worker.node.gathering !== undefined || trace.live > 0 || !this.#engine.slots.mayStart(worker, trace, false))
      return false;
    trace.wasEntered = true;
    this.#engine.ledger.expected(trace);
    this.#engine.ledger.changed(trace);
    this.#engine.slots.runNow(this.#target(trace, null, message, edge, trace.outputs++));
    return true;
  }

  /**
   * Fast path for calls: enqueues the trace; its Attempt is allocated on dequeue. Used if no caller awaits acceptance
   * and no message can follow. Returns whether it is enqueued.
   */
  lineUp(trace: Trace, message: Message, edge: Edge): boolean {
    if (
      trace.isOpenEnded ||
      edge.gathers ||
      edge.target.limit !== undefined ||
      trace.live > 0 ||
      this.takes(edge, trace)
    )
      return false;
    trace.entry = message;
    this.#engine.ledger.expected(trace);
    this.#engine.slots.lineUp(trace, edge);
    return true;
  }

  /** Allocates the attempt of a queued trace. */
  entryOf(trace: Trace, edge: Edge): Attempt {
    const item = this.#target(trace, null, trace.entry as Message, edge, trace.outputs++);
    if (this.#engine.isWatched) item.more.queuedAt = trace.startedAt;
    trace.entry = null;
    return item;
  }

  /** Records that a queued trace was dequeued and is about to start. */
  entered(item: Attempt): void {
    this.#published(item.trace, item.message, item.worker.entry as Edge);
    this.#engine.ledger.accepted(item, null);
  }

  /**
   * Holds a message from outside back until its trace has its turn, or the Rookery has room. {@link Sending.offerHeld}
   * sends it.
   */
  hold(
    trace: Trace,
    message: Message,
    edges: readonly Edge[],
    settle: ((failure: Error | undefined) => void) | null,
  ): Send {
    const send = new Send(trace, null, message, edges, trace.outputs++, settle);
    this.#engine.ledger.expected(trace);
    (trace.more.entrySends ??= new Set()).add(send);
    return send;
  }

  offerHeld(send: Send): void {
    const { trace, settle } = send;
    const entrySends = trace.extras?.entrySends;
    if (!trace.isOpen || entrySends?.delete(send) !== true) return;
    if (!this.#offer(send)) {
      if (send.item === null) entrySends.add(send);
      return;
    }
    send.settle = null;
    settle?.(undefined);
  }

  /** Whether {@link Sending.send} would accept a message at once. */
  hasRoom(trace: Trace, from: Attempt | null, edges: readonly Edge[]): boolean {
    if ((from?.extras?.outbox.length ?? 0) > 0) return false;
    if (edges.length === 0) return !trace.isUnread && trace.sink.hasRoomForResult();
    return this.takesAll(edges, trace);
  }

  /** Frees the room of a message that has left its edge. */
  leftEdge(edge: Edge): void {
    edge.size -= 1;
    this.#giveRoom(edge);
  }

  /** Frees the room of a group that has left its join's queue. */
  leftJoin(worker: Worker): void {
    for (const edge of worker.into) this.#giveRoom(edge);
  }

  /** Accepts a blocked message that started before its edge had room. */
  startedWithoutPlace(send: Send): void {
    const edge = send.edges[0] as Edge;
    edge.waiting.remove(send);
    this.#itemAccepted(send, send.item as Attempt, edge);
  }

  /** Abandons a send whose trace has ended. */
  abandon(send: Send, reason: Error): void {
    send.awaited?.waiting.remove(send);
    send.from?.worker.unblock(send);
    for (const edge of send.edges.slice(0, send.places)) {
      edge.reserved -= 1;
      this.#giveRoom(edge);
    }
    const { settle } = send;
    send.settle = null;
    settle?.(reason);
  }

  /** Retries the blocked results and chunks of a trace, in order. */
  roomFor(trace: Trace): void {
    const line = trace.extras?.unread ?? [];
    let next = line[0];
    while (next?.() === true) {
      line.shift();
      next = line[0];
    }
    this.#engine.agenda.flush();
  }

  /** Blocks until the trace's reader has room. `attempt` returns whether it got in. */
  whenRoom(trace: Trace, attempt: () => boolean): void {
    (trace.more.unread ??= []).push(attempt);
    const onRoom = (): void => this.roomFor(trace);
    trace.sink.onRoom ??= onRoom;
  }

  #offer(send: Send): boolean {
    const { trace, from, message, edges, output } = send;
    return this.#sendAtOnce(trace, from, message, edges, output) || this.#waitFor(send);
  }

  /** Sends a message if every target has room; does nothing otherwise. */
  #sendAtOnce(trace: Trace, from: Attempt | null, message: Message, edges: readonly Edge[], output: number): boolean {
    if (edges.length === 0) return this.#deliver(trace, from as Attempt, message, output, false);
    if (edges.length === 1) {
      const only = edges[0] as Edge;
      if (!this.takes(only, trace)) return false;
      if (from !== null) this.#engine.ledger.expected(trace);
      this.#put(trace, from, message, only, output);
      return true;
    }
    if (!this.takesAll(edges, trace)) return false;
    this.#putOnAll(trace, from, message, edges, output);
    return true;
  }

  /** Blocks a send. Returns whether it was accepted after all. */
  #waitFor(send: Send): boolean {
    const { edges, trace } = send;
    const only = edges[0];
    // a message to a join must block before the group: an attempt enqueued early could start without its group
    if (edges.length > 1 || only?.gathers === true) return this.#reserve(send);
    if (only !== undefined) {
      const item = this.#target(trace, send.from, send.message, only, send.output);
      item.send = send;
      send.item = item;
      only.waiting.push(send);
      if (send.from !== null) this.#engine.ledger.expected(trace);
      this.#engine.slots.enqueue(item);
      this.#blocked(send, only);
      return false;
    }
    const from = send.from as Attempt;
    // a slow reader must delay only its own trace: holding the slot would block other traces at this node
    if (trace.sink.lendsSlot !== false) this.#engine.slots.lend(from);
    this.whenRoom(trace, () => {
      if (!this.#deliver(trace, from, send.message, send.output, true)) return false;
      this.#accepted(send);
      return true;
    });
    return false;
  }

  /** Hands a message to each of several nodes. */
  #putOnAll(trace: Trace, from: Attempt | null, message: Message, edges: readonly Edge[], output: number): void {
    for (const edge of edges) {
      // accepting it at one node may have ended the trace
      if (!trace.isOpen) break;
      this.#engine.ledger.expected(trace);
      this.#put(trace, from, message, edge, output);
    }
    if (from !== null || !trace.isOpen) return;
    // the caller counted one message; by now each target has counted its own
    this.#engine.ledger.withdrawn(trace);
    this.#engine.ending.checkStarved(trace);
  }

  /** Reserves room on the remaining edges, in declared order. Sends once every edge has room. */
  #reserve(send: Send): boolean {
    for (;;) {
      const edge = send.awaited;
      if (edge === undefined) break;
      if (!edge.hasRoom) {
        edge.waiting.push(send);
        this.#blocked(send, edge);
        return false;
      }
      edge.reserved += 1;
      send.places += 1;
    }
    const { trace, from, message, edges, output } = send;
    for (const edge of edges) edge.reserved -= 1;
    this.#putOnAll(trace, from, message, edges, output);
    // a message that started at once, joined or was fetched leaves its reserved room unused: offer it, or senders hang
    for (const edge of edges) this.#giveRoom(edge);
    return true;
  }

  /** Whether every edge accepts a message of the trace, or of a new one, at once. */
  takesAll(edges: readonly Edge[], trace: Trace | undefined): boolean {
    for (const edge of edges) if (!edge.hasRoom && !(this.takes(edge, trace) && entersAlone(edge, edges))) return false;
    return true;
  }

  /** Whether an edge accepts a message of the trace, or of a new one, at once. */
  takes(edge: Edge, trace: Trace | undefined): boolean {
    if (edge.hasRoom) return true;
    if (edge.gathers) return false;
    if (this.#engine.slots.mayStart(edge.target, trace, edge.isInner)) return true;
    return trace !== undefined && trace.fetching > 0 && this.#engine.fetching.wants(trace, edge);
  }

  /** Hands an accepted message to its node. */
  #put(trace: Trace, from: Attempt | null, message: Message, edge: Edge, output: number): void {
    const engine = this.#engine;
    const item = this.#target(trace, from, message, edge, output);
    engine.ledger.accepted(item, from);
    this.#published(trace, message, edge);
    if (edge.gathers) {
      engine.joining.arrive(item);
    } else if (trace.fetching > 0 && engine.fetching.give(item)) {
      return;
    } else if (engine.slots.mayStart(edge.target, trace, edge.isInner)) {
      item.edge = null;
      engine.slots.launch(item);
    } else {
      edge.size += 1;
      engine.slots.enqueue(item);
    }
  }

  #target(trace: Trace, from: Attempt | null, message: Message, edge: Edge, output: number): Attempt {
    const source = from ?? trace.origin;
    const high = source?.high ?? this.#engine.identity.lineageSeed;
    const low = source?.low ?? trace.run | 0;
    const target = new Attempt(
      edge.target,
      trace,
      message,
      edge,
      mixHigh(high, low, edge.index, output),
      mixLow(high, low, edge.index, output),
      1,
    );
    if (from !== null) target.round = from.round;
    return target;
  }

  /** Delivers a result to the trace's sink. Returns whether there was room. */
  #deliver(trace: Trace, from: Attempt, message: Message, output: number, isInTurn: boolean): boolean {
    const engine = this.#engine;
    const othersWait = !isInTurn && trace.isUnread;
    if (othersWait || !trace.sink.result(message, from.worker.name)) return false;
    engine.ledger.delivered(
      message,
      from,
      mixHigh(from.high, from.low, ROOKERY_INDEX, output),
      mixLow(from.high, from.low, ROOKERY_INDEX, output),
    );
    if (engine.reporter.hasBus) engine.reporter.publish(trace, from.worker.name, ROOKERY, message);
    trace.resultCount += 1;
    if (trace.resultCount <= trace.sink.keepResults) (trace.results ??= []).push(message);
    else if (trace.sink.keepResults > 0)
      engine.resultDropped(trace, from.worker.name, "the caller keeps no more results");
    return true;
  }

  #giveRoom(edge: Edge): void {
    if (this.#engine.isEnding) return;
    while (edge.waiting.size > 0 && edge.isOpen) {
      const send = edge.waiting.shift() as Send;
      if (send.trace.isOpen) this.#place(send, edge);
    }
  }

  #place(send: Send, edge: Edge): void {
    if (send.item !== null) {
      edge.size += 1;
      this.#itemAccepted(send, send.item, edge);
      return;
    }
    send.from?.worker.unblock(send);
    edge.reserved += 1;
    send.places += 1;
    if (this.#reserve(send)) this.#accepted(send);
  }

  #itemAccepted(send: Send, item: Attempt, edge: Edge): void {
    item.send = null;
    this.#published(send.trace, send.message, edge);
    this.#engine.ledger.accepted(item, send.from);
    this.#accepted(send);
  }

  /** Settles a blocked send that was accepted, then offers its sender's next one. */
  #accepted(send: Send): void {
    const { from, settle } = send;
    send.settle = null;
    settle?.(undefined);
    if (from === null) {
      send.trace.extras?.entrySends?.delete(send);
      return;
    }
    from.worker.unblock(send);
    const outbox = from.more.outbox;
    outbox.shift();
    let next = outbox[0];
    while (next !== undefined && this.#offer(next)) {
      next.settle?.(undefined);
      outbox.shift();
      next = outbox[0];
    }
    if (next === undefined && from.state === State.SENDING) this.#engine.committing.commit(from);
  }

  #published(trace: Trace, message: Message, edge: Edge): void {
    if (this.#engine.reporter.hasBus) this.#engine.reporter.publish(trace, edge.source, edge.target.name, message);
  }

  #blocked(send: Send, edge: Edge): void {
    if (send.from === null) return;
    send.from.worker.block(send);
    // an edge out of the cycle counts too: its room may be reserved for a send that is blocked inside the cycle
    if (edge.isInner || send.from.worker.ring !== undefined) this.#engine.agenda.suspect(send);
  }

  /** Resolves a deadlock: if no node in the cycle can move, lets it drain over its bound or fails the trace. */
  drainOrFail(send: Send): void {
    if (send.list === null) return;
    // start at the sender: its target may be idle while the room is reserved for another send of the same node
    const stuck = stuckWorkers((send.from as Attempt).worker);
    if (stuck === undefined) return;
    const waiting = [...stuck].flatMap((worker) => [...worker.blocked]).filter(({ list }) => list !== null);
    // a send blocked outside the cycle gets room eventually: counting it would report a false deadlock
    const inner = waiting.filter(({ awaited }) => awaited?.isInner === true);
    const drain = inner.find(({ awaited }) => mayExceed(awaited as Edge));
    if (drain !== undefined) {
      const edge = drain.awaited as Edge;
      edge.waiting.remove(drain);
      this.#place(drain, edge);
    } else if (inner.length > 0) {
      const lost = inner.includes(send) ? send : (inner[0] as Send);
      const { source, target } = lost.awaited as Edge;
      this.#engine.ending.deadlock(lost, cycleFrom(source, target));
    }
    if (inner.length > 0) for (const other of waiting) if (other.list !== null) this.#engine.agenda.suspect(other);
  }
}

/** Whether no other edge leads into the same ring. The first message to enter may leave no room for a second. */
function entersAlone(edge: Edge, edges: readonly Edge[]): boolean {
  const { ring } = edge.target;
  return ring === undefined || edge.isInner || edges.every((other) => other === edge || other.target.ring !== ring);
}

function mayExceed(edge: Edge): boolean {
  return edge.load + edge.reserved < edge.capacity + Math.max(edge.capacity, DRAIN_ALLOWANCE);
}

/** Returns the nodes reachable from `first` that block one another, or `undefined` if one of them can move. */
function stuckWorkers(first: Worker): Set<Worker> | undefined {
  const seen = new Set([first]);
  for (const worker of seen) {
    if (canMove(worker)) return undefined;
    for (const { awaited } of worker.blocked) {
      if (awaited === undefined) continue;
      // an empty edge without room has its room reserved for another send of this same node
      seen.add(awaited.load === 0 ? worker : awaited.target);
    }
  }
  return seen;
}

/** Whether a node can progress by itself: a handler is running, or a slot is free for a queued message or a retry. */
function canMove(worker: Worker): boolean {
  // the holder of a permit runs user code and waits for nothing here: its permit becomes free
  if (worker.limited > 0) return true;
  let working = worker.running;
  for (const { from } of worker.blocked) if (from?.slot === Slot.HELD) working -= 1;
  if (working > 0 || worker.blocked.size === 0) return true;
  if (worker.running >= worker.concurrency) return false;
  const mayEnter = worker.outer !== undefined && worker.outer.ready > 0 && worker.mayEnterRing;
  return worker.inbox.ready > 0 || worker.returning.length > 0 || worker.parked > 0 || mayEnter;
}

/** Names the nodes of a deadlock in order, starting and ending with the same one. */
function cycleFrom(source: string, first: Worker): string[] {
  const path = [source];
  let worker: Worker | undefined = first;
  while (worker !== undefined && !path.includes(worker.name)) {
    path.push(worker.name);
    const [send]: Send[] = [...worker.blocked];
    worker = send?.awaited?.target;
  }
  const repeated = worker?.name ?? source;
  return [...path.slice(Math.max(path.indexOf(repeated), 0)), repeated];
}

/** Makes the error of a non-blocking emit onto a full edge. */
export function queueFull(node: string, traceId: string, tenant: string, edges: readonly Edge[]): FlowError {
  const full = edges
    .filter((edge) => !edge.hasRoom)
    .map((edge) => `"${edge.source}" → "${edge.target.name}" (${edge.load} of ${edge.capacity})`);
  return new FlowError({
    code: FlowErrorCode.QUEUE_FULL,
    message: `Cannot emit from "${node}" without waiting: no room on ${full.join(", ") || "the way of an earlier message"}`,
    traceId,
    tenant,
    node,
    retryable: true,
  });
}
