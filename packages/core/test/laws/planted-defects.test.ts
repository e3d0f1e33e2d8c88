import { create, joinK, type CheckpointBatch, type Message, node, payloadNode, shape } from "penguiflow";
import { durable } from "penguiflow/durable";
import { simulate, SimulationError } from "penguiflow/testing";
import { afterEach, describe, expect, test } from "vitest";
import { BatchWriter } from "../../src/durable/store/batch-writer.ts";
import { RestingTraces } from "../../src/durable/traces/resting-traces.ts";
import { StoredOutcomes } from "../../src/durable/traces/stored-outcomes.ts";
import { CheckpointedRun } from "../../src/durable/durable-run.ts";
import { Positions } from "../../src/durable/store/positions.ts";
import { Emitting } from "../../src/engine/context/emitting.ts";
import { Signalling } from "../../src/engine/context/signalling.ts";
import { Admission } from "../../src/engine/admission/admission.ts";
import { State } from "../../src/engine/state/attempt.ts";
import { Slots } from "../../src/engine/admission/slots.ts";
import { KeptOutcomes } from "../../src/engine/results/kept-outcomes.ts";
import { Ending } from "../../src/engine/termination/ending.ts";
import { Engine } from "../../src/engine/engine.ts";
import { OutcomeDelivery } from "../../src/engine/results/outcome-delivery.ts";
import { Failing } from "../../src/engine/termination/failing.ts";
import { Sending } from "../../src/engine/delivery/sending.ts";
import { SimulatedCheckpointStore } from "../../src/testing/simulation/simulated-checkpoint-store.ts";
import { oneSeed } from "./one-seed.ts";

const repairs: (() => void)[] = [];
afterEach(() => {
  for (const repair of repairs.splice(0)) repair();
});

/** Replaces a method of the engine by a defective one until the end of the test. */
function plant<Owner extends object, Name extends keyof Owner>(
  prototype: Owner,
  name: Name,
  defect: (sound: Owner[Name], owner: Owner) => Owner[Name],
): void {
  const sound = prototype[name] as (...args: unknown[]) => unknown;
  const faulty = function (this: Owner, ...args: unknown[]): unknown {
    const instead = defect(sound.bind(this) as Owner[Name], this) as typeof sound;
    return instead(...args);
  };
  prototype[name] = faulty as Owner[Name];
  repairs.push(() => {
    prototype[name] = sound as Owner[Name];
  });
}

/** A defect, the first seed that finds it, and its expected report. */
interface Defect {
  readonly what: string;
  readonly plant: () => void;
  readonly seed: number;
  readonly says: RegExp;
  /** The seed under which a user's flow shows it. */
  readonly ofFlow: number;
  /** Whether it shows in the flow's figures alone, which are no part of the digest. */
  readonly inFiguresAlone?: true;
}

