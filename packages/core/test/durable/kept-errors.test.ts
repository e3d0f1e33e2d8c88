import { describe, expect, test } from "vitest";
import {
  create,
  FlowError,
  type FlowErrorCode,
  type CheckpointStore,
  MemoryCheckpointStore,
  payloadNode,
} from "penguiflow";
import { durable, type DurableOptions } from "penguiflow/durable";
import { settle } from "penguiflow/testing";
import { logbook, rejection, within } from "../fixtures/watched-flow.ts";
import { contentsOf } from "./cut-checkpoint-store.ts";

class HttpError extends Error {
  override readonly name = "HttpError";
  readonly code = "E_UPSTREAM";
  readonly status = 503;
}

interface Settings extends Partial<DurableOptions> {
  readonly emits?: boolean;
  /** Creates the handler's error; absent for a handler that succeeds. */
  readonly thrown?: (() => unknown) | undefined;
}

/** Creates a flow whose second node throws at each of its two attempts. */
function failing(checkpoints: CheckpointStore, { emits = false, thrown, ...options }: Settings = {}) {
  const first = payloadNode("first", (payload: unknown) => payload);
  const policy = { maxRetries: 1, backoffBaseMs: 0 };
  const second = payloadNode({ name: "second", policy }, (payload: unknown) => {
    if (thrown !== undefined) throw thrown();
    return payload;
  });
  return create(first.to(second), {
    durability: durable({ checkpoints, ...options }),
    emitErrorsToRookery: emits,
    logger: logbook(),
  }).run();
}

const http = (): Error => new HttpError("busy", { cause: new TypeError("socket closed") });
const codeOf = (error: unknown): FlowErrorCode | undefined => (error instanceof FlowError ? error.code : undefined);

test("after a restart a failure is reported as whole as before it", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const before = failing(checkpoints, { thrown: http });
  await rejection(before.call(1, { traceId: "t" }));
  const [was] = await before.recovery.unfinished();
  expect(was?.error).toMatchObject({
    name: "FlowError",
    code: "NODE_EXCEPTION",
    message: 'Node "second" failed: busy',
    stack: expect.stringContaining("FlowError") as string,
    node: "second",
    traceId: "t",
    tenant: "default",
    attempt: 2,
    retryable: true,
    cause: {
      name: "HttpError",
      code: "E_UPSTREAM",
      status: 503,
      message: "busy",
      stack: expect.stringContaining("kept-errors.test.ts") as string,
      cause: { name: "TypeError", message: "socket closed" },
    },
  });
  await before.stop();
  const after = failing(checkpoints);
  expect(await after.recovery.unfinished()).toEqual([was]);
  await after.stop();
});

describe("the failure of a trace with emitErrorsToRookery", () => {
  test("can be fetched after a restart, once, with its causes", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const before = failing(checkpoints, { emits: true, thrown: http });
    await before.emit(1, { traceId: "t" });
    await settle();
    await settle();
    await before.stop();
    const after = failing(checkpoints, { emits: true });
    const error = (await within(4_000, after.fetch({ traceId: "t" }))) as FlowError;
    expect(error).toBeInstanceOf(FlowError);
    expect(error).toMatchObject({
      code: "NODE_EXCEPTION",
      node: "second",
      attempt: 2,
      traceId: "t",
      tenant: "default",
    });
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.unwrap()).toMatchObject({ name: "HttpError", code: "E_UPSTREAM", status: 503 });
    expect(codeOf(await rejection(after.fetch({ traceId: "t" })))).toBe("TRACE_UNKNOWN");
    // the trace was fetched, and waits for a retry
    expect(await after.recovery.unfinished()).toMatchObject([{ traceId: "t", status: "failed" }]);
    await after.stop();
    const later = failing(checkpoints, { emits: true });
    await later.ready();
    expect(later.stats().unreadResults).toBe(0);
    await later.stop();
  });

  test("is withdrawn when the trace is retried: what is fetched then is its result", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const before = failing(checkpoints, { emits: true, thrown: http });
    await before.emit(1, { traceId: "t" });
    await settle();
    await settle();
    await before.stop();
    const after = failing(checkpoints, { emits: true });
    await after.recovery.retryFailed("t");
    expect(await within(4_000, after.fetch({ traceId: "t" }))).toMatchObject({ payload: 1 });
    expect(codeOf(await rejection(after.fetch({ traceId: "t" })))).toBe("TRACE_UNKNOWN");
    expect(await after.recovery.unfinished()).toEqual([]);
    await after.stop();
    expect((await contentsOf(checkpoints)).entries).toEqual([]);
  });
});

