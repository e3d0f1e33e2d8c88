import type { Schema } from "../../foundation/schema.ts";
import type { SomeNode, Vertex } from "../../graph/graph.ts";
import type { Message } from "../../message/message.ts";
import { FairQueue } from "../../queue/fair-queue.ts";
import { FairWaitingList } from "../../queue/fair-waiting-list.ts";
import type { CheckMessage, CheckValue } from "../policies/validation.ts";
import type { Attempt, Send } from "./attempt.ts";
import type { RunIdentity } from "./run-identity.ts";
import type { Gathered, Trace } from "./trace.ts";

/** The share of a tenant in each queue. */
export type WeightOf = (tenant: string) => number;

/** A node's handler with only the layers that its policy asks for. */
export interface NodePlan {
  /** The schema of the node's input, if it is checked. */
  readonly inputSchema: Schema<unknown, unknown> | undefined;
  readonly checkInput: CheckMessage | undefined;
  readonly checkEmitted: CheckValue | undefined;
  /** Whether the handler is called only when its message is stored. */
  readonly storesFirst: boolean;
  /** Whether the handler may look at its context. */
  readonly takesContext: boolean;
  readonly call: (message: Message, attempt: Attempt) => unknown;
}

/**
 * Room for messages between two nodes. `size` counts those that wait on it, `reserved` the places kept for a broadcast.
 * Into a node that gathers nothing waits on an edge: there it is groups that wait for a slot, and the room on each of
 * its edges is what they leave.
 */
export class Edge {
  readonly index: number;
  /** The name of the node it comes from, or `OpenSea`. */
  readonly source: string;
  readonly target: Worker;
  /** 0 for no bound. */
  readonly capacity: number;
  /** Whether it lies within a ring of the graph. */
  readonly isInner: boolean;
  /** Whether its target gathers messages into groups. */
  readonly gathers: boolean;
  size = 0;
  reserved = 0;
  readonly waiting = new FairWaitingList<Send>();

  constructor(index: number, source: string, target: Worker, capacity: number, isInner: boolean) {
    this.index = index;
    this.source = source;
    this.target = target;
    this.capacity = capacity;
    this.isInner = isInner;
    this.gathers = target.node.gathering !== undefined;
  }

  /** How much of the capacity is used, but for places that are kept. */
  get load(): number {
    return this.gathers ? this.target.queued : this.size;
  }

  /** Whether another message fits, if none waits for room before it. */
  get isOpen(): boolean {
    return this.capacity === 0 || this.load + this.reserved < this.capacity;
  }

  get hasRoom(): boolean {
    return this.isOpen && (this.waiting.size === 0 || this.capacity === 0);
  }
}

/**
 * The nodes of a cycle and how many messages are on their way in it. Messages from outside are let in
 * only while those inside fit on the smallest edge and the slots behind it, so that a cycle can always
 * drain.
 */
export class Ring {
  population = 0;
  /** Sends of its nodes that wait for room. */
  blocked = 0;
  readonly capacity: number;
  limit = Number.POSITIVE_INFINITY;
  readonly workers: Worker[] = [];

  /** @param capacity - of each edge; 0 for no bound */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  add(worker: Worker): void {
    this.workers.push(worker);
    if (this.capacity === 0) return;
    // where a line forms all slots are in use: so many messages are never on the edge
    this.limit = Math.min(this.limit, this.capacity + worker.concurrency - 1);
  }
}

/** A node of a running flow: its waiting line, its slots, and its handler with only the layers its policy asks for. */
export class Worker {
  readonly identity: RunIdentity;
  readonly index: number;
  readonly name: string;
  readonly node: SomeNode;
  readonly vertex: Vertex;
  readonly concurrency: number;
  readonly isOrdered: boolean;
  readonly timeoutMs: number | undefined;
  /** Whether a failed attempt may be made again: what it emits is held back until it has succeeded. */
  readonly retries: boolean;
  /** The schema of its input, if it is checked. */
  readonly inputSchema: Schema<unknown, unknown> | undefined;
  readonly checkInput: CheckMessage | undefined;
  /** Whether something has to be done before its handler is called. */
  readonly prepares: boolean;
  /** Whether its handler is called as soon as it has a slot: nothing is checked before, and no timeout starts. */
  readonly isPlain: boolean;
  /** Whether its handler is called only when its message is stored. */
  readonly storesFirst: boolean;
  readonly checkEmitted: CheckValue | undefined;
  /** Whether the handler may look at its context. */
  readonly takesContext: boolean;
  readonly call: (message: Message, attempt: Attempt) => unknown;
  readonly ring: Ring | undefined;
  /** What waits for a slot; in a ring only what comes from inside it. */
  readonly inbox: FairQueue<Attempt | Trace>;
  /** What waits to enter the ring. */
  readonly outer: FairQueue<Attempt | Trace> | undefined;
  /** Edges to other nodes, in declared order. */
  readonly onward: Edge[] = [];
  /** The edge to itself. */
  loop: Edge | undefined;
  /** Its one edge, where only a free slot decides whether the next handler is called in the same turn. */
  straight: Edge | null = null;
  readonly into: Edge[] = [];
  /** The edge from outside. */
  entry: Edge | undefined;
  readonly edgeTo = new Map<string, Edge>();
  /** Slots in use. */
  running = 0;
  /** Attempts that have lent their slot and want it back, in order. */
  readonly returning: (() => void)[] = [];
  /** Sends of this node's attempts that wait for room. */
  readonly blocked = new Set<Send>();
  /** Messages that wait for their next attempt. */
  parked = 0;
  /** Groups that wait for further messages, if it gathers. */
  readonly groups: Gathered[] = [];
  /** Attempts that are over while their handler has not returned. */
  lingering = 0;
  zombies = 0;
  isWoken = false;
  #outerTurn = false;

