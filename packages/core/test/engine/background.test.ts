import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  configureLogging,
  create,
  type CheckpointStore,
  type CheckpointPartition,
  type Logger,
  MemoryCheckpointStore,
  MemoryMessageBus,
  MemoryStateStore,
  node,
  payloadNode,
  type Probe,
  shape,
} from "penguiflow";
import { durable } from "penguiflow/durable";
import { settle, TestClock } from "penguiflow/testing";
import { rejection, tidy } from "../fixtures/watched-flow.ts";

/** Errors that would have ended the process. */
const fatal: unknown[] = [];
const EVENTS = ["unhandledRejection", "uncaughtException"] as const;
const others = new Map<string, NodeJS.UncaughtExceptionListener[]>();

beforeEach(() => {
  fatal.length = 0;
  for (const event of EVENTS) {
    others.set(event, process.listeners(event as "uncaughtException"));
    process.removeAllListeners(event);
    process.on(event as "uncaughtException", (error: unknown) => fatal.push(error));
  }
});

afterEach(async () => {
  await settle();
  await settle();
  for (const event of EVENTS) {
    process.removeAllListeners(event);
    for (const listener of others.get(event) ?? []) process.on(event as "uncaughtException", listener);
  }
  configureLogging();
  if (fatal.length > 0) throw new AggregateError(fatal, "The process would have ended");
});

/** Thrown values that are hard to describe, next to an ordinary one. */
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const THROWN: ReadonlyArray<readonly [string, unknown]> = [
  ["an Error", new Error("no")],
  ["undefined", undefined],
  ["null", null],
  ["an object without prototype", Object.create(null)],
  ["a revoked proxy", revoked.proxy],
];

const inc = payloadNode("inc", (n: number) => n + 1);
const slow = payloadNode("slow", async (n: number) => await Promise.resolve(n + 1));
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Creates a logger that keeps the names of its lines. */
function listening(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const note = (message: string): void => void lines.push(message);
  return { lines, debug: note, info: note, warn: note, error: note };
}

const fails = (thrown: unknown) => ({
  "at once": (): never => {
    throw thrown;
  },
  // an async function in place of a plain one, as JavaScript allows
  later: (async () => await Promise.reject(thrown)) as unknown as () => never,
});

describe.each(THROWN)("an observer that throws %s", (_name, thrown) => {
  for (const [when, fail] of Object.entries(fails(thrown))) {
    test(`${when} as middleware changes nothing`, async () => {
      const logger = listening();
      const flow = tidy(create(slow.to(inc), { middlewares: [fail], logger }).run());
      expect(await flow.call(1)).toBe(3);
      await flow.flush();
      expect(logger.lines).toContain("middleware_failed");
    });

    test(`${when} as state store and bus changes nothing`, async () => {
      const logger = listening();
      const stateStore = Object.assign(new MemoryStateStore(), { saveEvents: fail, saveRemoteBinding: fail });
      const messageBus = Object.assign(new MemoryMessageBus(), { publish: fail });
      const flow = tidy(create(slow.to(inc), { stateStore, messageBus, logger }).run());
      expect(await flow.call(1)).toBe(3);
      await flow.flush();
      expect(logger.lines).toEqual(expect.arrayContaining(["state_store_save_failed", "message_bus_publish_failed"]));
    });

    test(`${when} as recorder changes nothing`, async () => {
      const logger = listening();
      const flow = tidy(create(slow.to(inc), { recorder: fail, logger }).run());
      expect(await flow.call(1)).toBe(3);
      expect(logger.lines).toContain("recorder_failed");
    });

    test(`${when} as instrument changes nothing`, async () => {
      const logger = listening();
      const probe = Object.fromEntries(["begin", "handle", "fetched", "event", "stop"].map((name) => [name, fail]));
      const instrument = () =>
        ({ enter: (_trace: unknown, m: unknown) => m, gather: (m: unknown) => m, ...probe }) as unknown as Probe;
      const flow = tidy(create(slow.to(inc), { instrument, logger }).run());
      expect(await flow.call(1)).toBe(3);
      await flow.stop();
      expect(logger.lines).toContain("instrument_failed");
    });

    test(`${when} as logger changes nothing`, async () => {
      configureLogging({ write: fail });
      const logger: Logger = { debug: fail, info: fail, warn: fail, error: fail };
      const bad = (): never => {
        throw new Error("observer");
      };
      const flow = tidy(create(slow.to(inc), { middlewares: [bad], recorder: bad, logger }).run());
      expect(await flow.call(1)).toBe(3);
      await flow.flush();
      expect(flow.stats().observers.middlewares[0]?.pending).toBe(0);
    });

    test(`${when} as external task is logged`, async () => {
      const logger = listening();
      const hang = payloadNode("hang", async (n: number, ctx) => {
        await ctx.sleep(60_000);
        return n;
      });
      const flow = tidy(create(hang.to(), { logger, clock: new TestClock() }).run());
      const outcome = flow.outcome(1, { traceId: "t" });
      await settle();
      flow.registerExternalTask("t", { cancel: fail });
      await flow.cancel("t");
      expect((await outcome).status).toBe("cancelled");
      await settle();
      expect(logger.lines).toContain("external_task_cancel_failed");
    });

    test.each(["append", "renew", "read", "close", "open"] as const)(
      `${when} as checkpoint store's %s has callers told, and nothing else`,
      async (method) => {
        const clock = new TestClock();
        const logger = listening();
        const flow = create(slow.to(inc), {
          clock,
          logger,
          durability: durable({ checkpoints: failing(method, fail), leaseMs: 300 }),
        });
        flow.run();
        const called = flow.call(1).then(
          () => "answered",
          () => "refused",
        );
        await settle();
        await clock.advance(200);
        await settle();
        const isHarmless = method === "renew" || method === "close";
        expect(await called).toBe(isHarmless ? "answered" : "refused");
        await flow.stop();
        expect(logger.lines).toContain(
          method === "renew"
            ? "lease_renewal_failed"
            : method === "close"
              ? "checkpoints_close_failed"
              : "checkpoints_lost",
        );
      },
    );
  }

  test("as reason of a cancel cancels nevertheless", async () => {
    const hang = payloadNode("hang", async (n: number, ctx) => {
      await ctx.sleep(60_000);
      return n;
    });
    const middlewares = [() => {}];
    const flow = tidy(create(hang.to(), { middlewares, clock: new TestClock(), logger: silent }).run());
    const controller = new AbortController();
    const outcome = flow.outcome(1, { signal: controller.signal });
    await settle();
    controller.abort(thrown);
    expect((await outcome).status).toBe("cancelled");
  });

  test("as the `then` of what a handler returned fails its node", async () => {
    const odd = payloadNode(
      "odd",
      (_n: number): number =>
        new Proxy(
          {},
          {
            get: (_, name) => {
              if (name === "then") throw thrown;
              return undefined;
            },
          },
        ) as unknown as number,
    );
    const flow = tidy(create(odd.to(), { logger: silent }).run());
    expect(await rejection(flow.call(1))).toMatchObject({ code: "NODE_EXCEPTION", node: "odd" });
  });
});

