import { setTimeout as sleep } from "node:timers/promises";
import { Envelope, type Payload } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { StreamsRig, StreamsSetup } from "../workloads/streams.ts";
import type { ValidatedRig, ValidatedSetup } from "../workloads/validated.ts";
import type { WaitingRig, WaitingSetup } from "../workloads/waiting.ts";

export const cannot = { package: "is no package" };

type Stage = (message: Envelope) => Promise<Envelope>;

const nothingToClose = async (): Promise<void> => {};

/** Builds the bare async chain: the cost of the language itself, with no queue, no trace and no cancellation. */
function chain(stages: readonly Stage[]): LinearRig {
  return {
    async request(payload: Payload) {
      let message = new Envelope(payload);
      for (const stage of stages) message = await stage(message);
      return message.payload;
    },
    close: nothingToClose,
  };
}

export function linear({ nodes, tally }: LinearSetup): LinearRig {
  return chain(
    Array.from({ length: nodes }, () => async (message: Envelope) => {
      tally.hops += 1;
      return message;
    }),
  );
}

/** Builds the chain and parses the payload before and after each stage. */
export function validated({ nodes, schema, tally }: ValidatedSetup): ValidatedRig {
  const stages = Array.from({ length: nodes }, () => async (message: Envelope) => {
    tally.hops += 1;
    return message;
  });
  return {
    async request(payload) {
      let message = new Envelope(payload);
      for (const stage of stages) {
        const output = await stage(message.with(schema.parse(message.payload)));
        message = output.with(schema.parse(output.payload));
      }
      return message.payload;
    },
    close: nothingToClose,
  };
}

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const first = async (message: Envelope) => {
    tally.hops += 1;
    return message;
  };
  const stages = Array.from({ length: branches }, (_, branch) => async (message: Envelope) => {
    tally.hops += 1;
    return message.payload.id + branch;
  });
  const total = async (parts: readonly number[]) => {
    tally.hops += 1;
    return parts.reduce((sum, part) => sum + part, 0);
  };
  return {
    async request(payload) {
      const message = await first(new Envelope(payload));
      return total(await Promise.all(stages.map((stage) => stage(message))));
    },
    close: nothingToClose,
  };
}

export function loop({ hops, tally }: LoopSetup): LoopRig {
  const step = async (state: LoopState): Promise<LoopState> => {
    tally.hops += 1;
    return { payload: state.payload, hops: state.hops + 1 };
  };
  return {
    async request(payload) {
      let state: LoopState = { payload, hops: 0 };
      while (state.hops < hops) state = await step(state);
      return { id: state.payload.id, hops: state.hops };
    },
    close: nothingToClose,
  };
}

/** Builds a hand-written semaphore: a count of free slots and a queue of waiting requests. */
export function waiting({ nodes, concurrency, waitMs, gauge, tally }: WaitingSetup): WaitingRig {
  let free = concurrency;
  const line: (() => void)[] = [];
  const middle = nodes >> 1;
  return chain(
    Array.from({ length: nodes }, (_, index) => async (message: Envelope) => {
      tally.hops += 1;
      if (index !== middle) return message;
      if (free === 0) await new Promise<void>((go) => line.push(go));
      else free -= 1;
      gauge.enter();
      await sleep(waitMs);
      gauge.leave();
      const next = line.shift();
      if (next === undefined) free += 1;
      else next();
      return message;
    }),
  );
}

export function pending({ gate }: PendingSetup): PendingRig {
  return chain([
    async (message) => {
      await gate;
      return message;
    },
  ]);
}

/** Builds an async generator. */
export function streams({ chunks, text }: StreamsSetup): StreamsRig {
  async function* write(): AsyncGenerator<string> {
    for (let index = 0; index < chunks; index += 1) yield text(index);
  }
  return {
    async read(_, take) {
      for await (const chunk of write()) take(chunk);
    },
    close: nothingToClose,
  };
}
