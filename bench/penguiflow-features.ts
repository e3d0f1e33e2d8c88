// Measures the cost of a feature: the plain line of ten nodes against the same line with the feature.
import { AsyncLocalStorage } from "node:async_hooks";
import { z } from "zod";
import type {
  EmitOptions,
  Flow,
  FlowOptions,
  Message,
  NodePolicy,
  WM,
  RunOptions,
} from "../packages/core/src/index.ts";
import { core } from "./core.ts";
import type { RequestRig, Tally } from "./drive.ts";
import type { Payload } from "./envelope.ts";
import type { Feature, FeatureRig, FeatureSetup } from "./workloads/features.ts";

type Line = Flow<Payload, Payload>;
type Edges = Parameters<typeof core.create>[number];

/** Difference between a line with a feature and the plain one. */
interface Difference {
  readonly policy?: NodePolicy;
  readonly schema?: z.ZodType<Payload>;
  readonly options?: FlowOptions;
  readonly run?: { readonly resources?: unknown; readonly registry?: InstanceType<typeof core.ModelRegistry> };
  readonly call?: EmitOptions;
  /** Further edges, whose nodes no request reaches. */
  readonly beside?: readonly Edges[];
  /** Changes to the plain line as well. */
  readonly plain?: Pick<Difference, "policy" | "options" | "ask">;
  /** Sends a request, where `call` does not fit. */
  readonly ask?: (flow: Line, payload: Payload) => Promise<Payload>;
  /** Whether the feature was in use, asked after the run. */
  readonly seen: (flow: Line) => boolean;
}

const schema = z.object({ id: z.number(), text: z.string() });
const pass = (name: string) => core.node(name, (message: Message<Payload>) => message);
const hasNode = (name: string) => (flow: Line) => flow.graph.byName.has(name);
const hasPolicy = (name: keyof NodePolicy, value: unknown) => (flow: Line) =>
  flow.graph.vertices.every(({ node }) => node.policy[name] === value);

/** Creates a function that counts its calls. */
function counting() {
  let calls = 0;
  return { listen: () => void (calls += 1), seen: () => calls > 0 };
}

async function readResult(flow: Line, payload: Payload): Promise<Payload> {
  for await (const item of flow.stream(payload, { tenant: "bench" })) if (item.type === "result") return item.result;
  throw new Error("The stream ended without a result");
}

/** Captures no async context, which shows the cost of a flow without them. */
const unscoped: FlowOptions = {
  asyncScope: () => ({ runInAsyncScope: (work, _self, ...args) => work(...args) }),
};
const requests = new AsyncLocalStorage<Payload>();
const askInContext = (flow: Line, payload: Payload): Promise<Payload> =>
  requests.run(payload, () => flow.call(payload, { tenant: "bench" }));

/** Runs each request in a context of its own, in both lines; only one of them keeps it. */
function inContexts(policy: NodePolicy): Difference {
  let asked = 0;
  const ask = (flow: Line, payload: Payload): Promise<Payload> => {
    asked += 1;
    return askInContext(flow, payload);
  };
  return { policy, ask, plain: { policy, ask, options: unscoped }, seen: () => asked > 0 };
}

