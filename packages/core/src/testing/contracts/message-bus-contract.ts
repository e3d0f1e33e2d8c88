import { requireFunction, requireKnownKeys } from "../../foundation/options.ts";
import { seededRandom } from "../../foundation/random.ts";
import { payloadNode } from "../../graph/node.ts";
import type { BusEnvelope, MessageBus } from "../../ports/message-bus.ts";
import { create } from "../../flow/create.ts";
import { type ContractCase, inTime, requireSame, until } from "./contract.ts";
import { faultyMessageBus } from "../kit/faulty-adapters.ts";

/** A bus and its receiving end. */
export interface TestedBus {
  readonly bus: MessageBus;
  /** Calls `receive` for each envelope of a tenant that is published from now on. */
  readonly subscribe: (tenant: string, receive: (envelope: BusEnvelope) => void) => unknown;
  /** Called at the end of the case. @defaultValue does nothing */
  readonly close?: () => void | Promise<void>;
}

/** Options of {@link messageBusContract}. */
export interface MessageBusContract {
  /** Creates a bus without other publishers. */
  readonly make: () => TestedBus | Promise<TestedBus>;
}

/**
 * Returns the rules of the `MessageBus` port, for authors of adapters. Each case creates its own bus.
 *
 * @example
 * ```ts
 * for (const { name, run } of messageBusContract({ make: () => connect() })) test(name, run);
 * ```
 */
export function messageBusContract(options: MessageBusContract): ContractCase[] {
  requireKnownKeys("messageBusContract", options, ["make"]);
  requireFunction("make", options.make);
  return Object.entries(rules).map(([name, rule]) => ({
    name,
    run: async () => {
      const tested = await options.make();
      const received = async (tenant: string): Promise<BusEnvelope[]> => {
        const envelopes: BusEnvelope[] = [];
        await tested.subscribe(tenant, (sent) => void envelopes.push(sent));
        return envelopes;
      };
      try {
        await inTime(`"${name}"`, rule(tested.bus, received));
      } finally {
        await tested.close?.();
      }
    },
  }));
}

type Rule = (bus: MessageBus, received: (tenant: string) => Promise<BusEnvelope[]>) => Promise<void>;

const rules: Readonly<Record<string, Rule>> = {
  async "delivers envelopes in the order of publication, batch after batch"(bus, received) {
    const got = await received("ada");
    await bus.publish([envelope("ada", 1), envelope("ada", 2)]);
    await bus.publish([envelope("ada", 3)]);
    await until("three envelopes have come", () => got.length >= 3);
    requireSame(
      "What came",
      got.map(({ payload }) => payload),
      [1, 2, 3],
    );
  },
  async "delivers an envelope as it was"(bus, received) {
    const got = await received("ada");
    const sent = {
      ...envelope("ada", { text: "ü ✓ \u0000\n", list: [1, null, { deep: true }] }),
      meta: { user: "pingu" },
    };
    await bus.publish([sent]);
    await until("the envelope has come", () => got.length >= 1);
    requireSame("What came", JSON.parse(JSON.stringify(got[0])), JSON.parse(JSON.stringify(sent)));
  },
  async "delivers to each tenant its own envelopes and no others"(bus, received) {
    const [ofAda, ofBob] = [await received("ada"), await received("bob")];
    await bus.publish([envelope("ada", 1), envelope("bob", 2), envelope("adam", 3), envelope("ada", 4)]);
    await until("three envelopes have come", () => ofAda.length + ofBob.length >= 3);
    requireSame(
      "What came to ada",
      ofAda.map(({ payload }) => payload),
      [1, 4],
    );
    requireSame(
      "What came to bob",
      ofBob.map(({ payload }) => payload),
      [2],
    );
  },
  async "delivers to every subscriber"(bus, received) {
    const [one, other] = [await received("ada"), await received("ada")];
    await bus.publish([envelope("ada", 1)]);
    await until("both have it", () => one.length + other.length >= 2);
    requireSame("How many came to each", [one.length, other.length], [1, 1]);
  },
  async "accepts an empty batch, a large one, and one without subscribers"(bus, received) {
    await bus.publish([]);
    await bus.publish([envelope("stranger", 1)]);
    const got = await received("ada");
    const numbers = Array.from({ length: 2_000 }, (_, index) => index);
    await bus.publish(numbers.map((number) => envelope("ada", number)));
    await until("all have come", () => got.length >= numbers.length);
    requireSame(
      "What came",
      got.map(({ payload }) => payload),
      numbers,
    );
  },
  async "publishes the messages of a flow that continues while calls fail, none of them twice"(bus, received) {
    const got = await received("ada");
    const step = payloadNode("step", (number: number) => number);
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    let refused = 0;
    const faults = {
      random: seededRandom(7),
      rate: 0.5,
      onFault: (fault: string) => void (refused += fault === "refused" ? 1 : 0),
    };
    const clock = {
      now: () => 0,
      epochNow: () => 0,
      setTimer: (callback: () => void) => (queueMicrotask(callback), () => {}),
    };
    const flow = create(step.to(), { messageBus: faultyMessageBus(bus, { ...faults, clock }), logger });
    flow.run();
    for (let number = 1; number <= 20; number += 1) {
      requireSame("The result of a call", await flow.call(number, { tenant: "ada" }), number);
      await flow.flush();
    }
    await flow.stop();
    const entered = (): unknown[] => got.filter(({ edge }) => edge === "OpenSea->step").map(({ payload }) => payload);
    await bus.publish([envelope("ada", "last")]);
    await until("the last has come", () => got.some(({ payload }) => payload === "last"));
    const numbers = entered() as number[];
    if (
      refused === 0 ||
      numbers.length === 0 ||
      numbers.some((number, index) => index > 0 && number <= (numbers[index - 1] as number))
    )
      throw new Error(
        `The messages of the flow must come in order and once: got ${numbers.join(", ")} with ${refused} calls refused`,
      );
  },
};

function envelope(tenant: string, payload: unknown): BusEnvelope {
  return {
    version: 1,
    edge: "a->b",
    source: "a",
    target: "b",
    flow: "flow",
    traceId: "t",
    tenant,
    headers: { tenant, topic: undefined, priority: 0 },
    payload,
    meta: {},
    at: 1_760_000_000_000,
  };
}
