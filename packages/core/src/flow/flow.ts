import { withChannels } from "../events/diagnostics-channels.ts";
import type { Middleware } from "../events/flow-event.ts";
import { buildGraph, type Graph, withNodes } from "../graph/graph.ts";
import type { PlaybookFlow } from "../graph/handler.ts";
import type { FlowNode } from "../graph/node.ts";
import type { ModelRegistry } from "../graph/model-registry.ts";
import type { Durability } from "../engine/durability.ts";
import type { Outbox } from "../ports/outbox.ts";
import { methodParts } from "../engine/method-parts.ts";
import { Engine, registerPlaybook } from "../engine/engine.ts";
import { requireMiddleware, type ResolvedOptions } from "../engine/flow-options.ts";
import { requireModels, requireRunOptions } from "./run-checks.ts";
import { FlowRun } from "./flow-run.ts";
import { publishRun } from "./observed-run.ts";
import { Running } from "./running.ts";

/** Options of `run` and `start`; `resources` are required when a handler needs any. */
export type RunOptions<Resources> = RunSettings &
  (unknown extends Resources ? { readonly resources?: unknown } : { readonly resources: Resources });

/** Options of a run, without its resources. */
export interface RunSettings {
  /** Schemas by node name, for nodes that have none of their own. */
  readonly registry?: ModelRegistry;
  /** Makes the run survive a crash: `durable({ checkpoints, partition })`. @defaultValue that of the flow */
  readonly durability?: Durability;
  /** Nodes that take the places of those with their names in this run. @defaultValue none */
  readonly nodes?: readonly StandIn[];
  /** Receives the outcomes, chunks and pauses of accepted traces. @defaultValue none: `accept` is refused */
  readonly outbox?: Outbox;
}

/** A node of any types, in place of another one. */
export type StandIn = FlowNode<string, never, unknown, never, boolean>;

let partOf: (flow: FlowRun<never, unknown>, node: StandIn, name: string) => Flow<never, unknown>;

/**
 * Makes a flow of a node of another flow alone, under a name of its own. It has the options of the other one, its
 * observers, stores and instrument among them, and leaves to it what is about whole traces: `maxTraces`, `closeLog`,
 * `durability`, and the bound on kept results. The compiler cannot see its types: the call states them.
 *
 * @throws TypeError for a run that is no flow
 */
export function flowOfNode<Input = never, Result = unknown, Resources = unknown>(
  flow: FlowRun<never, unknown>,
  node: StandIn,
  name: string,
): Flow<Input, Result, Resources> {
  return partOf(flow, node, name) as unknown as Flow<Input, Result, Resources>;
}

/** A flow whose handlers need no resources: its `run` takes no options. */
export type Runnable<Resources> = unknown extends Resources ? unknown : RunNeeds<Resources>;

/** A flow that needs resources: the compiler names it where `run` is called without them. */
export interface RunNeeds<in Resources> {
  readonly "call run({ resources })": (resources: Resources) => void;
}

/**
 * A typed graph of async functions that can be run. Made by `create`. As a {@link FlowRun}, it is the run that `run`
 * begins, and the only one that can begin again; `start` begins others.
 *
 * States: idle → running (`run`) → stopping → idle (`stop`); a stopped flow can be run again and starts
 * empty. Disposable: `await using flow = create(…)` stops it at the end of the block.
 */