test("what a handler calls when its attempt is over, and does not await, ends nothing", async () => {
  const calls: (() => unknown)[] = [];
  const late = payloadNode("late", async (n: number, ctx) => {
    calls.push(
      () => ctx.emit(1),
      () => ctx.emitChunk({ text: "x" }),
      () => ctx.fetch(),
      () => ctx.sleep(1),
      () => ctx.once("k", () => 1),
      () => ctx.callPlaybook(create(inc.to())),
    );
    await ctx.sleep(60_000);
    return n;
  });
  const flow = tidy(create(late.to(), { clock: new TestClock() }).run());
  const outcome = flow.outcome(1, { traceId: "t" });
  await settle();
  await flow.cancel("t");
  for (const call of calls) void call();
  expect((await outcome).status).toBe("cancelled");
});

test("what a handler emits and does not await ends nothing when it is checked after the trace was cancelled", async () => {
  let checked = (_: { value: number }): void => {};
  const output = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => new Promise<{ value: number }>((resolve) => (checked = resolve)),
    },
  } as const;
  const late = node({ name: "late", input: shape<number>(), output }, async (message, ctx) => {
    void ctx.emit(message.payload);
    await ctx.sleep(60_000);
    return message.payload;
  });
  const flow = tidy(create(late.to(), { clock: new TestClock() }).run());
  const outcome = flow.outcome(1, { traceId: "t" });
  await settle();
  await flow.cancel("t");
  checked({ value: 1 });
  expect((await outcome).status).toBe("cancelled");
});

test("an error of a port that the engine calls fails the trace it befalls, and is logged", async () => {
  const logger = listening();
  const clock = new TestClock();
  const read = clock.now.bind(clock);
  let isBroken = false;
  clock.now = () => {
    if (!isBroken) return read();
    isBroken = false;
    throw new Error("no time");
  };
  let go = (): void => {};
  const waits = payloadNode(
    "waits",
    async (n: number) => await new Promise<number>((resolve) => (go = () => resolve(n))),
  );
  const flow = tidy(create(waits.to(inc), { clock, logger, middlewares: [() => {}] }).run());
  const outcome = flow.outcome(1);
  await settle();
  isBroken = true;
  go();
  expect(await outcome).toMatchObject({ status: "failed", error: { code: "NODE_EXCEPTION", node: "waits" } });
  expect(logger.lines).toContain("engine_failed");
});

/** Creates a checkpoint store of which one method fails. */
function failing(method: "open" | keyof CheckpointPartition, fail: () => unknown): CheckpointStore {
  const checkpoints = new MemoryCheckpointStore();
  if (method === "open") return { open: fail as unknown as CheckpointStore["open"] };
  // reading yields pages
  const read = async function* (): AsyncGenerator {
    yield await fail();
  };
  return {
    open: async (lease) => {
      const partition = await checkpoints.open(lease);
      return Object.defineProperty(partition, method, { value: method === "read" ? read : fail });
    },
  };
}
