import { setTimeout as sleep } from "node:timers/promises";
import fastq, { type queueAsPromised } from "fastq";
import { Envelope } from "../envelope.ts";
import type { FanOutRig, FanOutSetup } from "../workloads/fan-out.ts";
import type { LinearRig, LinearSetup } from "../workloads/linear.ts";
import type { LoopRig, LoopSetup, LoopState } from "../workloads/loop.ts";
import type { PackageRig } from "../workloads/package.ts";
import type { PendingRig, PendingSetup } from "../workloads/pending.ts";
import type { WaitingRig, WaitingSetup } from "../workloads/waiting.ts";

export const library = "fastq";

export const cannot = {
  validated: "checks nothing",
  streams: "a task has one result",
};

/** PenguiFlow's default concurrency of a node. */
const concurrency = 64;

const close = async (): Promise<void> => {};

/** Builds one queue for each node, in promise mode; a request is pushed to one after the other. */
function chain(workers: readonly ((message: Envelope) => Promise<Envelope>)[]): LinearRig {
  const queues = workers.map((worker): queueAsPromised<Envelope, Envelope> => fastq.promise(worker, concurrency));
  return {
    async request(payload) {
      let message = new Envelope(payload);
      for (const queue of queues) message = await queue.push(message);
      return message.payload;
    },
    close,
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

export function fanOut({ branches, tally }: FanOutSetup): FanOutRig {
  const first = fastq.promise(async (message: Envelope) => {
    tally.hops += 1;
    return message;
  }, concurrency);
  const stages = Array.from({ length: branches }, (_, branch) =>
    fastq.promise(async (message: Envelope) => {
      tally.hops += 1;
      return message.payload.id + branch;
    }, concurrency),
  );
  const total = fastq.promise(async (parts: readonly number[]) => {
    tally.hops += 1;
    return parts.reduce((sum, part) => sum + part, 0);
  }, concurrency);
  return {
    async request(payload) {
      const message: Envelope = await first.push(new Envelope(payload));
      return total.push(await Promise.all(stages.map((stage) => stage.push(message))));
    },
    close,
  };
}

export function loop({ hops, tally }: LoopSetup): LoopRig {
  const step: queueAsPromised<LoopState, LoopState> = fastq.promise(async (state: LoopState) => {
    tally.hops += 1;
    return { payload: state.payload, hops: state.hops + 1 };
  }, concurrency);
  return {
    async request(payload) {
      let state: LoopState = { payload, hops: 0 };
      while (state.hops < hops) state = await step.push(state);
      return { id: state.payload.id, hops: state.hops };
    },
    close,
  };
}

/** Builds the line without a gate of its own: all queues here have the wanted concurrency. */
export function waiting({ nodes, waitMs, gauge, tally }: WaitingSetup): WaitingRig {
  return chain(
    Array.from({ length: nodes }, (_, index) => async (message: Envelope) => {
      tally.hops += 1;
      if (index !== nodes >> 1) return message;
      gauge.enter();
      await sleep(waitMs);
      gauge.leave();
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

const package_ = (): PackageRig => ({ module: "fastq", names: ["promise"], close });
export { package_ as package };
