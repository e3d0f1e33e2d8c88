import * as fc from "fast-check";
import type { Budget } from "penguiflow";

/** Kind and options of a node in a random graph. */
export interface NodeSpec {
  readonly kind: "plain" | "bare" | "router" | "join" | "loop" | "fetcher" | "playbook" | "remote";
  /**
   * Predecessors among the earlier nodes, each taken modulo the node's own place; without any, the node is an entry.
   */
  readonly parents: readonly number[];
  /** In graphs with cycles: an earlier node as a further successor. */
  readonly back: number | undefined;
  readonly concurrency: number;
  readonly ordering: "trace" | "none";
  readonly maxRetries: number;
  readonly backoffBaseMs: number;
  readonly timeoutMs: number | undefined;
  /** Percentages of its messages for which the handler does such a thing. */
  readonly slow: number;
  readonly failing: number;
  readonly emitting: number;
  readonly silent: number;
  readonly gather: {
    readonly count: number;
    readonly timeoutMs: number | undefined;
    readonly whenShort: "fail" | "emit";
    /** Used only where a timeout may leave late messages. */
    readonly late: "drop" | "group";
    /** Whether the function that counts throws occasionally. */
    readonly isFaulty: boolean;
  };
}

/** The actions of a caller. */
export interface TraceSpec {
  readonly by: "call" | "outcome" | "stream" | "emit";
  readonly tenant: string;
  /** Trace id; traces may share one. */
  readonly traceId: string | undefined;
  readonly priority: number;
  readonly fuel: number;
  readonly timeoutMs: number | undefined;
  /** Number of messages emitted into the trace, and of results fetched by its id. */
  readonly messages: number;
  readonly fetches: number;
  /** The caller's action before the end. */
  readonly change: "nothing" | "cancel" | "signal" | "leave" | "detach" | "abort first";
}

/** Limits of a run across nodes and traces. */
export interface LimitSpec {
  /** Handlers at once of all limited nodes, per key. */
  readonly concurrency: number;
  /** Whether each message id counts on its own, so that keys come and go. */
  readonly isKeyed: boolean;
  /** Nodes that share the limiter, as the places whose bit is set. */
  readonly places: number;
  /** Maximum number of traces in flight; 0 for no bound. */
  readonly maxTraces: number;
  /** Whether each tenant's traces share one exclusive key. */
  readonly isExclusive: boolean;
}

/** One run of a random flow. */
export interface RunSpec {
  readonly seed: number;
  readonly nodes: readonly NodeSpec[];
  readonly allowCycles: boolean;
  /** Whether the behaviour of a trace can be predicted: it has no nodes that take several messages together. */
  readonly isExact: boolean;
  readonly queueMaxSize: number;
  readonly streamWindow: number;
  readonly rookeryMaxSize: number;
  readonly emitErrorsToRookery: boolean;
  readonly traces: readonly TraceSpec[];
  /** Each tenant's share of a node's turns. */
  readonly weights: Readonly<Record<string, number>>;
  /** Whether there are a store and a bus. */
  readonly isKept: boolean;
  readonly stop: { readonly drainMs: number } | undefined;
  readonly limits?: LimitSpec | undefined;
  /** Budget of each trace. */
  readonly budget?: Budget | undefined;
  /** Whether signals are sent into its traces, and handlers receive them. */
  readonly hasSignals?: boolean;
}

/** Gives the traces of every seventh seed a budget. The other seeds stay as they were. */
export function budgeted(seed: number, spec: RunSpec): RunSpec {
  if (seed % 7 !== 2) return spec;
  const bits = (seed * 2_654_435_761) >>> 0;
  return { ...spec, budget: { units: (1 + (bits % 40)) / 10, ...(bits % 3 === 0 ? { hops: 5 } : {}) } };
}

/**
 * Adds limits to the runs of every fifth seed. The other seeds stay as they were: some have found a defect, or find a
 * planted one.
 */
export function limited(seed: number, spec: RunSpec): RunSpec {
  if (seed % 5 !== 3) return spec;
  const bits = (seed * 2_654_435_761) >>> 0;
  return {
    ...spec,
    limits: {
      concurrency: 1 + (bits & 1),
      isKeyed: (bits & 6) === 6,
      places: (bits >>> 8) | 2,
      maxTraces: (bits >>> 3) & 3,
      isExclusive: (bits & 96) === 96,
    },
  };
}

/** Adds signals to the durable runs of every fifth seed, others than those with limits. */
export function signalled(seed: number, spec: RunSpec): RunSpec {
  return seed % 5 === 4 ? { ...spec, hasSignals: true } : spec;
}

const share = fc.constantFrom(0, 0, 20, 60);