const differences: Readonly<Record<Feature, () => Difference>> = {
  retries: () => ({ policy: { maxRetries: 3 }, seen: hasPolicy("maxRetries", 3) }),
  "retry-filter": () => {
    const retryIf = () => false;
    return { policy: { retryIf }, seen: hasPolicy("retryIf", retryIf) };
  },
  "validation-off": () => ({ schema, policy: { validate: "none" }, seen: hasPolicy("validate", "none") }),
  registry: () => {
    const registry = new core.ModelRegistry();
    for (let index = 1; index <= 10; index += 1) registry.register(`n${index}`, schema, schema);
    return { policy: { validate: "none" }, run: { registry }, seen: hasPolicy("validate", "none") };
  },
  tenants: () => {
    const tenantWeights = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`tenant${index}`, index + 1]));
    return { options: { tenantWeights: { ...tenantWeights, bench: 2 } }, seen: () => true };
  },
  resources: () => ({ run: { resources: { index: new Map() } }, seen: () => true }),
  "errors-to-rookery": () => ({ options: { emitErrorsToRookery: true }, seen: () => true }),
  join: () => {
    const join = core.joinK("join", 2, { input: core.shape<Payload>() });
    const first = pass("first").to(join);
    return { beside: [first, pass("second").to(join)], call: { to: "n1" }, seen: hasNode("join") };
  },
  router: () => {
    const router = core.predicateRouter("router", (message: Message<Payload>) =>
      message.payload.id > 0 ? "left" : "right",
    );
    return { beside: [router.to(pass("left"), pass("right"))], call: { to: "n1" }, seen: hasNode("router") };
  },
  loop: () => {
    const options = { name: "controller", allowCycle: true };
    const controller = core.node(options, (message: Message<WM>) => message.payload);
    return { beside: [controller.to(controller)], call: { to: "n1" }, seen: hasNode("controller") };
  },
  playbook: () => {
    const inner = core.create(pass("inner").to());
    return { beside: [core.flowNode("playbook", inner).to()], call: { to: "n1" }, seen: hasNode("playbook") };
  },
  "async-context": () => ({ plain: { options: unscoped }, seen: () => requests.getStore() === undefined }),

  contexts: () => inContexts({}),
  "contexts-queued": () => inContexts({ concurrency: 8 }),
  timeouts: () => ({ policy: { timeoutMs: 60_000 }, seen: hasPolicy("timeoutMs", 60_000) }),
  deadline: () => ({ call: { timeoutMs: 60_000 }, seen: () => true }),
  signal: () => ({ call: { signal: new AbortController().signal }, seen: () => true }),
  stream: () => ({ ask: readResult, seen: () => true }),
  middleware: () => {
    const { listen, seen } = counting();
    return { options: { middlewares: [listen] }, seen };
  },
  recorder: () => {
    const { listen, seen } = counting();
    return { options: { recorder: listen }, seen };
  },
  store: () => ({
    options: { stateStore: new core.MemoryStateStore() },
    seen: (flow) => flow.stats().observers.stateStore.failed === 0,
  }),
  bus: () => ({
    options: { messageBus: new core.MemoryMessageBus() },
    seen: (flow) => flow.stats().observers.messageBus.failed === 0,
  }),
};

function build(nodes: number, tally: Tally, difference: Partial<Difference>): { flow: Line; rig: RequestRig<Payload> } {
  const { policy, schema: checked, options, run, beside = [], ask } = difference;
  const handler = async (message: Message<Payload>) => {
    tally.hops += 1;
    return message;
  };
  const chain = Array.from({ length: nodes }, (_, index) => {
    const named = { name: `n${index + 1}`, ...(policy && { policy }) };
    return checked === undefined
      ? core.node(named, handler)
      : core.node({ ...named, input: checked, output: checked }, handler);
  });
  const edges = chain.map((node, index) => node.to(...chain.slice(index + 1, index + 2)));
  const flow = core.create(...([...edges, ...beside] as typeof edges), options ?? {}) as unknown as Line;
  flow.run((run ?? {}) as RunOptions<unknown>);
  const call = { tenant: "bench", ...difference.call };
  const request = ask === undefined ? (payload: Payload) => flow.call(payload, call) : ask.bind(undefined, flow);
  const close = async () => {
    await flow.stop();
  };
  return { flow, rig: { request, close } };
}

export function features({ feature, nodes, tally }: FeatureSetup): FeatureRig {
  const difference = differences[feature as Feature]();
  // when a feature adds entry nodes, both lines name theirs
  const entry = difference.call?.to === undefined ? {} : { call: { to: difference.call.to } };
  const plain = build(nodes, tally, { ...entry, ...difference.plain });
  const featured = build(nodes, tally, difference);
  return {
    plain: plain.rig,
    featured: featured.rig,
    check() {
      if (!difference.seen(featured.flow)) throw new Error(`The feature "${feature}" was not in place`);
    },
    async close() {
      await plain.rig.close();
      await featured.rig.close();
    },
  };
}
