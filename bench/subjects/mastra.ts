import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { createStep, createWorkflow } from "@mastra/core/workflows";
import { z } from "zod";
import { languageModel, toolCalls, toolName, toolText } from "../agent-model.ts";
import { Envelope, type Payload } from "../envelope.ts";
import type { AgentRig, AgentSetup } from "../workloads/agent.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";
import type { ValidatedRig, ValidatedSetup } from "../workloads/validated.ts";

export const library = "@mastra/core";

export const cannot = {
  waiting: "a step takes any number at once",
};

const close = async (): Promise<void> => {};

/** Schema for any payload: steps must have schemas, and with `validateInputs` off they are never used. */
const any = z.any();

/** Options without storage, so nothing is persisted, and without validation except where it is the workload. */
const options = { validateInputs: false, shouldPersistSnapshot: () => false };

type Workflow = ReturnType<typeof createWorkflow>;

/** Creates and starts a run for each request. */
async function start<Answer>(workflow: Workflow, inputData: unknown): Promise<Answer> {
  const run = await workflow.createRun();
  const outcome = await run.start({ inputData });
  if (outcome.status !== "success") throw new Error(`The run ended with "${outcome.status}"`);
  return outcome.result as Answer;
}

function step<Input, Output>(id: string, execute: (input: Input) => Promise<Output>) {
  return createStep({
    id,
    inputSchema: any,
    outputSchema: any,
    execute: async ({ inputData }) => execute(inputData as Input),
  });
}

const define = (id: string): Workflow =>
  createWorkflow({ id, inputSchema: any, outputSchema: any, options }) as Workflow;

/** Appends a step. The type grows with every step, which a chain of unknown length cannot spell. */
const append = (workflow: Workflow, next: unknown): Workflow => workflow.then(next as never) as unknown as Workflow;

export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const steps = Array.from({ length: nodes }, (_, index) =>
    step(`n${index + 1}`, async (message: Envelope) => {
      tally.hops += 1;
      return message;
    }),
  );
  const workflow = steps.reduce(append, define("linear"));
  workflow.commit();
  return { request: async (payload) => (await start<Envelope>(workflow, new Envelope(payload))).payload, close };
}

/** Builds a workflow that validates the input of each step, as Mastra does; an output is the input of the next step. */
export function validated({ nodes, schema, tally }: ValidatedSetup): ValidatedRig {
  const steps = Array.from({ length: nodes }, (_, index) =>
    createStep({
      id: `n${index + 1}`,
      inputSchema: schema,
      outputSchema: schema,
      execute: async ({ inputData }) => {
        tally.hops += 1;
        return inputData;
      },
    }),
  );
  const checking = createWorkflow({
    id: "validated",
    inputSchema: schema,
    outputSchema: schema,
    options: { ...options, validateInputs: true },
  }) as unknown as Workflow;
  const workflow = steps.reduce(append, checking);
  workflow.commit();
  return { request: (payload) => start<Payload>(workflow, payload), close };
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const first = step("first", async (message: Envelope) => {
    tally.hops += 1;
    return message;
  });
  const stages = Array.from({ length: branches }, (_, branch) =>
    step(`branch${branch}`, async (message: Envelope) => {
      tally.hops += 1;
      return message.payload.id + branch;
    }),
  );
  const total = step("total", async (parts: Readonly<Record<string, number>>) => {
    tally.hops += 1;
    return Object.values(parts).reduce((sum, part) => sum + part, 0);
  });
  const opened = append(define("fan-out"), first);
  const workflow = append(opened.parallel(stages as never) as unknown as Workflow, total);
  workflow.commit();
  return { request: (payload) => start<number>(workflow, new Envelope(payload)), close };
}

export function loop({ hops, tally }: LoopSetup): LoopRig {
  const again = step("again", async (state: LoopState): Promise<LoopState> => {
    tally.hops += 1;
    return { payload: state.payload, hops: state.hops + 1 };
  });
  const enough = async ({ inputData }: { inputData: LoopState }) => inputData.hops >= hops;
  const workflow = define("loop").dountil(again as never, enough as never) as unknown as Workflow;
  workflow.commit();
  return {
    async request(payload) {
      const state = await start<LoopState>(workflow, { payload, hops: 0 });
      return { id: state.payload.id, hops: state.hops };
    },
    close,
  };
}

export function pending({ gate }: PendingSetup): PendingRig {
  const waits = step("waits", async (message: Envelope) => {
    await gate;
    return message;
  });
  const workflow = append(define("pending"), waits);
  workflow.commit();
  return { request: async (payload) => (await start<Envelope>(workflow, new Envelope(payload))).payload, close };
}

/** Builds a step that writes to the run's stream. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  const writes = createStep({
    id: "writes",
    inputSchema: any,
    outputSchema: any,
    execute: async ({ inputData, writer }) => {
      for (let index = 0; index < chunks; index += 1) await writer.write({ text: text(index) });
      return inputData as unknown;
    },
  });
  const workflow = append(define("streams"), writes);
  workflow.commit();
  return {
    async read(id, take) {
      const run = await workflow.createRun();
      for await (const event of run.stream({ inputData: { id } }).fullStream) {
        if (event.type === "workflow-step-output")
          take((event.payload.output as unknown as { readonly text: string }).text);
      }
    },
    close,
  };
}

/** Builds an agent without memory, storage or telemetry. */
export function agent({ tally, delayMs, streamed }: AgentSetup): AgentRig {
  const addOne = createTool({
    id: toolName,
    description: toolText,
    inputSchema: z.object({ n: z.number() }),
    execute: async ({ n }) => {
      tally.hops += 1;
      return n + 1;
    },
  });
  const counting = new Agent({
    id: "counting",
    name: "counting",
    instructions: "",
    // its type for models of this version asks a stream of doGenerate, which it never reads
    model: languageModel(delayMs) as never,
    tools: { [toolName]: addOne },
  });
  const maxSteps = toolCalls + 2;
  return {
    async request({ text: prompt }) {
      if (!streamed) return (await counting.generate(prompt, { maxSteps })).text;
      let text = "";
      for await (const piece of (await counting.stream(prompt, { maxSteps })).textStream) text += piece;
      return text;
    },
    close,
  };
}

const package_ = (): PackageRig => ({
  module: "@mastra/core/workflows",
  names: ["createStep", "createWorkflow"],
  close,
});
export { package_ as package };
