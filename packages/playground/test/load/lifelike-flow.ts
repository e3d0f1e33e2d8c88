import type { EdgeStats, FeedEvent, FlowStats, Frame, GraphJson, NodeStats } from "../../src/protocol.ts";
import { edgeId, OPEN_SEA, ROOKERY } from "../../src/graph/drawn-graph.ts";

/** A graph of 50 nodes and 67 edges: ten stages of five nodes, with twelve edges across. */
export function wideGraph(): GraphJson {
  const stages = ["parse", "embed", "rank", "score", "fetch", "clean", "split", "merge", "check", "store"];
  const rows = [1, 2, 3, 4, 5];
  const name = (stage: number, row: number): string => `${stages[stage]}-${row}`;
  const across: readonly (readonly [stage: number, from: number, to: number])[] = [
    [0, 1, 2],
    [0, 5, 1],
    [0, 2, 1],
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 5],
    [4, 1, 2],
    [4, 5, 3],
    [5, 2, 3],
    [6, 3, 4],
    [7, 4, 5],
    [8, 1, 2],
  ];
  const pairs: [string, string][] = [
    ...rows.map((row): [string, string] => [OPEN_SEA, name(0, row)]),
    ...stages
      .slice(1)
      .flatMap((_, stage) => rows.map((row): [string, string] => [name(stage, row), name(stage + 1, row)])),
    ...across.map(([stage, from, to]): [string, string] => [name(stage, from), name(stage + 1, to)]),
    ...rows.map((row): [string, string] => [name(9, row), ROOKERY]),
  ];
  return {
    nodes: stages.flatMap((stage, at) =>
      rows.map((row) => ({
        name: `${stage}-${row}`,
        kind: stage === "merge" ? ("join" as const) : ("node" as const),
        isIngress: at === 0,
        isEgress: at === 9,
        isController: false,
        policy: { maxRetries: 2 },
        effects: at === 9 ? ("writes" as const) : ("none" as const),
      })),
    ),
    edges: pairs.map(([from, to]) => ({ from, to, kind: "forward" as const })),
    rings: [],
  };
}

/** Options of {@link LifelikeFlow}. */
export interface Load {
  readonly flow?: string;
  readonly graph?: GraphJson;
  /** Traces that are sent in a second. */
  readonly perSecond: number;
  readonly seed?: number;
  readonly tenants?: readonly string[];
  readonly capacity?: number;
  /** Nodes that take long, with the milliseconds of each message. */
  readonly slow?: Readonly<Record<string, number>>;
}

interface Item {
  readonly trace: string;
  readonly lineage: string;
  readonly tenant: string;
  readonly from: string;
  attempt: number;
}
interface Busy {
  readonly item: Item;
  readonly startedAt: number;
  readonly until: number;
  blockedFor: string | undefined;
}

const STEP_MS = 5;
const NONE_BEHIND: FlowStats["observers"]["stateStore"] = { dropped: 0, failed: 0, pending: 0 };

/**
 * A model of a flow under load: edges with capacities, slots, senders that are held back, retries, joins, tenants. The
 * same seed gives the same frames. It has the shape of the server's feed, and needs neither server nor time.
 */
export class LifelikeFlow {
  readonly graph: GraphJson;
  readonly #load: Load;
  readonly #edges: Map<string, { items: Item[]; capacity: number }>;
  readonly #into: Map<string, { items: Item[] }[]>;
  readonly #joins: Set<string>;
  readonly #nodes: Map<
    string,
    { busy: Busy[]; parked: { item: Item; until: number }[]; group: Item[]; concurrency: number }
  >;
  #now = 1_800_000_000_000;
  #seq = 0;
  #random: number;
  #traces = 0;
  #owed = 0;
  #accepted = 0;
  #completed = 0;
  #failed = 0;
  #events: FeedEvent[] = [];

