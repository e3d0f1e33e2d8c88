import {
  create,
  FlowError,
  type FlowOptions,
  MemoryCheckpointStore,
  MemoryMessageBus,
  MemoryStateStore,
  payloadNode,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { TestClock } from "penguiflow/testing";
import { describe, expect, test } from "vitest";
import { wrapPartition } from "../../src/testing/kit/wrap-partition.ts";
import { oneSeed } from "./one-seed.ts";
import { canonical, RunDigest } from "./run-digest.ts";

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

/** The changes to one run of a small flow. */
interface Change {
  readonly handler?: (count: number) => number;
  readonly tooMany?: string;
  readonly change?: (observed: FlowOptions) => FlowOptions;
  readonly isDurable?: boolean;
  readonly changeBatch?: (state: string) => string;
}

/** Returns the digest of two calls of a small flow, of which the second fails. */
async function digestOf({
  handler = (count) => count + 1,
  tooMany = "too many penguins",
  change,
  isDurable,
  changeBatch,
}: Change = {}) {
  const digest = new RunDigest();
  const watched: FlowOptions = digest.observed({
    recorder: () => {},
    middlewares: [() => {}],
    stateStore: new MemoryStateStore(),
    messageBus: new MemoryMessageBus(),
  });
  const checkpoints = digest.checkpoints(new MemoryCheckpointStore());
  const first = payloadNode("first", handler);
  const second = payloadNode("second", (count: number) => {
    if (count > 10) throw new Error(tooMany);
    return count;
  });
  const clock = new TestClock();
  const sent: typeof checkpoints = {
    open: async (lease) => {
      const partition = await checkpoints.open(lease);
      const append: typeof partition.append = (batch, sequence) => {
        const put = batch.put.map((entry) => ({ ...entry, state: changeBatch?.(entry.state) ?? entry.state }));
        return partition.append({ ...batch, put }, sequence);
      };
      return wrapPartition(partition, { append, id: "partition" });
    },
  };
  const durability = isDurable === true ? { durability: durable({ checkpoints: sent, partition: "test" }) } : {};
  const flow = digest.callers(
    create(first.to(second), {
      ...(change?.(watched) ?? watched),
      clock,
      random: () => 0.5,
      logger: SILENT,
      ...durability,
    }) as never,
  );
  flow.run();
  await flow.call(1, { traceId: "one" });
  await flow.call(10, { traceId: "two" }).catch(() => {});
  await flow.flush();
  await flow.stop();
  return hex(digest.bytes);
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

describe("the digest of a seed", () => {
  test("is the same each time, and observing changes nothing", { timeout: 30_000 }, async () => {
    for (const seed of [3, 4, 6]) {
      const plain = await oneSeed(seed);
      const { digest, ...report } = await oneSeed(seed, true);
      expect(plain.digest).toBeUndefined();
      expect(hex(digest)).toMatch(/^[0-9a-f]{64}$/);
      expect(hex((await oneSeed(seed, true)).digest)).toBe(hex(digest));
      for (const part of ["broken", "messages", "faults", "statuses", "crashes"] as const)
        expect(report[part], part).toEqual(plain[part]);
    }
  });

  test("differs from seed to seed", async () => {
    expect(hex((await oneSeed(3, true)).digest)).not.toBe(hex((await oneSeed(6, true)).digest));
  });
});

describe("the digest of a run", () => {
  test("is the same for the same run", async () => {
    expect(await digestOf()).toBe(await digestOf());
    expect(await digestOf({ isDurable: true })).toBe(await digestOf({ isDurable: true }));
  });

  const changes: readonly { readonly what: string; readonly change: Change; readonly from?: Change }[] = [
    { what: "a payload on the way", change: { handler: (count) => count + 2 } },
    {
      what: "a record",
      change: {
        change: (observed) => ({
          ...observed,
          recorder: (record) => observed.recorder?.({ ...record, run: `${record.run}0` }),
        }),
      },
    },
    {
      what: "an event",
      change: {
        change: ({ middlewares = [], ...observed }) => ({
          ...observed,
          middlewares: middlewares.map(
            (middleware) => (event) =>
              typeof middleware === "function" ? middleware({ ...event, at: event.at + 1 }) : undefined,
          ),
        }),
      },
    },
    {
      what: "an event on its way to the state store",
      change: {
        change: ({ stateStore, ...observed }) => ({
          ...observed,
          stateStore: Object.assign(Object.create(stateStore ?? {}) as NonNullable<typeof stateStore>, {
            saveEvents: (batch: readonly []) => stateStore!.saveEvents(batch.slice(1)),
          }),
        }),
      },
    },
    {
      what: "a message on its way to the bus",
      change: {
        change: ({ messageBus, ...observed }) => ({
          ...observed,
          messageBus: { publish: (batch) => messageBus!.publish(batch.slice(1)) },
        }),
      },
    },
    {
      what: "a state in the checkpoint store",
      from: { isDurable: true },
      change: {
        isDurable: true,
        changeBatch: (state) => JSON.stringify({ ...(JSON.parse(state) as object), more: 1 }),
      },
    },
    {
      what: "what a caller gets",
      change: { tooMany: "more penguins than there is room for" },
    },
  ];
  test.for(changes)("changes with $what", async ({ change, from = {} }) => {
    expect(await digestOf(change)).not.toBe(await digestOf(from));
  });

  test("does not change with the order of keys in the checkpoint store's states", async () => {
    const reversed = (state: string): string =>
      JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(state) as object).reverse()));
    expect(await digestOf({ isDurable: true, changeBatch: reversed })).toBe(await digestOf({ isDurable: true }));
  });
});

describe("a value as canonical text", () => {
  test("is the same whatever its class and the order of its keys", () => {
    class One {
      readonly b = { d: [1, undefined], c: undefined };
      readonly a = 1n;
    }
    expect(canonical(new One())).toBe(canonical({ a: 1n, b: { d: [1, undefined] } }));
    expect(canonical(new One())).not.toBe(canonical({ a: 1, b: { d: [1, undefined] } }));
  });

  test("has of an error its code, message and cause, and no stack", () => {
    const cause = new TypeError("no penguin");
    const error = new FlowError({ code: "NODE_EXCEPTION", message: "failed", node: "a", cause });
    const text = canonical(error);
    expect(text).toContain('"code":"NODE_EXCEPTION"');
    expect(text).toContain("no penguin");
    expect(text).not.toContain("run-digest");
    expect(canonical(error.toPayload())).not.toContain("run-digest");
    expect(canonical(error.toPayload())).toContain("no penguin");
  });

  test("ends where a value contains itself", () => {
    const value: Record<string, unknown> = { map: new Map([["key", new Set([1])]]) };
    value["self"] = value;
    expect(canonical(value)).toBe('{"map":Map[["key",Set[1]]],"self":a cycle}');
  });
});