const defects: readonly Defect[] = [
  {
    what: "a delivery that a retry repeats",
    plant() {
      // messages that an attempt has held back are sent even when it fails
      const emitters = new WeakMap<object, Emitting>();
      plant(Emitting.prototype, "sendOrHold", (sound, emitting) => (attempt, emit) => {
        emitters.set(attempt, emitting);
        return sound(attempt, emit);
      });
      plant(Failing.prototype, "threw", (sound) => (attempt, thrown) => {
        emitters.get(attempt)?.release(attempt);
        sound(attempt, thrown);
      });
    },
    seed: 105,
    says: /L1 .*was accepted twice/,
    ofFlow: 11,
  },
  {
    what: "a lost wake-up",
    plant() {
      // at a node with one message at a time, the next of its trace is never released
      plant(Slots.prototype, "letNextGo", (sound) => (worker, trace) => {
        if (worker.concurrency > 1) sound(worker, trace);
      });
    },
    seed: 5,
    says: /L2: .*(has not settled|are left)/,
    ofFlow: 1,
  },
  {
    what: "a leaked counter",
    plant() {
      // an aborted handler is counted twice, and once when it returns
      plant(Ending.prototype, "linger", (sound) => (attempt) => {
        attempt.worker.lingering += 1;
        sound(attempt);
      });
    },
    seed: 1,
    says: /L3: node .* is left with \d+ lingering/,
    ofFlow: 2,
    inFiguresAlone: true,
  },
  {
    what: "a starved tenant",
    plant() {
      plant(
        Engine.prototype,
        "weightOf",
        (sound) => (tenant) => (["cy", "tenant-3"].includes(tenant) ? 0.001 : sound(tenant)),
      );
    },
    seed: 322,
    says: /L6 .*tenant "(cy|tenant-3)" waits for/,
    ofFlow: 5,
  },
  {
    what: "a partial broadcast",
    plant() {
      // a message for several nodes omits full edges
      plant(Sending.prototype, "send", (sound, sending) => (trace, from, message, edges, settle) => {
        const open = edges.filter((edge) => sending.takes(edge, trace));
        return sound(trace, from, message, open.length > 0 ? open : edges, settle);
      });
    },
    seed: 1,
    says: /L5 .*was to reach .* and reached/,
    ofFlow: 1,
  },
];

/** Simulates a typical user's flow: a node that emits and may be repeated, little capacity, a slow branch. */
function userFlow(seeds: readonly number[]) {
  return simulate({
    flow(ports) {
      const split = node(
        { name: "split", policy: { maxRetries: 2, backoffBaseMs: 3, timeoutMs: 30, concurrency: 1 } },
        async (message: Message<number>, ctx) => {
          for (let part = 0; part < 3; part += 1) await ctx.emit(message.payload * 10 + part);
          await ctx.sleep(2);
          return message.payload * 10 + 3;
        },
      );
      const quick = payloadNode({ name: "quick", policy: { concurrency: 1 } }, (part: number) => part);
      const slow = payloadNode({ name: "slow", policy: { concurrency: 1 } }, async (part: number, ctx) => {
        await ctx.sleep(5);
        return part;
      });
      const gather = joinK("gather", 8, { input: shape<number>() });
      return create(split.to(quick, slow), quick.to(gather), slow.to(gather), { queueMaxSize: 2, ...ports });
    },
    input: (_random, index) => index,
    seeds,
  });
}

describe("a planted defect is found", () => {
  test.for(defects)("$what", { timeout: 60_000 }, async (defect) => {
    const { seed, says, ofFlow } = defect;
    const sound = await oneSeed(seed, true);
    expect(sound.broken, "without the defect").toEqual([]);
    await userFlow([ofFlow]);
    defect.plant();
    const faulty = await oneSeed(seed, true);
    expect(faulty.broken.join("\n")).toMatch(says);
    const isSame = Buffer.from(faulty.digest ?? []).equals(sound.digest ?? Buffer.alloc(0));
    expect(isSame, "whether the digest is the same").toBe(defect.inFiguresAlone === true);
    const failure = await userFlow([ofFlow]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SimulationError);
    expect((failure as SimulationError).message).toMatch(says);
  });
});

describe("a planted defect of limits is found", () => {
  const ofLimits: readonly {
    readonly what: string;
    readonly plant: () => void;
    readonly seed: number;
    readonly says: RegExp;
  }[] = [
    {
      what: "a permit that is kept while a result waits for room",
      plant() {
        plant(Slots.prototype, "endPermit", (sound) => (attempt) => {
          if (attempt.state !== State.SENDING) sound(attempt);
        });
      },
      seed: 18,
      says: /L3: node "\w+" is left with 1 blocked/,
    },
    {
      what: "an exclusive trace that begins while another runs",
      plant() {
        plant(Admission.prototype, "request", (sound) => (trace) => sound(trace, undefined));
      },
      seed: 18,
      says: /L4: exclusive runs .* are in flight at once/,
    },
    {
      what: "a trace that ends and keeps its capacity",
      plant() {
        plant(Admission.prototype, "left", () => () => {});
      },
      seed: 3,
      says: /L2: .*(has not settled|are left)/,
    },
  ];
  test.for(ofLimits)("$what", { timeout: 60_000 }, async ({ seed, plant: plantIt, says }) => {
    expect((await oneSeed(seed)).broken, "without the defect").toEqual([]);
    plantIt();
    expect((await oneSeed(seed)).broken.join("\n")).toMatch(says);
  });
});

