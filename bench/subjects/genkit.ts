import { genkit, z } from "genkit";
import { disableGenkitOTelInitialization } from "genkit/tracing";
import { Envelope, type Payload } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";
import type { ValidatedRig, ValidatedSetup } from "../workloads/validated.ts";

export const library = "genkit";

export const cannot = {
  waiting: "a step takes any number at once",
};

/**
 * Starts Genkit without telemetry, whose spans go to OpenTelemetry's no-op tracer, and without a development server.
 */
function start() {
  process.env["GENKIT_ENV"] = "prod";
  disableGenkitOTelInitialization();
  return genkit({});
}

/**
 * Builds a flow of `nodes` steps, run once per request.
 *
 * No schemas, so nothing is validated; steps close over the message, so their input is not serialised for the span.
 */
export function linear({ nodes, tally }: LinearSetup): LinearRig {
  const ai = start();
  const names = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const flow = ai.defineFlow("linear", async (input: Envelope) => {
    let message = input;
    for (const name of names) {
      message = await ai.run(name, async () => {
        tally.hops += 1;
        return message;
      });
    }
    return message;
  });
  return {
    request: async (payload) => (await flow(new Envelope(payload))).payload,
    close: () => ai.stopServers(),
  };
}

/** Builds a flow for each node, because flows validate input and output, with the zod that Genkit bundles. */
export function validated({ nodes, tally }: ValidatedSetup): ValidatedRig {
  const ai = start();
  const schema = z.object({ id: z.number().int().nonnegative(), text: z.string().min(1) });
  const inner = Array.from({ length: nodes }, (_, index) =>
    ai.defineFlow({ name: `n${index + 1}`, inputSchema: schema, outputSchema: schema }, async (payload: Payload) => {
      tally.hops += 1;
      return payload;
    }),
  );
  const flow = ai.defineFlow("validated", async (input: Payload) => {
    let payload = input;
    for (const node of inner) payload = await node(payload);
    return payload;
  });
  return { request: (payload) => flow(payload), close: () => ai.stopServers() };
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const ai = start();
  const flow = ai.defineFlow("fan-out", async (message: Envelope) => {
    const first = await ai.run("first", async () => {
      tally.hops += 1;
      return message;
    });
    const branch = (index: number) =>
      ai.run(`branch${index}`, async () => {
        tally.hops += 1;
        return first.payload.id + index;
      });
    const parts = await Promise.all(Array.from({ length: branches }, (_, index) => branch(index)));
    return ai.run("total", async () => {
      tally.hops += 1;
      return parts.reduce((sum, part) => sum + part, 0);
    });
  });
  return { request: (payload) => flow(new Envelope(payload)), close: () => ai.stopServers() };
}

export function loop({ hops, tally }: LoopSetup): LoopRig {
  const ai = start();
  const flow = ai.defineFlow("loop", async (payload: Payload) => {
    let state: LoopState = { payload, hops: 0 };
    while (state.hops < hops) {
      const last = state;
      state = await ai.run("step", async () => {
        tally.hops += 1;
        return { payload: last.payload, hops: last.hops + 1 };
      });
    }
    return { id: state.payload.id, hops: state.hops };
  });
  return { request: (payload) => flow(payload), close: () => ai.stopServers() };
}

export function pending({ gate }: PendingSetup): PendingRig {
  const ai = start();
  const flow = ai.defineFlow("pending", async (message: Envelope) =>
    ai.run("waits", async () => {
      await gate;
      return message;
    }),
  );
  return { request: async (payload) => (await flow(new Envelope(payload))).payload, close: () => ai.stopServers() };
}

/** Builds a flow that sends chunks; no backpressure. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  const ai = start();
  const options = { name: "streams", inputSchema: z.number(), streamSchema: z.string() };
  const flow = ai.defineFlow(options, async (id, { sendChunk }) => {
    for (let index = 0; index < chunks; index += 1) sendChunk(text(index));
    return id;
  });
  return {
    async read(id, take) {
      const { stream, output } = flow.stream(id);
      for await (const chunk of stream) take(chunk);
      await output;
    },
    close: () => ai.stopServers(),
  };
}

const package_ = (): PackageRig => ({ module: "genkit", names: ["genkit"], close: async () => {} });
export { package_ as package };
