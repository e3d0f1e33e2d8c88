import { createWorkflow, workflowEvent, type WorkflowEvent } from "@llamaindex/workflow-core";
import { Envelope } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";

export const library = "@llamaindex/workflow-core";

export const cannot = {
  validated: "checks what an event is made of, not what a handler takes and gives",
  waiting: "a handler takes any number at once",
};

const close = async (): Promise<void> => {};

type Workflow = ReturnType<typeof createWorkflow>;

/** Creates a context for each request and reads it until the last event, as its guide shows. */
async function ask<Input, Answer>(
  workflow: Workflow,
  start: WorkflowEvent<Input>,
  input: Input,
  stop: WorkflowEvent<Answer>,
): Promise<Answer> {
  const { stream, sendEvent } = workflow.createContext();
  sendEvent(start.with(input));
  const events = await stream.until(stop).toArray();
  return (events.at(-1) as ReturnType<typeof stop.with>).data;
}

/** Builds a workflow with an event before each node and one after the last. */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const workflow = createWorkflow();
  const events = Array.from({ length: nodes + 1 }, () => workflowEvent<Envelope>());
  for (let index = 0; index < nodes; index += 1) {
    workflow.handle([events[index]!], async (_, event) => {
      tally.hops += 1;
      return events[index + 1]!.with(event.data);
    });
  }
  const [start, stop] = [events[0]!, events[nodes]!];
  return { request: async (payload) => (await ask(workflow, start, new Envelope(payload), stop)).payload, close };
}

/** Builds a workflow whose first handler sends an event to each branch and collects the replies. */
export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const workflow = createWorkflow();
  const start = workflowEvent<Envelope>();
  const parts = workflowEvent<number>();
  const joined = workflowEvent<number[]>();
  const stop = workflowEvent<number>();
  const stages = Array.from({ length: branches }, () => workflowEvent<Envelope>());
  workflow.handle([start], async ({ sendEvent, stream }, event) => {
    tally.hops += 1;
    sendEvent(...stages.map((stage) => stage.with(event.data)));
    const collected = await stream.filter(parts).take(branches).toArray();
    return joined.with(collected.map(({ data }) => data as number));
  });
  for (const [branch, stage] of stages.entries()) {
    workflow.handle([stage], async (_, event) => {
      tally.hops += 1;
      return parts.with(event.data.payload.id + branch);
    });
  }
  workflow.handle([joined], async (_, event) => {
    tally.hops += 1;
    return stop.with(event.data.reduce((sum, part) => sum + part, 0));
  });
  return { request: (payload) => ask(workflow, start, new Envelope(payload), stop), close };
}

export function loop({ hops, tally }: LoopSetup): LoopRig {
  const workflow = createWorkflow();
  const step = workflowEvent<LoopState>();
  const stop = workflowEvent<LoopState>();
  workflow.handle([step], async (_, { data }) => {
    tally.hops += 1;
    const next = { payload: data.payload, hops: data.hops + 1 };
    return next.hops < hops ? step.with(next) : stop.with(next);
  });
  return {
    async request(payload) {
      const state = await ask(workflow, step, { payload, hops: 0 }, stop);
      return { id: state.payload.id, hops: state.hops };
    },
    close,
  };
}

export function pending({ gate }: PendingSetup): PendingRig {
  const workflow = createWorkflow();
  const [start, stop] = [workflowEvent<Envelope>(), workflowEvent<Envelope>()];
  workflow.handle([start], async (_, event) => {
    await gate;
    return stop.with(event.data);
  });
  return { request: async (payload) => (await ask(workflow, start, new Envelope(payload), stop)).payload, close };
}

/** Builds a handler that sends an event for each chunk; no backpressure. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  const workflow = createWorkflow();
  const start = workflowEvent<number>();
  const chunk = workflowEvent<string>();
  const stop = workflowEvent<number>();
  workflow.handle([start], async ({ sendEvent }, event) => {
    for (let index = 0; index < chunks; index += 1) sendEvent(chunk.with(text(index)));
    return stop.with(event.data);
  });
  return {
    async read(id, take) {
      const { stream, sendEvent } = workflow.createContext();
      sendEvent(start.with(id));
      for await (const event of stream) {
        if (chunk.include(event)) take(event.data);
        else if (stop.include(event)) break;
      }
    },
    close,
  };
}

const package_ = (): PackageRig => ({ module: library, names: ["createWorkflow", "workflowEvent"], close });
export { package_ as package };