describe("a planted defect of ids is found", () => {
  const ofIds: readonly { readonly what: string; readonly plant: () => void }[] = [
    {
      what: "an id that is accepted twice, because its stored outcome is not read",
      plant() {
        plant(StoredOutcomes.prototype, "read", () => async () => []);
      },
    },
    {
      what: "an id that is accepted twice, because its trace in flight is not looked for",
      plant() {
        plant(KeptOutcomes.prototype, "inFlight", () => () => undefined);
      },
    },
    {
      what: "an id that is accepted twice, because the batch that ends its trace does not keep its outcome",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append({ ...batch, keep: [] }, sequence) };
        });
      },
    },
  ];
  const says = /L10 at record \d+: the id was accepted before, by run \w+/;
  test.for(ofIds)("$what", { timeout: 60_000 }, async ({ plant: plantIt }) => {
    const seeds = [4, 9, 14, 19, 24, 29];
    const flow = () =>
      simulate({
        flow(ports, { checkpoints }) {
          const work = payloadNode("work", async (order: number, ctx) => {
            await ctx.sleep(5);
            return order;
          });
          return create(work.to(), { ...ports, durability: durable({ checkpoints }) });
        },
        input: (_random, index) => index,
        seeds,
      });
    await flow();
    plantIt();
    const failure = await flow().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SimulationError);
    expect((failure as SimulationError).message).toMatch(says);
    const found: string[] = [];
    for (const seed of [14, 59]) found.push(...(await oneSeed(seed)).broken);
    expect(found.join("\n")).toMatch(says);
  });
});

