import type { Schema } from "../../foundation/schema.ts";
import type { SomeNode, Vertex } from "../../graph/graph.ts";
import type { Message } from "../../message/message.ts";
import { FairQueue } from "../../queue/fair-queue.ts";
import { FairWaitingList } from "../../queue/fair-waiting-list.ts";
import type { CheckMessage, CheckValue } from "../policies/validation.ts";
import type { Attempt, Send } from "./attempt.ts";
import { type NodeLimit, permitsOf } from "./permits.ts";
import type { RunIdentity } from "./run-identity.ts";
import type { Gathered, Trace } from "./trace.ts";

/** Weight of a tenant in each queue. */
export type WeightOf = (tenant: string) => number;

/** Compiled handler of a node, with only the layers its policy asks for. */
export interface NodePlan {
  /** Schema of the node's input, if it is validated. */
  readonly inputSchema: Schema<unknown, unknown> | undefined;
  readonly checkInput: CheckMessage | undefined;
  readonly checkEmitted: CheckValue | undefined;
  /** Whether the handler is called only after its message is stored. */
  readonly storesFirst: boolean;
  /** Whether the handler may use its context. */
  readonly takesContext: boolean;
  /** Whether each call of the handler is observed. */
  readonly isWatched: boolean;
  readonly call: (message: Message, attempt: Attempt) => unknown;
}

/**
 * Bounded connection between two nodes. `size` counts the messages queued on it, `reserved` the room kept for atomic
 * sends. Messages to a join do not occupy the edge: its capacity limits the groups that wait for a slot.
 */
export class Edge {
  readonly index: number;
  /** Name of the source node, or `OpenSea`. */
  readonly source: string;
  readonly target: Worker;
  /** Maximum number of messages; 0 for no bound. */
  readonly capacity: number;
  /** Whether it lies within a ring of the graph. */
  readonly isInner: boolean;
  /** Whether its target is a join that gathers its messages. */
  readonly gathers: boolean;
  size = 0;
  reserved = 0;
  readonly waiting = new FairWaitingList<Send>();

  /** @param takesGroups - whether a join receives whole groups over it, which it need not gather */
  constructor(index: number, source: string, target: Worker, capacity: number, isInner: boolean, takesGroups = false) {
    this.index = index;
    this.source = source;
    this.target = target;
    this.capacity = capacity;
    this.isInner = isInner;
    this.gathers = target.node.gathering !== undefined && !takesGroups;
  }

  /** Used capacity, without reserved room. */
  get load(): number {
    return this.gathers ? this.target.queued : this.size;
  }

  /** Whether another message fits, ignoring blocked sends ahead of it. */
  get isOpen(): boolean {
    return this.capacity === 0 || this.load + this.reserved < this.capacity;
  }

  get hasRoom(): boolean {
    return this.isOpen && (this.waiting.size === 0 || this.capacity === 0);
  }
}

/**
 * Nodes of a cycle and the number of messages in it. Invariant: messages enter only while those inside fit on the
 * smallest edge and the slots behind it, so a cycle can always drain.
 */
export class Ring {
  population = 0;
  /** Number of blocked sends of its nodes. */
  blocked = 0;
  readonly capacity: number;
  limit = Number.POSITIVE_INFINITY;
  readonly workers: Worker[] = [];

  /**
   * Creates an empty ring.
   *
   * @param capacity - capacity of each edge; 0 for no bound
   */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  add(worker: Worker): void {
    this.workers.push(worker);
    if (this.capacity === 0) return;
    // a full edge means that all slots are in use: as many messages are never on the edge and may enter besides
    this.limit = Math.min(this.limit, this.capacity + worker.concurrency - 1);
  }
}

/** Runtime state of a node: its queue, its slots and its compiled handler. */
export class Worker {
  readonly identity: RunIdentity;
  readonly index: number;
  readonly name: string;
  readonly node: SomeNode;
  readonly vertex: Vertex;
  readonly concurrency: number;
  /** Number of slots for messages that need not queue first; 0 where a limiter decides on each message. */
  readonly directSlots: number;
  /** Its share of a limiter, if its policy names one. */
  readonly limit: NodeLimit | undefined;
  readonly isOrdered: boolean;
  readonly timeoutMs: number | undefined;
  /** Whether its policy depends on the message. */
  readonly looks: boolean;
  /** Schema of its input, if it is validated. */
  readonly inputSchema: Schema<unknown, unknown> | undefined;
  readonly checkInput: CheckMessage | undefined;
  /** Whether its message is validated or stored before the handler is called. */
  readonly prepares: boolean;
  /**
   * Whether its handler is called as soon as it has a slot, with no observer, policy function, validation, store or
   * timeout.
   */
  readonly isPlain: boolean;
  /** Whether its handler is called only after its message is stored. */
  readonly storesFirst: boolean;
  readonly checkEmitted: CheckValue | undefined;
  /** Whether its handler may use its context. */
  readonly takesContext: boolean;
  readonly call: (message: Message, attempt: Attempt) => unknown;
  readonly ring: Ring | undefined;
  /** Queue for slots. In a ring it holds only messages from inside the ring. */
  readonly inbox: FairQueue<Attempt | Trace>;
  /** Queue of messages that wait to enter the ring. */
  readonly outer: FairQueue<Attempt | Trace> | undefined;
  /** Edges to other nodes, in declared order. */
  readonly onward: Edge[] = [];
  /** Edge to itself. */
  loop: Edge | undefined;
  /** Its only edge, if a free slot is the sole condition for calling the next handler in the same turn. */
  straight: Edge | null = null;
  /** Its edge to itself, if its next round may take the fast path. */
  round: Edge | null = null;
  readonly into: Edge[] = [];
  /** Edge from OpenSea. */
  entry: Edge | undefined;
  readonly edgeTo = new Map<string, Edge>();
  /** Number of slots in use. */
  running = 0;
  /** Attempts that have lent their slot and reclaim it, in order. */
  readonly returning: (() => void)[] = [];
  /** Blocked sends of this node's attempts. */
  readonly blocked = new Set<Send>();
  /** Number of messages in backoff. */
  parked = 0;
  /** Number of messages that wait for the limiter. */
  limited = 0;
  /** Incomplete groups, if it is a join. */
  readonly groups: Gathered[] = [];
  /** Number of handlers still running after their attempt ended. */
  lingering = 0;
  zombies = 0;
  isWoken = false;
  #outerTurn = false;

