import { channel } from "node:diagnostics_channel";
import {
  type BusEnvelope,
  create,
  type FlowEvent,
  formatFlowEvent,
  labels,
  logFlowEvents,
  MemoryMessageBus,
  MemoryStateStore,
  payloadNode,
  type Probe,
} from "penguiflow";
import { describe, expect, test } from "vitest";
import { logbook, recorder, rejection } from "../fixtures/watched-flow.ts";

declare module "penguiflow" {
  interface AppEvents {
    "app.counted": { readonly count: number; readonly status?: string };
    "app.seen": undefined;
    "app.anything": unknown;
  }
}

const counter = () =>
  payloadNode("counter", (count: number, ctx) => {
    ctx.tell({ type: "app.counted", data: { count } });
    return count;
  });
const isOwn = ({ type }: FlowEvent): boolean => type.startsWith("app.");

/** Runs a handler under an observer. Returns its events and the logger's lines. */
async function told(data: unknown) {
  const { middleware, events } = recorder();
  const logger = logbook();
  const teller = payloadNode("teller", (_: number, ctx) => {
    ctx.tell({ type: "app.anything", data });
    return "done";
  });
  await using flow = create(teller.to(), { middlewares: [middleware], logger, name: "f" }).run();
  expect(await flow.call(1, { traceId: "t" })).toBe("done");
  await flow.flush();
  return { own: events.filter(isOwn), lines: logger.lines };
}

