import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Flow, Message, WM } from "../../packages/core/src/index.ts";
import { core, coreUrl } from "../core.ts";
import type { RequestRig, Tally } from "../drive.ts";
import type { Payload } from "../envelope.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";
import type { DurableRig, DurableSetup } from "../workloads/durable.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup } from "../workloads/loop.ts";
import type { PackageRig, PackageSetup } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { PlannerRig } from "../workloads/planner.ts";
import type { PlaygroundRig } from "../workloads/playground.ts";
import type { RunsRig, RunsSetup } from "../workloads/runs.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";
import type { TypesRig } from "../workloads/types.ts";
import type { ValidatedRig, ValidatedSetup } from "../workloads/validated.ts";
import type { WaitingRig, WaitingSetup } from "../workloads/waiting.ts";
import type { WatchedRig, WatchedSetup } from "../workloads/watched.ts";

const tenant = "bench";
const nothingToClose = async (): Promise<void> => {};

/** Builds a flow with default options, nothing switched off, that answers each request with its result. */
function calling<Answer>(flow: Flow<Payload, Answer>): RequestRig<Answer> {
  flow.run();
  return {
    request: (payload) => flow.call(payload, { tenant }),
    async close() {
      await flow.stop();
    },
  };
}

export { features } from "../penguiflow-features.ts";

/** Loads the durable line on demand, so that other runs do not import it. */
export const durable = async (setup: DurableSetup): Promise<DurableRig> =>
  (await import("../penguiflow-durable.ts")).inMemory(setup);

/** Loads the planner on demand. */
export const agent = async (setup: AgentSetup): Promise<AgentRig> =>
  (await import("../penguiflow-agent.ts")).agentOn(setup);

/** Loads the planners that wait and count on demand. */
export const planner = async (): Promise<PlannerRig> => (await import("../penguiflow-planner.ts")).plannerRig();

/** Loads the development server on demand. */
export const playground = async (): Promise<PlaygroundRig> =>
  (await import("../penguiflow-playground.ts")).playgroundOf();

/** Loads the runs on demand, so that other runs do not import durability. */
export const runs = async (setup: RunsSetup): Promise<RunsRig> =>
  (await import("../penguiflow-durable.ts")).manyRuns(setup);

type PassNode = ReturnType<typeof pass>;

const pass = (index: number, tally: Tally) =>
  core.node(`n${index + 1}`, async (message: Message<Payload>) => {
    tally.hops += 1;
    return message;
  });

/** Connects nodes in a line. */
const line = (nodes: readonly PassNode[]) => nodes.map((node, index) => node.to(...nodes.slice(index + 1, index + 2)));

export function linear({ nodes, tally }: LinearSetup): LinearRig {
  return calling(core.create(...line(Array.from({ length: nodes }, (_, index) => pass(index, tally)))));
}

export function watched({ nodes, tally }: WatchedSetup): WatchedRig {
  const chain = Array.from({ length: nodes }, (_, index) => pass(index, tally));
  const middleware = () => void (tally.events += 1);
  return calling(core.create(...line(chain), { middlewares: [middleware] }));
}

export function validated({ nodes, schema, tally }: ValidatedSetup): ValidatedRig {
  const chain = Array.from({ length: nodes }, (_, index) =>
    core.node({ name: `n${index + 1}`, input: schema, output: schema }, async (message) => {
      tally.hops += 1;
      return message;
    }),
  );
  return calling(core.create(...chain.map((node, index) => node.to(...chain.slice(index + 1, index + 2)))));
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const first = core.node("first", async (message: Message<Payload>) => {
    tally.hops += 1;
    return message;
  });
  const stages = Array.from({ length: branches }, (_, branch) =>
    core.node(`branch${branch}`, async (message: Message<Payload>) => {
      tally.hops += 1;
      return message.with({ payload: message.payload.id + branch });
    }),
  );
  const join = core.joinK("join", branches as number, { input: core.shape<number>() });
  const total = core.node("total", async (message: Message<number[]>) => {
    tally.hops += 1;
    return message.with({ payload: message.payload.reduce((sum, part) => sum + part, 0) });
  });
  return calling(core.create(first.to(...stages), ...stages.map((stage) => stage.to(join)), join.to(total)));
}

/** Builds a controller with working memory. */
export function loop({ hops, tally }: LoopSetup): LoopRig {
  const controller = core.node({ name: "controller", allowCycle: true }, async (message: Message<WM<number>>) => {
    tally.hops += 1;
    const memory = message.payload;
    if (memory.hops + 1 < hops) return memory;
    return { id: memory.facts[0]!, hops: memory.hops + 1 };
  });
  const flow = core.create(controller.to(controller));
  flow.run();
  return {
    request: ({ id, text }) =>
      flow.call(new core.WM<number>({ query: text, facts: [id], budgetHops: hops }), { tenant }),
    async close() {
      await flow.stop();
    },
  };
}

/** Builds the line with the node's default concurrency spelled out. */
export function waiting({ nodes, concurrency, waitMs, gauge, tally }: WaitingSetup): WaitingRig {
  const middle = core.node({ name: "waits", policy: { concurrency } }, async (message: Message<Payload>) => {
    tally.hops += 1;
    gauge.enter();
    await sleep(waitMs);
    gauge.leave();
    return message;
  });
  const chain = Array.from({ length: nodes }, (_, index) => (index === nodes >> 1 ? middle : pass(index, tally)));
  return calling(core.create(...line(chain as PassNode[])));
}

export function pending({ gate }: PendingSetup): PendingRig {
  const waits = core.node("waits", async (message: Message<Payload>) => {
    await gate;
    return message;
  });
  return calling(core.create(waits.to()));
}

export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  const writer = core.node("writer", async (message: Message<number>, ctx) => {
    for (let index = 0; index < chunks; index += 1) {
      await ctx.emitChunk({ parent: message, text: text(index), done: index === chunks - 1 });
    }
    return message;
  });
  const flow = core.create(writer.to());
  flow.run();
  return {
    async read(id, take) {
      for await (const item of flow.stream(id, { tenant })) if (item.type === "chunk") take(item.chunk.text);
    },
    async close() {
      await flow.stop();
    },
  };
}

const package_ = ({ isPlanner }: PackageSetup): PackageRig =>
  isPlanner
    ? {
        module: "@penguiflow/planner",
        names: ["createPlanner", "tool"],
        all: true,
        over: ["penguiflow", "penguiflow/adapter", "penguiflow/durable"],
        close: nothingToClose,
      }
    : { module: fileURLToPath(coreUrl), names: ["create", "node"], all: true, close: nothingToClose };
export { package_ as package };

export const types = (): TypesRig => ({ script: "scripts/instantiations.ts", close: nothingToClose });