test("after a restart fetch of a trace that failed rejects with why, as before it", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const before = failing(checkpoints, { thrown: http });
  await before.emit(1, { traceId: "t" });
  await settle();
  await settle();
  await before.stop();
  const after = failing(checkpoints);
  const error = await rejection(after.fetch({ traceId: "t" }));
  expect(error).toMatchObject({ code: "NODE_EXCEPTION", attempt: 2, cause: { code: "E_UPSTREAM" } });
  await after.stop();
});

test("results of a trace that failed can be fetched after a restart", async () => {
  const checkpoints = new MemoryCheckpointStore();
  const make = () => {
    const send = payloadNode("send", async (n: number, ctx) => {
      await ctx.emit(n);
      throw new Error("down");
    });
    const flow = create(send.to(payloadNode("end", (n: number) => n)), {
      durability: durable({ checkpoints }),
      logger: logbook(),
    });
    return flow.run();
  };
  const before = make();
  await before.emit(7, { traceId: "t" });
  await settle();
  await settle();
  await before.stop();
  const after = make();
  expect(await within(4_000, after.fetch({ traceId: "t" }))).toMatchObject({ payload: 7 });
  await after.stop();
});

describe("what is kept of an error", () => {
  const large = "x".repeat(5_000_000);

  test.each<[string, () => unknown]>([
    ["a message of 5 MB", () => new Error(large)],
    ["a text of 5 MB that is thrown", () => large],
    ["a cause of 5 MB", () => new Error("short", { cause: new Error(large) })],
    ["a code of 5 MB", () => Object.assign(new Error("short"), { code: large })],
    [
      "details of 5 MB",
      () =>
        new FlowError({ code: "REMOTE_FAILED", message: "short", node: "second", details: { large, list: [large] } }),
    ],
  ])("is bounded for %s, and no longer than maxPayloadBytes", async (_, thrown) => {
    for (const maxPayloadBytes of [1_000, 20_000, 2 ** 20]) {
      const checkpoints = new MemoryCheckpointStore();
      const flow = failing(checkpoints, { thrown, maxPayloadBytes });
      await rejection(flow.call(1, { traceId: "t" }));
      const [entry] = await flow.recovery.unfinished();
      expect(entry?.error).toMatchObject({ code: expect.stringMatching(/NODE_EXCEPTION|REMOTE_FAILED/) as string });
      expect(JSON.stringify(entry?.error).length).toBeLessThanOrEqual(Math.min(maxPayloadBytes, 200_000));
      await flow.stop();
      const { entries } = await contentsOf(checkpoints);
      expect(entries[0]?.state.length).toBeLessThan(Math.min(maxPayloadBytes, 200_000) + 1_000);
    }
  });

  test("has the frames of its stack though the message is long", async () => {
    const flow = failing(new MemoryCheckpointStore(), { thrown: () => new Error(large) });
    await rejection(flow.call(1, { traceId: "t" }));
    const [entry] = await flow.recovery.unfinished();
    expect(entry?.error?.cause?.stack).toContain("kept-errors.test.ts");
    expect(entry?.error?.message).toMatch(/xxx… \(\d+ characters\)$/);
    await flow.stop();
  });

  test("leaves out details that are no data, and the trace is kept nevertheless", async () => {
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    for (const details of [circle, { big: 1n }]) {
      const thrown = () => new FlowError({ code: "REMOTE_FAILED", message: "no", node: "second", details });
      const flow = failing(new MemoryCheckpointStore(), { thrown });
      expect(codeOf(await rejection(flow.call(1, { traceId: "t" })))).toBe("REMOTE_FAILED");
      expect(await flow.recovery.unfinished()).toMatchObject([
        { status: "failed", error: { code: "REMOTE_FAILED", details: { omitted: expect.any(String) as string } } },
      ]);
      await flow.stop();
    }
  });

  test("of a side effect that failed is bounded, too", async () => {
    const checkpoints = new MemoryCheckpointStore();
    const node = payloadNode("pay", async (_: number, ctx) => {
      await ctx.once("pay", () => {
        throw new Error(large);
      });
    });
    const flow = create(node.to(), { durability: durable({ checkpoints }), logger: logbook() }).run();
    await rejection(flow.call(1, { traceId: "t" }));
    await flow.stop();
    const { entries } = await contentsOf(checkpoints);
    expect(entries[0]?.state.length).toBeLessThan(200_000);
    expect(entries[0]?.state).toContain('"failed"');
  });
});