describe("an event of the program's own", () => {
  test("reaches middlewares, state store, bus and instrument, in order, with its place in the flow", async () => {
    const { middleware, events } = recorder();
    const stateStore = new MemoryStateStore();
    const messageBus = new MemoryMessageBus();
    const published: BusEnvelope[] = [];
    messageBus.subscribe({ tenant: "acme" }, (envelope) => void published.push(envelope));
    const probed: FlowEvent[] = [];
    const instrument = (): Probe => ({
      begin: () => {},
      enter: (_, message) => message,
      handle: ({ message }, handler) => void handler(message),
      fetched: () => {},
      gather: (group) => group,
      event: (event) => void probed.push(event),
      stop: () => {},
    });
    const options = { middlewares: [middleware], stateStore, messageBus, instrument, name: "f" };
    await using flow = create(counter().to(), options).run();
    await flow.call(5, { traceId: "t", tenant: "acme" });
    await flow.flush();

    const wanted = { type: "app.counted", data: { count: 5 }, node: "counter", attempt: 1, flow: "f", traceId: "t" };
    expect(events.map(({ type }) => type)).toEqual([
      "trace_start",
      "node_start",
      "app.counted",
      "node_success",
      "trace_end",
    ]);
    expect(events.find(isOwn)).toMatchObject({ ...wanted, tenant: "acme" });
    expect(probed.filter(isOwn)).toEqual(events.filter(isOwn));
    const { events: stored } = await flow.loadHistory("t", { tenant: "acme" });
    expect(stored.find(({ kind }) => kind === "app.counted")).toMatchObject({ node: "counter", payload: wanted });
    expect(published.filter(({ event }) => event !== undefined)).toMatchObject([
      { edge: "counter->app.counted", source: "counter", target: "app.counted", event: "app.counted" },
    ]);
    expect(published.find(({ event }) => event !== undefined)).toMatchObject({ payload: { count: 5 }, tenant: "acme" });
  });

  test("reaches a bus alone", async () => {
    const messageBus = new MemoryMessageBus();
    const published: unknown[] = [];
    messageBus.subscribe({ tenant: "default" }, ({ event }) => void published.push(event));
    await using flow = create(counter().to(), { messageBus }).run();
    await flow.call(5);
    await flow.flush();
    expect(published).toEqual([undefined, "app.counted", undefined]);
  });

  test("of a playbook's node reaches the observers of its parent", async () => {
    const { middleware, events } = recorder();
    const inner = create(counter().to(), { name: "inner" });
    const outer = payloadNode("outer", (count: number, ctx) => ctx.callPlaybook(inner, count));
    await using flow = create(outer.to(), { middlewares: [middleware], name: "outer" }).run();
    await flow.call(5);
    await flow.flush();
    expect(events.find(isOwn)).toMatchObject({ flow: "outer/inner", node: "counter", data: { count: 5 } });
  });

  test("is told by an attempt that fails later, and again by the next", async () => {
    const { middleware, events } = recorder();
    const flaky = payloadNode({ name: "flaky", policy: { maxRetries: 1, backoffBaseMs: 0 } }, (_: number, ctx) => {
      ctx.tell({ type: "app.seen" });
      if (ctx.attempt === 1) throw new Error("once more");
      return 0;
    });
    await using flow = create(flaky.to(), { middlewares: [middleware] }).run();
    await flow.call(1);
    await flow.flush();
    expect(events.filter(isOwn).map((event) => ("attempt" in event ? event.attempt : 0))).toEqual([1, 2]);
  });

  test("has a frozen copy of its data: observers are told in batches, and later", async () => {
    const list = [1];
    const { own } = await told(list).finally(() => list.push(2));
    expect(own).toMatchObject([{ data: [1] }]);
    expect(Object.isFrozen((own[0] as unknown as { data: unknown }).data)).toBe(true);
  });

  test("costs nothing without an observer: its data is not even looked at", async () => {
    const data = new Proxy({}, { ownKeys: () => expect.unreachable() });
    const teller = payloadNode("teller", (_: number, ctx) => {
      ctx.tell({ type: "app.anything", data });
      return "done";
    });
    await using flow = create(teller.to()).run();
    expect(await flow.call(1)).toBe("done");
  });

  test.each([
    "counted",
    "node_success",
    "app.",
    "app",
    "application.x",
    "app.a b",
    "app.a\nb",
    `app.${"x".repeat(125)}`,
    5,
  ])("is refused when its type is not app. and a short name, observed or not: %s", async (type) => {
    const teller = payloadNode("teller", (_: number, ctx) => ctx.tell({ type } as never));
    for (const middlewares of [[], [() => {}]]) {
      await using flow = create(teller.to(), { middlewares }).run();
      const { cause } = (await rejection(flow.call(1))) as Error;
      expect(cause).toBeInstanceOf(TypeError);
      expect((cause as Error).message).toMatch(/^Option "type" of tell must be "app\." and a name/);
    }
  });

  test.each([
    [{ run: () => 1 }, "data.run is a function; report JSON data"],
    ["x".repeat(16_383), "data is more than 16384 characters as JSON; report less, or a reference to it"],
    [
      Array.from({ length: 9_000 }, () => 1),
      "data is more than 16384 characters as JSON; report less, or a reference to it",
    ],
  ])("that no store could keep is logged and left out: it never breaks the handler (L8) [%#]", async (data, why) => {
    const { own, lines } = await told(data);
    expect(own).toEqual([]);
    const problem = `Cannot report event "app.anything": ${why}`;
    const fields = { event: "app.anything", flow: "f", traceId: "t", tenant: "default", node: "teller", problem };
    expect(lines).toEqual([{ level: "warn", message: "event_refused", fields }]);
  });

  test("of exactly the largest size is reported", async () => {
    expect((await told("x".repeat(16_382))).own).toHaveLength(1);
  });

  test("is fenced off when the attempt is over (L7)", async () => {
    const { middleware, events } = recorder();
    const late = Promise.withResolvers<() => void>();
    const leaves = payloadNode("leaves", (_: number, ctx) => {
      late.resolve(() => ctx.tell({ type: "app.seen" }));
      return 0;
    });
    await using flow = create(leaves.to(), { middlewares: [middleware] }).run();
    await flow.call(1);
    const tell = await late.promise;
    expect(tell).toThrow(expect.objectContaining({ code: "ATTEMPT_OVER" }));
    await flow.flush();
    expect(events.filter(isOwn)).toEqual([]);
  });

  test("is a log line with its data, and adds no label to metrics beside its type", async () => {
    const logger = logbook();
    const { middleware, events } = recorder();
    const teller = payloadNode("teller", (_: number, ctx) => {
      ctx.tell({ type: "app.counted", data: { count: 1, status: "many different ones" } });
      return 0;
    });
    await using flow = create(teller.to(), { middlewares: [middleware, logFlowEvents(logger)], name: "f" }).run();
    await flow.call(1);
    await flow.flush();
    expect(logger.lines.find(({ message }) => message === "app.counted")).toMatchObject({
      level: "info",
      fields: { data: { count: 1 }, node: "teller" },
    });
    const own = events.find(isOwn) as FlowEvent;
    expect(labels(own)).toEqual({ flow: "f", event: "app.counted", node: "teller" });
    expect(formatFlowEvent(own)).toContain("teller app.counted trace=");
  });

  test("goes to the diagnostics channel penguiflow:app", async () => {
    const heard: unknown[] = [];
    const listen = (event: unknown): void => void heard.push(event);
    channel("penguiflow:app").subscribe(listen);
    try {
      await using flow = create(counter().to()).run();
      await flow.call(5);
      await flow.flush();
    } finally {
      channel("penguiflow:app").unsubscribe(listen);
    }
    expect(heard).toMatchObject([{ type: "app.counted", data: { count: 5 } }]);
  });
});