describe("a planted defect of durable flows is found", () => {
  const ofCheckpoints: readonly { readonly what: string; readonly plant: () => void; readonly says: RegExp }[] = [
    {
      what: "a result that is released before it is stored",
      plant() {
        plant(BatchWriter.prototype, "afterStored", () => (told) => told(undefined));
      },
      says: /L10: .*(was told|was given out|counts as accepted) before it (was|is) stored/,
    },
    {
      what: "a message that is lost when a batch is built",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append(withoutLast(batch), sequence) };
        });
      },
      says: /L10 at record \d+: message \w+ is not there after a restart/,
    },
    {
      what: "a row of a log that is kept of a failed attempt",
      plant() {
        plant(Failing.prototype, "threw", (sound) => (attempt, thrown) => {
          attempt.trace.lasting?.log?.commit(attempt);
          sound(attempt, thrown);
        });
      },
      says: /L10: .*(log of run "\w+" has \d+ items, and committed attempts have logged \d+|of an attempt that failed)/,
    },
    {
      what: "a row of a log that is lost when a batch is built",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return {
            ...partition,
            append: (batch, sequence) => partition.append({ ...batch, logs: batch.logs?.slice(1) }, sequence),
          };
        });
      },
      says: /L10: the log of run "\w+" has \d+ items, and committed attempts have logged \d+/,
    },
    {
      what: "a sleep that begins anew after a restart",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append(withoutSleeps(batch), sequence) };
        });
      },
      says: /L10 at record \d+: the pause or sleep "[^"]+" begins anew/,
    },
    {
      what: "a budget that is spent twice after a crash",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append(spentTwice(batch), sequence) };
        });
      },
      says: /L10 at record \d+: \S+ of the budget "\w+" count as spent, and its attempts spent \S+:/,
    },
    {
      what: "a playbook that begins anew after a restart",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append(withoutCalls(batch), sequence) };
        });
      },
      says: /L10 at record \d+: the playbook begins anew/,
    },
  ];
  test.for(ofCheckpoints)("$what", { timeout: 60_000 }, async (defect) => {
    const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
    await orderFlow(seeds);
    defect.plant();
    const failure = await orderFlow(seeds).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SimulationError);
    expect((failure as SimulationError).message).toMatch(defect.says);
    const found: string[] = [];
    for (let seed = 1; seed <= 20; seed += 1) found.push(...(await oneSeed(seed)).broken);
    expect(found.join("\n")).toMatch(defect.says);
  });

  /** Omits the last of several messages of a trace. */
  function withoutLast(batch: CheckpointBatch): CheckpointBatch {
    const put = batch.put.map((entry) => {
      const { items = [], ...state } = JSON.parse(entry.state) as { items?: unknown[] };
      return items.length < 2 ? entry : { ...entry, state: JSON.stringify({ ...state, items: items.slice(0, -1) }) };
    });
    return { ...batch, put };
  }

  /** Omits all sleeps, so that a handler that is called again does not find its own. */
  function withoutSleeps(batch: CheckpointBatch): CheckpointBatch {
    const put = batch.put.map((entry) => {
      const state = JSON.parse(entry.state) as { pauses?: { token?: string }[] };
      const pauses = state.pauses?.filter(({ token }) => token !== undefined);
      return pauses === undefined ? entry : { ...entry, state: JSON.stringify({ ...state, pauses }) };
    });
    return { ...batch, put };
  }

  /** Stores each spent amount twice. */
  function spentTwice(batch: CheckpointBatch): CheckpointBatch {
    const put = batch.put.map((entry) => {
      const state = JSON.parse(entry.state) as { budget?: { spent: Record<string, number> } };
      if (state.budget === undefined) return entry;
      const spent = Object.fromEntries(Object.entries(state.budget.spent).map(([name, amount]) => [name, amount * 2]));
      return { ...entry, state: JSON.stringify({ ...state, budget: { ...state.budget, spent } }) };
    });
    return { ...batch, put };
  }

  /** Omits the calls of playbooks. */
  function withoutCalls(batch: CheckpointBatch): CheckpointBatch {
    const put = batch.put.map((entry) => {
      const { calls: _, ...state } = JSON.parse(entry.state) as { calls?: unknown };
      return { ...entry, state: JSON.stringify(state) };
    });
    return { ...batch, put };
  }

  /** Simulates a typical durable flow. */
  function orderFlow(seeds: readonly number[]) {
    return simulate({
      flow(ports, { checkpoints }) {
        const take = payloadNode("take", (order: number, ctx) => {
          ctx.budget.spend({ parcels: 1 });
          return order;
        });
        const wrap = payloadNode("wrap", (order: number) => order);
        const tie = payloadNode("tie", async (order: number, ctx) => {
          await ctx.sleep(5);
          return order;
        });
        const wrapping = create(wrap.to(tie), { name: "wrapping" });
        const pack = payloadNode("pack", async (order: number, ctx) => {
          await ctx.sleep(5);
          await ctx.sleep(40, { name: "let it dry" });
          return await ctx.callPlaybook(wrapping, order);
        });
        const pay = payloadNode("pay", (order: number, ctx) => ctx.once("pay", () => order, { ifUnknown: "run" }));
        const post = payloadNode({ name: "post", policy: { maxRetries: 1 } }, async (orders: number[], ctx) => {
          await ctx.log.append([`attempt ${ctx.attempt}`]);
          if (ctx.attempt === 1) throw new Error("the lift is stuck");
          return orders.length;
        });
        const send = joinK("send", 2, { input: shape<number>() });
        return create(take.to(pack, pay), pack.to(send), pay.to(send), send.to(post), {
          ...ports,
          durability: durable({ checkpoints }),
          limits: { maxKeptLogs: 100 },
        });
      },
      input: (_random, index) => index,
      seeds,
    });
  }
});