  constructor(vertex: Vertex, ring: Ring | undefined, identity: RunIdentity, weightOf: WeightOf, plan: NodePlan) {
    const { node } = vertex;
    const { policy } = node;
    this.identity = identity;
    this.index = vertex.index;
    this.name = node.name;
    this.node = node;
    this.vertex = vertex;
    this.ring = ring;
    this.concurrency = policy.concurrency;
    this.isOrdered = policy.ordering === "trace";
    this.timeoutMs = policy.timeoutMs;
    this.retries = policy.maxRetries > 0;
    this.storesFirst = plan.storesFirst;
    this.inbox = new FairQueue(this.isOrdered, weightOf);
    this.outer = ring === undefined ? undefined : new FairQueue(this.isOrdered, weightOf);
    this.inputSchema = plan.inputSchema;
    this.checkInput = plan.checkInput;
    this.prepares = plan.checkInput !== undefined || plan.storesFirst;
    this.isPlain = !this.prepares && this.timeoutMs === undefined;
    this.checkEmitted = plan.checkEmitted;
    this.takesContext = plan.takesContext;
    this.call = plan.call;
  }

  /** Takes a slot for a message that is handed on from another node. */
  occupy(): void {
    this.running += 1;
  }

  /** Frees a slot. Returns whether messages or handlers wait for one, or senders for room in its ring. */
  vacate(): boolean {
    this.running -= 1;
    return (
      this.inbox.ready > 0 ||
      this.returning.length > 0 ||
      (this.outer !== undefined && this.outer.ready > 0) ||
      (this.ring !== undefined && this.ring.blocked > 0)
    );
  }

  /** A handler whose attempt is over has not returned. */
  linger(): void {
    this.lingering += 1;
  }

  /** A lingering handler has outlived its grace period. */
  giveUp(): void {
    this.zombies += 1;
  }

  /** A lingering handler has returned. */
  returned(wasZombie: boolean): void {
    this.lingering -= 1;
    if (wasZombie) this.zombies -= 1;
  }

  /** A send of one of its attempts waits for room. */
  block(send: Send): void {
    if (this.blocked.has(send)) return;
    this.blocked.add(send);
    if (this.ring !== undefined) this.ring.blocked += 1;
  }

  /** A send waits no longer. Harmless when it did not. */
  unblock(send: Send): void {
    if (this.blocked.delete(send) && this.ring !== undefined) this.ring.blocked -= 1;
  }

  /** A group waits no longer. */
  dropGroup(group: Gathered): void {
    const last = this.groups.pop() as Gathered;
    if (last === group) return;
    this.groups[group.index] = last;
    last.index = group.index;
  }

  get queued(): number {
    return this.inbox.size + (this.outer?.size ?? 0);
  }

  /** Whether a slot is free and nobody else is entitled to it; `isInner` for a message from within its ring. */
  hasSlot(isInner: boolean): boolean {
    if (this.running >= this.concurrency || this.inbox.ready !== 0 || this.returning.length !== 0) return false;
    return this.outer === undefined || isInner || (this.outer.ready === 0 && this.mayEnterRing);
  }

  /** Where a message that came over `edge` waits. */
  queueOf(edge: Edge | null): FairQueue<Attempt | Trace> {
    return this.outer === undefined || edge === null || edge.isInner ? this.inbox : this.outer;
  }

  get mayEnterRing(): boolean {
    return this.ring === undefined || this.ring.population < this.ring.limit;
  }

  /** The next message to work on, if any may be taken now. In a ring, those inside and outside take turns. */
  takeNext(): Attempt | Trace | null {
    if (this.outer === undefined) return this.inbox.pop();
    if (!this.mayEnterRing) return this.inbox.pop();
    this.#outerTurn = !this.#outerTurn;
    return this.#outerTurn ? (this.outer.pop() ?? this.inbox.pop()) : (this.inbox.pop() ?? this.outer.pop());
  }
}