  /**
   * Creates an idle node.
   *
   * @param wake - schedules a pump of the node
   */
  constructor(
    vertex: Vertex,
    ring: Ring | undefined,
    identity: RunIdentity,
    weightOf: WeightOf,
    plan: NodePlan,
    wake: (worker: Worker) => void,
  ) {
    const { node } = vertex;
    const { policy } = node;
    this.identity = identity;
    this.index = vertex.index;
    this.name = node.name;
    this.node = node;
    this.vertex = vertex;
    this.ring = ring;
    this.concurrency = policy.concurrency;
    const { limiter } = policy;
    this.directSlots = limiter === undefined ? policy.concurrency : 0;
    this.limit =
      limiter === undefined
        ? undefined
        : { limiter, permits: permitsOf(limiter), weightOf, offered: new Set(), wake: () => wake(this) };
    this.isOrdered = policy.ordering === "trace";
    this.timeoutMs = policy.timeoutMs;
    this.looks = policy.perMessage !== undefined;
    this.storesFirst = plan.storesFirst;
    this.inbox = new FairQueue(this.isOrdered, weightOf);
    this.outer = ring === undefined ? undefined : new FairQueue(this.isOrdered, weightOf);
    this.inputSchema = plan.inputSchema;
    this.checkInput = plan.checkInput;
    this.prepares = plan.checkInput !== undefined || plan.storesFirst;
    this.isPlain = !this.prepares && this.timeoutMs === undefined && !this.looks && !plan.isWatched;
    this.checkEmitted = plan.checkEmitted;
    this.takesContext = plan.takesContext;
    this.call = plan.call;
  }

  /** Takes a slot for a message handed on from another node. */
  occupy(): void {
    this.running += 1;
  }

  /** Frees a slot. Returns whether messages, handlers or sends in its ring wait for it. */
  vacate(): boolean {
    this.running -= 1;
    return (
      this.inbox.ready > 0 ||
      this.returning.length > 0 ||
      (this.outer !== undefined && this.outer.ready > 0) ||
      (this.ring !== undefined && this.ring.blocked > 0)
    );
  }

  /** Counts a message that waits for the limiter. */
  waitForPermit(): void {
    this.limited += 1;
  }

  /** Uncounts a message that no longer waits for the limiter. */
  leavePermitLine(): void {
    this.limited -= 1;
  }

  /** Counts a handler that runs on after its attempt ended. */
  linger(): void {
    this.lingering += 1;
  }

  /** Counts a handler whose grace period is over as a zombie. */
  giveUp(): void {
    this.zombies += 1;
  }

  /** Uncounts a handler that has returned after its attempt ended. */
  returned(wasZombie: boolean): void {
    this.lingering -= 1;
    if (wasZombie) this.zombies -= 1;
  }

  /** Registers a blocked send. */
  block(send: Send): void {
    if (this.blocked.has(send)) return;
    this.blocked.add(send);
    if (this.ring !== undefined) this.ring.blocked += 1;
  }

  /** Unregisters a blocked send. Does nothing if it is not registered. */
  unblock(send: Send): void {
    if (this.blocked.delete(send) && this.ring !== undefined) this.ring.blocked -= 1;
  }

  /** Removes a group. */
  dropGroup(group: Gathered): void {
    const last = this.groups.pop() as Gathered;
    if (last === group) return;
    this.groups[group.index] = last;
    last.index = group.index;
  }

  get queued(): number {
    return this.inbox.size + (this.outer?.size ?? 0) + this.limited;
  }

  /** Whether a slot is free and no queued message is entitled to it. `isInner` marks a message from within its ring. */
  hasSlot(isInner: boolean): boolean {
    if (this.running >= this.directSlots || this.inbox.ready !== 0 || this.returning.length !== 0) return false;
    return this.outer === undefined || isInner || (this.outer.ready === 0 && this.mayEnterRing);
  }

  /** Returns the queue for a message that arrives over `edge`. */
  queueOf(edge: Edge | null): FairQueue<Attempt | Trace> {
    return this.outer === undefined || edge === null || edge.isInner ? this.inbox : this.outer;
  }

  get mayEnterRing(): boolean {
    return this.ring === undefined || this.ring.population < this.ring.limit;
  }

  /** Returns the next item to start, or `null`. In a ring, messages inside and outside alternate. */
  takeNext(): Attempt | Trace | null {
    if (this.outer === undefined) return this.inbox.pop();
    if (!this.mayEnterRing) return this.inbox.pop();
    this.#outerTurn = !this.#outerTurn;
    return this.#outerTurn ? (this.outer.pop() ?? this.inbox.pop()) : (this.inbox.pop() ?? this.outer.pop());
  }
}