describe("a planted defect of signals is found", () => {
  const ofSignals: readonly { readonly what: string; readonly plant: () => void; readonly says: RegExp }[] = [
    {
      what: "a signal that is lost in a crash",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: (batch, sequence) => partition.append(withoutLastSignal(batch), sequence) };
        });
      },
      says: /L1 at record \d+: (\d+) signals are left of the trace, (?!\1 )\d+ should be/,
    },
    {
      what: "a signal that is delivered to another message, too",
      plant() {
        plant(Signalling.prototype, "committed", () => ({ trace }) => {
          for (const signal of trace.lasting?.signals ?? []) signal.receiver = undefined;
        });
      },
      says: /L4 at record \d+: (no such signal is left|the signal .* came before it)/,
    },
  ];
  test.for(ofSignals)("$what", { timeout: 60_000 }, async (defect) => {
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
    await steeredFlow(seeds);
    for (const seed of [4, 9, 14, 19, 24]) expect((await oneSeed(seed)).broken, "without the defect").toEqual([]);
    defect.plant();
    const failure = await steeredFlow(seeds).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SimulationError);
    expect((failure as SimulationError).message).toMatch(defect.says);
    const found: string[] = [];
    for (const seed of [4, 9, 14, 19, 24]) found.push(...(await oneSeed(seed)).broken);
    expect(found.join("\n")).toMatch(defect.says);
  });

  /** Omits the last signal of each trace. */
  function withoutLastSignal(batch: CheckpointBatch): CheckpointBatch {
    const put = batch.put.map((checkpoint) => {
      const state = JSON.parse(checkpoint.state) as { signals?: unknown[] };
      const signals = state.signals?.slice(0, -1);
      return signals === undefined ? checkpoint : { ...checkpoint, state: JSON.stringify({ ...state, signals }) };
    });
    return { ...batch, put };
  }

  /** Simulates a durable flow with two nodes that wait for signals, for a while. */
  function steeredFlow(seeds: readonly number[]) {
    return simulate({
      flow(ports, { checkpoints }) {
        const hear = <Name extends string>(name: Name) =>
          payloadNode({ name, policy: { maxRetries: 2, backoffBaseMs: 5 } }, async (words: string[], ctx) => {
            const signals = ctx.signals<string>("word", { expiresAt: ctx.message.createdAt + 40 });
            const { value, done } = await signals.next();
            await ctx.sleep(3);
            return [...words, ...(done ? [] : [value]), ...signals.take()];
          });
        const [first, second] = [hear("first"), hear("second")];
        return create(first.to(second), { ...ports, durability: durable({ checkpoints }) });
      },
      input: (): string[] => [],
      signals: (random, index) =>
        Array.from({ length: Math.floor(random() * 6) }, (_, word) => ({ name: "word", value: `${index}.${word}` })),
      seeds,
    });
  }
});

describe("a planted defect of traces at rest is found", () => {
  test("an unloaded trace whose instant is forgotten", { timeout: 60_000 }, async () => {
    const says = /L2: the trace of run "\w+" has not ended/;
    const seeds = [63, 217];
    await approvals(seeds);
    expect((await oneSeed(267)).broken, "without the defect").toEqual([]);
    plant(RestingTraces.prototype, "armAlarm", () => () => {});
    for (const seed of seeds) await expect(approvals([seed])).rejects.toThrow(says);
    expect((await oneSeed(267)).broken.join("\n")).toMatch(says);
  });

  /** Simulates a flow whose requests wait for an answer out of memory, until it is too late for one. */
  function approvals(seeds: readonly number[]) {
    return simulate({
      flow(ports, { checkpoints }) {
        const ask = payloadNode("ask", async (order: number, ctx) => {
          const expiresAt = ctx.message.createdAt + 500;
          await ctx.pause({ reason: "May it go?", expiresAt, ifExpired: true });
          return order;
        });
        return create(ask.to(), { ...ports, durability: durable({ checkpoints, unloadAfterMs: 1 }) });
      },
      input: (_random, index) => index,
      seeds,
    });
  }
});