export class Flow<in Input, out Result, Resources = unknown, out Entries extends string = string>
  extends FlowRun<Input, Result, Entries>
  implements PlaybookFlow<Input, Result>
{
  declare readonly "~resources"?: (resources: Resources) => void;
  static {
    partOf = (flow, node, name) => {
      if (!(flow instanceof Flow)) throw new TypeError(`Cannot make "${name}" of a run: it needs a flow`);
      const options: ResolvedOptions = flow.#options;
      const whole = { maxTraces: 0, closeLog: undefined, durability: undefined };
      const limits = { ...options.limits, maxResults: Number.MAX_SAFE_INTEGER };
      const own = { name, limits, middlewares: flow.#middlewares };
      return new Flow(buildGraph(node.to().pairs, false), { ...options, ...whole, ...own });
    };
  }
  readonly #options: ResolvedOptions;
  readonly #middlewares: Middleware[];
  readonly #running: Running;

  /** Internal: call `create`. */
  constructor(graph: Graph, options: ResolvedOptions) {
    const running = new Running(options);
    super(graph, running);
    this.#options = options;
    this.#running = running;
    this.#middlewares = [...options.middlewares];
    registerPlaybook(this, (parent, registry) => this.#startWithin(parent, registry));
  }

  /**
   * Adds an observer of all events, once. Runs that `start` has begun are not affected.
   *
   * @throws TypeError when the flow runs: the list is fixed then
   */
  addMiddleware(middleware: Middleware): this {
    requireMiddleware(middleware);
    if (this.#running.engine !== undefined)
      throw new TypeError(`Cannot add a middleware to flow "${this.name}": it is running; add it before run`);
    if (!this.#middlewares.includes(middleware)) this.#middlewares.push(middleware);
    return this;
  }

  /**
   * Starts the flow.
   *
   * @throws TypeError when it runs already, when no resources are given and a handler's text reads some, or when a
   * registry is given and nodes that validate have neither schemas of their own nor an entry in it; lists them
   */
  run(options: RunOptions<Resources>): this;
  /** Starts a flow whose handlers need no resources. */
  run(this: Runnable<Resources>): this;
  run(options: RunOptions<Resources> = {} as RunOptions<Resources>): this {
    if (this.#running.engine !== undefined) throw new TypeError(`Cannot run flow "${this.name}" twice: stop it first`);
    this.#begin(this, this.#running, "run", options);
    return this;
  }

  /**
   * Starts a run of its own beside others of this flow. Each has its own engine, traces, queues and resources. A durable
   * run whose partition is leased ends at once: `ready` rejects with `PARTITION_LEASED`, and its caller decides when to
   * start another.
   *
   * @throws TypeError as `run` does
   */
  start(options: RunOptions<Resources>): FlowRun<Input, Result, Entries>;
  /** Starts a run of a flow whose handlers need no resources. */
  start(this: Runnable<Resources>): FlowRun<Input, Result, Entries>;
  start(options: RunOptions<Resources> = {} as RunOptions<Resources>): FlowRun<Input, Result, Entries> {
    const running = new Running(this.#options);
    return this.#begin(new FlowRun<Input, Result, Entries>(this.graph, running), running, "start", options);
  }

  #begin<Run extends FlowRun<Input, Result, Entries>>(
    run: Run,
    running: Running,
    method: "run" | "start",
    options: RunOptions<Resources>,
  ): Run {
    const engine = this.#engine(method, options);
    running.begin(engine);
    publishRun(run, engine, running.closed);
    return run;
  }

  #startWithin(parent: Engine, registry: ModelRegistry | undefined): Engine {
    if (registry !== undefined) requireModels(this.graph, this.name, registry);
    const { name, asyncScope, homeScope, clock, random, scheduler, logger } = parent.options;
    const { recorder = this.#options.recorder, instrument = this.#options.instrument } = parent.options;
    const ports = {
      asyncScope,
      homeScope,
      clock,
      random,
      scheduler,
      logger,
      recorder,
      instrument,
      durability: undefined,
    };
    const options = { ...this.#options, name: `${name}/${this.name}`, ...ports };
    return new Engine(this.graph, options, this.#middlewares, registry, parent.resources, methodParts, parent);
  }

  #engine(method: "run" | "start", options: RunOptions<Resources>): Engine {
    requireRunOptions(method, this.graph, this.name, options);
    const { registry, resources, nodes = [], ...own } = options as RunSettings & { readonly resources?: unknown };
    const resolved = { ...this.#options, ...own, waitsForLease: method === "run" };
    const graph = withNodes(this.graph, nodes);
    return new Engine(graph, resolved, withChannels([...this.#middlewares]), registry, resources, methodParts);
  }
}