const nodeSpec: fc.Arbitrary<NodeSpec> = fc.record({
  kind: fc.constantFrom<NodeSpec["kind"][]>(
    "plain",
    "bare",
    "plain",
    "router",
    "loop",
    "join",
    "fetcher",
    "playbook",
    "remote",
  ),
  parents: fc.oneof(
    { weight: 6, arbitrary: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
  back: fc.option(fc.nat(9), { nil: undefined, freq: 2 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  ordering: fc.constantFrom<NodeSpec["ordering"][]>("trace", "trace", "none"),
  maxRetries: fc.integer({ min: 0, max: 2 }),
  backoffBaseMs: fc.constantFrom(0, 5, 20),
  timeoutMs: fc.constantFrom(undefined, undefined, undefined, 10, 40),
  slow: share,
  failing: fc.constantFrom(0, 0, 0, 0, 3, 12),
  emitting: share,
  silent: fc.constantFrom(0, 0, 0, 10),
  gather: fc.record({
    count: fc.integer({ min: 1, max: 3 }),
    timeoutMs: fc.option(fc.constant(20), { nil: undefined, freq: 2 }),
    whenShort: fc.constantFrom<("fail" | "emit")[]>("fail", "emit"),
    late: fc.constantFrom<("drop" | "group")[]>("drop", "group"),
    isFaulty: fc.constantFrom(false, false, false, true),
  }),
});

const traceSpec: fc.Arbitrary<TraceSpec> = fc.record({
  by: fc.constantFrom<TraceSpec["by"][]>("outcome", "call", "stream", "emit"),
  tenant: fc.constantFrom("ada", "bob", "cy"),
  traceId: fc.option(fc.constantFrom("shared-1", "shared-2"), { nil: undefined, freq: 3 }),
  priority: fc.integer({ min: 0, max: 2 }),
  fuel: fc.integer({ min: 0, max: 80 }),
  timeoutMs: fc.oneof(
    { weight: 7, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(0, 6, 30, 100) },
  ),
  messages: fc.integer({ min: 1, max: 4 }),
  fetches: fc.integer({ min: 0, max: 3 }),
  change: fc.oneof(
    { weight: 5, arbitrary: fc.constant<TraceSpec["change"]>("nothing") },
    {
      weight: 1,
      arbitrary: fc.constantFrom<TraceSpec["change"][]>("cancel", "signal", "leave", "detach", "abort first"),
    },
  ),
});

/** Random graphs, callers and seeds for the schedule. */
export const runSpec: fc.Arbitrary<RunSpec> = fc.record({
  seed: fc.nat(),
  nodes: fc.array(nodeSpec, { minLength: 2, maxLength: 10 }),
  allowCycles: fc.boolean(),
  isExact: fc.boolean(),
  queueMaxSize: fc.integer({ min: 1, max: 4 }),
  streamWindow: fc.integer({ min: 1, max: 3 }),
  rookeryMaxSize: fc.integer({ min: 1, max: 4 }),
  emitErrorsToRookery: fc.boolean(),
  traces: fc.array(traceSpec, { minLength: 2, maxLength: 8 }),
  weights: fc.record({ ada: fc.integer({ min: 1, max: 3 }), bob: fc.constantFrom(1, 2), cy: fc.constant(1) }),
  isKept: fc.constantFrom(false, false, true),
  stop: fc.oneof(
    { weight: 7, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.record({ drainMs: fc.constantFrom(0, 10, 1000) }) },
  ),
});

/** The graph of a {@link RunSpec}: nodes by place, with the places they lead to. */
export interface Shape {
  readonly seed: number;
  readonly nodes: readonly NodeSpec[];
  /** Successors other than the node itself, in declared order. */
  readonly onward: readonly (readonly number[])[];
  readonly entries: readonly number[];
  readonly hasCycles: boolean;
  readonly limits: LimitSpec | undefined;
  readonly budget: Budget | undefined;
  readonly hasSignals: boolean;
  /** Whether it has cycles, or loops of one node. */
  readonly hasRings: boolean;
  /** Whether the behaviour of a trace depends only on the graph and its first message. */
  readonly isExact: boolean;
}

/** Applies the fixed policies of routers and joins. */
function asItIsRun(node: NodeSpec, isExact: boolean): NodeSpec {
  if (isExact && (node.kind === "join" || node.kind === "fetcher")) return { ...node, kind: "plain" };
  if (node.kind === "router") return { ...node, maxRetries: 0, timeoutMs: undefined, ordering: "trace" };
  return node.kind === "join" ? { ...node, maxRetries: 0, timeoutMs: undefined } : node;
}

/** Connects the nodes of a spec. */
export function shapeOf(spec: RunSpec): Shape {
  const { allowCycles, seed } = spec;
  const nodes = spec.nodes.map((node) => asItIsRun(node, spec.isExact));
  const onward: number[][] = nodes.map(() => []);
  const connect = (from: number, to: number): void => {
    if (!onward[from]?.includes(to)) onward[from]?.push(to);
  };
  for (const [place, { kind, parents, back }] of nodes.entries()) {
    if (place === 0) continue;
    for (const parent of parents) connect(parent % place, place);
    if (parents.length === 0 && allowCycles) connect(0, place);
    // joins spend no fuel: a back edge from one would let a trace circulate forever
    if (back !== undefined && allowCycles && place > 1 && kind !== "join") connect(place, 1 + (back % (place - 1)));
  }
  const entries = [...nodes.keys()].filter((place) => onward.every((targets) => !targets.includes(place)));
  const hasCycles = onward.some((targets, from) => targets.some((to) => to < from));
  return {
    seed,
    nodes,
    onward,
    entries,
    hasCycles,
    limits: spec.limits,
    budget: spec.budget,
    hasSignals: spec.hasSignals === true,
    hasRings: hasCycles || nodes.some(({ kind }) => kind === "loop"),
    isExact: nodes.every(({ kind }) => kind !== "join" && kind !== "fetcher"),
  };
}
