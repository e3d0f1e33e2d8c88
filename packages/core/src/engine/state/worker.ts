import type { ModelRegistry } from "../../graph/model-registry.ts";
import type { Graph, SomeNode, Vertex } from "../../graph/graph.ts";
import { handlerOf } from "../../graph/node.ts";
import { OPEN_SEA } from "../../graph/endpoints.ts";
import { FlowErrorCode } from "../../foundation/flow-error.ts";
import { checks, type Schema } from "../../foundation/schema.ts";
import { type CheckMessage, type CheckValue, messageCheck, valueCheck } from "../policies/validation.ts";
import type { Message } from "../../message/message.ts";
import { FairQueue } from "../../queue/fair-queue.ts";
import { FairWaitingList } from "../../queue/fair-waiting-list.ts";
import type { Gathered, Trace } from "./trace.ts";
import type { Attempt } from "./attempt.ts";
import type { Engine } from "../engine.ts";
import type { SafeProbe } from "../observe/safe-probe.ts";
import type { Send } from "./send.ts";

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
  readonly engine: Engine;
  readonly index: number;
  readonly name: string;
  readonly node: SomeNode;
  readonly vertex: Vertex;
  readonly concurrency: number;
  readonly isOrdered: boolean;
  readonly timeoutMs: number | undefined;
  /** Whether a failed attempt may be made again: what it emits is held back until it has succeeded. */
  readonly retries: boolean;
  /** What its input must be, if it is checked. */
  readonly inputSchema: Schema<unknown, unknown> | undefined;
  readonly checkInput: CheckMessage | undefined;
  /** Whether something has to be done before its handler is called. */
  readonly prepares: boolean;
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

  constructor(engine: Engine, vertex: Vertex, ring: Ring | undefined, models: Models) {
    const weightOf = (tenant: string) => engine.weightOf(tenant);
    this.engine = engine;
    const { node } = vertex;
    this.index = vertex.index;
    this.name = node.name;
    this.node = node;
    this.vertex = vertex;
    this.ring = ring;
    this.concurrency = node.policy.concurrency;
    this.isOrdered = node.policy.ordering === "trace";
    this.timeoutMs = node.policy.timeoutMs;
    this.retries = node.policy.maxRetries > 0;
    this.storesFirst = node.policy.durable === "before" && engine.durable !== undefined;
    this.inbox = new FairQueue(this.isOrdered, weightOf);
    this.outer = ring === undefined ? undefined : new FairQueue(this.isOrdered, weightOf);
    const { validate } = node.policy;
    if (checks(models.input) && (validate === "both" || validate === "in")) {
      this.inputSchema = models.input;
      this.checkInput = messageCheck(node.name, FlowErrorCode.INPUT_INVALID, models.input);
    }
    this.prepares = this.checkInput !== undefined || this.storesFirst;
    const checkEmitted =
      checks(models.output) && (validate === "both" || validate === "out")
        ? valueCheck(node.name, models.output)
        : undefined;
    this.checkEmitted = engine.durable === undefined ? checkEmitted : engine.durable.checked(node.name, checkEmitted);
    const handler = handlerOf(node);
    this.takesContext = takesContext(handler);
    const call: Worker["call"] =
      node.style === "message" ? handler : (message, attempt) => handler(message.payload, attempt);
    this.call = engine.probe === undefined ? call : probed(engine.probe, call);
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

/** The same call with a probe around it. */
function probed(probe: SafeProbe, call: Worker["call"]): Worker["call"] {
  return (message, attempt) =>
    probe.handle(attempt, (own) => {
      if (own !== message) {
        attempt.more.original ??= message;
        attempt.message = own;
      }
      return call(own, attempt);
    });
}

/** Whether a function may look at its second argument. When in doubt it does. */
function takesContext(handler: (...args: never[]) => unknown): boolean {
  if (handler.length !== 1) return true;
  const source = Function.prototype.toString.call(handler);
  // a rest or default parameter does not count in `length`, and `arguments` has everything
  const isPattern = !source.includes("=>") && /^[^(]*\(\s*[{[]/.test(source);
  if (isPattern) return true;
  const parameters = new Set(source.slice(0, source.includes("=>") ? source.indexOf("=>") : source.indexOf("{")));
  return parameters.has(",") || parameters.has("=") || source.includes("arguments") || source.includes("[native code]");
}

/** Schemas of a node, its own or the registry's. */
export interface Models {
  readonly input: Schema<unknown, unknown> | undefined;
  readonly output: Schema<unknown, unknown> | undefined;
}

/** The compiled graph: workers in the order of its vertices, and the edges from outside. */
export interface Workshop {
  readonly workers: readonly Worker[];
  readonly byName: ReadonlyMap<string, Worker>;
  /** Edges from OpenSea to the entry nodes. */
  readonly entries: readonly Edge[];
  readonly edges: readonly Edge[];
}

/** Compiles a graph. Done once per run. */
export function compileGraph(
  engine: Engine,
  graph: Graph,
  registry: ModelRegistry | undefined,
  queueMaxSize: number,
): Workshop {
  const rings = graph.rings.map(() => new Ring(queueMaxSize));
  const workers = graph.vertices.map((vertex) => {
    const registered = registry?.get(vertex.node.name);
    const models = { input: vertex.node.input ?? registered?.input, output: vertex.node.output ?? registered?.output };
    const ring = vertex.ring === undefined ? undefined : rings[vertex.ring];
    const worker = new Worker(engine, vertex, ring, models);
    ring?.add(worker);
    return worker;
  });
  const edges: Edge[] = [];
  const connect = (source: string, target: Worker, isInner: boolean): Edge => {
    const edge = new Edge(edges.length, source, target, queueMaxSize, isInner);
    edges.push(edge);
    target.into.push(edge);
    return edge;
  };
  for (const worker of workers) {
    for (const index of worker.vertex.successors) {
      const target = workers[index] as Worker;
      const edge = connect(worker.name, target, target.ring !== undefined && target.ring === worker.ring);
      worker.edgeTo.set(target.name, edge);
      if (target === worker) worker.loop = edge;
      else worker.onward.push(edge);
    }
  }
  const entries = workers
    .filter((worker) => worker.vertex.isIngress)
    .map((worker) => (worker.entry = connect(OPEN_SEA, worker, false)));
  return { workers, byName: new Map(workers.map((worker) => [worker.name, worker])), entries, edges };
}