describe("a planted defect of partitions is found", () => {
  const ofPartitions: readonly {
    readonly what: string;
    readonly plant: () => void;
    readonly says: RegExp;
    readonly seed: number;
    /** Seed under which a user's flow shows it, if one does. */
    readonly ofFlow?: number;
  }[] = [
    {
      what: "a position that is recorded before its item is taken",
      plant() {
        plant(Positions.prototype, "expect", (sound) => (position) => {
          const take = sound(position);
          take?.();
          return take;
        });
      },
      says: /L10: the outcome of request .* was never delivered/,
      seed: 308,
      ofFlow: 8,
    },
    {
      what: "a position that is not stored with its trace",
      plant() {
        plant(SimulatedCheckpointStore.prototype, "open", (sound) => async (lease) => {
          const partition = await sound(lease);
          return { ...partition, append: ({ consumed: _, ...batch }, sequence) => partition.append(batch, sequence) };
        });
      },
      says: /L10: (item \d+ of lane \d+, .* was never consumed|request .* was accepted 2 times)/,
      seed: 21,
      ofFlow: 8,
    },
    {
      what: "an outcome that is removed before it is delivered",
      plant() {
        plant(OutcomeDelivery.prototype, "deliver", (sound, delivery) => async (sink, outcome, retryMs) => {
          const delivered = sound(sink, outcome, retryMs);
          if (sink.outcome === outcome) delivery.acknowledge(sink);
          await delivered;
        });
      },
      says: /L10: the outcome of request .* was never delivered/,
      seed: 55,
      ofFlow: 80,
    },
    {
      what: "a handler that starts past the lease of its process",
      plant() {
        const sound = Object.getOwnPropertyDescriptor(CheckpointedRun.prototype, "leaseEndsAt") as PropertyDescriptor;
        const never = { ...sound, get: () => Number.POSITIVE_INFINITY };
        Object.defineProperty(CheckpointedRun.prototype, "leaseEndsAt", never);
        repairs.push(() => Object.defineProperty(CheckpointedRun.prototype, "leaseEndsAt", sound));
      },
      says: /L10: a handler of "\w+" starts \d+ ms after its process's lease has ended/,
      seed: 7,
      ofFlow: 11,
    },
  ];
  test.for(ofPartitions)("$what", { timeout: 60_000 }, async ({ plant: plantIt, says, seed, ofFlow }) => {
    expect((await oneSeed(seed)).broken, "without the defect").toEqual([]);
    const seedsOfFlow = ofFlow === undefined ? [] : [ofFlow];
    for (const one of seedsOfFlow) await orderFlow([one]);
    plantIt();
    for (const one of seedsOfFlow) {
      const failure = await orderFlow([one]).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(SimulationError);
      expect((failure as SimulationError).message).toMatch(says);
    }
    expect((await oneSeed(seed)).broken.join("\n")).toMatch(says);
  });

  /** Simulates a durable flow whose first node holds items back. */
  function orderFlow(seeds: readonly number[]) {
    return simulate({
      flow(ports, { checkpoints }) {
        const take = payloadNode({ name: "take", policy: { concurrency: 1 } }, async (order: number, ctx) => {
          await ctx.sleep(3);
          return order;
        });
        const pack = payloadNode("pack", async (order: number, ctx) => {
          await ctx.sleep(5);
          return order;
        });
        const pay = payloadNode("pay", (order: number, ctx) => ctx.once("pay", () => order, { ifUnknown: "run" }));
        const send = joinK("send", 2, { input: shape<number>() });
        const durability = durable({ checkpoints });
        return create(take.to(pack, pay), pack.to(send), pay.to(send), { queueMaxSize: 1, ...ports, durability });
      },
      input: (_random, index) => index,
      seeds,
    });
  }
});