  constructor(load: Load) {
    this.graph = load.graph ?? wideGraph();
    this.#load = load;
    this.#random = (load.seed ?? 1) * 2_654_435_761;
    const capacity = load.capacity ?? 16;
    this.#edges = new Map(this.graph.edges.map(({ from, to }) => [edgeId(from, to), { items: [], capacity }]));
    const into = (name: string) => this.graph.edges.filter(({ to }) => to === name);
    this.#into = new Map(
      this.graph.nodes.map(({ name }) => [name, into(name).map(({ from, to }) => this.#edges.get(edgeId(from, to))!)]),
    );
    this.#joins = new Set(this.graph.nodes.filter(({ kind }) => kind === "join").map(({ name }) => name));
    this.#nodes = new Map(
      this.graph.nodes.map(({ name }, index) => [
        name,
        { busy: [], parked: [], group: [], concurrency: 1 + (index % 4) },
      ]),
    );
  }

  /** Lets time pass, and returns what the feed tells about it. */
  frame(ms = 100): Frame {
    this.#events = [];
    for (let passed = 0; passed < ms; passed += STEP_MS) this.#step();
    const flow = this.#load.flow ?? "wide";
    return {
      seq: ++this.#seq,
      at: this.#now,
      skipped: 0,
      events: this.#events,
      stats: [{ flow, stats: this.stats() }],
    };
  }

  /** Returns the flow's figures, as `flow.stats()` does. */
  stats(): FlowStats {
    const waiting = (from: string, to: string): number => {
      if (from === OPEN_SEA) return Math.max(0, this.#depth(from, to) - this.#capacity(from, to));
      return this.#nodes.get(from)?.busy.filter(({ blockedFor }) => blockedFor === to).length ?? 0;
    };
    const edges = this.graph.edges.map(({ from, to }): EdgeStats => {
      const capacity = this.#capacity(from, to);
      const size = Math.min(this.#depth(from, to), capacity);
      return { source: from, target: to, size, capacity, waiting: waiting(from, to) };
    });
    const nodes = [...this.#nodes].map(([name, { busy, parked, group, concurrency }]): NodeStats => ({
      name,
      queued: edges.filter(({ target }) => target === name).reduce((sum, { size }) => sum + size, 0),
      limited: 0,
      running: busy.length,
      concurrency,
      blocked: busy.filter(({ blockedFor }) => blockedFor !== undefined).length,
      parked: parked.length,
      groups: group.length === 0 ? [] : [{ have: group.length, want: 2 }],
      lingering: 0,
      zombies: 0,
    }));
    const outcomes = {
      completed: this.#completed,
      failed: this.#failed,
      cancelled: 0,
      exhausted: 0,
      empty: 0,
      stopped: 0,
    };
    return {
      traces: this.#accepted - this.#completed - this.#failed,
      waitingTraces: 0,
      accepted: this.#accepted,
      outcomes,
      nodes,
      edges,
      limiters: [],
      unreadResults: 0,
      undeliveredOutcomes: 0,
      fetchers: 0,
      keptOutcomes: 0,
      droppedResults: 0,
      zombies: 0,
      lateResults: 0,
      timers: 0,
      observers: { middlewares: [], stateStore: NONE_BEHIND, messageBus: NONE_BEHIND },
    };
  }

  #step(): void {
    this.#now += STEP_MS;
    this.#owed += (this.#load.perSecond * STEP_MS) / 1000;
    for (; this.#owed >= 1; this.#owed--) this.#accept();
    for (const [name, node] of this.#nodes) {
      for (const busy of node.busy.filter(({ until }) => until <= this.#now)) this.#finish(name, busy);
      for (const parked of node.parked.filter(({ until }) => until <= this.#now)) {
        if (node.busy.length >= node.concurrency) continue;
        node.parked.splice(node.parked.indexOf(parked), 1);
        this.#start(name, parked.item);
      }
      this.#fill(name);
    }
  }

  #accept(): void {
    const tenants = this.#load.tenants ?? ["acme", "globex", "initech"];
    const entries = this.graph.edges.filter(({ from }) => from === OPEN_SEA);
    const entry = this.#pick(entries);
    const trace = `t${++this.#traces}`;
    const item: Item = { trace, lineage: trace, tenant: this.#pick(tenants), from: OPEN_SEA, attempt: 1 };
    this.#accepted++;
    this.#tell("trace_start", item);
    this.#edges.get(edgeId(OPEN_SEA, entry.to))?.items.push(item);
  }

  #fill(name: string): void {
    const node = this.#nodes.get(name)!;
    const isJoin = this.#joins.has(name);
    for (const edge of this.#into.get(name)!) {
      while (edge.items.length > 0 && node.busy.length < node.concurrency) {
        const item = edge.items.shift()!;
        if (isJoin && node.group.push(item) < 2) {
          this.#tell("join_wait", item, { node: name });
          continue;
        }
        const [other] = node.group.splice(0);
        // the trace of the other message ends in this group
        if (isJoin && other !== undefined && other.trace !== item.trace) this.#end(other, "completed");
        this.#start(name, item);
      }
    }
  }

  #start(name: string, item: Item): void {
    const ms = (this.#load.slow?.[name] ?? 12) * (0.5 + this.#number());
    this.#nodes.get(name)!.busy.push({ item, startedAt: this.#now, until: this.#now + ms, blockedFor: undefined });
    this.#tell("node_start", item, { node: name, from: item.from });
  }

  #finish(name: string, busy: Busy): void {
    const node = this.#nodes.get(name)!;
    const { item } = busy;
    const leave = (): void => void node.busy.splice(node.busy.indexOf(busy), 1);
    if (busy.blockedFor === undefined && this.#number() < 0.02) {
      leave();
      this.#tell("node_error", item, { node: name, code: "NODE_EXCEPTION" });
      if (item.attempt === 3) return this.#end(item, "failed");
      item.attempt++;
      this.#tell("node_retry", item, { node: name });
      node.parked.push({ item, until: this.#now + 250 });
      return;
    }
    const targets = this.graph.edges.filter(({ from }) => from === name).map(({ to }) => to);
    const target = busy.blockedFor ?? this.#pick(targets);
    if (target !== ROOKERY && this.#depth(name, target) >= this.#capacity(name, target)) {
      busy.blockedFor = target;
      return;
    }
    leave();
    this.#tell("node_success", item, { node: name, ms: this.#now - busy.startedAt });
    if (target === ROOKERY) this.#end(item, "completed");
    else
      this.#edges
        .get(edgeId(name, target))!
        .items.push({ ...item, lineage: `${item.lineage}.`, from: name, attempt: 1 });
  }

  #end(item: Item, status: "completed" | "failed"): void {
    if (status === "completed") this.#completed++;
    else this.#failed++;
    this.#tell("trace_end", item, status === "failed" ? { code: "NODE_EXCEPTION" } : {});
  }

  #tell(type: string, item: Item, more: Partial<FeedEvent> & { ms?: number } = {}): void {
    const { trace: traceId, tenant, lineage } = item;
    this.#events.push({
      seq: ++this.#seq,
      at: this.#now,
      flow: this.#load.flow ?? "wide",
      type,
      traceId,
      tenant,
      lineage,
      ...more,
    });
  }

  #depth(from: string, to: string): number {
    return this.#edges.get(edgeId(from, to))?.items.length ?? 0;
  }

  #capacity(from: string, to: string): number {
    return this.#edges.get(edgeId(from, to))?.capacity ?? 0;
  }

  #pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[Math.floor(this.#number() * choices.length)] as Choice;
  }

  /** Returns a number from 0 to 1, by mulberry32. */
  #number(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
