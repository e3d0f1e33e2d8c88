import {
  createFlow,
  FlowRuntime,
  type IEvaluator,
  type ISerializer,
  type NodeContext,
  UnsafeEvaluator,
} from "flowcraft";
import { Envelope } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";

export const library = "flowcraft";

export const cannot = {
  validated: "leaves checks to the handlers",
  waiting: "limits one run, not a node over all of them",
  streams: "has no streams",
};

// a run ends by serialising its whole context for a resume, which never happens here: skipped
const noSerializer: ISerializer = { serialize: () => "", deserialize: () => ({}) };

const close = async (): Promise<void> => {};

/** Runs a flow on the default in-memory runtime and returns the output of one of its nodes. */
function starter<Answer>(flow: ReturnType<typeof createFlow>, last: string, evaluator?: IEvaluator) {
  const runtime = new FlowRuntime({ serializer: noSerializer, ...(evaluator && { evaluator }) });
  const blueprint = flow.toBlueprint();
  const functionRegistry = flow.getFunctionRegistry();
  return async (initial: Readonly<Record<string, unknown>>): Promise<Answer> => {
    const { context } = await runtime.run(blueprint, initial, { functionRegistry });
    return (context as Readonly<Record<string, Answer>>)[last]!;
  };
}

/** Builds one flow of `nodes` function nodes on the default in-memory runtime, run once per request. */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const flow = createFlow("linear");
  for (const [index, name] of names.entries()) {
    const first = index === 0;
    flow.node(name, async ({ input, context }: NodeContext) => {
      tally.hops += 1;
      return { output: first ? await context.get("message") : input };
    });
    if (!first) flow.edge(names[index - 1]!, name);
  }
  const run = starter<Envelope>(flow, `n${nodes}`);
  return { request: async (payload) => (await run({ message: new Envelope(payload) })).payload, close };
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const flow = createFlow("fan-out");
  flow.node("first", async ({ context }: NodeContext) => {
    tally.hops += 1;
    return { output: await context.get("message") };
  });
  const names = Array.from({ length: branches }, (_, branch) => `branch${branch}`);
  const total = async ({ input }: NodeContext) => {
    tally.hops += 1;
    const parts = Object.values(input as Readonly<Record<string, number>>);
    return { output: parts.reduce((sum, part) => sum + part, 0) };
  };
  flow.node("total", total, { inputs: Object.fromEntries(names.map((name) => [name, name])) });
  for (const [branch, name] of names.entries()) {
    flow.node(name, async ({ input }: NodeContext) => {
      tally.hops += 1;
      return { output: (input as Envelope).payload.id + branch };
    });
    flow.edge("first", name).edge(name, "total");
  }
  const run = starter<number>(flow, "total");
  return { request: (payload) => run({ message: new Envelope(payload) }), close };
}

/**
 * Builds its loop construct. The state is kept in the context, as its guide does; the edges of its loops hold
 * expressions, which only the evaluator for trusted flows can read.
 */
export function loop({ hops, tally }: LoopSetup): LoopRig {
  const flow = createFlow("loop");
  flow.node("begin", async () => ({ output: true }));
  flow.node("step", async ({ context }: NodeContext) => {
    tally.hops += 1;
    const { payload, hops: before } = (await context.get("state")) as LoopState;
    const state = { payload, hops: before + 1 };
    await context.set("state", state);
    return { output: state };
  });
  flow.node("end", async ({ context }: NodeContext) => ({ output: await context.get("state") }));
  flow.edge("begin", "loop").edge("loop", "end");
  flow.loop("loop", { startNodeId: "step", endNodeId: "step", condition: `state.hops < ${hops}` });
  const run = starter<LoopState>(flow, "end", new UnsafeEvaluator());
  return {
    async request(payload) {
      const state = await run({ state: { payload, hops: 0 } });
      return { id: state.payload.id, hops: state.hops };
    },
    close,
  };
}

export function pending({ gate }: PendingSetup): PendingRig {
  const flow = createFlow("pending").node("waits", async ({ context }: NodeContext) => {
    await gate;
    return { output: await context.get("message") };
  });
  const run = starter<Envelope>(flow, "waits");
  return { request: async (payload) => (await run({ message: new Envelope(payload) })).payload, close };
}

const package_ = (): PackageRig => ({ module: "flowcraft", names: ["FlowRuntime", "createFlow"], close });
export { package_ as package };
