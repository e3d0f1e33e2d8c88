import { FlowErrorCode } from "../foundation/flow-error.ts";
import { checks } from "../foundation/schema.ts";
import { OPEN_SEA } from "../graph/endpoints.ts";
import type { Graph, SomeNode } from "../graph/graph.ts";
import type { ModelRegistry, RegisteredModels } from "../graph/model-registry.ts";
import { handlerOf } from "../graph/node.ts";
import type { Message } from "../message/message.ts";
import { type ContextServices, HandlerContext } from "./context/handler-context.ts";
import type { DurableRun } from "./durability.ts";
import type { SafeProbe } from "./observe/safe-probe.ts";
import { messageCheck, valueCheck } from "./policies/validation.ts";
import type { RunIdentity } from "./state/run-identity.ts";
import { Edge, type NodePlan, Ring, type WeightOf, Worker } from "./state/worker.ts";

/** Layers of a run between a node and its handler. */
export interface NodeLayers {
  readonly identity: RunIdentity;
  readonly weightOf: WeightOf;
  /** Schedules a pump of a node. */
  readonly wake: (worker: Worker) => void;
  readonly probe: SafeProbe | undefined;
  readonly durable: DurableRun | undefined;
  /** Whether the run is observed. */
  readonly isWatched: boolean;
  /** Whether messages may take the fast path between nodes. */
  readonly mayShorten: boolean;
  /** Services behind the context of each handler. */
  readonly services: ContextServices;
}

/** Compiled graph: workers in the order of its vertices, and the edges. */
export interface Workshop {
  readonly workers: readonly Worker[];
  readonly byName: ReadonlyMap<string, Worker>;
  /** Edges from OpenSea to the entry nodes. */
  readonly entries: readonly Edge[];
  readonly edges: Edge[];
}

/** Compiles a graph, once per run. */
export function compileGraph(
  graph: Graph,
  registry: ModelRegistry | undefined,
  { queueMaxSize, maxTraces }: { readonly queueMaxSize: number; readonly maxTraces: number },
  layers: NodeLayers,
): Workshop {
  // a ring takes as many traces as the flow: its edges must hold as many, or it could not drain
  const ringMaxSize = queueMaxSize === 0 ? 0 : Math.max(queueMaxSize, maxTraces);
  const rings = graph.rings.map(() => new Ring(ringMaxSize));
  const workers = graph.vertices.map((vertex) => {
    const ring = vertex.ring === undefined ? undefined : rings[vertex.ring];
    const plan = planOf(vertex.node, registry?.get(vertex.node.name), layers);
    const worker = new Worker(vertex, ring, layers.identity, layers.weightOf, plan, layers.wake);
    ring?.add(worker);
    return worker;
  });
  const edges: Edge[] = [];
  const connect = (source: string, target: Worker, isInner: boolean): Edge => {
    const edge = new Edge(edges.length, source, target, isInner ? ringMaxSize : queueMaxSize, isInner);
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
  if (layers.mayShorten)
    for (const worker of workers) {
      worker.straight = straightEdge(worker);
      worker.round = roundEdge(worker);
    }
  const entries = workers
    .filter((worker) => worker.vertex.isIngress)
    .map((worker) => (worker.entry = connect(OPEN_SEA, worker, false)));
  return { workers, byName: new Map(workers.map((worker) => [worker.name, worker])), entries, edges };
}

/**
 * Returns an edge from OpenSea to a node: its entry edge, or one made on first use for a message that starts there. To a
 * join it carries whole groups, as after a restart.
 */
export function edgeInto({ edges }: Workshop, worker: Worker, queueMaxSize: number): Edge {
  const isUsable = (edge: Edge): boolean => edge.source === OPEN_SEA && edge.target === worker && !edge.gathers;
  let edge = edges.find(isUsable);
  if (edge === undefined) edges.push((edge = new Edge(edges.length, OPEN_SEA, worker, queueMaxSize, false, true)));
  return edge;
}

/** Returns the only edge of a node, unless a join or a cycle is involved. */
function straightEdge({ onward, ring }: Worker): Edge | null {
  const only = onward.length === 1 ? (onward[0] as Edge) : null;
  return only === null || only.gathers || ring !== undefined || only.target.ring !== undefined ? null : only;
}

/** Returns the edge of a node to itself, unless a limiter decides on each message. */
function roundEdge({ loop, limit }: Worker): Edge | null {
  return loop === undefined || limit !== undefined ? null : loop;
}

function planOf(node: SomeNode, registered: RegisteredModels | undefined, layers: NodeLayers): NodePlan {
  const { name, policy } = node;
  const { durable, probe, isWatched, services } = layers;
  const input = node.input ?? registered?.input;
  const output = node.output ?? registered?.output;
  const { validate } = policy;
  const inputSchema = checks(input) && (validate === "both" || validate === "in") ? input : undefined;
  const checkOutput =
    checks(output) && (validate === "both" || validate === "out") ? valueCheck(name, output) : undefined;
  const handler = handlerOf(node);
  const isTaken = takesContext(handler);
  const call = handlerCall(handler, node.style, isTaken, services);
  return {
    inputSchema,
    checkInput: inputSchema === undefined ? undefined : messageCheck(name, FlowErrorCode.INPUT_INVALID, inputSchema),
    checkEmitted: durable === undefined ? checkOutput : durable.checked(name, checkOutput),
    storesFirst: policy.durable === "before" && durable !== undefined,
    takesContext: isTaken,
    isWatched,
    call: probe === undefined ? call : probed(probe, call),
  };
}

function handlerCall(
  handler: ReturnType<typeof handlerOf>,
  style: SomeNode["style"],
  isTaken: boolean,
  services: ContextServices,
): NodePlan["call"] {
  const handle = handler as (value: unknown, ctx?: HandlerContext) => unknown;
  if (style === "message") {
    // a handler without a second parameter is used as it is: a wrapper would add a call to each hop
    return isTaken
      ? (message, attempt) => handle(message, new HandlerContext(attempt, services))
      : (handle as (message: Message) => unknown);
  }
  return isTaken
    ? (message, attempt) => handle(message.payload, new HandlerContext(attempt, services))
    : (message) => handle(message.payload);
}

/** Wraps a handler so that it is called through a probe. */
function probed(probe: SafeProbe, call: NodePlan["call"]): NodePlan["call"] {
  return (message, attempt) =>
    probe.handle(attempt, (own) => {
      if (own !== message) {
        attempt.more.original ??= message;
        attempt.message = own;
      }
      return call(own, attempt);
    });
}

/** Whether a function may read its second argument; `true` if in doubt. */
function takesContext(handler: (...args: never[]) => unknown): boolean {
  if (handler.length !== 1) return true;
  const source = Function.prototype.toString.call(handler);
  // `length` ignores rest and default parameters, and `arguments` sees everything: relying on it would withhold the
  // context
  const isPattern = !source.includes("=>") && /^[^(]*\(\s*[{[]/.test(source);
  if (isPattern) return true;
  const parameters = new Set(source.slice(0, source.includes("=>") ? source.indexOf("=>") : source.indexOf("{")));
  return parameters.has(",") || parameters.has("=") || source.includes("arguments") || source.includes("[native code]");
}
